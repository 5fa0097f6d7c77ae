"""What a dealer may do wrong: who sees it, what it is called, and what it would do unseen."""

from collections.abc import Mapping
from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.errors import BadCombination, BadHandover
from keyshare.handover import (
    LAMBDA,
    Fault,
    KeyState,
    advance,
    new_share,
    wrong_dealing,
    wrong_point,
    wrong_points,
)
from keyshare.key import combine, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import EqualPowers, prove, verify
from keyshare.randomness import Stream
from tests.keyshare.handover.cheats import (
    CHEAT,
    Board,
    Cheat,
    board,
    deals,
    first,
    of_another_plan,
    says,
    seals,
)
from tests.keyshare.handover.histories import Epoch, N, U, first_epoch, hand_over, plan_for
from tests.keyshare.key.test_joint_key import U_ORDER, P
from tests.stage.toy import seed_of

MISDEEDS: dict[str, tuple[Cheat, Fault]] = {
    "difference off by one": (
        says(difference=lambda plan, said: said.difference + 1),
        Fault.DIFFERENCE,
    ),
    "difference off by Δ": (
        says(difference=lambda plan, said: said.difference + plan.old.delta),
        Fault.DIFFERENCE,
    ),
    "difference off by ΔΛ": (
        says(difference=lambda plan, said: said.difference - plan.step),
        Fault.DIFFERENCE,
    ),
    "difference as long as it likes": (
        says(difference=lambda plan, said: said.difference + (U_ORDER << 20_000)),
        Fault.LARGE_DIFFERENCE,
    ),
    "difference at its bound": (
        says(difference=lambda plan, said: -plan.difference_bound(CHEAT)),
        Fault.LARGE_DIFFERENCE,
    ),
    "another member's share": (deals(first_epoch(5, 3).points[3]), Fault.DIFFERENCE),
    "a share that is none": (deals(first_epoch(5, 3).points[CHEAT] + LAMBDA), Fault.DIFFERENCE),
    "a degree more": (
        deals(coefficients=lambda plan, drawn: (*drawn.coefficients, mpz(1))),
        Fault.DEGREE,
    ),
    "a degree less": (
        deals(coefficients=lambda plan, drawn: drawn.coefficients[:-1]),
        Fault.DEGREE,
    ),
    "mask 0": (says(mask=lambda plan, said: mpz(0)), Fault.NO_UNIT),
    "mask N": (says(mask=lambda plan, said: N), Fault.NO_UNIT),
    "mask beyond N": (says(mask=lambda plan, said: said.mask + N), Fault.NO_UNIT),
    "mask below 0": (says(mask=lambda plan, said: said.mask - N), Fault.NO_UNIT),
    "coefficient 0": (says(coefficients=first(lambda c: mpz(0))), Fault.NO_UNIT),
    "coefficient that shares a factor": (says(coefficients=first(lambda c: P)), Fault.NO_UNIT),
    "coefficient beyond N": (says(coefficients=first(lambda c: c + N)), Fault.NO_UNIT),
    "mask of another draw": (says(mask=lambda plan, said: said.mask * U % N), Fault.DIFFERENCE),
    "coefficient of another draw": (says(coefficients=first(lambda c: c * U % N)), Fault.POINT),
    "huge mask": (deals(mask=lambda plan, drawn: plan.mask_bound << 300), Fault.LARGE_DIFFERENCE),
    "negative mask": (
        deals(
            mask=lambda plan, drawn: mpz(-1),
            coefficients=lambda plan, drawn: (mpz(0),) * (plan.quorum - 1),
        ),
        Fault.LARGE_POINT,
    ),
    "huge coefficient": (
        deals(
            coefficients=lambda plan, drawn: (
                plan.coefficient_bound << 300,
                *drawn.coefficients[1:],
            )
        ),
        Fault.LARGE_POINT,
    ),
    "one wrong point": (seals(lambda plan, points: {6: points[6] + 1}), Fault.POINT),
    "all points wrong but one": (
        seals(lambda plan, points: {j: x - 1 for j, x in points.items() if j > 1}),
        Fault.POINT,
    ),
    "another member's point": (seals(lambda plan, points: {6: points[5]}), Fault.POINT),
    "a negative point": (seals(lambda plan, points: {6: mpz(-1)}), Fault.LARGE_POINT),
    "a point at its bound": (seals(lambda plan, points: {6: plan.dealt_bound}), Fault.LARGE_POINT),
    "a point off by a multiple of the order, which would fit": (
        seals(lambda plan, points: {6: points[6] + U_ORDER * (plan.dealt_bound * 4 // U_ORDER)}),
        Fault.LARGE_POINT,
    ),
    "a dealing for other dealers": (of_another_plan((2, 3, 5)), Fault.DIFFERENCE),
}


@pytest.mark.parametrize("name", MISDEEDS)
def test_a_misdeed_is_refused_by_its_name(name):
    cheat, fault = MISDEEDS[name]
    assert board(cheat).faults() == {fault}


def test_every_fault_has_its_misdeed():
    assert {fault for _, fault in MISDEEDS.values()} == set(Fault) - {Fault.NO_DEALER}


def test_who_does_not_deal_is_refused_whatever_it_says():
    honest = board(says())
    assert honest.faults() == set()
    for i in (0, 3, 5, 6):
        assert wrong_dealing(honest.plan, i, honest.said[1]) is Fault.NO_DEALER


def test_dealings_of_others_than_the_dealers_make_no_state():
    honest = board(says())
    for some in ({1, 2}, {1, 2, 4, 5}, {1, 2, 5}):
        said = {i: honest.said.get(i, honest.said[1]) for i in some}
        with pytest.raises(BadHandover, match="not the dealings"):
            advance(honest.plan, said)


def test_a_right_point_is_right_so_that_a_false_complaint_falls_back():
    honest = board(says())
    for i, points in honest.dealt.items():
        assert {wrong_point(honest.plan, honest.said[i], j, x) for j, x in points.items()} == {None}


def test_errors_of_two_dealers_that_cancel_are_taken_and_do_nothing():
    honest = board(says())
    points = honest.received(3)
    moved = points | {1: points[1] + 5, 2: points[2] - 5}
    assert wrong_points(honest.plan, honest.said, 3, moved) == {}
    assert wrong_point(honest.plan, honest.said[1], 3, moved[1]) is Fault.POINT
    state = advance(honest.plan, honest.said)
    assert new_share(state, 3, moved) == new_share(state, 3, points)


# ── what each check keeps out: the same misdeeds with nobody looking ──


def decrypts_anyhow(state: KeyState, points: Mapping[int, mpz], members: tuple[int, ...]) -> bool:
    """Whether members decrypt, by the code, with no share checked."""
    plaintext, ciphertext = trial_ciphertext(state.n, b"unchecked")
    key = replace(state.joint_key, quorum=len(members))
    parts = {j: partial_decryption(ciphertext, state.share(j, points[j]), key) for j in members}
    try:
        return bool(combine(parts, key) == plaintext)
    except BadCombination:
        return False


@pytest.mark.parametrize("name", ["difference off by one", "another member's share"])
def test_a_difference_of_another_share_would_make_no_key(name):
    """Here the sum of all shows it too, but names nobody."""
    with pytest.raises(BadHandover):
        board(MISDEEDS[name][0]).after()


def test_a_difference_off_by_delta_would_make_shares_that_decrypt_nothing():
    cheated = board(MISDEEDS["difference off by Δ"][0])
    with pytest.raises(BadHandover, match="fit"):
        cheated.after()
    honest = board(says()).after()
    state = replace(honest.state, theta_prime=honest.state.theta_prime - N)
    assert not decrypts_anyhow(state, honest.points, (1, 2, 3, 4))
    assert decrypts_anyhow(honest.state, honest.points, (1, 2, 3, 4))


def test_a_degree_more_would_raise_the_quorum():
    cheated = board(MISDEEDS["a degree more"][0])
    padded = {
        i: replace(s, coefficients=(*s.coefficients, mpz(1))[: cheated.plan.quorum])
        for i, s in cheated.said.items()
    }
    after = Board(replace(cheated.plan, quorum=5), padded, cheated.dealt).after()
    assert decrypts_anyhow(after.state, after.points, (1, 2, 3, 4, 5))
    assert not decrypts_anyhow(after.state, after.points, (1, 2, 3, 4))


def test_a_degree_less_of_every_dealer_would_lower_the_quorum():
    """One alone does nothing: the others' coefficients stay in the sum."""
    epoch = first_epoch(5, 3)
    plan = plan_for(epoch, 7, 3, (1, 2, 4))
    after = hand_over(epoch, 7, 3, plan.dealers).after
    assert not decrypts_anyhow(after.state, after.points, (1, 2))
    assert decrypts_anyhow(after.state, after.points, (1, 2, 3))


def test_a_commitment_that_is_no_unit_would_leave_no_verification_keys():
    cheated = board(MISDEEDS["coefficient 0"][0])
    state = advance(cheated.plan, cheated.said)
    with pytest.raises(ZeroDivisionError):
        _ = state.joint_key


def test_a_wrong_point_would_spoil_every_quorum_with_that_member():
    after = board(MISDEEDS["one wrong point"][0]).after()
    assert decrypts_anyhow(after.state, after.points, (1, 2, 3, 4))
    assert not decrypts_anyhow(after.state, after.points, (1, 2, 3, 6))


def test_a_point_out_of_range_would_make_a_share_that_cannot_be_proved():
    name = "a point off by a multiple of the order, which would fit"
    after = board(MISDEEDS[name][0]).after()
    assert decrypts_anyhow(after.state, after.points, (1, 2, 3, 6))  # it is a share, but too long
    assert proved(after, 5)
    with pytest.raises(ValueError, match="bound"):
        proved(after, 6)


def proved(epoch: Epoch, member: int) -> bool:
    """A proven part with the epoch's own bound of shares."""
    key, square = epoch.state.joint_key, N * N
    _, ciphertext = trial_ciphertext(N, b"proved")
    share = epoch.state.share(member, epoch.points[member])
    statement = EqualPowers(
        base=gmpy2.powmod(key.verification_base, key.delta, square),
        value=key.verification_keys[member - 1],
        bases=[gmpy2.powmod(ciphertext, 2 * key.delta, square)],
        values=[partial_decryption(ciphertext, share, key)],
        modulus=square,
        bound=epoch.state.share_bound,
        context=b"trial of member %d" % member,
    )
    return verify(prove(share.value, statement, Stream(seed_of("trial", member))), statement)


DIFFERENCES = [name for name, (_, fault) in MISDEEDS.items() if fault is Fault.DIFFERENCE]
UNSEEN = {  # where not Fault.DIFFERENCE, which makes no key
    "difference as long as it likes": "no key",
    "difference at its bound": "no key",
    "a degree more": "no key",
    "a degree less": "no key",
    "mask 0": "no key",
    "mask N": "no key",
    "coefficient 0": "no key",
    "coefficient that shares a factor": "no key",
    "mask beyond N": "another spelling",
    "mask below 0": "another spelling",
    "coefficient beyond N": "another spelling",
    "huge mask": "a longer θ'",
    "negative mask": "a mask that nobody draws",
    "huge coefficient": "a share that is not proved",
    "coefficient of another draw": "a share that is not proved",
    "a point off by a multiple of the order, which would fit": "a share that is not proved",
    "one wrong point": "a quorum that does not decrypt",
    "all points wrong but one": "a quorum that does not decrypt",
    "another member's point": "a quorum that does not decrypt",
    "a negative point": "a quorum that does not decrypt",
    "a point at its bound": "a quorum that does not decrypt",
}


def unseen(made: Board) -> str:
    """What comes of a dealing if nobody looks."""
    try:
        after = made.after()
        assert after.state.joint_key
    except (BadHandover, ValueError, ZeroDivisionError):
        return "no key"
    if not all(decrypts_anyhow(after.state, after.points, some) for some in after.quorums()):
        return "a quorum that does not decrypt"
    try:
        holds = all(proved(after, j) for j in after.members)
    except ValueError:
        holds = False
    if not holds:
        return "a share that is not proved"
    honest = board(says()).after()
    if after.state.theta_prime.bit_length() > honest.state.theta_prime.bit_length() + 100:
        return "a longer θ'"
    return "another spelling" if after == honest else "a mask that nobody draws"


@pytest.mark.parametrize("name", MISDEEDS)
def test_what_a_misdeed_does_if_nobody_looks(name):
    cheat, fault = MISDEEDS[name]
    assert unseen(board(cheat)) == (UNSEEN | dict.fromkeys(DIFFERENCES, "no key"))[name], fault


def test_every_new_member_proves_its_part_with_the_epochs_own_bound():
    after = hand_over(first_epoch(5, 3), 7, 4).after
    assert all(proved(after, j) for j in after.members)
