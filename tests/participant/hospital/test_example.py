"""docs/library.md: three hospitals and the service in one event loop, and nothing else changes."""

import asyncio
import logging
import os
import re
import signal
import sys
import threading
from contextlib import chdir
from pathlib import Path

import pytest

import participant
from aggregator import Aggregation
from participant.study import write_plan
from protocol.board import Study
from protocol.messages import Plan, Statistic, Training
from tests.stage.consortium import PASSPHRASE, found, free_port
from tests.stage.rounds.round_table import Steps

PAGE = (Path(__file__).parents[3] / "docs" / "library.md").read_text()
HOSPITAL, SERVICE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[2:]


def surroundings() -> list[object]:
    """What a program would not have changed behind its back."""
    mask = os.umask(0)
    os.umask(mask)
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    policy = asyncio.get_event_loop_policy()
    return [mask, handlers, dict(os.environ), Path.cwd(), sys.stdout, sys.path[:], policy]


def test_the_example_works_and_changes_nothing_around_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    card = Aggregation.init(tmp_path / "data", "localhost", free_port())
    terms = found(tmp_path, card=card).terms
    for name, work in (
        ("cardio", Training(2, 8.0, 24, 1_000)),
        ("visits", Statistic(2, 1, "visits", ("men", "women"))),
    ):
        plan = Plan("to show it", (1, 2, 3), 3, 30, work)
        write_plan(tmp_path / f"{name}.toml", Study(terms, name, plan))
    names: dict[str, object] = {}
    earlier = set(threading.enumerate())  # another test of this process may have left some
    exec(HOSPITAL + SERVICE, names)

    async def program() -> list[dict[str, object]]:
        here = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(names["serve"](lambda *ready: here.set_result(ready)))  # type: ignore[operator]
        service, _ = await here
        ends = await asyncio.gather(
            *(names["take_part"](Steps(), tmp_path / f"h{i}", PASSPHRASE.text) for i in (1, 2, 3))  # type: ignore[operator]
        )
        assert asyncio.get_running_loop().get_exception_handler() is None
        service.stop()
        await serving
        return list(ends)

    with chdir(tmp_path):
        before = surroundings()
        assert asyncio.run(program()) == [{"men": 36, "women": 46.5}] * 3
        assert surroundings() == before
    out, err = capfd.readouterr()
    contributed = "loss 0.50, from H1, H2, H3"
    assert sorted(out.splitlines()) == [f"round {k}: {contributed}" for k in (1, 1, 1, 2, 2, 2)]
    assert err == ""
    assert not [t for t in set(threading.enumerate()) - earlier if t.name == "steps"]


def test_the_page_names_everything_that_is_exported() -> None:
    for name in participant.__all__:
        assert f"`{name}" in PAGE, name
        assert getattr(participant, name).__doc__, name
