"""Who has verified a board looks at what is new, and finds what a whole audit finds of that."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from keyshare.proofs import all_hold
from protocol.board.post import Head
from protocol.encoding import encode
from protocol.errors import ProtocolError
from protocol.messages import read_session
from protocol.messages.bodies import Contribution, Partial, SetLock, Statement
from protocol.record.audit import evidence as module
from protocol.record.audit.checks import Audit, audit
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import round_contents
from protocol.record.audit.results import Remark
from protocol.record.files import (
    FOLDERS,
    MANIFEST_PATH,
    Manifest,
    blob_path,
    entry_path,
    write_manifest,
)
from protocol.record.verified import MAX_VERIFIED_BYTES, Verified
from tests.sampled import sampled
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import ROUND, good
from tests.stage.record.handed import handed_over
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Story, write
from tests.stage.record.tampering import Broken
from tests.stage.rounds.past import largest_past_round

NONCE = b"n" * 32
SINCE = "2.7"  # which says which head it was asked about


@pytest.fixture(autouse=True)
def soon_at_rest() -> Iterator[None]:
    """Rounds rest as soon as a few other entries have come after their last one."""
    with patch.object(module, "_AT_ONCE", 7):
        yield


def cut(files: MemoryFiles, position: int) -> MemoryFiles:
    """The record of the first entries alone."""
    evidence = Evidence(files, None, None, NONCE)
    federation, hashes = evidence.terms.federation, evidence.chain.hashes[:position]
    found = MemoryFiles({p: d for p, d in files.items() if not p.startswith(FOLDERS)})
    found |= {entry_path(one): files[entry_path(one)] for one in hashes}
    head = Head(position, hashes[-1])
    found[MANIFEST_PATH] = write_manifest(Manifest(federation, head, 0))
    named = [blob_path(name) for name in Evidence(found, None, None, NONCE).named]
    found |= {path: files[path] for path in named if path in files}
    found[MANIFEST_PATH] = write_manifest(Manifest(federation, head, len(named)))
    return MemoryFiles(found)


@cache
def whole() -> MemoryFiles:
    return MemoryFiles(write(good().story).files)


@cache
def handed() -> MemoryFiles:
    return MemoryFiles(write(handed_over()).files)


def noted(files: MemoryFiles, verified: Verified | None = None) -> Audit:
    return audit(files, NONCE, verified=verified, notes=True)


@cache
def verified_at(position: int) -> Verified:
    """What the audit of the good record's first entries gives."""
    found = noted(cut(whole(), position)).verified
    assert found is not None
    return found


def told(found: Audit) -> list[object]:
    """All that it says but about an earlier record."""
    said = [vars(result) for result in found.results if result.number != SINCE]
    return [said, found.federation, found.head]


def remarks_after(found: Audit, position: int) -> dict[str, list[Remark]]:
    """What is said of the entries after one, by check; of a study, it may be noted before."""
    said = {r.number: [*r.failures, *r.findings] for r in found.results if r.number != SINCE}
    return {k: [one for one in remarks if one.entry > position] for k, remarks in said.items()}


def as_noted(verified: Verified | None) -> tuple[Any, ...]:
    """All of a note; the order of past rounds says nothing."""
    assert verified is not None
    return replace(verified, past=()), set(verified.past)


def proofs_checked(files: MemoryFiles, verified: Verified | None) -> tuple[Audit, int]:
    with patch.object(round_contents, "all_hold", side_effect=all_hold) as checked:
        found = audit(files, NONCE, verified=verified)
    return found, sum(len(call.args[0]) for call in checked.call_args_list)


@pytest.mark.parametrize("back", range(0, 130, 9))
def test_wherever_an_earlier_audit_ended_what_is_new_is_judged_as_by_a_whole_one(back: int) -> None:
    position = len(good().story.said) - back
    found, alone = noted(whole(), verified_at(position)), noted(whole())
    assert found.holds
    assert found.known == position
    assert found.head == alone.head
    assert remarks_after(found, position) == remarks_after(alone, position)
    assert as_noted(found.verified) == as_noted(alone.verified)


