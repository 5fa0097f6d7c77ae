"""What can go wrong with ceremonies and what is left of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from participant.errors.base import ParticipantError


class NoCeremony(ParticipantError, says="these terms take over a key"):
    """A ceremony is to make a key under terms that take over that of others."""


class NoSeed(ParticipantError):
    """A session in which this hospital takes no further part from this data folder.

    forgotten: the session has ended and its seed was destroyed, so that no other is ever made.
    lost: this member spoke with another seed. set back: the folder went back in time after it did.
    """

    session: str
    why: Literal["forgotten", "lost", "set back"]


class RetiredShare(ParticipantError, says="{folder}: the key share of epoch {epoch} is given up"):
    """The key share of an epoch was destroyed here, after the key had been handed over."""

    folder: Path
    epoch: int


class NotAborted(ParticipantError, says="{session}: not aborted"):
    """No ceremony of this name was aborted; none at all where ``session`` is empty."""

    session: str


class CeremonyAborted(
    ParticipantError, says="{session} was aborted: culprits {culprits}, silent {silent}"
):
    """A ceremony's end: what each culprit did, at which entry of the board; whose seeds lack.

    given_up: the members for whose silence it was given up, and what is said of it.
    """

    session: str
    culprits: dict[int, str]
    evidence: dict[int, int]
    silent: tuple[int, ...]
    given_up: tuple[tuple[int, ...], str] = ((), "")


class SessionTaken(ParticipantError, says="{session}: another task speaks there"):
    """Two tasks of one agent would speak in one session of the board."""

    session: str
