"""A program of a hospital's own trains in a study, over a socket that its agent listens at."""

import asyncio
import contextlib
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.errors import SaidByAgent
from quorate_client import NoAgent, run_at
from tests.participant.program.test_at_socket import until
from tests.participant.service.conftest import Serves
from tests.participant.service.test_studies import app_at, approved, followed, model_at, scored
from tests.stage.consortium import Consortium, ended


class Plus:
    """As ``app_at`` makes one in a file."""

    def __init__(self, step: float) -> None:
        self.step = step

    def initial_parameters(self, config: dict[str, Any]) -> Any:
        return [np.zeros(3)]

    def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
        return [parameters[0] + self.step], 10, {}

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> Any:
        return float(parameters[0].sum()), 10, {}


def socket_in(made: Consortium) -> Path:
    folder = made.folder / "own"
    folder.mkdir(mode=0o700)
    return folder / "cardio.sock"


def program(path: Path, step: float) -> threading.Thread:
    """One that is started before its agent, as it may be."""

    def run() -> None:
        with contextlib.suppress(NoAgent):  # where a test ends before the study does
            run_at(str(path), Plus(step))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_program_trains_in_an_approved_study(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", has_app=False)
    path = socket_in(keyed)
    for number, app in ((1, f"unix:{path}"), (2, app_at(keyed.folder, 2, 0.25))):
        said = "study", "approve", "cardio", "--yes", "--unpinned", "--app", str(app)
        keyed.typed(number, *said)
    own = program(path, 0.125)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: "running" in served[2].log.states)
            given = app_at(keyed.folder, 3, 0.375)
            typed = asyncio.create_task(followed(served[2], "cardio", given)[0])
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1, 2])
            await typed
            await asyncio.to_thread(own.join, 20)
        assert not own.is_alive()
        assert len({model_at(one, "cardio", 2) for one in served}) == 1

    asyncio.run(run())


def test_an_approval_that_says_which_app_has_no_program_of_somebodys_own(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1)
    path = socket_in(keyed)

    async def run() -> None:
        async with serves(1) as (first,):
            await first.until(lambda: "running" in first.log.states)
            # The second, where the agent has begun with the approved app already.
            why = "it is no file, and the one that was approved|trains in cardio already, with ano"
            with pytest.raises(SaidByAgent, match=why):
                await followed(first, "cardio", Path(f"unix:{path}"))[0]

    asyncio.run(run())
    assert not path.exists()


def test_a_command_whose_time_is_over_says_that_the_app_is_waited_for(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    path = socket_in(keyed)

    async def run() -> None:
        async with serves(1) as (first,):
            await first.until(lambda: "running" in first.log.states)
            study = first.hospital.study("cardio")
            with pytest.raises(SaidByAgent, match=r"its app, at work on .*cardio") as said:
                await study.train(
                    f"unix:{path}",
                    variables={},
                    timeout=4,
                    on_event=lambda event: None,
                    on_output=lambda line, is_error: None,
                )
            assert "a program of your own" in str(said.value)

    asyncio.run(run())


def test_a_command_waits_for_a_program_and_is_interrupted_meanwhile(keyed: Consortium) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    path = socket_in(keyed)
    words = "train", "federation.toml", "--study", "cardio", "--app"
    first = keyed.start(1, *words, f"unix:{path}")
    until(path.exists)
    first.send_signal(signal.SIGINT)
    output, _ = ended(first, 130)
    assert f"waiting for a program to connect: QUORATE_CONNECTION=unix:{path}" in output
    assert not list(path.parent.iterdir())
    own = program(path, 0.125)
    all_three = [keyed.start(1, *words, f"unix:{path}")]
    all_three += [keyed.start(k, *words, str(app_at(keyed.folder, k, k / 8))) for k in (2, 3)]
    for one in all_three:
        assert "Study cardio is done, 1 round in all." in ended(one)[0]
    own.join(20)
    assert not own.is_alive()


def test_a_command_whose_time_is_over_has_waited_for_the_program_and_not_for_the_board(
    keyed: Consortium,
) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    path = socket_in(keyed)
    words = "train", "federation.toml", "--study", "cardio", "--timeout", "5"
    _, errors = keyed.typed(1, *words, "--app", f"unix:{path}", expect=1)
    assert "aggregator" not in errors
    assert "app" in errors
    assert not list(path.parent.iterdir())


def test_a_program_at_another_socket_is_another_app(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", has_app=False)
    path = socket_in(keyed)
    other = Path(f"unix:{path.with_name('other.sock')}")

    async def run() -> None:
        async with serves(1) as (first,):
            await first.until(lambda: "running" in first.log.states)
            own = program(path, 0.125)
            begun = followed(first, "cardio", Path(f"unix:{path}"))[0]
            typed = asyncio.create_task(begun)
            await first.until(lambda: ("training", "") in first.log.begun)
            with pytest.raises(SaidByAgent, match="another app"):
                await followed(first, "cardio", other)[0]
            typed.cancel()
        await asyncio.to_thread(own.join, 1)

    asyncio.run(run())
