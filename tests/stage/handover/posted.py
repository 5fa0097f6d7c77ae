"""A handover on a board: everybody's machine, and signed posts that carry what it says."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.board.handover import Handover
from protocol.board.post import Posted
from protocol.encoding import decode, encode
from protocol.handover import OLD_SHARE, HandoverMember, HandoverView, Succession
from protocol.key.epoch import Epoch, EpochSecret
from protocol.messages.handover import Content
from protocol.terms.terms import Member
from tests.stage.handover.rosters import Who, guest_key, proposal
from tests.stage.handover.shelf import MemoryShelf
from tests.stage.toy import Table, ToyEpoch, next_post

Tamper = Callable[["PostedHandover", int, Content], Content | None]
Until = Callable[[HandoverView], bool]


def copied(toy: ToyEpoch) -> Table:
    """A table of its own, with all that the toy's ceremony has left on its board."""
    table = Table(toy.federation)
    table.board, table.entries = copy.deepcopy(toy.table.board), list(toy.table.entries)
    table.blobs = dict(toy.table.blobs)
    return table


class PostedHandover:
    """The next attempt at a table, already proposed, and everybody's machine for it.

    The board of ``table`` has a key, of which ``secrets`` are the old members' shares. tamper: gets
    what a member is about to say, and returns what it says instead, None for nothing. Who has lied
    so says nothing more by itself; ``say`` makes it speak.

        handed = PostedHandover(table, toy.secrets, [1, 2, "G1"], quorum=2).run()
        handed.handover.released_at, table.board.key.epochs, handed.new_secrets()
    """

    def __init__(
        self,
        table: Table,
        secrets: Mapping[int, EpochSecret],
        who: Who,
        quorum: int,
        *,
        tamper: Tamper = lambda handed, sender, content: content,
        proposer: int = 1,
    ) -> None:
        assert table.board.epoch is not None
        self.table, self.tamper, self.lied = table, tamper, set[int]()
        self.number = len(table.board.key.handovers.all) + 1
        body = proposal(table.federation, table.board.epoch, who, quorum)
        signer = table.federation.keys[proposer]
        self.proposed = table.put(next_post(signer, table.board, self.session, proposer, body))
        rosters = self.about.rosters
        self.everybody = sorted({*rosters.old, *rosters.new})
        self.shelves = {i: MemoryShelf() for i in self.everybody}
        for i, secret in secrets.items():
            self.shelves[i].kept[OLD_SHARE] = encode(secret)
        self.members = {i: self.member(i) for i in self.everybody}

    @property
    def session(self) -> str:
        return f"handover/{self.number}"

    @property
    def handover(self) -> Handover:
        """The attempt as the board has it; fails where the proposal did not count."""
        found = self.table.board.key.handovers.of(self.number)
        assert found is not None, self.proposed.post.body
        return found

    @property
    def about(self) -> Succession:
        return self.handover.about

    @property
    def view(self) -> HandoverView:
        return self.handover.view

    @property
    def new_epoch(self) -> Epoch:
        """The one that follows, once all have dealt."""
        assert self.view.epoch is not None
        return self.view.epoch

    def signing_key(self, sender: int) -> Ed25519PrivateKey:
        """A sender's, or a guest's."""
        if sender <= self.table.federation.terms.n_members:
            return self.table.federation.keys[sender]
        return guest_key(self._new_member(sender).name)

    def _new_member(self, sender: int) -> Member:
        return self.about.new.members[self.about.new_number(sender) - 1]

    def member(self, number: int) -> HandoverMember:
        """A member as it is after a restart."""
        member = HandoverMember(self.about, number, self.shelves[number])
        for sender, content in self.words:
            member.receive(sender, content)
        return member

    @property
    def words(self) -> list[tuple[int, Content]]:
        """What was said by whom and counts on the board, without the proposal."""
        said = [p.post for p in self.table.board.session(self.session)]
        return [(p.sender, p.body) for p in said if isinstance(p.body, Content)]

    def say(self, sender: int, content: Content) -> Posted:
        """Put a word on the board, and show it to all machines if the board counts it."""
        board = self.table.board
        posted = self.table.put(
            next_post(self.signing_key(sender), board, self.session, sender, content)
        )
        if isinstance(posted.post.body, Content):
            for member in self.members.values():
                member.receive(sender, posted.post.body)
        return posted

    def speak(self, sender: int) -> Posted | None:
        """Let a member say what is due, if anything is."""
        if sender in self.lied:
            return None
        content = self.members[sender].due()
        if content is None:
            return None
        said = self.tamper(self, sender, content)
        if said != content:
            self.lied.add(sender)
        return self.say(sender, said) if said is not None else None

    def run(self, until: Until = lambda view: False) -> Self:
        """Until this is so, or nobody has anything to say, and then until nobody waits any more."""
        for patient in (True, False):
            for member in self.members.values():
                member.waits = patient
            while self._round(until):
                pass
            if self.view.attempt.outcome or until(self.view):
                break
        return self

    def _round(self, until: Until) -> bool:
        spoke = False
        for i in self.everybody:
            if until(self.view):
                return False
            spoke = self.speak(i) is not None or spoke
        return spoke

    def new_secrets(self) -> dict[int, EpochSecret]:
        """By the numbers in the new epoch, as the secrets of the next handover are given."""
        name = f"{self.session}/share"
        return {
            self.about.new_number(i): decode(self.shelves[i].kept[name], EpochSecret, name, 1 << 20)
            for i in self.about.rosters.new
        }
