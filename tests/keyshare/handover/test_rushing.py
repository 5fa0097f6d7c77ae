"""A dealer that speaks last: what it can make of the others' words, and what it cannot.

3 of 3 is refreshed. Members 1 and 2 collude; member 3 is honest, deals first, and checks alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony import evaluate
from keyshare.handover import (
    LAMBDA,
    Dealing,
    Drawn,
    HandoverPlan,
    advance,
    deal,
    draw,
    points_for,
    wrong_dealing,
    wrong_points,
)
from keyshare.key import trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import EqualPowers, prove, verify
from keyshare.randomness import Stream
from tests.keyshare.handover.histories import Epoch, N, first_epoch, hand_over, plan_for
from tests.keyshare.handover.shifted import shifted_draw, shifted_point, world_of
from tests.stage.toy import seed_of

COALITION, HONEST = (1, 2), 3


@dataclass(frozen=True)
class View:
    """What the coalition knows when it deals: member 3's word, and its points for 1 and 2."""

    plan: HandoverPlan
    said: Dealing
    points: Mapping[int, mpz]
    own: Mapping[int, mpz]  # the coalition's old points

    @property
    def tail_at_3(self) -> mpz:
        """B_3(3) - B_3(0) of member 3's dealing: 3·9 + … through the points at 1 and 2 alone."""
        return 3 * (self.points[2] - self.points[1])


def start() -> Epoch:
    return hand_over(first_epoch(5, 3), 3, 3).after


def honest_word(epoch: Epoch, label: str) -> tuple[View, Drawn]:
    plan = plan_for(epoch, 3, 3, (1, 2, 3), label)
    drawn = draw(plan, HONEST, seed_of(label, HONEST))
    said, points = deal(plan, HONEST, epoch.points[HONEST], drawn), points_for(plan, drawn)
    known = {i: points[i] for i in COALITION}
    return View(plan, said, known, {i: epoch.points[i] for i in COALITION}), drawn


def rushing_word(view: View) -> tuple[dict[int, Dealing], mpz]:
    """The coalition's dealings that undo member 3's coefficients, and member 1's point for 3."""
    plan = view.plan
    cancelled = tuple(gmpy2.invert(c, N) for c in view.said.coefficients)
    mask = view.tail_at_3 // LAMBDA + plan.mask_bound
    one = deal(plan, 1, view.own[1], Drawn(mask, ()))
    two = deal(plan, 2, view.own[2], Drawn(mpz(5), (mpz(0), mpz(0))))
    said = {1: Dealing(one.mask, cancelled, one.difference), 2: two}
    return said, LAMBDA * mask - view.tail_at_3


def outcome(view: View, drawn: Drawn) -> Epoch:
    """What member 3 and everybody else accept; the points of 1 and 2 are not known to anybody."""
    coalition, point = rushing_word(view)
    said = {**coalition, HONEST: view.said}
    assert all(wrong_dealing(view.plan, i, one) is None for i, one in said.items())
    received = {1: point, 2: LAMBDA * 5, HONEST: evaluate(drawn.polynomial, HONEST)}
    assert wrong_points(view.plan, said, HONEST, received) == {}
    return Epoch(advance(view.plan, said), {HONEST: sum(received.values(), mpz(0))})


def proof_of_3(epoch: Epoch, context: bytes):
    """A proven part of member 3, as a statement about any member's verification key."""
    state, square = epoch.state, N * N
    _, ciphertext = trial_ciphertext(N, b"rushing")
    share = state.share(HONEST, epoch.points[HONEST])
    part = partial_decryption(ciphertext, share, state.joint_key)

    def statement(member: int, said_in: bytes) -> EqualPowers:
        return EqualPowers(
            base=gmpy2.powmod(state.base, state.delta, square),
            value=state.joint_key.verification_keys[member - 1],
            bases=[gmpy2.powmod(ciphertext, 2 * state.delta, square)],
            values=[part],
            modulus=square,
            bound=state.share_bound,
            context=said_in,
        )

    return prove(share.value, statement(HONEST, context), Stream(seed_of("3"))), statement


