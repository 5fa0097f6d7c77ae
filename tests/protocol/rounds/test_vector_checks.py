"""Which checksums count: those of contributors, for the chosen set, in time."""

import numpy as np
import pytest

from keyshare.digest import digest
from keyshare.hybrid.checksum import MODULUS, write_checksum
from protocol.messages.rounds import SetLock
from protocol.rounds.vector_checks import (
    Claims,
    SumVerdict,
    checksum_key,
    claims_of,
    counts,
    judge_sum,
)
from protocol.rounds.view import RoundView
from tests.keyshare.hybrid.plain_checksum import checksum
from tests.stage.rounds.toy_round import TERMS, HybridRound, contributed
from tests.stage.rounds.wrong_part import unreadable

MEMBERS = (1, 2, 4)
FEDERATION, QUORUM = TERMS.federation, 3


@pytest.fixture
def closed() -> HybridRound:
    found = HybridRound()
    found.open()
    for i in MEMBERS:
        found.give(i)
    found.close()
    return found


def lock(found: HybridRound, sender: int, value: int) -> None:
    found.publish(sender, SetLock(found.chosen, write_checksum(value)))


def claims(found: HybridRound) -> tuple[dict[int, int], tuple[int, ...]]:
    result = claims_of(found.members[1].view, FEDERATION, QUORUM)
    return dict(result.said), result.missing


def test_an_honest_round_says_all_of_them(closed: HybridRound) -> None:
    closed.settle()
    expected = {i: closed.checksum_in(closed.session, i) for i in MEMBERS}
    assert claims(closed) == (expected, ())
    result = claims_of(closed.members[1].view, FEDERATION, QUORUM)
    assert result.total == sum(expected.values()) % MODULUS
    assert all(closed.members[i].plaintexts for i in closed.members)


def test_only_contributors_have_one(closed: HybridRound) -> None:
    closed.settle()
    locks = {i: p.post.body for i, p in closed.members[1].view.lock_posts.items()}
    assert {i: lock.checksum != b"" for i, lock in locks.items()} == {
        1: True, 2: True, 3: False, 4: True, 5: False,
    }  # fmt: skip


def test_a_round_that_is_not_closed_has_no_claims() -> None:
    found = claims_of(RoundView("study/cardio/1"), FEDERATION, QUORUM)
    assert (found.said, found.missing, found.total) == ({}, (), 0)


def test_what_an_outsider_says_does_not_count(closed: HybridRound) -> None:
    lock(closed, 3, 7)
    assert claims(closed) == ({}, MEMBERS)


def test_the_first_lock_counts_whatever_is_in_it(closed: HybridRound) -> None:
    closed.publish(1, SetLock(closed.chosen))
    lock(closed, 1, 7)
    assert claims(closed) == ({}, MEMBERS)


@pytest.mark.parametrize("data", [b"", b"short", MODULUS.to_bytes(16, "big"), b"\xff" * 16])
def test_a_lock_without_a_checksum_is_a_lock(closed: HybridRound, data: bytes) -> None:
    closed.publish(1, SetLock(closed.chosen, data))
    lock(closed, 2, 7)
    assert claims(closed) == ({2: 7}, (1, 4))
    assert set(closed.members[3].view.locks.values()) == {closed.chosen}


def test_a_checksum_for_another_set_does_not_count(closed: HybridRound) -> None:
    closed.publish(1, SetLock(bytes(32), write_checksum(7)))
    assert claims(closed) == ({}, MEMBERS)


def test_after_a_quorum_of_partial_decryptions_it_is_too_late(closed: HybridRound) -> None:
    lock(closed, 1, 5)
    for sender in (3, 5):
        lock(closed, sender, 0)
    for sender in (1, 3):
        closed.publish(sender, unreadable(closed.chosen))
    lock(closed, 2, 6)
    view = closed.members[4].view
    assert counts(view, 4, QUORUM)
    closed.publish(5, unreadable(closed.chosen))
    lock(closed, 4, 7)
    assert claims(closed) == ({1: 5, 2: 6}, (4,))
    assert not counts(view, 4, QUORUM)


