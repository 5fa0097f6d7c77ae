"""The roster of new terms: who stays, who has a new card, who leaves, who comes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from participant.home.identity import read_card
from participant.home.roster_errors import NoSuchMember, UnfitCard
from protocol.terms import Member, Terms


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
