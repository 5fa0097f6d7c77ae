"""What can be wrong with members and their terms."""

from __future__ import annotations

from pathlib import Path

from participant.errors.base import ParticipantError


class BadName(ParticipantError, says="{name!r}: {reason}"):
    """A name that no member, no session or no stored thing can have."""

    name: str
    reason: str


class BadCard(ParticipantError):
    """A card that does not read; ``field`` as in the file, empty where it is another's card."""

    path: Path
    field: str
    reason: str


class NotAMember(ParticipantError, says="{name!r} in {home} is not a member"):
    """The identity in ``home`` has no place in the terms."""

    name: str
    home: Path


class AlreadySigned(ParticipantError, says="{name!r} has signed already"):
    """A member's fitting signature is under the terms already."""

    name: str
