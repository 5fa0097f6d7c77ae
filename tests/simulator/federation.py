"""A simulated federation: hospitals, aggregator, and a network that loses, repeats and delays."""

import contextlib
import itertools
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.board import kept as kept_board
from aggregator.server.service import Aggregator
from protocol.board.board import Board
from protocol.board.post import Entry, Posted, decode_entry
from protocol.record.files import recorded
from protocol.signing import public_bytes
from protocol.terms.terms import Floors, Member, Terms, check, floor
from protocol.wire.frames import Declined, Entries, FromAggregator, FromMember, Subscribe, Welcome
from tests.simulator.clock import Clock
from tests.simulator.disk import Crash, Disk
from tests.simulator.hospital import Hospital
from tests.simulator.liar import LIES
from tests.simulator.plan import Plan
from tests.simulator.rogue import shifting_sums
from tests.simulator.studies.founding import found
from tests.simulator.studies.script import StudyScript
from tests.stage import toy
from tests.stage.record.memory import MemoryFiles, files_of

CALM_AFTER = 90.0  # seconds after which nothing goes wrong any more
TIME_LIMIT = 900.0
RESTART_SECONDS = (0.5, 3.0)
NUDGE_SECONDS = 10.0  # after which everything is asked for again


def toy_of(plan: Plan) -> toy.Federation:
    """Everybody in a plan's federation, with keys that are the same in every run of a seed."""
    n, number = plan.n_members, 0 if plan.founded else plan.seed
    seed = number.to_bytes(4)
    keys = tuple(
        Ed25519PrivateKey.from_private_bytes(bytes([i + 1]) * 28 + seed) for i in range(n + 1)
    )
    members = tuple(Member(f"hospital {i}", public_bytes(keys[i])) for i in range(1, n + 1))
    terms = Terms(
        f"seed {number}", members, plan.quorum, plan.key_bits, True, True,
        public_bytes(keys[0]), Floors(floor(n), floor(n), 1), plan.step_seconds,
    )  # fmt: skip
    check(terms)
    return toy.Federation(terms, keys)


@dataclass
class Link:
    """A hospital's connection; frames of an earlier connection never arrive.

    ``arrivals``: when the last frame of each way arrives, which no later one overtakes.
    """

    number: int = 0
    up: bool = False
    arrivals: dict[str, float] = field(default_factory=dict)
    pushed: int | None = None  # the last position sent, None before it subscribed


@dataclass
class Service:
    """The aggregator's process: alive with an object, dead without; the folder stays."""

    folder: Path
    aggregator: Aggregator | None = None
    links: dict[int, Link] = field(default_factory=dict)


