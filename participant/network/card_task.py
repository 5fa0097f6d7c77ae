"""A hospital tells the others which card of the aggregator it has, once for each number."""

from participant.agent import Task
from participant.home import Address
from protocol.board import Board, Draft
from protocol.messages import CardSeen


class CardTask(Task):
    """Beside another task: it waits for nothing, and keeps nobody from ending."""

    done = False  # nobody asks: it is beside another, or in an agent that stays
    speaks = False  # in a session of its own, but for the cards

    def __init__(self, index: int, address: Address) -> None:
        self._index, self._address = index, address
        self._board: Board | None = None

    def begin(self, board: Board) -> None:
        """The board tells what this hospital has said before."""
        self._board = board

    def due(self) -> Draft | None:
        """The newest card, unless this hospital has said it, or is a guest that may not."""
        assert self._board is not None
        if self._index > self._board.terms.n_members:
            return None
        card = self._address.newest
        session = f"address/{card.number}"
        if self._board.count(session, self._index):
            return None
        return Draft(session, CardSeen(card))
