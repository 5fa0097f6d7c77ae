"""How far two cheats can push θ', and what signs and known roots of u are good for."""

import random
from collections.abc import Mapping
from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony import feldman
from keyshare.handover import (
    LAMBDA,
    Dealing,
    Drawn,
    Fault,
    HandoverPlan,
    deal,
    draw,
    normal_factor,
    points_for,
    wrong_dealing,
    wrong_points,
)
from tests.keyshare.handover.cheats import CHEAT, Board, Points, board, deals, first, says
from tests.keyshare.handover.histories import (
    PHI,
    Epoch,
    N,
    U,
    first_epoch,
    hand_over,
    nth_root_of_u,
    plan_for,
    root_of_u,
)
from tests.keyshare.key.test_joint_key import U_ORDER, P, Q, dealt
from tests.stage.toy import seed_of

# ── how far θ' can be pushed ──


def pushed(epoch: Epoch, push: Mapping[int, mpz]) -> Board:
    """Members 1 and 2 of 3 of 3 add to their ρ_i what nobody would draw.

    Member 3 alone checks a point, and b_(i,1) keeps it where it was: Λ·ρ_i + 2·3·b_(i,1) + ….
    """
    plan = plan_for(epoch, 3, 3, (1, 2, 3))
    said, dealt = {}, {}
    for i in plan.dealers:
        drawn, more = draw(plan, i, seed_of("pushed", i)), push.get(i, mpz(0))
        first_coefficient = drawn.coefficients[0] - LAMBDA // 6 * more
        drawn = Drawn(drawn.mask + more, (first_coefficient, *drawn.coefficients[1:]))
        said[i], dealt[i] = deal(plan, i, epoch.points[i], drawn), points_for(plan, drawn)
    return Board(plan, said, dealt)


def test_without_a_bound_of_differences_theta_would_be_as_long_as_a_cheat_likes():
    epoch = hand_over(first_epoch(5, 3), 3, 3).after
    made = pushed(epoch, {1: mpz(1) << 20_000})
    assert wrong_dealing(made.plan, 1, made.said[1]) is Fault.LARGE_DIFFERENCE
    assert wrong_points(made.plan, made.said, 3, made.received(3)) == {}
    after = made.after()
    assert after.secret == epoch.secret
    assert after.state.theta_prime.bit_length() > 20_000


