"""Who has verified a board looks at what is new, and finds what a whole audit finds."""

from functools import cache
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from keyshare.proofs import all_hold
from protocol.board.post import Head
from protocol.errors import ProtocolError
from protocol.messages.bodies import Contribution, Partial, SetLock, Statement
from protocol.record.audit.checks import Audit, audit
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import round_contents
from protocol.record.files import (
    FOLDERS,
    MANIFEST_PATH,
    Manifest,
    blob_path,
    entry_path,
    write_manifest,
)
from protocol.record.verified import Verified
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import ROUND, good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Story, write
from tests.stage.record.tampering import Broken

NONCE = b"n" * 32
SINCE = "2.7"  # which says which head it was asked about


def cut(files: MemoryFiles, position: int) -> MemoryFiles:
    """The record of the first entries alone."""
    evidence = Evidence(files, None, None, NONCE)
    federation, hashes = evidence.terms.federation, evidence.chain.hashes[:position]
    found = MemoryFiles({p: d for p, d in files.items() if not p.startswith(FOLDERS)})
    found |= {entry_path(one): files[entry_path(one)] for one in hashes}
    found[MANIFEST_PATH] = write_manifest(Manifest(federation, Head(position, hashes[-1])))
    named = [blob_path(name) for name in Evidence(found, None, None, NONCE).named]
    return MemoryFiles(found | {path: files[path] for path in named if path in files})


@cache
def whole() -> MemoryFiles:
    return MemoryFiles(write(good().story).files)


@cache
def verified_at(position: int) -> Verified | None:
    """What the audit of the good record's first entries gives."""
    return audit(cut(whole(), position), NONCE).verified


def told(found: Audit) -> list[object]:
    """All that it says but about an earlier record."""
    said = [vars(result) for result in found.results if result.number != SINCE]
    return [said, found.federation, found.head, found.verified]


def proofs_checked(files: MemoryFiles, verified: Verified | None) -> tuple[Audit, int]:
    with patch.object(round_contents, "all_hold", side_effect=all_hold) as checked:
        found = audit(files, NONCE, verified=verified)
    return found, sum(len(call.args[0]) for call in checked.call_args_list)


@pytest.mark.parametrize("back", range(0, 130, 9))
def test_wherever_an_earlier_audit_ended_the_findings_are_those_of_a_whole_one(back: int) -> None:
    position = len(good().story.said) - back
    verified = verified_at(position)
    assert verified is not None
    found = audit(whole(), NONCE, verified=verified)
    assert found.holds
    assert found.known == position
    assert told(found) == told(audit(whole(), NONCE))


@pytest.mark.parametrize("kind", [Contribution, SetLock, Partial, Statement])
def test_a_round_that_goes_on_after_the_noted_head_is_judged_as_a_whole(kind: type) -> None:
    """What is opened then may be a sum of before: its evidence is on both sides."""
    verified = verified_at(good().story.find(ROUND[3], kind, nth=1))
    found, checked = proofs_checked(whole(), verified)
    assert told(found) == told(audit(whole(), NONCE))
    doubtful = verified.doubtful if verified else ()
    rounds = Evidence(whole(), None, None, NONCE).rounds
    again = [r for r in rounds if r.session in (ROUND[3], *doubtful)]
    assert checked == sum(len(r.view.contributions) for r in again)


def test_nothing_that_was_sound_is_looked_at_again() -> None:
    story = good().story
    _, all_proofs = proofs_checked(whole(), None)
    verified = verified_at(len(story.said))
    with patch("protocol.board.board.verify") as signatures:
        found, proofs = proofs_checked(whole(), verified)
    assert found.holds
    assert not signatures.called
    assert proofs < all_proofs / 2


@cache
def hidden(name: str) -> tuple[Broken, Verified | None]:
    """A record that is broken, and what was verified of it before that."""
    broken = TAMPERINGS[name](good())
    if broken.entry < 2:
        return broken, None
    files = MemoryFiles(broken.files)
    try:
        return broken, audit(cut(files, broken.entry - 1), NONCE).verified
    except (KeyError, IndexError, ProtocolError):  # it does not hang together so far
        return broken, None


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_is_wrong_after_the_noted_head_is_found(name: str) -> None:
    broken, verified = hidden(name)
    if verified is None:
        pytest.skip("nothing of it was verified before")
    files = MemoryFiles(broken.files)
    found, alone = audit(files, NONCE, verified=verified), audit(files, NONCE)
    assert told(found) == told(alone)


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
    assert found.verified is None
    assert found.known == 0
    assert proofs == proofs_checked(files, None)[1]


def test_a_shorter_record_fails() -> None:
    position = len(good().story.said)
    found = audit(cut(whole(), position - 1), NONCE, verified=verified_at(position))
    assert found.failed == (SINCE,)
    assert found.verified is None


def test_what_other_checks_have_verified_is_verified_again() -> None:
    verified = verified_at(len(good().story.said))
    assert verified is not None
    found, proofs = proofs_checked(whole(), replace(verified, rules=bytes(32)))
    assert found.holds
    assert found.known == 0
    assert proofs == proofs_checked(whole(), None)[1]


def test_a_record_with_a_failure_gives_nothing_to_go_on_from() -> None:
    files = MemoryFiles(write(forked(10)).files)
    del files[next(path for path in files if path.startswith("blobs/"))]
    assert audit(files, NONCE).verified is None
