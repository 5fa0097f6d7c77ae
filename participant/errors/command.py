"""How a command ends that is not done."""

from __future__ import annotations

from participant.errors.base import ParticipantError
from participant.waiting import Waiting


class OutOfTime(ParticipantError, says="not done after {seconds} s: {waiting}"):
    """The time limit given by the user passed; ``waiting``: for what, and for which members.

    is_sending: something that this hospital has said is not known to be on the board.
    """

    seconds: float
    waiting: Waiting
    is_sending: bool = False


class Interrupted(ParticipantError, says="signal {signal}"):
    """A signal asked this process to end; ``is_sending`` as for OutOfTime."""

    signal: int
    is_sending: bool = False


class NotAgreed(ParticipantError):
    """Who was asked does not agree, or, where ``what`` is empty, does not answer."""

    what: str = ""