@pytest.mark.parametrize("back", range(0, 160, 23))
def test_handovers_and_their_guests_are_gone_on_from(back: int) -> None:
    position = len(handed_over().said) - back
    before = noted(cut(handed(), position))
    found, alone = noted(handed(), before.verified), noted(handed())
    assert found.holds
    assert found.known == position
    assert remarks_after(found, position) == remarks_after(alone, position)
    assert as_noted(found.verified) == as_noted(alone.verified)


def test_step_by_step_it_comes_to_the_same() -> None:
    """Each audit goes on from the one before."""
    end, verified = len(good().story.said), None
    for position in [*range(90, end, 17), end]:
        found = noted(cut(whole(), position), verified)
        assert found.holds
        verified = found.verified
    assert as_noted(verified) == as_noted(noted(whole()).verified)


@pytest.mark.parametrize("kind", [Contribution, SetLock, Partial, Statement])
def test_a_round_that_goes_on_after_the_noted_head_is_judged_as_a_whole(kind: type) -> None:
    """What is opened then may be a sum of before: its evidence is on both sides."""
    position = good().story.find(ROUND[3], kind, nth=1)
    _, checked = proofs_checked(whole(), verified_at(position))
    rounds = Evidence(whole(), None, None, NONCE).rounds
    again = [one for one in rounds if one.entries[-1].position > position]
    assert ROUND[3] in {one.session for one in again}
    assert checked == sum(len(one.view.contributions) for one in again)


def test_nothing_is_looked_at_where_nothing_is_new() -> None:
    verified = verified_at(len(good().story.said))
    with patch("protocol.board.board.verify") as signatures:
        found, proofs = proofs_checked(whole(), verified)
    assert found.holds
    assert not signatures.called
    assert not proofs


class Asked(MemoryFiles):
    """Which files were read."""

    def __init__(self, files: MemoryFiles) -> None:
        super().__init__(files)
        self.asked = Counter[str]()

    def read(self, path: str, limit: int) -> bytes | None:
        self.asked[path] += 1
        return super().read(path, limit)


def test_no_entry_of_a_round_at_rest_is_read_again() -> None:
    """But the last one of all, and the last of each sender, which its next one is compared with."""
    end = len(good().story.said)
    verified, files = verified_at(end), Asked(whole())
    assert audit(files, NONCE, verified=verified).holds
    resting = {one.session for one in verified.board.resting}
    few = {end, *(one.position for one in verified.board.last)}
    alone = Evidence(whole(), None, None, NONCE).entries
    rest = [p for p in alone if p.post.session in resting and p.position not in few]
    assert len(rest) > 50
    read = {p.position for p in rest if files.asked[entry_path(p.hash)]}
    assert len(read) <= len(few) * 7  # between one of those and the next place


@cache
def hidden(name: str) -> tuple[Broken, Verified | None]:
    """A record that is broken, and what was verified of it before that."""
    broken = TAMPERINGS[name](good())
    if broken.entry < 2:
        return broken, None
    files = MemoryFiles(broken.files)
    try:
        return broken, noted(cut(files, broken.entry - 1)).verified
    except (KeyError, IndexError, ProtocolError):  # it does not hang together so far
        return broken, None


@pytest.mark.parametrize("name", sampled(TAMPERINGS, 4))
def test_what_is_wrong_after_the_noted_head_is_found(name: str) -> None:
    broken, verified = hidden(name)
    if verified is None:
        pytest.skip("nothing of it was verified before")
    files = MemoryFiles(broken.files)
    found, alone = audit(files, NONCE, verified=verified), audit(files, NONCE)
    if alone.failed:
        assert told(found) == told(alone)
    else:
        assert remarks_after(found, found.known) == remarks_after(alone, found.known)


def test_most_broken_records_are_in_that_test() -> None:
    assert sum(hidden(name)[1] is not None for name in TAMPERINGS) > len(TAMPERINGS) / 3


def forked(position: int) -> Story:
    """Another entry there, and what follows is signed and chained again."""
    story = good().story.copy()
    story.change(position, time_ms=story.at(position).time_ms + 1)
    return story


@pytest.mark.parametrize("back", [0, 1, 60])
def test_another_prefix_fails_and_is_verified_as_a_whole(back: int) -> None:
    end = len(good().story.said) - 20
    files = MemoryFiles(write(forked(end - back)).files)
    found, proofs = proofs_checked(files, verified_at(end))
    assert SINCE in found.failed
    assert found.known == 0
    assert proofs == proofs_checked(files, None)[1]
    assert noted(files, verified_at(end)).verified is None


