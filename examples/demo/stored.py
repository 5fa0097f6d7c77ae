"""What an aggregator has stored, for programs that look into its folder."""

from pathlib import Path

from aggregator.store import NO_END, in_order, to_read
from protocol.board import Board, decode_entry
from protocol.terms import Terms


def stored_entries(folder: Path) -> list[bytes]:
    """The entries in a folder, none if there is no board; raises as ``to_read`` does."""
    with to_read(folder) as tables:
        return list(in_order(tables.rows(0, NO_END), 0))


def stored_board(folder: Path, terms: Terms) -> Board:
    """The board in a folder, every entry verified again. Raises BadEntry, Fork."""
    board = Board(terms)
    for data in stored_entries(folder):
        board.append(decode_entry(data))
    return board
