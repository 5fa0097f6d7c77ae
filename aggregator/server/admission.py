"""Who may speak: a member that shows who it is, or a guest of the last handover; nobody else."""

from aggregator.errors import AggregatorError
from protocol.board import Board
from protocol.errors import BrokenChannel, Malformed
from protocol.wire import (
    AggregatorHandshake,
    FromMember,
    Introduced,
    Rejected,
    SealedChannel,
    TurnedAway,
    decode_from_member,
)


class NotAdmitted(AggregatorError, says="{answer.code}: {answer.reason}"):
    """Somebody who is turned away; ``answer`` is what they are told.

    channel: on which they are told it; None to whoever has not even said a hello.
    """

    answer: Rejected
    channel: SealedChannel | None


class Callers:
    """The members, and the guests as of the last ``look``: the core may be at work on the board.

    Guests are those of the last attempt, also once it is over: they have to see that it was
    released, or thawed. With the next proposal the numbers are others'.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self.look()

    def look(self) -> None:
        """Take note of whose numbers the guests' are now."""
        self._last = self._board.key.handovers.last
        self._guests = self._last.guests if self._last else {}

    def guest_key(self, number: int) -> bytes | None:
        """The signing key of a guest, None of nobody."""
        return self._guests.get(number)

    def as_member(self, number: int) -> int | None:
        """The number of a member, None of a guest."""
        return number if number <= self._board.terms.n_members else None

    def may_stay(self, number: int, key: bytes) -> bool:
        """Whether a number is still its own: a guest's may be another one's by now."""
        return self.as_member(number) is not None or self._guests.get(number) == key

    def name_of(self, number: int) -> str:
        """Of a member or guest, for people."""
        if self._last is None:
            return self._board.terms.name_of(number)
        return self._board.name_of(self._last.about.session, number)


def read_frame(data: str | bytes, channel: SealedChannel) -> FromMember:
    """A frame as websockets hands it over; raises Malformed, for text too, and BrokenChannel."""
    if isinstance(data, str):
        raise BrokenChannel(0)
    return decode_from_member(channel.open(data))


def identify(data: str | bytes, handshake: AggregatorHandshake) -> Introduced:
    """The member that answers the challenge with the first frame; raises NotAdmitted."""
    try:
        if isinstance(data, str):
            raise Malformed("frame", "it is text")
        found = handshake.take(data)
    except Malformed as error:
        reason = f"no hello, but {error.what}: {error.reason}"
        raise NotAdmitted(Rejected("malformed", reason), None) from None
    if isinstance(found, TurnedAway):
        raise NotAdmitted(found.answer, found.channel)
    return found
