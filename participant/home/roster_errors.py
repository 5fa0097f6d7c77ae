"""What can be wrong with a change of members, before anybody signs it."""

from pathlib import Path
from typing import Literal

from participant.errors import ParticipantError


class NoSuchMember(ParticipantError, says="{name!r} is not a member"):
    """Somebody is to leave or to be replaced who is not in the old terms; ``among`` are."""

    name: str
    among: tuple[str, ...]


class UnfitCard(ParticipantError, says="{path}: the card of {found!r}, wanted: {why}"):
    """A card that does not go where it was given.

    why: "name", it is to replace the card of ``member`` and has another name. "key": it is the very
    card that is to be replaced. "there": it is to be added, and ``member`` is a member already.
    """

    path: Path
    member: str
    found: str
    why: Literal["name", "key", "there"]


class UnsaidLeaving(ParticipantError, says="{names}: in peace, or expelled?"):
    """Members are taken out, and nobody has said whether they can be trusted to the end."""

    names: tuple[str, ...]


class CannotRevoke(ParticipantError, says="a handover does not shut out {names}"):
    """Members whose key is suspected are to be shut out by a handover, which cannot do that.

    quorum: how many old key shares decrypt for ever.
    """

    names: tuple[str, ...]
    quorum: int


class NothingChanges(ParticipantError, says="{path}: nothing changes"):
    """New terms that would say what the old ones say, with the key handed over."""

    path: Path


class OtherPredecessor(ParticipantError, says="{path} is not what these terms succeed"):
    """Terms given as the old ones are not those that the new ones succeed.

    expected: the fingerprint of those; empty where the new terms succeed none.
    """

    path: Path
    expected: str