def test_with_it_theta_grows_by_one_step_in_each_handover_at_most():
    """The step is N·Σ E_i/Δ, the same in all but the first handover to these sizes; S stays S."""
    epoch = hand_over(first_epoch(5, 3), 3, 3).after
    secret, most, lengths = epoch.secret, abs(epoch.state.theta_prime), list[int]()
    for _ in range(16):
        plan, honest = plan_for(epoch, 3, 3, (1, 2, 3)), pushed(epoch, {})
        room = {i: plan.difference_bound(i) - 1 + honest.said[i].difference for i in (1, 2)}
        made = pushed(epoch, {i: more // plan.step for i, more in room.items()})
        assert all(wrong_dealing(plan, i, one) is None for i, one in made.said.items())
        assert wrong_points(plan, made.said, 3, made.received(3)) == {}
        epoch = made.after()
        most += N * sum(plan.difference_bound(i) for i in plan.dealers) // plan.old.delta
        assert epoch.secret == secret
        assert most // 2 < abs(epoch.state.theta_prime) <= most
        bound = epoch.state.share_bound
        assert abs(epoch.state.share(3, epoch.points[3]).value) < bound
        lengths.append(int(bound).bit_length())
    assert lengths[-1] - lengths[0] <= 4  # 16 handovers, log2(16) bits
    assert epoch.decrypts((1, 2, 3))


# ── signs, and roots of u that everybody knows ──


@pytest.mark.parametrize(
    "change",
    [
        says(mask=lambda plan, said: N - said.mask),
        says(coefficients=first(lambda c: N - c)),
        says(coefficients=lambda plan, said: tuple(N - c for c in said.coefficients)),
    ],
)
def test_signs_vanish(change):
    signed, honest = board(change), board(says())
    assert signed.faults() == set()
    assert signed.after() == honest.after()


def halves(plan: HandoverPlan, said: Dealing, points: Points) -> tuple[Dealing, Points]:
    """ρ and all coefficients odd multiples of one half, committed to as powers of y, y² = u."""
    drawn, root = draw(plan, CHEAT, seed_of("misdeed", CHEAT)), root_of_u()
    doubled = [2 * drawn.mask + 1, *(2 * b + 1 for b in drawn.coefficients)]
    mask, *coefficients = feldman.commit(doubled, root, N)
    own = first_epoch(5, 3).points[CHEAT]
    difference = plan.weights[CHEAT] * own - plan.step // 2 * doubled[0]
    polynomial = [LAMBDA // 2 * doubled[0], *doubled[1:]]
    moved = {j: sum(a * j**k for k, a in enumerate(polynomial)) for j in points}
    return Dealing(mask, tuple(coefficients), difference), moved


def test_halves_commit_to_integers():
    made = board(halves)
    assert made.faults() == set()
    after = made.after()
    assert after.secret == first_epoch(5, 3).secret
    assert all(after.decrypts(members) for members in after.quorums())
    again = hand_over(after, 3, 2, (1, 3, 5, 7)).after
    assert again.secret == after.secret
    assert all(again.decrypts(members) for members in again.quorums())


def test_without_squares_halves_and_signs_would_pass_where_honest_members_have_even_numbers():
    """Then a member with an odd number would have no integer for its point."""
    honest = board(says()).said[CHEAT]
    plain = (gmpy2.powmod(honest.mask, LAMBDA, N), *honest.coefficients)
    drawn = draw(board(says()).plan, CHEAT, seed_of("misdeed", CHEAT))
    polynomial = [LAMBDA * drawn.mask, *drawn.coefficients]
    at = {j: sum(a * j**k for k, a in enumerate(polynomial)) for j in range(1, 8)}
    signed = (plain[0], N - plain[1], *plain[2:])
    halved = (plain[0], plain[1] * root_of_u() % N, *plain[2:])
    for j, x in at.items():
        assert feldman.fits(x, signed, j, U, N) == (j % 2 == 0)
        assert feldman.fits(x + j // 2, halved, j, U, N) == (j % 2 == 0)


@pytest.mark.parametrize("cheat", [says(), halves], ids=["honest", "halves"])
def test_differences_add_up_to_a_multiple_of_half_delta_lambda(cheat):
    """Or else u^(Σ e_i) = Z^(Δ·Λ), with the public Z below, would give a root of u's root."""
    made = board(cheat)
    plan, total = made.plan, sum(said.difference for said in made.said.values())
    assert total % (plan.step // 2) == 0
    before = first_epoch(5, 3).state
    c = normal_factor(5) // LAMBDA
    blind = dealt(5, 3).blind_commitments[0]
    z = pow(int(blind), int(c), int(N))
    for said in made.said.values():
        z = z * pow(int(said.mask), -1, int(N)) % int(N)
    assert pow(int(U), int(total), int(N)) == pow(z, int(plan.step), int(N))
    assert before.commitments[0] == pow(int(blind), int(c * LAMBDA), int(N))


def test_the_two_roots_of_u_that_everybody_knows_are_powers_of_one():
    y, root, n = int(root_of_u()), int(nth_root_of_u(first_epoch(5, 3).state)), int(N)
    a, b = 1, (1 - n) // 2  # a·N + 2·b = 1
    both = pow(y, a, n) * pow(root, b, n) % n
    assert pow(both, n, n) == y
    assert pow(both, 2, n) == root
    assert pow(both, 2 * n, n) == U


def test_an_nth_root_of_u_is_public_and_fits_no_difference():
    """ρ = r/N, committed to as η^r: the difference would be no integer."""
    honest = board(says())
    plan, root = honest.plan, nth_root_of_u(first_epoch(5, 3).state)
    own, r, rng = first_epoch(5, 3).points[CHEAT], mpz(12_345), random.Random(1)
    mask = gmpy2.powmod(root, r, N)
    exact = plan.weights[CHEAT] * own - gmpy2.mpq(plan.step * r, N)
    assert exact.denominator == N
    near = mpz(exact)
    for e in (near, near + 1, *(near + rng.randrange(-(10**6), 10**6) for _ in range(20))):
        said = replace(honest.said[CHEAT], mask=mask, difference=e)
        assert wrong_dealing(plan, CHEAT, said) is Fault.DIFFERENCE
    # Whoever knows the order of u can; and knows the factors of N.
    inverse = gmpy2.invert(N, U_ORDER)
    e = (plan.weights[CHEAT] * own - plan.step * r * inverse) % U_ORDER
    said = replace(honest.said[CHEAT], mask=mask, difference=e)
    assert wrong_dealing(plan, CHEAT, said) is None
    assert PHI % U_ORDER == 0


def of_order(r: int) -> mpz:
    """A unit of that prime order modulo P and 1 modulo Q, or the other way round."""
    p, q = (P, Q) if (P - 1) % r == 0 else (Q, P)
    power = next(x for x in (pow(a, int((p - 1) // r), int(p)) for a in range(2, 99)) if x != 1)
    return (1 + (power - 1) * q * gmpy2.invert(q, p)) % N


@pytest.mark.parametrize("r", [3, 13])
def test_an_element_of_small_order_vanishes_or_is_refused(r):
    """Only who can factor N names one whose orders modulo p and q differ. r divides Λ."""
    g = of_order(r)
    assert g != 1 == pow(int(g), r, int(N))
    honest = board(says()).after()
    assert board(says(mask=lambda plan, said: said.mask * g % N)).after() == honest
    moved = board(says(coefficients=first(lambda c: c * g % N)))
    for j in moved.members:
        wrong = wrong_points(moved.plan, moved.said, j, moved.received(j))
        assert wrong == ({} if j % r == 0 else {CHEAT: Fault.POINT})
    keys = [epoch.state.joint_key.verification_keys for epoch in (honest, moved.after())]
    assert (keys[0] == keys[1]) == (5_040 % r == 0)  # Δ' of seven members


def test_a_dealer_that_masks_nothing_tells_its_own_share_and_no_more():
    def nothing(plan: HandoverPlan, drawn: Drawn) -> mpz:
        return mpz(0)

    made = board(deals(mask=nothing))
    assert made.faults() == set()
    told, rest = divmod(made.said[CHEAT].difference, made.plan.weights[CHEAT])
    assert (told, rest) == (first_epoch(5, 3).points[CHEAT], 0)
    assert made.after().secret == first_epoch(5, 3).secret


def test_the_equation_alone_does_not_bind_a_dealing_to_its_session():
    """The post that carries it does, and what is drawn is bound to the session."""
    one, other = board(says()), board(says())
    elsewhere = replace(other.plan, context=b"handover/2")
    assert wrong_dealing(elsewhere, CHEAT, one.said[CHEAT]) is None
    drawn = {p.digest: draw(p, CHEAT, seed_of("s")) for p in (one.plan, elsewhere)}
    assert len({d.mask for d in drawn.values()}) == 2