def test_another_last_entry_fails() -> None:
    """Nothing follows it that could not be put on the noted board, and nobody has countersigned."""
    end = len(good().story.said)
    found = noted(cut(MemoryFiles(write(forked(end)).files), end), verified_at(end))
    assert SINCE in found.failed
    assert found.verified is None


def test_a_shorter_record_fails() -> None:
    position = len(good().story.said)
    found = noted(cut(whole(), position - 1), verified_at(position))
    assert found.failed == (SINCE,)
    assert found.verified is None


def useless(verified: Verified) -> Iterator[Verified]:
    """Notes that do not fit what they are about, or themselves."""
    yield replace(verified, rules=bytes(32))
    yield replace(verified, places=verified.places[:-1])
    yield replace(verified, places=verified.places[::-1])
    *others, last = verified.places
    yield replace(verified, places=(*((position, bytes(32)) for position, _ in others), last))
    yield replace(verified, places=(*((position - 1, name) for position, name in others), last))
    yield replace(verified, places=())
    tries = replace(verified.board.budget.tries[0], kind="Nothing")
    budget = replace(verified.board.budget, tries=(tries,))
    yield replace(verified, board=replace(verified.board, budget=budget))


@pytest.mark.parametrize("k", range(7))
def test_with_a_note_of_no_use_all_is_verified(k: int) -> None:
    end = len(good().story.said)
    note = list(useless(verified_at(end - 30)))[k]
    found = noted(whole(), note)
    assert found.holds
    assert found.known == 0
    assert as_noted(found.verified) == as_noted(noted(whole()).verified)


@pytest.mark.parametrize("name", ["lock_after_its_freeze", "locks_after_their_freezes"])
def test_a_late_word_in_a_round_at_rest_has_all_of_it_judged(name: str) -> None:
    """The note has nothing of that round but where it stands."""
    files, woken = MemoryFiles(TAMPERINGS[name](good()).files), set[str]()
    alone = {one.session: one for one in Evidence(files, None, None, NONCE).rounds}
    end = len(Evidence(files, None, None, NONCE).chain.hashes)
    with patch.object(module, "_AT_ONCE", 1):
        for position in range(end - 12, end):
            if (verified := noted(cut(files, position)).verified) is None:
                continue
            evidence = Evidence(files, None, None, NONCE, verified=verified)
            for one in evidence.rounds:
                whole_round = alone[one.session]
                assert [p.hash for p in one.entries] == [p.hash for p in whole_round.entries]
                assert one.judged.contributions == whole_round.judged.contributions
                assert str(one.judged.refused) == str(whole_round.judged.refused)
            resting = {one.session for one in verified.board.resting}
            woken |= resting & {one.session for one in evidence.rounds}
    assert woken


def test_what_a_round_at_rest_counts_for_others_is_noted_with_its_late_words() -> None:
    files = MemoryFiles(TAMPERINGS["lock_after_its_freeze"](good()).files)
    end = len(Evidence(files, None, None, NONCE).chain.hashes)
    with patch.object(module, "_AT_ONCE", 1):
        alone, before = noted(files), [noted(cut(files, k)) for k in range(end - 12, end)]
        for one in before:
            found = noted(files, one.verified)
            assert found.known
            assert as_noted(found.verified) == as_noted(alone.verified)


def test_a_record_with_a_failure_gives_nothing_to_go_on_from() -> None:
    files = MemoryFiles(write(forked(10)).files)
    del files[next(path for path in files if path.startswith("blobs/"))]
    assert noted(files).verified is None


def test_all_that_are_no_rounds_are_looked_at_as_a_whole() -> None:
    verified = verified_at(len(good().story.said))
    evidence = Evidence(whole(), None, None, NONCE, verified=verified)
    alone = Evidence(whole(), None, None, NONCE).entries
    kept = [p.hash for p in alone if read_session(p.post.session).kind != "round"]
    assert [posted.hash for posted in evidence.entries] == kept


def test_a_note_of_a_long_board_reads_whatever_members_have_called_near() -> None:
    assert len(encode(largest_past_round())) * 10_000 < MAX_VERIFIED_BYTES
