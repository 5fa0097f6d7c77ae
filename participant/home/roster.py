"""The roster of new terms: who stays, has a new card, leaves or comes; and what is wrong there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from participant.errors import ParticipantError
from participant.home.identity import read_card
from protocol.terms import Member, Terms


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


def succeeding_roster(
    old: Terms, add: Sequence[Path], remove: Sequence[str], replace: Mapping[str, Path]
) -> tuple[Member, ...]:
    """Who stays keeps its place, with a new card or without; who comes is at the end.

    add: cards. remove: names. replace: a card by the name of the member whose old one goes. Raises
    NoSuchMember, UnfitCard, and what reading a card raises.
    """
    members = {member.name: member for member in old.members}
    for name in (*remove, *replace):
        if name not in members:
            raise NoSuchMember(name, tuple(members))
    members |= {name: _replacing(members[name], path) for name, path in replace.items()}
    staying = [member for name, member in members.items() if name not in remove]
    return (*staying, *(_added(old, path) for path in add))


def _replacing(old: Member, path: Path) -> Member:
    card = read_card(path)
    if card.name != old.name:
        raise UnfitCard(path, old.name, card.name, "name")
    if card.key == old.key:
        raise UnfitCard(path, old.name, card.name, "key")
    return Member(card.name, card.key)


def _added(old: Terms, path: Path) -> Member:
    card = read_card(path)
    if any(card.name == member.name for member in old.members):
        raise UnfitCard(path, card.name, card.name, "there")
    return Member(card.name, card.key)
