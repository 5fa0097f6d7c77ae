"""An audit's board lets old rounds rest, and what is found is what a board that holds all finds."""

from unittest.mock import patch

import pytest

from protocol.record.audit import evidence as module
from protocol.record.audit.checks import audit
from protocol.record.audit.evidence import Evidence
from tests.stage.record.broken import TAMPERINGS
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write

NONCE = b"n" * 32


@pytest.mark.parametrize("name", sorted(TAMPERINGS)[::4])
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
