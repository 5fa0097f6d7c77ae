"""Hospitals with vaults, each of whose agents takes part in refreshes of the key."""

import shutil
from pathlib import Path

from keyshare.key import combine, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from participant.handover import HandoverGivenUp, HandoverTask, Wish
from participant.handover.own import OwnPlace
from participant.home.membership import Membership
from protocol.board.post import Post
from protocol.encoding import decode
from protocol.key.epoch import Epoch, HeldKey
from protocol.messages.fields import MAX_POST_BYTES
from protocol.messages.handover import BareWord
from protocol.wire.frames import FromMember, Submit
from tests.stage.hall import Hall
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import member_at

TOY = toy_epoch(3, 2)


class Refresh(Hall):
    """Hospitals with vaults, each of whose agents takes part in a handover."""

    members: dict[int, Membership]
    tasks: dict[int, HandoverTask]
    failed: dict[int, HandoverGivenUp]
    seconds: float  # of the hospitals' own clocks
    later_ms: int  # by the machines' clocks than by the aggregator's
    falls_silent_at: dict[int, str]  # before which bare word a member does
    _at_step: HandoverTask

    def homes(self, folder: Path) -> "Refresh":
        self.members = {i: member_at(folder / f"h{i}", i, TOY) for i in (1, 2, 3)}
        self.tasks, self.failed, self.seconds, self.later_ms = {}, {}, 0.0, 0
        self.falls_silent_at = {}
        return self

    def take_part(self, member: int, wishes: bool = True) -> None:
        own = self.members[member]
        wish = Wish(own.terms) if wishes else None
        task = HandoverTask(
            member, OwnPlace(own), wish, lambda: self.seconds, lambda: self.time_ms + self.later_ms
        )
        self.tasks[member] = task
        self.come(member, task)

    def set_back(self, member: int, copy: Path) -> None:
        """Its folder is what it was when it was copied there."""
        folder = self.members[member].folder
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
        self.members[member].keys.renew()

    def held(self, member: int) -> HeldKey:
        return self.members[member].held_key()

    def talk_on(self) -> None:
        """Until nobody has anything to say, and beyond the end of those whose task fails."""
        while True:
            try:
                self.talk()
            except HandoverGivenUp as error:
                (ended,) = {i for i in self.agents if self.tasks[i] is self._at_step}
                self.failed[ended] = error
                self.silent.add(ended)
            else:
                return

    def _step(self, i: int) -> bool:
        self._at_step = self.tasks[i]
        return super()._step(i)

    def _is_silenced(self, i: int, frame: FromMember) -> bool:
        if i in self.falls_silent_at and isinstance(frame, Submit):
            body = decode(frame.post.post, Post, "post", MAX_POST_BYTES).body
            if isinstance(body, BareWord) and body.word == self.falls_silent_at[i]:
                return True
        return super()._is_silenced(i, frame)

    def comes_back(self, member: int, wishes: bool = False) -> None:
        """Its program begins anew, and says what it has to say."""
        self.silenced.pop(member, None)
        self.falls_silent_at.pop(member, None)
        self.silent.discard(member)
        self.take_part(member, wishes)

    @property
    def newest(self) -> Epoch:
        assert self.service.epoch is not None
        return self.service.epoch


def decrypts(*held: HeldKey) -> bool:
    """Whether these shares give a test value under the first one's key."""
    key = held[0].epoch.joint_key()
    plaintext, ciphertext = trial_ciphertext(key.n, b"any")
    shares = [h.secret.secret_share() for h in held]
    parts = {s.index: partial_decryption(ciphertext, s, key) for s in shares}
    return combine(parts, key) == plaintext
