"""What a board comes to at a position, so that a start need not read all that was said before."""

from aggregator.rounds import CourseState
from protocol.board import BoardState
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed
from protocol.rounds import RoundsState

_LIMIT = 1 << 30
_HASH_BYTES = 32


class Summary(Message, frozen=True):
    """The state of the board, of its rounds, and of who stated what, after the same entry."""

    board: BoardState
    rounds: RoundsState
    stated: tuple[CourseState, ...]

    @property
    def stored(self) -> bytes:
        """Its bytes, after a hash of them."""
        data = encode(self)
        return _hash(data) + data


def read_summary(stored: bytes) -> Summary | None:
    """The summary in these bytes; None if they are not what was stored."""
    data = stored[_HASH_BYTES:]
    if stored[:_HASH_BYTES] != _hash(data):
        return None
    try:
        return decode(data, Summary, "summary", _LIMIT)
    except Malformed:
        return None


def _hash(data: bytes) -> bytes:
    return digest("quorate/summary", data)
