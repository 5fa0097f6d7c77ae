"""The board of the federation that a key was handed over to, where its members say so."""

from collections.abc import Iterable
from typing import Any, Self

from msgspec.structs import replace

from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.encoding import encode
from protocol.messages.handover import KeyInherited
from protocol.messages.inherited_sums import InheritedPart, part_name
from protocol.rounds.history import sums_up_to
from tests.stage.handover.posted import PostedHandover
from tests.stage.toy import CeremonyTable, Federation, ToyEpoch

SESSION = "handover/0"


def new_federation(handed: PostedHandover) -> Federation:
    """The federation that took over, with everybody's signing keys and the same aggregator."""
    members = map(handed.signing_key, handed.about.rosters.new)
    return Federation(handed.about.new, (handed.table.federation.keys[0], *members))


class InheritedKey:
    """The new board after a handover that was released, on which nothing has been said yet.

    inherited = InheritedKey(handed).say_all()
    inherited.table.board.epoch == handed.new_epoch
    """

    def __init__(self, handed: PostedHandover) -> None:
        position, old_board = handed.handover.released_at, handed.table.board
        assert position is not None, "it was not released"
        found = old_board.hash_at(position)
        assert found is not None
        self.handed, self.federation = handed, new_federation(handed)
        self.table = CeremonyTable(self.federation)  # where no ceremony is held
        self.parts = sums_up_to(old_board, position).parts()
        names = tuple(map(part_name, self.parts))
        self.word = KeyInherited(position, found, encode(handed.new_epoch), names)

    def say(self, member: int, **changes: Any) -> Posted:
        """Let a member say which key it took over; ``changes`` make another word of it."""
        return self.table.say(member, Draft(SESSION, replace(self.word, **changes)))

    def say_all(self, members: Iterable[int] = ()) -> Self:
        """Let all members say so, or these; the first of them has the sums."""
        said = tuple(members or self.federation.members)
        for member in said:
            self.say(member)
        for number in self.table.board.key.inheritance.missing_parts:
            self.put_part(said[0], number)
        return self

    def put_part(self, member: int, number: int, /, **changes: Any) -> Posted:
        """Let a member put a part of the sums on the board; ``changes`` to it."""
        part = InheritedPart(number, self.parts[number])
        return self.table.say(member, Draft(SESSION, replace(part, **changes)))

    @property
    def toy(self) -> ToyEpoch:
        """The new federation with its key, as tests take one that a ceremony has made."""
        secrets = self.handed.new_secrets()
        return ToyEpoch(self.federation, self.handed.new_epoch, secrets, self.table)
