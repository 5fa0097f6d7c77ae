"""What can go wrong where a key is handed over."""

from pathlib import Path

from participant.errors import ParticipantError


class HandoverGivenUp(ParticipantError, says="{session} was given up; the key stays as it was"):
    """An attempt that old members have ended; the old epoch goes on.

    culprits, faults: who did wrong, and what, one for each; named "" where it is nobody's in
    particular. step, silent: what was due when it ended, and who had not done it. All by name.
    too_many_sums: it was given up since the new board would not take all over (``TooManySums``).
    """

    session: str
    culprits: list[str]
    faults: list[str]
    step: str
    silent: list[str]
    too_many_sums: bool


class AnotherHandover(
    ParticipantError, says="{session} is under way, to other terms than those given"
):
    """People agree to one handover, and another one is under way; ``federation``: its new terms."""

    session: str
    federation: bytes


class NewShareLost(ParticipantError, says="the key share that {session} gave is not here"):
    """The folder is older than the end of a handover, whose old key share is erased now."""

    session: str


class NothingToHandOver(ParticipantError, says="{path}: these terms take over no key"):
    """Terms that are not for a handover; ``makes_key``: they succeed others, with a new key."""

    path: Path
    makes_key: bool


class NoRecord(ParticipantError, says="no record of {federation} was given"):
    """A new member takes part, and has not verified what it takes over."""

    name: str
    federation: str


class BrokenRecord(ParticipantError, says="{path}: {reason}"):
    """The record of the old federation does not hold."""

    path: Path
    reason: str


class NoKeyToHandOver(ParticipantError, says="{federation} has no key to hand over"):
    """There is no key yet, or another federation has it now (``is_gone``)."""

    federation: str
    is_gone: bool


class TooManySums(
    ParticipantError, says="{federation} has opened more sums than another board takes over"
):
    """The key stays: another federation could not compare its sums with all of these."""

    federation: str
