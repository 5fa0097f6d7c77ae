"""A door that leads to a desk of the test's own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from participant.door.messages import AgentStanding, AgentState, Failed, Finished, JobWanted
from participant.door.server import Ask, Tell
from participant.door.study_messages import Asked


@dataclass
class FakeDesk:
    """Does what the test says, and keeps note of what it was asked."""

    state: AgentState = "running"
    wanted: list[JobWanted] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    stopped: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    work: Callable[[Tell], object] = bool
    forever: bool = False
    error: Exception | None = None
    questions: tuple[Asked, ...] = ()  # one after the other
    answers: list[bool] = field(default_factory=list)
    result: bytes = b"\x01"

    async def standing(self) -> AgentStanding:
        return AgentStanding(self.state, 1, 0.0, 1, (), b"", b"", "", "")

    async def perform(self, wanted: JobWanted, tell: Tell, ask: Ask) -> Finished:
        self.wanted.append(wanted)
        try:
            self.work(tell)
            self.begun.set()
            for question in self.questions:
                self.answers.append(await ask(question))
            if self.error:
                raise self.error
            while self.forever:
                await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("done")
        return Finished(self.result, 1, 2)

    def say(self, error: BaseException, wanted: JobWanted) -> Failed:
        return Failed(f"said of {error}", "do it", 3)

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A federation's folder, closed to others."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path
