"""A handover at a table in memory: everybody's shelf, the words in their order, and who lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

import msgspec

from keyshare.errors import KeyshareError
from keyshare.key import JointKey, SecretShare, combine, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from protocol.encoding import decode, encode
from protocol.handover import OLD_SHARE, HandoverMember, HandoverView, Succession
from protocol.key.epoch import Epoch, EpochSecret
from protocol.messages.handover import Content, PointAccusation
from tests.stage.handover.rosters import Who, terms_of
from tests.stage.handover.shelf import Crash, MemoryShelf
from tests.stage.toy import ToyEpoch, toy_epoch

Tamper = Callable[["HandoverTable", int, Content], Content | None]


def succession(toy: ToyEpoch, who: Who, quorum: int, session: str = "handover/1") -> Succession:
    old = toy.federation.terms
    return Succession(old, toy.epoch, session, terms_of(old, who, quorum))


@lru_cache(maxsize=8)
def three_of_five(session: str = "handover/1") -> Succession:
    """To 4 of 7: two leave, four come, and nobody keeps its number but by chance."""
    return succession(toy_epoch(5, 3), ["G1", 3, 1, "G2", "G3", 4, "G4"], 4, session)


@lru_cache(maxsize=8)
def refresh(session: str = "handover/1") -> Succession:
    """2 of 3, of the same members."""
    return succession(toy_epoch(3, 2), [1, 2, 3], 2, session)


@dataclass
class HandoverTable:
    about: Succession
    secrets: Mapping[int, EpochSecret]
    tamper: Tamper = lambda table, sender, content: content
    liar: int = 0  # silent from its first lie on
    entries: list[tuple[int, Content]] = field(default_factory=list)
    has_lied: bool = False

    def __post_init__(self) -> None:
        self.shelves = {i: MemoryShelf() for i in self.everybody}
        for i, secret in self.secrets.items():
            self.shelves[i].kept[OLD_SHARE] = encode(secret)
        self.members = {i: self.member(i) for i in self.everybody}

    @property
    def everybody(self) -> list[int]:
        rosters = self.about.rosters
        return sorted({*rosters.old, *rosters.new})

    def member(self, number: int) -> HandoverMember:
        """A member as it is after a restart."""
        member = HandoverMember(self.about, number, self.shelves[number])
        for sender, content in self.entries:
            member.receive(sender, content)
        return member

    @property
    def view(self) -> HandoverView:
        honest = [i for i in self.everybody if i != self.liar]
        return self.members[honest[0]].view

    def say(self, sender: int, content: Content) -> None:
        """Put a content on the board, as its bytes, and show it to all."""
        content = decode(encode(content), type(content), "content", 256 << 10)
        assert len(self.entries) < 200, "somebody says the same again and again"
        self.entries.append((sender, content))
        for member in self.members.values():
            member.receive(sender, content)

    def speak(self, sender: int) -> bool:
        """Let a member say what is due; whether it said something."""
        if sender == self.liar and self.has_lied:
            return False
        content = self.due(sender)
        if content is None:
            return False
        said = self.tamper(self, sender, content) if sender == self.liar else content
        self.has_lied = self.has_lied or (sender == self.liar and said != content)
        if said is not None:
            self.say(sender, said)
        return said is not None

    def due(self, sender: int) -> Content | None:
        """What a member says next; it comes back if it crashes over it."""
        try:
            return self.members[sender].due()
        except Crash:
            waits = self.members[sender].waits
            self.members[sender] = self.member(sender)
            self.members[sender].waits = waits
            return self.members[sender].due()

    def run(self, until: Callable[[HandoverView], bool] = lambda view: False) -> Self:
        """Until this is so, or nobody has anything to say, and then until nobody waits any more."""
        for patient in (True, False):
            for member in self.members.values():
                member.waits = patient
            while self._round(until):
                pass
            if self.view.attempt.outcome or until(self.view):
                break
        return self

    def _round(self, until: Callable[[HandoverView], bool]) -> bool:
        spoke = False
        for i in self.everybody:
            if until(self.view):
                return False
            spoke = self.speak(i) or spoke
        return spoke

    @property
    def named(self) -> list[tuple[int, str]]:
        return [(m.culprit, m.fault.name) for m in self.view.misdeeds]

    @property
    def accusations(self) -> list[tuple[int, int]]:
        return [(i, c.dealer) for i, c in self.entries if isinstance(c, PointAccusation)]

    def new_secrets(self) -> dict[int, EpochSecret]:
        """By the numbers in the new epoch."""
        name = f"{self.about.session}/share"
        return {
            self.about.new_number(i): decode(self.shelves[i].kept[name], EpochSecret, name, 1 << 20)
            for i in self.about.rosters.new
        }


def table(
    about: Succession,
    tamper: Tamper = lambda table, sender, content: content,
    liar: int = 0,
    kind: type[HandoverTable] = HandoverTable,
) -> HandoverTable:
    """A table at which nothing has been said."""
    old = about.old
    return kind(about, toy_epoch(old.n_members, old.quorum).secrets, tamper, liar)


def decrypts(key: JointKey, shares: Sequence[SecretShare]) -> bool:
    plaintext, ciphertext = trial_ciphertext(key.n, b"of a test")
    parts = {s.index: partial_decryption(ciphertext, s, key) for s in shares}
    try:
        return combine(parts, key) == plaintext
    except KeyshareError:
        return False


def epoch_in(secret: EpochSecret) -> Epoch:
    return decode(secret.epoch, Epoch, "epoch", 1 << 20)


changed = msgspec.structs.replace
