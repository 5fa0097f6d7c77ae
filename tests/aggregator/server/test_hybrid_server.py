"""Sums of long vectors beside the members' frames."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregator.rounds.hybrid import HybridRound
from protocol.wire.frames import StatusReport, StatusRequest
from tests.stage.caller import QUICK, serving, until
from tests.stage.rounds.served_hybrid import LENGTH, Hospitals, hybrid_desk
from tests.stage.studies import SESSION


@pytest.mark.usefixtures("short_chunks")
async def test_members_are_answered_between_two_parts_of_a_sum_that_does_not_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.rounds.summing._TICK_STEPS", 1)
    desk = hybrid_desk(tmp_path)
    desk.open_training(length=4 * LENGTH)
    for member in desk.federation.members:
        Hospitals(desk).contribute(member)
    steps, answered_after = list[Any](), list[int]()
    real = HybridRound.step

    def step(found: HybridRound, is_due: bool) -> bool:
        if len(steps) == 1:
            asyncio.run_coroutine_threadsafe(ask(), loop).result(10)
        steps.append(is_due)
        return real(found, is_due)

    async def ask() -> None:
        await line.say(StatusRequest())

    async def answer() -> None:
        assert isinstance(await line.hear(), StatusReport)
        answered_after.append(len(steps))

    loop = asyncio.get_running_loop()
    # With a tick's pause before each part, the round would take minutes.
    limits = replace(QUICK, tick_seconds=2.0)
    async with serving(desk, limits) as service, service.member(1, purpose="status") as line:
        monkeypatch.setattr(HybridRound, "step", step)
        await answer()
        await until(lambda: desk.closing(SESSION) is not None)
    assert answered_after[0] < len(steps) == 4 + 10 + 10  # judged, added, kept
    desk.service.close()
