"""A hospital gives a wrong part of a round's decryption, or says that another one did.

In a round, unlike in a trial, the parts are for the hospitals' eyes: a part is proved inside its
encryption, and whoever finds it wrong shows the key to it. Friedman et al., "Tiresias", eprint
2023/998, prove every partial decryption; the evidence is this project's.
"""

from dataclasses import replace

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

import protocol.rounds.partial_payload
from keyshare.ceremony.shamir import integer_lagrange
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.messages.rounds import Complaint, Partial, SetLock
from protocol.rounds.complaints import judge_complaint
from protocol.rounds.partial_payload import LockedSum, Parts
from tests.stage.rounds.toy_round import KEY, SQUARE, TERMS, TOY, Round, contributed
from tests.stage.rounds.wrong_part import (
    Liar,
    all_of,
    complain,
    complaints,
    locked_sum,
    numbers_of,
    parts_of,
)

LIAR = 1


def closed(session: str = "study/cardio/1") -> Round:
    found = contributed() if session == "study/cardio/1" else contributed_to(session)
    found.close()
    return found


def contributed_to(session: str) -> Round:
    found = Round(session=session)
    found.open()
    first = contributed()
    for i in (1, 2, 4):
        found.contribute(i, first.ciphertexts_of(first.session, i))
    return found


def right_sum() -> list[mpz]:
    found = closed()
    found.settle()
    assert found.members[2].plaintexts
    return found.members[2].plaintexts


def assert_named(found: Round, *liars: int) -> None:
    """Every member knows the right sum, and the board shows who lied, and nobody else."""
    assert all(member.plaintexts == right_sum() for member in found.members.values())
    assert {(c.about, c.verdict) for c in complaints(found, 2)} == {(i, "proven") for i in liars}


# ── parts ──


def shifted_by(lie: int, quorum: tuple[int, ...] = (1, 2, 3)) -> Liar:
    """Makes what the quorum decrypts larger by ``lie``: weight and constants are public."""
    weight = 2 * integer_lagrange(quorum, KEY.delta)[LIAR]
    x = lie * 4 * KEY.delta**2 * KEY.theta * gmpy2.invert(weight, KEY.n) % KEY.n
    factor = gmpy2.powmod(1 + KEY.n, x, SQUARE)
    return Liar(closed(), LIAR, lambda numbers: [part * factor % SQUARE for part in numbers])


def test_a_part_shifted_by_a_power_of_1_plus_N_is_caught():
    liar = shifted_by(1_000_000)
    liar.found.settle(tamper=liar)
    assert_named(liar.found, LIAR)


def test_without_the_proof_the_shift_would_be_what_all_decrypt(monkeypatch):
    monkeypatch.setattr(protocol.rounds.partial_payload, "parts_hold", lambda *statement: True)
    liar = shifted_by(1_000_000)
    liar.found.settle(tamper=liar)
    expected = [(m + 1_000_000) % KEY.n for m in right_sum()]
    assert liar.found.members[2].plaintexts == expected
    assert not complaints(liar.found)


@pytest.mark.parametrize("flip", [{0}, None])
def test_a_flipped_sign_passes_and_changes_nothing(flip):
    """The proof is about squares, and the combiner squares: c_i^(2Δλ_i)."""

    def flipped(numbers: list[mpz]) -> list[mpz]:
        return [SQUARE - c if flip is None or k in flip else c for k, c in enumerate(numbers)]

    found = closed()
    found.settle(tamper=Liar(found, LIAR, flipped))
    assert_named(found)


def test_parts_of_another_share_are_caught():
    found = closed()
    other = Liar(found, LIAR, parts=lambda locked, parts: parts_of(locked, 2, numbers_of(found, 2)))
    found.settle(tamper=other)
    assert_named(found, LIAR)


def test_another_members_payload_copied_as_it_is_does_not_open():
    found = closed()
    copied: list[bytes] = []

    def tamper(sender: int, draft: Draft) -> Draft:
        if isinstance(draft.body, Partial) and sender == 2:
            copied.append(draft.body.attachments[0].data)
        return draft

    found.settle((2, 3, 4, 5), tamper=tamper)
    found.settle((1,), tamper=Liar(found, LIAR, payload=lambda payload: copied[0]))
    found.settle()
    assert_named(found, LIAR)


def from_elsewhere(changed: LockedSum) -> Liar:
    """Right parts of a member's own share, with a proof for another place."""
    found = closed()
    return Liar(
        found, LIAR, parts=lambda locked, parts: parts_of(changed, LIAR, numbers_of(found, LIAR))
    )