def test_a_lock_waits_for_its_checksum_and_for_nothing_else(closed: HybridRound) -> None:
    member, ledger = closed.members[1], closed.ledgers[1]
    assert not member.owes_checksum, "the set is not checked yet"
    assert member.due(ledger) is None
    assert member.owes_checksum
    assert not ledger.chosen
    member.checksum = write_checksum(9)
    draft = member.due(ledger)
    assert draft is not None
    assert draft.body == SetLock(closed.chosen, write_checksum(9))
    assert closed.members[3].due(closed.ledgers[3]) is not None, "it did not contribute"


def test_a_lock_waits_for_no_checksum_that_came_too_late(closed: HybridRound) -> None:
    member = closed.members[1]
    assert member.due(closed.ledgers[1]) is None
    for sender in (2, 3, 5):
        lock(closed, sender, 0)
        closed.publish(sender, unreadable(closed.chosen))
    draft = member.due(closed.ledgers[1])
    assert draft is not None
    assert draft.body == SetLock(closed.chosen)


def test_a_set_that_is_refused_owes_none() -> None:
    found = HybridRound()
    found.open()
    for i in MEMBERS:
        found.give(i)
    found.close(vector=())
    found.settle()
    assert found.refusals == {("vector-shape", 0)}


def test_a_packed_round_has_none() -> None:
    found = contributed()
    found.close()
    found.settle()
    assert all(lock.checksum == b"" for lock in lock_bodies(found.members[1].view))
    assert not counts(found.members[1].view, 1, QUORUM)


def lock_bodies(view: RoundView) -> list[SetLock]:
    bodies = [posted.post.body for posted in view.lock_posts.values()]
    assert bodies
    return [body for body in bodies if isinstance(body, SetLock)]


def test_the_key_follows_from_the_chosen_set() -> None:
    words = np.array([1], dtype=np.uint64)
    for k in range(3):
        name = bytes([k]) * 32
        expected = checksum(digest("quorate/fingerprint key", name), {0: [1]})
        assert checksum_key(name).of_chunk(0, words) == expected


# ── the verdict ──

TRUE = {1: 10, 2: 20, 4: MODULUS - 5}
SUM = 25


def judged(said: dict[int, int], summed: int) -> tuple[SumVerdict, list[int]]:
    """The verdict, and whose vectors were read for it, in order."""
    claims, read = Claims(said, tuple(m for m in TRUE if m not in said)), dict[int, int]()
    while isinstance(member := judge_sum(claims, read, summed), int):
        read[member] = TRUE[member]
    return member, list(read)


def test_what_adds_up_needs_no_vector() -> None:
    assert judged(TRUE, SUM) == (SumVerdict(is_sum=True, liars=()), [])


def test_what_is_missing_is_read_and_nothing_else() -> None:
    assert judged({1: 10, 4: TRUE[4]}, SUM) == (SumVerdict(is_sum=True, liars=()), [2])
    assert judged({}, SUM) == (SumVerdict(is_sum=True, liars=()), [1, 2, 4])


def test_a_missing_one_is_read_though_the_others_add_up_to_the_sum() -> None:
    said = {1: 10, 4: TRUE[4]}
    assert judged(said, 5) == (SumVerdict(is_sum=False, liars=()), [2, 1, 4])


def test_false_checksums_are_found_and_do_not_spoil_a_true_sum() -> None:
    assert judged({**TRUE, 1: 11}, SUM) == (SumVerdict(is_sum=True, liars=(1,)), [1])
    assert judged({**TRUE, 4: 0}, SUM) == (SumVerdict(is_sum=True, liars=(4,)), [1, 2, 4])
    found, _ = judged({1: 0, 2: 0}, SUM)
    assert found == SumVerdict(is_sum=True, liars=(1, 2))


def test_a_contributor_that_lies_to_fit_covers_a_false_sum() -> None:
    """It could have contributed that much more; the verdict is the same at every hospital."""
    assert judged({**TRUE, 1: 11}, SUM + 1) == (SumVerdict(is_sum=True, liars=()), [])


def test_a_false_sum_is_false_whoever_lies_otherwise() -> None:
    for said in (TRUE, {**TRUE, 1: 12}, {}, {2: 7}):
        found, read = judged(said, SUM + 1)
        assert not found.is_sum
        assert sorted(read) == list(TRUE)
        assert found.liars == tuple(m for m in said if said[m] != TRUE[m])
