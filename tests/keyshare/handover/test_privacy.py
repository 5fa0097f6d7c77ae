"""What a mobile adversary sees of many handovers, it would see with another secret as well.

Every history is computed twice: with the true S by the code, and with S + N·Λ³·δ from the honest
members' shifted points and draws. All that the adversary sees must be the same, number by number.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.handover import LAMBDA, advance, deal, draw, points_for, wrong_dealing, wrong_point
from keyshare.key import trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from tests.keyshare.handover.histories import (
    Epoch,
    Handover,
    N,
    at,
    first_epoch,
    hand_over,
    lagrange_at,
    plan_for,
    secret_from,
    vanishing,
)
from tests.keyshare.handover.shifted import (
    mask_shift,
    received,
    shifted_draw,
    shifted_point,
    world_of,
)
from tests.stage.toy import seed_of

FURTHEST = math.factorial(5) * 5 * 2**128 * int(N)  # |δ| for a ceremony of five


@dataclass(frozen=True)
class Step:
    """A handover, or an attempt that died, and who is corrupted before and after it."""

    made: Handover
    old: Sequence[int]
    new: Sequence[int]


def history(rng: random.Random, epochs: int, attempts: int = 2) -> list[Step]:
    """Handovers to random rosters; each time some attempts die, with other dealers and rosters."""
    epoch, found = first_epoch(5, 3), list[Step]()
    old = rng.sample(range(1, 6), 2)
    for number in range(epochs):
        for attempt in range(rng.randrange(1, attempts + 1)):
            n = rng.randrange(2, 17)
            quorum = rng.randrange(2, n + 1)
            dealers = rng.sample(epoch.members, epoch.quorum)
            made = hand_over(epoch, n, quorum, dealers, f"{number}/{attempt}/{rng.random()}")
            new = rng.sample(range(1, n + 1), quorum - 1)
            found.append(Step(made, old, new))
        epoch, old = made.after, new
    return found


def check_step(step: Step, delta: int) -> None:
    """The adversary's view of a step is the same in the world of S + N·Λ³·δ."""
    made, plan, old, new = step.made, step.made.plan, step.old, step.new
    world, drawn = world_of(made.before, delta), {}
    for i in set(plan.dealers) - set(old):
        point = shifted_point(made.before.points[i], i, delta, old)
        drawn[i] = shifted_draw(plan, i, made.drawn[i], delta, old, new)
        assert world.says(plan, i, point, drawn[i], old, new) == made.said[i]
    assert drawn, "of a quorum of dealers one is honest"
    for j in range(1, plan.n_members + 1):
        again = received(drawn, j)
        if j in new:
            assert again == {i: made.dealt[i][j] for i in drawn}
        moved = sum(again.values(), mpz(0)) - sum(made.dealt[i][j] for i in drawn)
        assert made.after.points[j] + moved == shifted_point(made.after.points[j], j, delta, new)


@settings(max_examples=6, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.integers(-FURTHEST, FURTHEST) | st.sampled_from([1, -1, FURTHEST, -FURTHEST]),
)
def test_a_history_looks_the_same_with_another_secret(rng, delta):
    for step in history(rng, 3):
        check_step(step, delta)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(-FURTHEST, FURTHEST))
def test_long_histories_look_the_same_with_another_secret(rng, delta):
    for step in history(rng, 10, 3):
        check_step(step, delta)


def test_masks_move_by_a_2_128th_of_their_range_at_most_and_coefficients_by_far_less():
    rng = random.Random(5)
    for step in history(rng, 12):
        plan = step.made.plan
        for i in set(plan.dealers) - set(step.old):
            r, tail = mask_shift(plan, i, FURTHEST, step.old, step.new)
            assert abs(r) << 128 <= plan.mask_bound
            assert all(abs(x) << 256 <= plan.coefficient_bound for x in tail)


def test_a_corrupted_dealers_draws_need_not_move_nor_those_of_whom_the_rest_counts_as_corrupted():
    made = hand_over(first_epoch(5, 3), 5, 3)
    for i in (1, 2):
        assert mask_shift(made.plan, i, 1, (1, 2), (4, 5)) == (0, [0, 0])


@pytest.mark.parametrize("before", [(5, 3), (7, 4)])
def test_forks_that_show_each_dealer_another_quorum_look_the_same(before):
    """Each honest member deals for the set of dealers that it is shown, in several sessions."""
    rng, epoch = random.Random(6), first_epoch(*before)
    delta = FURTHEST // 7
    old = rng.sample(epoch.members, epoch.quorum - 1)
    for session, i in itertools.product(range(4), sorted(set(epoch.members) - set(old))):
        others = rng.sample([j for j in epoch.members if j != i], epoch.quorum - 1)
        plan = plan_for(epoch, 6, 4, [i, *others], f"handover/{session}")
        drawn = draw(plan, i, seed_of(session, i))
        said, new = deal(plan, i, epoch.points[i], drawn), rng.sample(range(1, 7), 3)
        shifted = shifted_draw(plan, i, drawn, delta, old, new)
        point = shifted_point(epoch.points[i], i, delta, old)
        assert world_of(epoch, delta).says(plan, i, point, shifted, old, new) == said


