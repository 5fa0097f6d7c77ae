"""Three hospitals whose agents stay, in one event loop, and an aggregator at work."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from participant.agent.steps import Steps
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.door.messages import AgentState, Failed, JobWanted
from participant.door.served import Asker, ServedHospital
from participant.home.address import Address
from participant.home.folders import federation_folder
from participant.home.membership import Membership
from participant.home.vault import Vault
from participant.network.session import Notices
from participant.service.course import TaskAt
from participant.service.notify import Notifier
from participant.service.service import Service
from participant.training import Event
from tests.stage.consortium import CHEAP, Consortium, found, with_key


@dataclass
class Log:
    """What a service has told."""

    notices: Notices = field(default_factory=Notices)
    states: list[AgentState] = field(default_factory=list)
    ends: list[tuple[str, str, Exception | None]] = field(default_factory=list)
    begun: list[tuple[str, str]] = field(default_factory=list)
    left: list[TaskAt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def state(self, state: AgentState) -> None:
        self.states.append(state)

    def began(self, task: str, session: str) -> None:
        self.begun.append((task, session))

    def ended(self, task: str, session: str, error: Exception | None) -> None:
        self.ends.append((task, session, error))

    def event(self, event: Event) -> None:
        self.events.append(event)

    def printed(self, study: str, line: str, is_error: bool) -> None: ...

    def waits(self, own: int, tasks: list[TaskAt]) -> None: ...

    def job(self, wanted: JobWanted, error: BaseException | None, is_over: bool) -> None: ...

    def stopped(self, left: list[TaskAt], is_sending: bool) -> None:
        self.left = left


@dataclass
class Served:
    """One hospital's service at work, and how a command speaks with it."""

    service: Service
    log: Log
    folder: Path
    course: "asyncio.Task[None]"
    consortium: Consortium

    @property
    def hospital(self) -> ServedHospital:
        terms = self.consortium.terms
        address = Address(terms.aggregator_key, None, self.folder)
        return ServedHospital(terms, address, self.folder, Asker("federation.toml", ""))

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not is_so():
                assert not self.course.done(), self.course.exception()
                await asyncio.sleep(0.01)


Serves = Callable[..., Any]


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    """What is kept is sealed at little cost."""
    with patch("participant.home.membership.Vault", partial(Vault, cost=CHEAP)):
        yield


@pytest.fixture
def consortium(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Consortium]:
    """Of three hospitals, or as many as its parameter says; with a key for whoever wants it."""
    make = with_key if "keyed" in request.fixturenames else found
    made = make(tmp_path, n_members=getattr(request, "param", 3))
    with made.relay.running():
        yield made


@pytest.fixture
def keyed(consortium: Consortium) -> Consortium:
    """Hospitals with a key, three of whom at least are in each sum."""
    return consortium


@pytest.fixture
def serves(consortium: Consortium) -> Serves:
    """Runs hospitals' services by their numbers, until the block ends."""

    @asynccontextmanager
    async def run(
        *numbers: int,
        enter: Callable[[int], Membership] = consortium.member,
        keep_models: int | None = None,
    ) -> AsyncIterator[list[Served]]:
        all_served = [_start(consortium, number, enter, keep_models) for number in numbers]
        try:
            yield all_served
        finally:
            for served in all_served:
                served.service.stop()
                served.course.cancel()
            await asyncio.wait([served.course for served in all_served])

    return run


def _start(
    consortium: Consortium, number: int, enter: Callable[[int], Membership], keep_models: int | None
) -> Served:
    home = consortium.folder / f"h{number}"
    folder, log = federation_folder(home, consortium.terms.federation), Log()

    def said(error: BaseException, wanted: JobWanted | None) -> Failed:
        assert isinstance(error, Exception)
        context = Context(terms=consortium.terms, is_statistic=service.is_statistic)
        words = describe(error, context)
        return Failed(words.what, words.remedy, words.exit_code)

    told = said, log, Steps(), Notifier()
    service = Service(folder, lambda: enter(number), *told, keep_models=keep_models)
    course = asyncio.create_task(service.run())
    return Served(service, log, folder, course, consortium)
