"""Key ceremonies between whole processes over TLS websockets, the aggregator included.

What a party sends is counted by its agent, over all frames that it gives to its websocket: offers,
requests and repetitions are sent too, and the board has none of them. Every post and blob of the
board has been in a frame, so the frames cannot have fewer bytes; each run checks that. On top of a
large frame come some 0.2 % for websocket and TLS, and some 4 % for TCP/IP on Ethernet.
"""

import contextlib
import json
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.phases import board_rounds, phase_seconds
from benchmarks.shaping import Shape, shaped
from benchmarks.timing import spread
from examples.demo.processes import (
    DemoFailed,
    aggregator,
    at_work,
    finish,
    free_port,
    signed,
    wait_for,
)
from examples.demo.stored import stored_board
from protocol.board import Posted
from protocol.encoding import encode
from protocol.terms import parse

_LIMIT_SECONDS = 3 * 3_600
_SERVICE_SECONDS = 30


@dataclass(frozen=True)
class Run:
    """One ceremony; bytes are means over the parties, phases are in seconds."""

    seconds: float
    candidates: int
    biprimality_tests: int
    bytes_sent: float
    bytes_received: float
    bytes_on_board: float
    board_rounds: int
    phases: dict[str, float]


def measure(bits: int, parties: int, runs: int, shape: Shape | None = None) -> dict[str, Any]:
    """Fresh federations, one after the other; ``shape`` of each party's line, None for loopback."""
    found = []
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="quorate-ceremony-") as name:
            found.append(run_once(Path(name), bits, parties, shape))
        last = found[-1]
        print(f"run {number + 1}: {last.seconds:.2f} s, {last.candidates} candidates", flush=True)
    return {"bits": bits, "parties": parties, "runs": runs, **summary(found)}


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Means over the runs; a phase that a run did not have counts as 0 s there."""
    phases = list(dict.fromkeys(phase for run in runs for phase in run.phases))

    def mean(of: Callable[[Run], float]) -> float:
        return statistics.mean(of(run) for run in runs)

    return {
        "seconds": spread([run.seconds for run in runs]),
        "candidates_mean": round(mean(lambda run: run.candidates), 1),
        "biprimality_tests_mean": round(mean(lambda run: run.biprimality_tests), 1),
        "bytes_sent_per_party": round(mean(lambda run: run.bytes_sent)),
        "bytes_received_per_party": round(mean(lambda run: run.bytes_received)),
        "bytes_on_board_per_party": round(mean(lambda run: run.bytes_on_board)),
        "board_rounds": round(mean(lambda run: run.board_rounds), 1),
        "phases": {
            p: round(statistics.mean(r.phases.get(p, 0.0) for r in runs), 3) for p in phases
        },
    }


def run_once(folder: Path, bits: int, parties: int, shape: Shape | None) -> Run:
    """One ceremony, from the first hospital's start to the last one's end; the service is up."""
    settings = {"--name": "Benchmark", "--quorum": str(parties // 2 + 1), "--key-bits": str(bits)}
    hospitals = signed(folder, parties, settings)
    file = folder / "federation.toml"
    terms = parse(file.read_text()).terms
    with _service(file, folder, shape):
        began, started = time.time(), time.monotonic()
        with at_work(hospitals, folder, "ceremony", str(file), "--json") as processes:
            finish(processes, "the ceremony", _LIMIT_SECONDS)
        seconds = time.monotonic() - started
    posts = stored_board(folder / "aggregator" / terms.federation.hex()[:16], terms).entries
    return _run(seconds, began, posts, [_events(folder / f"{h.number}.log") for h in hospitals])


def _run(
    seconds: float, began: float, posts: Sequence[Posted], said: Sequence[list[dict[str, Any]]]
) -> Run:
    facts = [event for event in said[0] if "candidates" in event][-1]
    done = [next(event for event in events if event["event"] == "done") for events in said]
    sent, received = (sum(event[key] for event in done) for key in ("bytes_up", "bytes_down"))
    held = sum(_size(posted) for posted in posts)
    if sent < held:
        raise DemoFailed(f"{held} bytes are on the board, of which the hospitals sent {sent}")
    rounds, n = board_rounds(posts), len(said)
    return Run(
        seconds, facts["candidates"], facts["tests"], sent / n, received / n, held / n,
        len(rounds), phase_seconds(rounds, began, began + seconds),
    )  # fmt: skip


@contextlib.contextmanager
def _service(file: Path, folder: Path, shape: Shape | None) -> Iterator[None]:
    """The aggregator, listening; at the terms' address is a shaped line, if there is to be one."""
    card = parse(file.read_text()).card
    assert card is not None
    named = urlsplit(card.url).port
    assert named is not None
    port = named if shape is None else free_port()
    data, log, options = folder / "aggregator", folder / "aggregator.log", ("--port", str(port))
    with aggregator(file, data, log, options=options) as process:
        wait_for("the aggregator", lambda: _listens(port), [process], _SERVICE_SECONDS)
        with contextlib.nullcontext() if shape is None else shaped(shape, named, port):
            yield


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _size(posted: Posted) -> int:
    """Bytes of a post and its blobs."""
    return len(encode(posted.post)) + sum(a.size for a in posted.attachments if a.is_blob)


def _events(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]
