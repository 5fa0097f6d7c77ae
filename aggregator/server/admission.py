"""Who may speak: a member of the federation that shows who it is; nobody else."""

from aggregator.errors import AggregatorError
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
