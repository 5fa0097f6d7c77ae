"""A table at which the key is refreshed, with a whole handover on its board."""

from dataclasses import replace
from typing import Any

from protocol.board.draft import Draft
from protocol.board.study import Study
from protocol.encoding import encode
from protocol.key.epoch import HeldKey
from protocol.messages.ceremony import Certificate
from protocol.messages.rounds import Contribution, Partial, SetLock
from tests.stage.handover.posted import PostedHandover
from tests.stage.rounds.rings import held_in
from tests.stage.rounds.round_table import Events, RoundTable, Steps
from tests.stage.toy import toy_epoch

FIVE = (1, 2, 3, 4, 5)
TOY = toy_epoch()
FIRST = "study/cardio/1"


class Refreshed(RoundTable):
    """Five hospitals; those that ``come`` train. What a handover bars is not said, as by agents."""

    def __init__(self, study: Study | None = None) -> None:
        super().__init__(TOY, study)
        for i in FIVE:
            self.say(i, Draft("ceremony/1", Certificate(b"t" * 32, encode(TOY.epoch))))
        self.events: dict[int, Events] = {}
        self.apps = {i: Steps(i / 10) for i in FIVE}

    def come(self, *members: int) -> None:
        """Hospitals begin, or begin again, with what is on their disks."""
        for i in members:
            self.events[i] = self.reported(i, self.apps[i])

    def due(self, index: int) -> Draft | None:
        """As an agent, which keeps back what a handover bars."""
        draft = super().due(index)
        barred = draft and self.board.bar(draft.session, index, draft.body)
        return None if barred else draft

    def until(self, kind: type) -> None:
        """Round 1, until all have something of this kind to say, and none has said it."""
        self.settle()
        self.open(FIRST)
        if kind is not Contribution:
            self.settle()
            self.close(FIRST)
        if kind is Partial:
            self.say_now(SetLock, *FIVE)

    def say_now(self, kind: type, *members: int) -> None:
        """Members say what they have due, which is of this kind."""
        for i in members:
            draft = self.due(i)
            assert draft is not None
            assert isinstance(draft.body, kind)
            self.publish(i, draft)

    def refresh(self, keeps_old: bool = True) -> None:
        """All take new shares."""
        handed = PostedHandover(self, TOY.secrets, list(FIVE), TOY.epoch.quorum).run()
        self.toy = replace(TOY, epoch=handed.new_epoch, secrets=handed.new_secrets())
        for i in FIVE:
            ring = self.ring(i)
            new = HeldKey(self.toy.epoch, self.toy.secrets[i])
            self.held[i][:] = [held_in(TOY, i)] * keeps_old + [new]
            ring.renew()

    def said_by(self, session: str, kind: type) -> set[int]:
        """Who has said something of a kind that counts."""
        return {p.post.sender for p in self.board.session(session) if isinstance(p.post.body, kind)}

    def finished(self) -> set[int]:
        return {self.tasks[i].finished for i in self.tasks}

    def told(self, event: str) -> list[tuple[int, dict[str, Any]]]:
        """By all: the round and the facts of an event."""
        said = (one for i in self.events for one in self.events[i])
        return [(number, facts) for number, name, facts in said if name == event]

    def model_of(self, member: int) -> float:
        return float(self.tasks[member].parameters[0][0][0])