def test_a_simulator_with_the_coalitions_points_alone_makes_handovers_that_pass_every_check():
    """It takes the least S* with the right residues, which are public; it knows no honest point."""
    start, rng = first_epoch(5, 3), random.Random(8)
    state, old = start.state, [2, 5]
    known = {j: start.points[j] for j in old}
    world = world_of(start)
    cube = int(LAMBDA) ** 3
    least = cube * (int(state.theta_prime) * pow(cube, -1, int(N)) % int(N))
    world = type(world)(least, world.root, state)
    for number, (n, quorum) in enumerate([(7, 4), (3, 2), (5, 5), (4, 3)]):
        constant, rest = divmod(int(state.theta_prime) - least, int(N))
        assert rest == 0
        points = {i: point_through(known, constant, i) for i in range(1, state.n_members + 1)}
        dealers = rng.sample(range(1, state.n_members + 1), state.quorum)
        plan = plan_for(Epoch(state, points), n, quorum, dealers, f"simulated/{number}")
        new = rng.sample(range(1, n + 1), quorum - 1)
        drawn = {i: draw(plan, i, seed_of("simulated", number, i)) for i in plan.dealers}
        said = {}
        for i in plan.dealers:
            if i in old:
                said[i] = deal(plan, i, known[i], drawn[i])
            else:
                said[i] = world.says(plan, i, points[i], drawn[i], old, new)
            assert wrong_dealing(plan, i, said[i]) is None
        for i, j in itertools.product(plan.dealers, new):
            assert wrong_point(plan, said[i], j, points_for(plan, drawn[i])[j]) is None
        state, old = advance(plan, said), new
        known = {j: sum(received(drawn, j).values(), mpz(0)) for j in new}
    assert world.secret != start.secret


def point_through(known, constant: int, x: int) -> mpz:
    """The polynomial through 0 and the coalition's points, at x."""
    places = {0: constant} | known
    value = sum(lagrange_at(x, list(places), j) * int(v) for j, v in places.items())
    assert value.denominator == 1
    return mpz(value.numerator)


def test_a_simulator_that_is_told_the_plaintext_makes_the_honest_members_parts():
    """c^S = 1 + m·θ·N, so that an honest part follows from m and the coalition's shares."""
    epoch, corrupted = hand_over(first_epoch(5, 3), 7, 4).after, [1, 4, 6]
    state, square = epoch.state, int(N) ** 2
    cube = int(LAMBDA) ** 3
    least = cube * (int(state.theta_prime) * pow(cube, -1, int(N)) % int(N))
    constant = (int(state.theta_prime) - least) // int(N)
    known = {j: epoch.points[j] for j in corrupted}
    plaintext, ciphertext = trial_ciphertext(state.n, b"simulated")
    opened = (1 + int(plaintext * state.theta_prime * N)) * pow(int(ciphertext), -least, square)
    for h in (2, 3, 5, 7):
        share = int(state.share(h, point_through(known, constant, h)).value)
        weight = 2 * 5_040 * at(vanishing(corrupted), h)
        assert weight.denominator == 1
        part = pow(int(ciphertext), 2 * 5_040 * share, square) * pow(opened, int(weight), square)
        true = partial_decryption(ciphertext, state.share(h, epoch.points[h]), state.joint_key)
        assert part % square == true


# ── controls: what must give the secret away ──


def test_a_quorum_of_old_or_of_new_members_has_the_secret():
    made = hand_over(first_epoch(5, 3), 7, 4)
    for epoch in (made.before, made.after):
        for members in epoch.quorums(8):
            assert secret_from(epoch.state, {i: epoch.points[i] for i in members}) == epoch.secret


def test_no_other_secret_fits_where_a_quorum_is_corrupted():
    step = history(random.Random(9), 1)[0]
    plan = step.made.plan
    with pytest.raises(AssertionError, match="vanish at so many"):
        mask_shift(plan, plan.dealers[0], 1, [], range(1, plan.quorum + 1))


def test_a_seed_that_was_kept_is_a_share_that_was_kept():
    made = hand_over(first_epoch(5, 3), 5, 3)
    plan, said = made.plan, made.said[3]
    again = draw(plan, 3, seed_of("handover/1", 3))
    point, rest = divmod(said.difference + plan.step * again.mask, plan.weights[3])
    assert (point, rest) == (made.before.points[3], 0)


def test_one_mask_for_two_sets_of_dealers_gives_the_share_away():
    epoch = first_epoch(5, 3)
    first, second = (plan_for(epoch, 5, 3, d) for d in ((1, 2, 3), (1, 2, 4)))
    drawn = draw(first, 1, seed_of("once"))
    assert drawn != draw(second, 1, seed_of("once"))  # which the code does not let happen
    e, f = (deal(plan, 1, epoch.points[1], drawn).difference for plan in (first, second))
    assert divmod(e - f, first.weights[1] - second.weights[1]) == (epoch.points[1], 0)


def test_a_dealing_of_one_session_twice_says_the_same_bytes():
    epoch = first_epoch(5, 3)
    plan = plan_for(epoch, 5, 3, (1, 2, 3))
    said = [deal(plan, 1, epoch.points[1], draw(plan, 1, seed_of("once"))) for _ in range(2)]
    assert said[0] == said[1]


def test_a_joint_mask_that_is_opened_under_three_sets_would_give_the_share_away():
    """The alternative with a mask A = Σ A_i for all, on boards that show {1}, {2} and {1, 2}."""
    rng, point = random.Random(10), int(first_epoch(5, 3).points[4])
    masks = {i: rng.randrange(1 << 700) for i in (1, 2)}
    opened = [sum(masks[i] for i in some) - point for some in ((1,), (2,), (1, 2))]
    assert opened[2] - opened[0] - opened[1] == point


def test_nothing_drawn_is_shown():
    made = hand_over(first_epoch(5, 3), 5, 3)
    for drawn in made.drawn.values():
        assert repr(drawn) == "Drawn()"