def elsewhere(what: str) -> LockedSum:
    found = closed()
    found.settle()
    locked = locked_sum(found, LIAR)
    return {
        "round": replace(locked, session="study/cardio/2"),
        "set": replace(locked, chosen=bytes(32)),
        "epoch": replace(locked, epoch=msgspec.structs.replace(locked.epoch, number=9)),
    }[what]


@pytest.mark.parametrize("what", ["round", "set", "epoch"])
def test_a_proof_made_for_another_place_does_not_hold(what):
    """Even of the same sum: that a proof is believed twice is nobody's need."""
    liar = from_elsewhere(elsewhere(what))
    liar.found.settle(tamper=liar)
    assert_named(liar.found, LIAR)


def test_a_proof_that_another_members_number_is_in_does_not_hold(monkeypatch):
    """With two verification keys alike, only the number tells whose proof it is."""
    found = closed()
    found.settle()
    locked = locked_sum(found, LIAR)
    keys = (locked.key.verification_keys[0],) * 5
    alike = replace(locked, key=replace(locked.key, verification_keys=keys))
    parts = parts_of(alike, LIAR, numbers_of(found, LIAR))
    key = bytes(32)
    assert alike.open_with(key, alike.encrypt(parts, LIAR, key), LIAR)
    with pytest.raises(protocol.rounds.partial_payload.Malformed, match="proof"):
        alike.open_with(key, alike.encrypt(parts, 2, key), 2)


@pytest.mark.parametrize(
    "changed",
    [
        lambda locked: replace(locked, session="study/cardio/2"),
        lambda locked: replace(locked, chosen=bytes(32)),
        lambda locked: replace(
            locked, epoch=msgspec.structs.replace(locked.epoch, federation=bytes(32))
        ),
    ],
)
def test_a_key_and_a_payload_fit_one_place_only(changed):
    """What is replayed in another round, for another set or elsewhere does not open there."""
    found = closed()
    found.settle()
    here = locked_sum(found, LIAR)
    there, key = changed(here), b"k" * 32
    said = Partial(here.chosen, here.commitment(LIAR, key), ())
    assert here.fits(said, LIAR, key)
    assert not there.fits(said, LIAR, key)
    assert not here.fits(said, 2, key)
    payload = here.encrypt(Parts(b"", parts_of(here, 1, numbers_of(found, 1)).proof), LIAR, key)
    for locked, member in ((there, LIAR), (here, 2)):
        with pytest.raises(protocol.rounds.partial_payload.Malformed, match="open"):
            locked.open_with(key, payload, member)


def test_a_whole_partial_of_another_round_is_left_out():
    other, found = closed("study/cardio/2"), closed()
    other.settle()
    replayed = other.members[2].view.partials[LIAR].post.body
    assert isinstance(replayed, Partial)

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender != LIAR or not isinstance(draft.body, Partial):
            return draft
        chosen = msgspec.structs.replace(replayed, chosen=draft.body.chosen)
        return Draft(draft.session, chosen, tuple(other.blobs.values()))

    found.settle(tamper=tamper)
    assert all(member.plaintexts == right_sum() for member in found.members.values())
    assert all(m.wrong_partials == [LIAR] for i, m in found.members.items() if i != LIAR)


# ── complaints ──


def with_honest_parts() -> tuple[Round, bytes]:
    """A settled round, and the key to member 1's honest part, as any other member has it."""
    found = closed()
    liar = Liar(found, LIAR)
    found.settle(tamper=liar)
    return found, liar.content_key


def test_a_complaint_about_an_honest_part_convicts_the_complainer():
    found, key = with_honest_parts()
    complain(found, 5, LIAR, key)
    (said,) = complaints(found, 2)
    assert (said.by, said.about, said.verdict) == (5, LIAR, "false")
    assert not found.members[2].wrong_partials


def test_who_complains_of_an_honest_part_makes_nobody_check_it_again(monkeypatch):
    found, key = with_honest_parts()
    checked = []
    monkeypatch.setattr(
        protocol.rounds.partial_payload, "parts_hold", lambda *parts: checked.append(parts)
    )
    for by in (3, 4, 5):
        complain(found, by, LIAR, key)
    assert {(c.by, c.verdict) for c in complaints(found, 2)} == {(i, "false") for i in (3, 4, 5)}
    assert not checked


