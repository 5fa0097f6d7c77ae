"""Hospitals' tasks at the board of the federation that has taken their key over."""

from collections.abc import Mapping

from participant.home.folders import folder_name
from participant.study.contributed import note_contributed
from protocol.board.draft import Draft
from protocol.messages.inherited_sums import InheritedPart
from tests.stage.handover.inherited import SESSION, InheritedKey
from tests.stage.handover.posted import PostedHandover
from tests.stage.handover.rosters import Who
from tests.stage.rounds.round_table import RoundTable


def table_after(old: RoundTable, who: Who, noted: bool = True) -> RoundTable:
    """The key goes to others, who say so; those who stay have their old folders beside the new.

    noted: whether they have noted in the new ones what they had contributed.
    """
    old.tasks.clear()
    quorum = old.terms.quorum
    inherited = InheritedKey(PostedHandover(old, old.toy.secrets, who, quorum).run())
    new = RoundTable(inherited.toy)
    for i in new.toy.federation.members:
        new.say(i, Draft(SESSION, inherited.word))
    for number, part in enumerate(inherited.parts):
        new.say(1, Draft(SESSION, InheritedPart(number, part)))
    for number, was in stayed(old, new).items():
        before, now = old.disks[was], new.disks[number]
        now.beside = before.beside | {folder_name(old.terms.federation): before}
        if noted:
            note_contributed(old.board, was, before, now)
    return new


def stayed(old: RoundTable, new: RoundTable) -> Mapping[int, int]:
    """By their new numbers the old ones of those who stay."""
    numbers = {member.name: number for number, member in enumerate(old.terms.members, start=1)}
    members = enumerate(new.terms.members, start=1)
    return {i: numbers[member.name] for i, member in members if member.name in numbers}