class Federation:
    """One run of a plan; ``services`` has a second member once the aggregator forks the board."""

    calm_after = CALM_AFTER
    studies_before: Sequence[StudyScript] = ()  # on the board of the federation before it

    def __init__(
        self, plan: Plan, folder: Path, disk_of: Callable[[int], Disk] = lambda index: Disk()
    ) -> None:
        self.plan, self.toy = plan, self._toy(plan)
        self.terms = self.toy.terms
        self.clock = Clock()
        self._connections = itertools.count(1)  # their numbers, of all links
        self.declined: list[tuple[int, Declined]] = []  # posts beyond a hospital's budget
        self.chaos = random.Random(plan.seed + 1)
        self.services = [Service(folder / "aggregator")]
        if plan.aggregator_crash_syncs:
            _make_blob_folders(folder / "aggregator")
        self.served_by = dict.fromkeys(self._numbers(), 0)
        self.hospitals = {i: self._hospital(i, folder, disk_of(i)) for i in self.served_by}
        self.set_back: set[int] = set()  # whose disks went back in time
        self.moments = Counter[int]()  # so many have been, by whose; 0 is the aggregator
        for hospital in self.hospitals.values():
            hospital.disk.hook = self._fault(hospital.index, lambda: plan.crash_writes)
            hospital.tries_again = bool(plan.liar)
            hospital.clock = hospital.person.clock = lambda: self.clock.now
        if plan.founded:
            found(self.toy, folder / "aggregator", self.members)
        if plan.liar:
            self.hospitals[plan.liar].lie = LIES[plan.lie]

    def _toy(self, plan: Plan) -> toy.Federation:
        return toy_of(plan)

    def _numbers(self) -> range:
        """Of all who speak on the board."""
        return range(1, self.plan.n_members + 1)

    @property
    def members(self) -> dict[int, Hospital]:
        """Those that are no guests."""
        return {i: self.hospitals[i] for i in self.toy.members}

    def _hospital(self, index: int, folder: Path, disk: Disk) -> Hospital:
        """A member; folder: where it may keep what is not on its disk."""
        return Hospital(self.terms, index, self.toy.keys[index], self.plan, self.chaos, disk)

    @property
    def rough(self) -> bool:
        """Whether faults may still happen."""
        return self.clock.now < self.calm_after

    def _fault(self, who: int, probability: Callable[[], float]) -> Callable[[], None]:
        """A crash at a moment that the plan names, of a hospital or the aggregator, or by chance.

        There is a moment before and after all that is written durably.
        """

        def hook() -> None:
            self.moments[who] += 1
            if (who, self.moments[who]) == self.plan.crash_at:
                raise Crash
            if self.rough and self.chaos.random() < probability():
                raise Crash

        return hook

    def run(self, limit: float | None = None) -> bool:
        """Run until all hospitals are finished or one has failed; False if time ran out.

        limit: virtual seconds; TIME_LIMIT unless told.
        """
        with _short_boards():
            return self._run(limit)

    def _run(self, limit: float | None) -> bool:
        self.begin()
        rogue = shifting_sums() if self.plan.rogue else contextlib.nullcontext()
        with self._crashing_syncs(), rogue:
            return self.clock.run(self._is_over, limit or TIME_LIMIT)

    def begin(self) -> None:
        """Start everybody's programs, and what is to happen to them."""
        self._start_service(self.services[0])
        for hospital in self.hospitals.values():
            self._start_hospital(hospital)
            self._every(NUDGE_SECONDS, lambda h=hospital: self._nudge(h))  # type: ignore[misc]
        self._every(0.5, self._tick)
        self._crash_now_and_then(self.plan.crash_every, self._crash_a_hospital)
        self._crash_now_and_then(self.plan.aggregator_crash_every, self._crash_the_service)
        if self.plan.fork:
            self.clock.after(self.chaos.uniform(0.5, 12), self._fork)

    def _is_over(self) -> bool:
        hospitals = self.hospitals.values()
        return all(h.finished for h in hospitals) or any(h.failure for h in hospitals)

    @contextlib.contextmanager
    def _crashing_syncs(self) -> Iterator[None]:
        real, of_aggregator = os.fsync, self._fault(0, lambda: self.plan.aggregator_crash_syncs)

        def fsync(descriptor: int) -> None:
            fault = self._fault_of_own_file(descriptor) or of_aggregator
            fault()
            real(descriptor)
            fault()

        with patch.object(os, "fsync", fsync):
            yield

    def _fault_of_own_file(self, descriptor: int) -> Callable[[], None] | None:
        """That of a hospital whose file this is; None for the aggregator's."""
        return None

    # ── crashes and restarts ──

    def _every(self, seconds: float, event: Callable[[], None]) -> None:
        def again() -> None:
            event()
            self.clock.after(seconds, again)

        self.clock.after(seconds, again)

    def _crash_now_and_then(self, mean: float, event: Callable[[], None]) -> None:
        if mean:

            def again() -> None:
                if self.rough:
                    event()
                    self.clock.after(self.chaos.expovariate(1 / mean), again)

            self.clock.after(self.chaos.expovariate(1 / mean), again)

    def _crash_a_hospital(self) -> None:
        hospital = self.chaos.choice(list(self.hospitals.values()))
        if hospital.agent is not None:
            self._crash_hospital(hospital)

    def _crash_hospital(self, hospital: Hospital) -> None:
        hospital.crash()
        self._link(hospital).up = False
        delay = self.chaos.uniform(*RESTART_SECONDS)
        self.clock.after(delay, lambda: self._start_hospital(hospital))

    def _start_hospital(self, hospital: Hospital) -> None:
        try:
            hospital.start()
        except Crash:
            self._crash_hospital(hospital)
            return
        self._connect(hospital)

    def _crash_the_service(self) -> None:
        self._crash_service(self.chaos.choice(self.services))

    def _crash_service(self, service: Service) -> None:
        if service.aggregator is None:
            return
        service.aggregator = None
        for index, link in service.links.items():
            link.up = False
            if agent := self.hospitals[index].agent:
                agent.disconnected()
        service.links.clear()
        delay = self.chaos.uniform(*RESTART_SECONDS)
        self.clock.after(delay, lambda: self._start_service(service))

    def _start_service(self, service: Service) -> None:
        key = self.toy.keys[0]
        try:
            service.aggregator = Aggregator(
                self.terms, key, service.folder, lambda: int(self.clock.now * 1000)
            )
        except Crash:
            self.clock.after(1.0, lambda: self._start_service(service))
            return
        for hospital in self.hospitals.values():
            if self._service(hospital) is service:
                self._connect(hospital)

    def _fork(self) -> None:
        """The aggregator copies its board and shows half of the hospitals the copy, then swaps."""
        first = self.services[0]
        second = Service(first.folder.with_name("fork"))
        shutil.copytree(first.folder, second.folder)
        self.services.append(second)
        self._start_service(second)
        self._reassign(lambda i: i % 2)
        self.clock.after(30.0, lambda: self._reassign(lambda i: 1 - i % 2))

    def _reassign(self, choose: Callable[[int], int]) -> None:
        for index, hospital in self.hospitals.items():
            self._link(hospital).up = False
            self._service(hospital).links.pop(index, None)
            self.served_by[index] = choose(index)
            if hospital.agent:
                hospital.agent.disconnected()
            self._connect(hospital)

    # ── the network ──

    def _service(self, hospital: Hospital) -> Service:
        return self.services[self.served_by[hospital.index]]

    def _link(self, hospital: Hospital) -> Link:
        return self._service(hospital).links.setdefault(hospital.index, Link())

    def _connect(self, hospital: Hospital) -> None:
        service, link = self._service(hospital), self._link(hospital)
        link.number, link.up, link.pushed = next(self._connections), True, None
        link.arrivals.clear()
        number = link.number

        def welcome() -> None:
            if service.aggregator is None or not self._is_current(hospital, service, number):
                return
            self._hear(hospital, Welcome(*service.aggregator.board.head))

        self.clock.after(self._delay(), welcome)

    def _is_current(self, hospital: Hospital, service: Service, number: int) -> bool:
        link = service.links.get(hospital.index)
        return bool(link and link.up and link.number == number and hospital.agent)

    def _delay(self) -> float:
        slow = self.rough and self.chaos.random() < self.plan.slow
        return self.chaos.uniform(0.5, 8.0) if slow else self.chaos.uniform(0.005, 0.08)

    def _deliveries(self) -> Iterator[float]:
        """How late copies of a frame are: usually one, sometimes none or two."""
        if self.rough and self.chaos.random() < self.plan.drop:
            return
        yield self._delay()
        if self.rough and self.chaos.random() < self.plan.duplicate:
            yield self._delay()

    def _hear(self, hospital: Hospital, frame: FromAggregator | Welcome) -> None:
        self._guarded(hospital, lambda: hospital.hear(frame))

    def _nudge(self, hospital: Hospital) -> None:
        def nudge() -> list[FromMember]:
            if hospital.agent is None or hospital.failure or not self._link(hospital).up:
                return []
            hospital.agent.nudge()
            return hospital.work()

        self._guarded(hospital, nudge)

    def _guarded(self, hospital: Hospital, action: Callable[[], list[FromMember]]) -> None:
        try:
            frames = action()
        except Crash:
            self._crash_hospital(hospital)
            return
        if hospital.next_task():
            self._link(hospital).up = False
            self.clock.after(0.1, lambda: self._start_hospital(hospital))
        elif self._link(hospital).up:
            for frame in frames:
                self._send_up(hospital, frame)

    def _send_up(self, hospital: Hospital, frame: FromMember) -> None:
        service, link = self._service(hospital), self._link(hospital)

        def arrive() -> None:
            if service.aggregator is None:
                return
            try:
                replies = service.aggregator.receive(hospital.index, frame)
            except Crash:
                self._crash_service(service)
                return
            if isinstance(frame, Subscribe):
                link.pushed = frame.after
            self.declined += [(hospital.index, r) for r in replies if isinstance(r, Declined)]
            for reply in replies:
                self._send_down(hospital, service, reply)
            self._push(service)

        self._deliver(hospital, service, arrive, "up")

    def _send_down(self, hospital: Hospital, service: Service, frame: FromAggregator) -> None:
        if isinstance(frame, Entries) and frame.entries:
            service.links[hospital.index].pushed = decode_entry(frame.entries[-1]).position
        lag = 0.0
        if self.rough and hospital.index == self.plan.laggard and isinstance(frame, Entries):
            lag = self.chaos.uniform(0.0, 15.0)
        # Who declines a post says so once: an agent takes the same a second time for a lie.
        is_once = isinstance(frame, Declined)
        self._deliver(hospital, service, lambda: self._hear(hospital, frame), "down", lag, is_once)

    def _deliver(
        self,
        hospital: Hospital,
        service: Service,
        arrive: Callable[[], None],
        way: str,
        lag: float = 0.0,
        is_once: bool = False,
    ) -> None:
        """Let a frame arrive as often as it does, unless its connection is gone then."""
        link = service.links[hospital.index]
        number = link.number

        def arrive_if_current() -> None:
            if self._is_current(hospital, service, number):
                arrive()

        for delay in [self._delay()] if is_once else self._deliveries():
            at = max(self.clock.now + lag + delay, link.arrivals.get(way, 0.0))
            link.arrivals[way] = at
            self.clock.after(at - self.clock.now, arrive_if_current)

    def _push(self, service: Service) -> None:
        aggregator = service.aggregator
        assert aggregator is not None
        for index, link in service.links.items():
            while link.up and link.pushed is not None:
                if link.pushed >= aggregator.board.head.position:
                    break
                frame = aggregator.entries_after(link.pushed)
                if not frame.entries:
                    break  # the last one is not stored yet
                self._send_down(self.hospitals[index], service, frame)

    def _tick(self) -> None:
        for service in self.services:
            if service.aggregator is None:
                continue
            try:
                service.aggregator.tick()
            except Crash:
                self._crash_service(service)
                continue
            self._push(service)

    def payloads(self, posted: Posted) -> dict[int, bytes]:
        """All payloads of an entry, by recipient, from the aggregator's store."""
        return {a.to: self.aggregator._blobs.payload(a) for a in posted.attachments}

    @property
    def aggregator(self) -> Aggregator:
        """The first one, which must be up."""
        found = self.services[0].aggregator
        assert found is not None
        return found

    @property
    def board(self) -> Board:
        """The aggregator's board."""
        return self.aggregator.board

    def record_entries(self) -> list[Posted]:
        """What counts of the first board; the aggregator is started again if it is down."""
        while (aggregator := self.services[0].aggregator) is None:
            self._start_service(self.services[0])
        return list(aggregator.board.entries)

    def record(self, number: int = 0) -> MemoryFiles:
        """What one of the services has, as a record; it is started again if it is down."""
        while (aggregator := self.services[number].aggregator) is None:
            self._start_service(self.services[number])
        entries = list[Entry]()
        while len(entries) < aggregator.board.head.position:
            entries += map(decode_entry, aggregator.entries_after(len(entries)).entries)
        attachments = recorded(aggregator.board.entries, self.terms.n_members)
        blobs = {a.digest: aggregator._blobs.payload(a) for _, a in attachments}
        return files_of(self.toy, entries, blobs)


def _short_boards() -> AbstractContextManager[object]:
    """The aggregator lets rounds rest, and sums its board up, as if boards were long."""
    return patch.multiple(kept_board, HELD_ENTRIES=20, _AT_ONCE=4, _SUMMED_UP=8)


def _make_blob_folders(folder: Path) -> None:
    """All of them, or a seed would not be one run: which are made is as random as seals are."""
    for first in range(256):
        (folder / "blobs" / f"{first:02x}").mkdir(parents=True)


@contextlib.contextmanager
def memory_folder() -> Iterator[Path]:
    """A scratch folder, in memory where the system has a place for that."""
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="quorate-", dir=shared) as name:
        yield Path(name)