def test_a_rushing_dealer_makes_every_share_the_same():
    """P' is constant. The coalition knows no share of it, and member 3 holds S itself."""
    epoch = start()
    after = outcome(*honest_word(epoch, "rush"))
    state = after.state
    assert state.share(HONEST, after.points[HONEST]).value == epoch.secret
    assert len(set(state.joint_key.verification_keys)) == 1
    assert state.commitments[1:] == (1, 1)


def test_then_one_honest_part_decrypts_where_three_are_asked_for():
    after = outcome(*honest_word(start(), "rush"))
    state, square = after.state, N * N
    plaintext, ciphertext = trial_ciphertext(N, b"rushing")
    share = state.share(HONEST, after.points[HONEST])
    part = partial_decryption(ciphertext, share, state.joint_key)
    quotient, rest = divmod(part - 1, N)
    assert rest == 0
    assert quotient * pow(int(2 * state.delta * state.theta_prime), -1, int(N)) % N == plaintext
    assert part < square


def test_a_copied_proof_passes_only_where_its_context_does_not_name_the_member():
    after = outcome(*honest_word(start(), "rush"))
    proof, statement = proof_of_3(after, b"trial")
    assert all(verify(proof, statement(j, b"trial")) for j in (1, 2, 3))
    proof, statement = proof_of_3(after, b"trial of 3")
    assert verify(proof, statement(3, b"trial of 3"))
    assert not any(verify(proof, statement(j, b"trial of %d" % j)) for j in (1, 2))


def test_two_members_of_three_of_three_can_give_the_third_as_much_without_it():
    """f_3 - S follows from their shares in every such epoch: they would only have to say it."""
    epoch = start()
    state, points = epoch.state, epoch.points
    known = 3 * (points[2] - points[1])
    assert state.share(3, points[3]).value + N * known == epoch.secret


@pytest.mark.parametrize("delta", [1, -(2**200), 2**380])
def test_the_coalition_sees_the_same_and_says_the_same_with_another_secret(delta):
    """Its word is a function of its view, and the honest member's point moves as the shift says."""
    epoch = start()
    view, drawn = honest_word(epoch, "rush")
    point = shifted_point(epoch.points[HONEST], HONEST, delta, COALITION)
    moved = shifted_draw(view.plan, HONEST, drawn, delta, COALITION, COALITION)
    said = world_of(epoch, delta).says(view.plan, HONEST, point, moved, COALITION, COALITION)
    points = points_for(view.plan, moved)
    again = View(view.plan, said, {i: points[i] for i in COALITION}, view.own)
    assert again == view
    assert rushing_word(again) == rushing_word(view)
    after = outcome(view, drawn)
    received = after.points[HONEST] + points[HONEST] - points_for(view.plan, drawn)[HONEST]
    assert received == shifted_point(after.points[HONEST], HONEST, delta, COALITION)


def test_said_before_the_others_words_are_seen_it_undoes_nothing():
    """Commit, then open: the coalition has only what an earlier attempt showed it."""
    epoch = start()
    earlier, _ = honest_word(epoch, "rush")
    view, drawn = honest_word(epoch, "rush again")
    blind = View(view.plan, earlier.said, earlier.points, earlier.own)
    coalition, point = rushing_word(blind)
    said = {**coalition, HONEST: view.said}
    received = {1: point, 2: LAMBDA * 5, HONEST: evaluate(drawn.polynomial, HONEST)}
    assert wrong_points(view.plan, said, HONEST, received) == {}
    after = Epoch(advance(view.plan, said), {HONEST: sum(received.values(), mpz(0))})
    assert len(set(after.state.joint_key.verification_keys)) == 3
    assert after.state.share(HONEST, after.points[HONEST]).value != epoch.secret


def test_a_rushing_dealer_chooses_bits_of_theta():
    """It sees the others' differences, and may take another ρ_i; θ' masks S all the same."""
    epoch = first_epoch(5, 3)
    made, tries = hand_over(epoch, 5, 3), 0
    said, plan = dict(made.said), made.plan
    while (advance(plan, said).theta_prime // LAMBDA) % 256 != 7:
        tries += 1
        drawn = Drawn(made.drawn[1].mask + tries, made.drawn[1].coefficients)
        said[1] = deal(plan, 1, epoch.points[1], drawn)
        assert wrong_dealing(plan, 1, said[1]) is None
    assert 0 < tries < 256
