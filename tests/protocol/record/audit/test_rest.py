"""An audit's board lets old rounds rest, and what is found is what a board that holds all finds."""

from collections import Counter
from unittest.mock import patch

import pytest

from protocol.record.audit import evidence as module
from protocol.record.audit.checks import audit
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import RECORD
from protocol.record.files import entry_path
from tests.sampled import sampled
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write

NONCE = b"n" * 32


# Something is said in a round that is at rest by then, if a board lets go of all it can.
LATE_WORDS = [
    "closed_after_the_end",
    "closed_with_one_that_had_withdrawn",
    "lock_after_its_freeze",
    "locks_after_their_freezes",
    "one_singled_out_by_two_sums",
    "part_after_the_key_was_given_up",
    "parts_after_the_key_was_given_up",
    "refusal_with_reason",
]


@pytest.mark.parametrize("name", sampled(sorted({*LATE_WORDS, *sorted(TAMPERINGS)[::6]}), 3))
@pytest.mark.parametrize("at_once", [1, 7])
def test_what_is_found_does_not_depend_on_when_rounds_rest(name: str, at_once: int) -> None:
    files = MemoryFiles(TAMPERINGS[name](good()).files)
    with patch.object(module, "_AT_ONCE", at_once):
        found = audit(files, NONCE)
    assert found == audit(files, NONCE)


def test_the_board_holds_the_last_entries_and_the_evidence_all() -> None:
    files = MemoryFiles(write(good().story).files)
    whole = Evidence(files, None, None, NONCE).entries
    with patch.object(module, "_AT_ONCE", 7):
        evidence = Evidence(files, None, None, NONCE)
        assert evidence.entries == whole
    board = evidence.replay.board
    assert len(whole) - 14 < board.entries.before < len(whole)
    assert [p.hash for p in board.entries] == [p.hash for p in whole]


class Changing(MemoryFiles):
    """A record of which one file is another one once it was read so many times."""

    def __init__(
        self, files: MemoryFiles, path: str = "", reads: int = 0, then: bytes = b""
    ) -> None:
        super().__init__(files)
        self.path, self.reads, self.then = path, reads, then
        self.asked = Counter[str]()

    def read(self, path: str, limit: int) -> bytes | None:
        self.asked[path] += 1
        is_changed = path == self.path and self.asked[path] > self.reads
        return (self.then or None) if is_changed else super().read(path, limit)


@pytest.mark.parametrize("name", LATE_WORDS)
def test_a_late_word_has_the_entries_of_its_round_read_again(name: str) -> None:
    with patch.object(module, "_AT_ONCE", 1):
        files = Changing(MemoryFiles(TAMPERINGS[name](good()).files))
        assert not Evidence(files, None, None, NONCE).replay.error
    assert max(files.asked.values()) > 2


@pytest.mark.parametrize("is_another", [False, True])
@pytest.mark.parametrize("reads", [1, 2])
def test_an_entry_that_changes_once_the_chain_was_read_fails(reads: int, is_another: bool) -> None:
    """Else the checks would see the entries before it alone, or somebody would be blamed."""
    with patch.object(module, "_AT_ONCE", 1):
        files = Changing(MemoryFiles(TAMPERINGS["refusal_with_reason"](good()).files))
        evidence = Evidence(files, None, None, NONCE)
        assert not evidence.replay.error
        path = next(path for path, asked in files.asked.items() if asked > reads)
        then = files[entry_path(evidence.entries[0].hash)] if is_another else b""
        found = audit(Changing(files, path, reads, then), NONCE)
    assert "2.2" in found.failed
    (failure,) = next(r for r in found.results if r.number == "2.2").failures
    assert failure.party == RECORD
    assert path in failure.reason
