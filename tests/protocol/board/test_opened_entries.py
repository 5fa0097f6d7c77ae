"""An entry that was opened elsewhere: what only the board can tell of it is asked all the same."""

import pytest
from msgspec.structs import replace

from protocol.board.board import Board
from protocol.board.post import Entry, OpenedEntry, Post
from protocol.encoding import decode
from protocol.errors import BadEntry, Fork
from protocol.messages import MAX_POST_BYTES
from tests.stage.record.good import good
from tests.stage.record.story import write

ENTRIES = write(good().story).entries
TERMS = good().toy.federation.terms


def opened(entry: Entry) -> OpenedEntry:
    post = decode(entry.post.post, Post, "post", MAX_POST_BYTES)
    place = entry.position, entry.previous, entry.hash, entry.time_ms
    return OpenedEntry(*place, post, entry.post.digest)


def after(count: int) -> Board:
    board = Board(TERMS)
    for entry in ENTRIES[:count]:
        board.take(opened(entry))
    return board


def test_the_board_is_that_of_whole_entries() -> None:
    whole, found = Board(TERMS), after(len(ENTRIES))
    for entry in ENTRIES:
        whole.append(entry)
    assert found.entries == whole.entries
    assert found.state == whole.state


def test_an_entry_that_is_not_the_next_one_is_a_fork() -> None:
    board = after(3)
    for other in (ENTRIES[2], ENTRIES[4]):
        with pytest.raises(Fork):
            board.take(opened(other))
    with pytest.raises(Fork):
        board.take(opened(ENTRIES[3])._replace(previous=bytes(32)))
    assert board.head == (3, ENTRIES[2].hash)
    board.take(opened(ENTRIES[3]))


@pytest.mark.parametrize("changes", [{"federation": bytes(32)}, {"sequence": 7}, {"sender": 0}])
def test_what_may_not_be_said_next_is_refused(changes: dict[str, object]) -> None:
    board, entry = after(3), opened(ENTRIES[3])
    with pytest.raises(BadEntry):
        board.take(entry._replace(post=replace(entry.post, **changes)))
    assert board.head.position == 3