def test_a_mistake_of_ours_while_a_part_is_checked_is_no_evidence_against_its_sender(monkeypatch):
    found, key = with_honest_parts()
    locked = replace(locked_sum(found, 2))  # which has checked nothing yet
    (payload,) = (a.data for a in found.members[2].view.partials[LIAR].attachments if a.to == 0)
    with monkeypatch.context() as patch:
        patch.setattr(protocol.rounds.partial_payload, "parts_hold", lambda *parts: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            locked.holds(key, payload, LIAR)
    assert locked.holds(key, payload, LIAR)


def test_a_key_that_is_not_the_committed_one_convicts_the_complainer():
    found, key = with_honest_parts()
    for by, forged in ((5, bytes(32)), (4, key[::-1])):
        complain(found, by, LIAR, forged)
    assert {(c.by, c.verdict) for c in complaints(found, 2)} == {(4, "false"), (5, "false")}


def test_a_complaint_without_a_key_proves_nothing():
    found, _ = with_honest_parts()
    complain(found, 5, LIAR, b"")
    assert [c.verdict for c in complaints(found, 2)] == ["unproven"]
    assert not found.members[2].wrong_partials


def test_a_complaint_of_another_set_or_of_no_part_is_false():
    liar = Liar(closed(), LIAR, lambda numbers: [part * 2 % SQUARE for part in numbers])
    found = liar.found
    found.publish(4, SetLock(found.chosen))
    complain(found, 4, LIAR, liar.content_key)  # before there is a part
    found.settle((1, 2, 3, 5), tamper=liar)
    complain(found, 3, LIAR, liar.content_key, chosen=bytes(32))
    said = {c.by: c.verdict for c in complaints(found, 5)}
    assert (said[4], said[3]) == ("false", "false")
    assert "proven" in said.values()


def test_a_lone_complaint_moves_nobody_who_sees_the_part_hold():
    found = closed()
    liar = Liar(found, LIAR)
    said = False

    def tamper(sender: int, draft: Draft) -> Draft:
        nonlocal said
        if sender == 2 and isinstance(draft.body, Partial) and not said:
            said = True
            for about, key in ((LIAR, liar.content_key), (3, b"")):
                complain(found, 2, about, key)
        return liar(sender, draft)

    found.settle(tamper=tamper)
    assert all(member.plaintexts == right_sum() for member in found.members.values())
    assert not any(member.wrong_partials for member in found.members.values())


def test_a_second_complaint_of_one_member_about_another_does_not_count():
    """Who has shown something cannot take it back, nor go on talking."""
    liar = Liar(closed(), LIAR, lambda numbers: [part * 2 % SQUARE for part in numbers])
    found = liar.found
    found.settle(tamper=liar)
    (said,) = complaints(found, 2)
    complain(found, said.by, LIAR, b"")
    assert complaints(found, 2) == [said]
    assert said.verdict == "proven"


def test_two_bad_of_five_are_named_and_their_own_complaints_are_false():
    found = closed()
    double = lambda numbers: [part * 2 % SQUARE for part in numbers]  # noqa: E731
    bad = {1: Liar(found, 1, double), 5: Liar(found, 5, double)}
    good = {i: Liar(found, i) for i in (2, 3, 4)}
    found.settle(tamper=all_of(*bad.values(), *good.values()))
    complain(found, 1, 2, good[2].content_key)
    complain(found, 1, 3, bytes(32))
    complain(found, 5, 4, good[4].content_key)
    assert all(member.plaintexts == right_sum() for member in found.members.values())
    for i in (2, 3, 4):
        said = complaints(found, i)
        assert {c.about for c in said if c.verdict == "proven"} == {1, 5}
        assert {(c.by, c.about) for c in said if c.verdict == "false"} == {(1, 2), (1, 3), (5, 4)}


def test_whoever_has_the_board_judges_alike_without_any_secret():
    """The evidence is public: the post, its payload, the sum and the key's public side."""
    found = closed()
    liar = Liar(found, LIAR, lambda numbers: [numbers[0] * 2 % SQUARE, *numbers[1:]])
    found.settle(tamper=liar)
    view = found.members[2].view
    (posted,) = view.complaints.values()
    total = found.members[2].total
    assert total is not None
    chosen = view.chosen(TERMS.federation)
    assert chosen is not None
    locked = LockedSum.of(TOY.epoch, view.session, chosen, total)
    payload = found.payloads(view.partials[LIAR], 0)[0]
    assert judge_complaint(posted, view, payload, locked) == "proven"
    assert judge_complaint(with_key(posted, bytes(32)), view, payload, locked) == "false"  # type: ignore[arg-type]
    assert judge_complaint(with_key(posted, b""), view, payload, locked) == "unproven"  # type: ignore[arg-type]


def with_key(posted: Posted, key: bytes) -> Posted:
    assert isinstance(posted.post.body, Complaint)
    body = msgspec.structs.replace(posted.post.body, key=key)
    return posted._replace(post=msgspec.structs.replace(posted.post, body=body))
