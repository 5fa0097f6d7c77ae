"""What ``export`` writes does not depend on what a board holds, nor on where it goes on from."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest

from aggregator.board import kept
from aggregator.board.kept import KeptBoard
from aggregator.record.export import export
from aggregator.store.board import BoardStore
from aggregator.store.whole_blobs import WholeBlobs
from protocol.board.post import Head
from protocol.encoding import encode
from protocol.record import entry_path, writing
from tests.protocol.record.test_writing import Files
from tests.stage.record.good import good
from tests.stage.record.story import Written, write

TERMS = good().story.federation.terms


class Blobs:
    """Those of a story."""

    def __init__(self, written: Written) -> None:
        self._files = written.files

    def read(self, digest: bytes) -> bytes:
        return self._files[f"blobs/{digest.hex()}.bin"]


@pytest.fixture
def written() -> Written:
    return write(good().story)


@pytest.fixture(params=[3, 10_000], ids=["little", "all"])
def held(request: pytest.FixtureRequest) -> Iterator[None]:
    """How many entries are held at least."""
    with patch.multiple(kept, HELD_ENTRIES=request.param, HELD_ROUNDS=1, _AT_ONCE=1, _SUMMED_UP=5):
        yield


def stored(folder: Path, written: Written, first: int, last: int) -> None:
    with closing(BoardStore(folder)) as store:
        KeptBoard(TERMS, store)  # which reads what is there
        for entry in written.entries[first - 1 : last]:
            store.append(Head(entry.position, entry.hash), encode(entry))
        KeptBoard(TERMS, store).sum_up()


def exported(folder: Path, written: Written, files: Files) -> Any:
    signatures = good().story.federation.signatures
    whole = cast(WholeBlobs, Blobs(written))
    return export(folder, TERMS, signatures, files, lambda *_: None, whole=whole)


def test_it_is_the_record_of_the_whole_board(held: None, written: Written, tmp_path: Path) -> None:
    n_entries, expected = len(written.entries), dict(written.files)
    files = Files()
    for first in range(1, n_entries, 40):
        stored(tmp_path, written, first, min(first + 39, n_entries))
        exported(tmp_path, written, files)
    for path in [*expected]:  # what a board does not decide
        if path.startswith(("heads/", "federation.toml")):
            del expected[path]
    del files["federation.toml"]
    assert dict(files) == expected


def test_again_nothing_old_is_read(held: None, written: Written, tmp_path: Path) -> None:
    files = Files()
    stored(tmp_path, written, 1, len(written.entries))
    head = exported(tmp_path, written, files)
    files.writes.clear()
    with patch.object(writing, "recorded", side_effect=writing.recorded) as called:
        assert exported(tmp_path, written, files) == head
    assert [len(list(call.args[0])) for call in called.call_args_list] == [0]
    assert set(files.writes) == {"settled"}


def test_a_file_in_the_place_of_a_missing_entry_does_not_hide_it(
    held: None, written: Written, tmp_path: Path
) -> None:
    files = Files()
    stored(tmp_path, written, 1, len(written.entries))
    exported(tmp_path, written, files)
    gone = entry_path(written.entries[1].hash)
    data = files.pop(gone)
    files[entry_path(b"e" * 32)] = b"of another board"
    exported(tmp_path, written, files)
    assert files[gone] == data
