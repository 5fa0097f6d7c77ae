"""What the benchmark of attacks compares and shows; the scenes themselves run in it alone."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hostile import comparison as hostile
from benchmarks.hostile import scene as hostile_scene
from benchmarks.hostile.stranger import _hold
from tests.stage.caller import serving
from tests.stage.desk import Desk

FIGURES: dict[str, Any] = {
    "round_seconds": 2.0, "connects": 40, "connects_failed": 0, "failures": {},
    "slowest_connect_seconds": 0.25, "uploads_refused": 0, "log_lines": 0, "bytes_down": 1_000_000,
    "stored_bytes": 5_000_000, "attacker": {}, "aggregator_peak_mib": 80,
}  # fmt: skip


def test_each_scene_is_compared_with_the_quiet_one_of_as_many_members() -> None:
    played = {
        hostile.QUIET: FIGURES,
        "silent": FIGURES | {"round_seconds": 2.5, "connects_failed": 3},
        hostile.QUIET_WITH_FOURTH: FIGURES | {"round_seconds": 4.0, "bytes_down": 2_000_000},
        "flood": FIGURES | {
            "round_seconds": 5.0, "bytes_down": 2_500_000, "stored_bytes": 25_000_000,
            "stored_bytes_after_clean_up": 6_000_000, "attacker": {"posts_taken": 7},
        },
    }  # fmt: skip
    found = hostile.compared(played)
    assert found["silent"]["round_ratio"] == 1.25
    assert found["flood"]["round_ratio"] == 1.25
    assert found["flood"]["extra_bytes_down"] == 500_000
    lines = hostile.table({"scenes": found}).splitlines()
    assert len(lines) == 2 + len(played)
    assert "| silent | 40 | 3 | 0.25 | 2.50 | 1.25 | 0 | 0 | 0.0 | 0.0 |  |  |" in lines
    assert "| 0.5 | 20.0 | 1.0 | posts_taken 7 |" in lines[-1]


async def test_strangers_hold_their_connections_and_tell_how_many(tmp_path: Path) -> None:
    async with serving(Desk(tmp_path)) as service:
        told = await _hold(service.port, 5, "127.0.0.2", 0.3, None)
    assert told == {"made": 5, "ended": 0}


def test_strangers_come_from_loopback_only() -> None:
    command = [sys.executable, "-m", "benchmarks.hostile.stranger", "silent", "--port", "1"]
    command += ["--count", "1", "--source", "192.0.2.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "only a loopback address" in done.stderr


async def test_a_probe_counts_whatever_it_meets_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, enough = [0], asyncio.Event()

    @contextlib.asynccontextmanager
    async def link(*_: object) -> AsyncIterator[None]:
        asked[0] += 1
        if asked[0] == 2:
            raise ZeroDivisionError("odd frame")
        if asked[0] == 4:
            enough.set()
        yield

    monkeypatch.setattr(hostile_scene, "open_link", link)
    monkeypatch.setattr(hostile_scene, "_PROBE_SECONDS", 0.0)
    probes = hostile_scene.Probes()
    terms: Any = None
    task = asyncio.create_task(hostile_scene._probe(terms, terms, terms, probes))
    async with asyncio.timeout(5):
        await enough.wait()
    await hostile_scene._end_probes([task])
    assert task.cancelled()
    assert probes.failed == {"ZeroDivisionError: odd frame": 1}
    assert len(probes.seconds) >= 2


async def test_a_probe_that_has_died_fails_the_scene() -> None:
    async def dead() -> None:
        raise ZeroDivisionError("odd clock")

    tasks = [asyncio.create_task(dead()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.wait(tasks[:1])
    with pytest.raises(ZeroDivisionError, match="odd clock"):
        await hostile_scene._end_probes(tasks)
    assert tasks[1].cancelled()


def test_what_the_log_counts_is_counted() -> None:
    log = "error: busy: /a: full\nwarning: busy: 1,234 more in 60 s; the last one: busy: /a: full"
    assert hostile_scene._counted(log, "busy") == 1_235
