"""Several processes of one aggregator on one database, and a load balancer before them."""

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from examples.demo.processes import ROOT, aggregate, checked, free_port, stop, wait_for

_PROBE_SECONDS = 0.5  # for an answer over TLS: a process that is frozen gives none
_PACE_SECONDS = 0.02


def answers(port: int) -> bool:
    """Whether a process on this port speaks TLS now."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), _PROBE_SECONDS) as line,
        context.wrap_socket(line),
    ):
        return True
    return False


@dataclass
class Member:
    """One process of the aggregator, with a port of its own."""

    number: int
    port: int
    log: Path
    process: subprocess.Popen[str] = field(repr=False)

    @property
    def said(self) -> str:
        return self.log.read_text()


class Cluster:
    """Processes that serve the same terms from the same folder and database; one leads."""

    def __init__(self, terms: Path, data: Path, address: str, count: int) -> None:
        self.terms, self.data, self.address = terms, data, address
        self.members = [self._start(k, free_port()) for k in range(1, count + 1)]

    def _start(self, number: int, port: int) -> Member:
        command = [
            sys.executable, "-m", "aggregator", "serve", str(self.terms), "--data", str(self.data),
            "--board", self.address, "--host", "127.0.0.1", "--port", str(port),
        ]  # fmt: skip
        log = self.terms.parent / f"aggregator-{number}.log"
        with log.open("a") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, text=True)
        return Member(number, port, log, process)

    def restart(self, member: Member) -> None:
        """Another process in the place of one that has died."""
        place = self.members.index(member)
        self.members[place] = self._start(member.number, member.port)

    def leader(self, seconds: float = 60) -> Member:
        """The one that answers, once there is one."""
        found = list[Member]()

        def is_there() -> bool:
            found[:] = [m for m in self.members if m.process.poll() is None and answers(m.port)]
            return bool(found)

        wait_for("a leader", is_there, [], seconds, _PACE_SECONDS)
        assert len(found) == 1, found
        return found[0]

    def follower(self, member: Member, seconds: float = 60) -> tuple[Member, float]:
        """The next leader after this one died or froze just now, and after how many seconds."""
        began, others = time.monotonic(), [m for m in self.members if m is not member]
        found = list[Member]()

        def is_there() -> bool:
            found[:] = [m for m in others if answers(m.port)]
            return bool(found)

        wait_for("the next leader", is_there, [], seconds, _PACE_SECONDS)
        return found[0], time.monotonic() - began

    def status(self) -> dict[str, object]:
        """What ``status`` says."""
        words = str(self.terms), "--data", str(self.data), "--board", self.address, "--json"
        found: dict[str, object] = json.loads(checked(aggregate("status", *words)))
        return found

    def close(self) -> None:
        """End all of them."""
        for member in self.members:
            if member.process.poll() is None:
                member.process.send_signal(signal.SIGCONT)
        stop(*(member.process for member in self.members))


class Balancer:
    """Leads each connection to whichever process answers, over bytes alone."""

    def __init__(self, port: int, ports: list[int]) -> None:
        self._port, self._ports = port, ports
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends."""
        self._thread.start()
        assert self._up.wait(10)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._up.set()
        await self._ended.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.ExitStack() as ends:
            ends.callback(writer.close)
            for port in self._ports:
                if await asyncio.to_thread(answers, port):
                    inner, outer = await asyncio.open_connection("127.0.0.1", port)
                    ends.callback(outer.close)
                    ways = self._pass(reader, outer), self._pass(inner, writer)
                    tasks = [asyncio.ensure_future(way) for way in ways]
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    return

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Raises DemoFailed when it takes longer."""
    wait_for(what, condition, [], seconds, _PACE_SECONDS)
