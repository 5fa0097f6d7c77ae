"""Hospitals with a key of toy size whose agents stay, in one event loop, and their aggregator.

FOR TESTS ALONE: the key has 256 bits, and can be broken in minutes. Everything else is what
hospitals run: the ceremony, the services, the link, the doorkeepers and the rounds.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from participant.agent.steps import Steps
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.door.messages import AgentState, Failed, JobWanted
from participant.door.served import Asker, ServedHospital
from participant.home.address import Address
from participant.home.folders import federation_folder
from participant.home.vault import Vault
from participant.network.session import Notices
from participant.service.course import TaskAt
from participant.service.notify import Notifier
from participant.service.service import Service
from participant.training import Event
from protocol.board import Study
from protocol.messages import Plan, Training
from tests.stage.consortium import CHEAP, Consortium, found, run_all

_SECONDS = 60.0  # that anything here may take
WORK: dict[str, Any] = {"rounds": 2, "clip": 8.0, "bits": 24, "max_examples": 1_000}


@dataclass
class Told:
    """What an agent has told."""

    notices: Notices = field(default_factory=Notices)
    states: list[AgentState] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    printed_lines: list[str] = field(default_factory=list)
    ends: list[tuple[str, str, Exception | None]] = field(default_factory=list)

    def state(self, state: AgentState) -> None:
        self.states.append(state)

    def began(self, task: str, session: str) -> None: ...

    def ended(self, task: str, session: str, error: Exception | None) -> None:
        self.ends.append((task, session, error))

    def event(self, event: Event) -> None:
        self.events.append(event)

    def printed(self, study: str, line: str, is_error: bool) -> None:
        self.printed_lines.append(line)

    def waits(self, own: int, tasks: list[TaskAt]) -> None: ...

    def job(self, wanted: JobWanted, error: BaseException | None, is_over: bool) -> None: ...

    def stopped(self, left: list[TaskAt], is_sending: bool) -> None: ...


@dataclass
class Staged:
    """``made``: the consortium on the disk. ``sockets``: the folder of all sockets."""

    made: Consortium
    sockets: Path
    told: dict[int, Told] = field(default_factory=dict)
    _services: dict[int, tuple[Service, "asyncio.Task[None]"]] = field(default_factory=dict)
    _aggregator: ExitStack = field(default_factory=ExitStack)

    @property
    def hospitals(self) -> range:
        return range(1, self.made.terms.n_members + 1)

    def socket(self, study: str, hospital: int) -> Path:
        """Where the programs of a hospital come for a study."""
        return self.sockets / f"{study}{hospital}"

    async def study(self, name: str, **changes: Any) -> list[str]:
        """Propose one, and have all hospitals approve it with a socket; the sockets.

        changes: to the plan, its training, or ``on``: at the sockets of which other study.
        """
        on = changes.pop("on", name)
        work = WORK | {k: changes.pop(k) for k in [*changes] if k in Training.__struct_fields__}
        members = tuple(self.hospitals)
        about = {"least_contributors": self.made.terms.least_contributors, "seconds": 5} | changes
        plan = Plan(purpose="to try", members=members, work=Training(**work), **about)
        study = Study(self.made.terms, name, plan)
        await self.hospital(1).propose(study, timeout=_SECONDS)
        for index in members:
            await self.approve(study, index, on)
        paths = [self.socket(on, index) for index in members]
        await self.until(lambda: all(path.exists() for path in paths))
        return list(map(str, paths))

    async def approve(self, study: Study, index: int, on: str) -> None:
        """A hospital approves a study, at its socket of that study or of another."""
        app = f"unix:{self.socket(on, index)}"
        desk = self.hospital(index).study(study.name)
        await desk.approve(app, plan=study.digest, unpinned=True, timeout=_SECONDS)

    def hospital(self, index: int) -> ServedHospital:
        """How a command speaks with a hospital's agent."""
        terms, folder = self.made.terms, self._folder(index)
        address = Address(terms.aggregator_key, None, folder)
        return ServedHospital(terms, address, folder, Asker("federation.toml", ""))

    def _folder(self, index: int) -> Path:
        return federation_folder(self.made.folder / f"h{index}", self.made.terms.federation)

    async def start(self, index: int) -> None:
        """Begin with a hospital's agent."""
        log = self.told.setdefault(index, Told())

        def said(error: BaseException, wanted: JobWanted | None) -> Failed:
            assert isinstance(error, Exception)
            words = describe(error, Context(terms=self.made.terms))
            return Failed(words.what, words.remedy, words.exit_code)

        enter = partial(self.made.member, index)
        service = Service(self._folder(index), enter, said, log, Steps(), Notifier())
        log.states.clear()
        self._services[index] = service, asyncio.create_task(service.run())
        await self.until(lambda: "running" in log.states)

    async def stop(self, index: int) -> None:
        """End a hospital's agent, as a restart of its machine does."""
        service, running = self._services.pop(index)
        service.stop()
        await asyncio.wait([running], timeout=_SECONDS)

    def start_aggregator(self) -> None:
        self._aggregator.enter_context(self.made.relay.running())

    def stop_aggregator(self) -> None:
        self._aggregator.close()

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(_SECONDS):
            while not is_so():
                for service, running in self._services.values():
                    assert not running.done(), (service, running.exception())
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        for index in list(self._services):
            await self.stop(index)
        self.stop_aggregator()


@contextlib.asynccontextmanager
async def staged(folder: Path, hospitals: int = 3) -> AsyncIterator[Staged]:
    """A federation at work in a folder, with a key, until the block ends."""
    async with AsyncExitStack() as held:
        held.enter_context(patch("participant.home.membership.Vault", partial(Vault, cost=CHEAP)))
        sockets = Path(tempfile.mkdtemp(prefix="quorate-"))  # short, as a socket's path has to be
        held.callback(shutil.rmtree, sockets, ignore_errors=True)
        made = found(folder, n_members=hospitals)
        stage = Staged(made, sockets)
        stage.start_aggregator()
        held.push_async_callback(stage.close)
        sessions = [made.session(index) for index in stage.hospitals]
        ends = await asyncio.to_thread(run_all, sessions)
        assert ends == [None] * hospitals, ends
        for index in stage.hospitals:
            await stage.start(index)
        yield stage
