"""What ``export`` and ``status`` read of a stored board does not depend on what they hold of it."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from aggregator.record import export
from aggregator.record.export import replayed
from protocol.board.board import Board
from protocol.encoding import encode
from protocol.record.files import recorded
from tests.stage.record.good import good
from tests.stage.record.story import write

WRITTEN = write(good().story)
STORED = [encode(entry) for entry in WRITTEN.entries]
TERMS = good().story.federation.terms


def read(first: int, last: int) -> Iterator[bytes]:
    return iter(STORED[first - 1 : last])


@pytest.mark.parametrize("at_once", [1, 7])
def test_rounds_rest_and_all_is_read_and_recorded_all_the_same(
    tmp_path: Path, at_once: int
) -> None:
    whole, board = Board(TERMS), Board(TERMS)
    for entry in WRITTEN.entries:
        whole.append(entry)
    with patch.object(export, "_AT_ONCE", at_once):
        found = list(replayed(board, tmp_path, read))
        blobs = recorded(replayed(Board(TERMS), tmp_path, read), TERMS.n_members)
    assert found == list(whole.entries) == list(board.entries)
    assert board.head == whole.head
    assert len(found) - 2 * at_once <= board.entries.before
    assert blobs == recorded(whole.entries, TERMS.n_members)
    assert blobs
