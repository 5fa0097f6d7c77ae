"""The verdict on a ceremony, and what it rests on, as it crosses the door."""

from dataclasses import dataclass

from participant.ceremony import Accusation, VerdictTask
from protocol.ceremony import Verdict
from protocol.encoding import decode, encode

_MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Judgement:
    """What a VerdictTask has read, and its verdict."""

    session: str
    accusations: tuple[Accusation, ...]
    certified: tuple[int, ...]
    disclosed: tuple[int, ...]
    verdict: Verdict

    @classmethod
    def of(cls, task: VerdictTask) -> "Judgement":
        """All of it; computes as much as all members did in the ceremony."""
        found = task.verdict()
        return cls(task.session, task.accusations, task.certified, task.disclosed, found)

    def encoded(self) -> bytes:
        """As ``read_judgement`` reads it."""
        return encode(self)


def read_judgement(data: bytes) -> Judgement:
    """The judgement in bytes; raises Malformed."""
    return decode(data, Judgement, "judgement", _MAX_BYTES)
