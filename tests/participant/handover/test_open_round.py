"""A refresh by hospitals' agents around a real service, while one of them trains for a round."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from participant.app.turns import Turns
from participant.handover import HandoverTask, Wish
from participant.handover.own import OwnPlace
from participant.home.membership import Membership
from participant.study import GivenApp
from participant.training.fitting import _timed
from participant.training.task import TrainingTask
from protocol.wire.frames import Welcome
from tests.stage.hall import Hall
from tests.stage.rounds.round_table import Events, Steps
from tests.stage.studies import STUDY
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import member_at

TOY = toy_epoch(3, 2)
FIRST, SECOND = f"study/{STUDY}/1", f"study/{STUDY}/2"


class Slow(Turns):
    """Of an app that does not come to the end of its first ``fit``."""

    def __init__(self) -> None:
        self.is_slow, self.given_up = True, 0

    def begin(self, call: Callable[[], Any]) -> "Future[Any]":
        if self.is_slow and isinstance(call, partial) and call.func is _timed:
            return Future()
        return super().begin(call)

    def give_up(self, begun: "Future[Any]") -> None:
        self.is_slow = False
        self.given_up += 1


class SlowApp(GivenApp):
    def __init__(self, turns: Slow) -> None:
        super().__init__("Steps", b"", lambda study: Steps())
        self._slow = turns

    def turns(self) -> Turns:
        return self._slow


@dataclass
class Hospitals(Hall):
    """Agents with two tasks each: to train, and to take part in a handover."""

    members: dict[int, Membership] = field(default_factory=dict)
    trainings: dict[int, TrainingTask] = field(default_factory=dict)
    events: dict[int, Events] = field(default_factory=dict)
    ended: list[tuple[Task, Exception | None]] = field(default_factory=list)
    seconds: float = 0.0

    def open_up(self, member: int, folder: Path, app: Any) -> None:
        """A hospital's agent begins, with a study to train in."""
        own = self.members[member] = member_at(folder / f"h{member}", member, TOY)
        events = self.events[member] = []
        self.trainings[member] = TrainingTask(
            *(own.terms, STUDY, own.keys, app, self.disks[member], own.model_secret),
            lambda *event: events.append(event),
        )
        tasks = Tasks(lambda task, error: self.ended.append((task, error)))
        tasks.add(self.trainings[member])
        key, disk = self.federation.keys[member], self.disks[member]
        agent = Agent(self.federation.terms, member, key, disk, tasks)
        agent.connected(Welcome(*self.service.board.head))
        self.agents[member] = agent

    def refresh(self, member: int) -> None:
        """A hospital types ``key refresh``, and its agent takes part."""
        own = self.members[member]
        task = HandoverTask(
            member, OwnPlace(own), Wish(own.terms), lambda: self.seconds, lambda: self.time_ms
        )
        self.agents[member].tasks.add(task)


@pytest.fixture
def hall(tmp_path: Path) -> Hospitals:
    found = Hospitals(tmp_path / "aggregator", federation=TOY.federation)
    found.found(found.training())
    return found


def test_the_study_goes_on_and_who_still_trains_for_the_lost_round_begins_anew(
    hall: Hospitals, tmp_path: Path
) -> None:
    turns = Slow()
    for i, app in {1: Steps(), 2: Steps(), 3: SlowApp(turns)}.items():
        hall.open_up(i, tmp_path, app)
    hall.talk()
    assert set(hall.service.rounds.views[FIRST].contributions) == {1, 2}
    for i in (1, 2, 3):
        hall.refresh(i)
    hall.talk()
    hall.seconds += hall.federation.terms.step_seconds / 2  # nobody holds its freeze back now
    hall.talk()
    assert hall.service.epoch is not None
    assert hall.service.epoch.number == 2
    assert [error for _, error in hall.ended] == 6 * [None]
    assert hall.service.rounds.views[FIRST].closing is None
    assert turns.given_up == 1
    for i in (1, 2, 3):
        told = [(n, name) for n, name, _ in hall.events[i]]
        assert (1, "lost-round") in told
        assert (1, "decrypted") not in told
        assert (2, "decrypted") in told
        assert (3, "decrypted") in told
        assert hall.trainings[i].finished == 3
        assert hall.members[i].vault.epochs() == [2]
    opening = hall.service.rounds.views[SECOND].opening
    assert opening is not None
    assert opening.post.body.epoch == hall.service.epoch.digest
    assert set(hall.service.rounds.views[SECOND].contributions) == {1, 2, 3}
