"""What begins and ends the training of an agent that stays: commands, approvals, hanging apps."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from participant.errors import DamagedFile, OtherApp, SaidByAgent
from participant.study.approval import approval_name
from participant.training.fitting import Fitter
from tests.participant.app.test_apart import is_running
from tests.participant.service.conftest import Served, Serves
from tests.participant.service.test_studies import approved, events, followed, of_four, scored
from tests.stage.consortium import Consortium

APP = """
import os, time
from pathlib import Path
import numpy as np

FOLDER = Path({folder!r})
NUMBER, KIND = {number}, {kind!r}
with open(FOLDER / f"pids{{NUMBER}}", "a") as file:
    file.write(f"{{os.getpid()}} {{KIND}}\\n")

def wait(name):
    while (FOLDER / f"{{name}}{{NUMBER}}").exists():
        time.sleep(0.01)

def initial_parameters(config):
    wait("begin")
    return [np.zeros(3)]

def fit(parameters, config):
    wait("fit")
    if KIND == "raises":
        raise ValueError("no data")
    return [parameters[0] + 0.125], 10, {{}}

def evaluate(parameters, config):
    return float(parameters[0].sum()), 10, {{}}
"""


def app_of(made: Consortium, number: int, kind: str = "first") -> Path:
    """One that waits while there is a file ``begin`` or ``fit`` of its number, at these places."""
    path = made.folder / f"app{number}.py"
    path.write_text(APP.format(folder=str(made.folder), number=number, kind=kind))
    return path


def processes(made: Consortium, number: int) -> list[tuple[int, str]]:
    """Those that have run an app of a number, and of which kind it was."""
    path = made.folder / f"pids{number}"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), kind) for pid, kind in (line.split() for line in lines)]


def holds(made: Consortium, name: str, number: int) -> Path:
    path = made.folder / f"{name}{number}"
    path.touch()
    return path


def approve(made: Consortium, number: int, app: Path, name: str = "cardio") -> None:
    """As the command does, while no agent runs."""
    made.typed(number, "study", "approve", name, "--yes", "--unpinned", "--app", str(app))


async def at_work(*served: Served) -> None:
    for one in served:
        await one.until(partial(one.log.states.__contains__, "running"))


def test_a_second_command_follows_what_the_first_one_prepares(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    app, begin = app_of(keyed, 1), holds(keyed, "begin", 1)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await at_work(*served)
            others = [
                followed(one, "cardio", app_of(keyed, k))[0] for k, one in enumerate(served[1:], 2)
            ]
            both = [asyncio.create_task(followed(served[0], "cardio", app)[0]) for _ in range(2)]
            await served[0].until(lambda: processes(keyed, 1))
            await asyncio.sleep(0.3)
            begin.unlink()
            assert await asyncio.gather(*both, *others) == [1, 1, 1, 1]
            assert len(processes(keyed, 1)) == 1

    asyncio.run(run())


def test_a_training_goes_on_while_somebody_follows_it(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    app, fit = app_of(keyed, 1), holds(keyed, "fit", 1)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await at_work(*served)
            others = [
                asyncio.create_task(followed(one, "cardio", app_of(keyed, k))[0])
                for k, one in enumerate(served[1:], 2)
            ]
            first = asyncio.create_task(followed(served[0], "cardio", app)[0])
            await served[0].until(lambda: served[0].log.begun)
            second = asyncio.create_task(followed(served[0], "cardio")[0])
            await served[1].until(lambda: (1, "contributed") in events(served[1], "cardio"))
            await asyncio.sleep(0.3)
            first.cancel()
            await asyncio.wait([first])
            await asyncio.sleep(1)
            fit.unlink()
            assert await asyncio.gather(second, *others) == [1, 1, 1]
            assert len(processes(keyed, 1)) == 1

    asyncio.run(run())


def test_an_agent_outlives_a_command_that_hangs_up_in_the_middle_of_a_step(
    keyed: Consortium, serves: Serves, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    app = app_of(keyed, 1)
    holds(keyed, "fit", 1)
    first_storage = keyed.member(1).storage
    has_fitted, hung_up, is_in_step = Fitter.has_fitted, asyncio.Event(), asyncio.Event()

    def slow(fitter: Fitter, *about: Any) -> bool:
        found = has_fitted(fitter, *about)
        if fitter.is_at_work and processes(keyed, 1) and fitter._storage == first_storage:
            is_in_step.set()
            end = time.monotonic() + 3
            while hung_up.is_set() and fitter.is_at_work and time.monotonic() < end:
                time.sleep(0.01)
            found = has_fitted(fitter, *about)
        return found

    monkeypatch.setattr(Fitter, "has_fitted", slow)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await at_work(*served)
            others = [
                asyncio.create_task(followed(one, "cardio", app_of(keyed, k))[0])
                for k, one in enumerate(served[1:], 2)
            ]
            first = asyncio.create_task(followed(served[0], "cardio", app)[0])
            await served[0].until(is_in_step.is_set)
            hung_up.set()
            served[0].service._work.wake()
            await asyncio.sleep(0.1)
            first.cancel()
            await served[0].until(lambda: not is_running(processes(keyed, 1)[0][0]))
            await served[0].hospital.check_key(False, timeout=30)
            for one in others:
                one.cancel()

    asyncio.run(run())


def test_an_app_that_hangs_before_the_board_is_known_holds_up_nothing(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    app = app_of(keyed, 1)
    holds(keyed, "begin", 1)
    drop, keyed.relay.say_first = keyed.relay.say_first, b""

    async def run() -> None:
        async with serves(1, 2) as served:
            await at_work(*served)
            begun = asyncio.create_task(followed(served[0], "cardio", app)[0])
            await asyncio.sleep(0.5)
            assert not processes(keyed, 1)
            keyed.relay.say_first = drop
            await served[0].until(lambda: processes(keyed, 1))
            assert (await served[0].hospital.study("cardio").standing(timeout=20)).phase == "open"
            begun.cancel()
            await served[0].until(lambda: not is_running(processes(keyed, 1)[0][0]))
            with pytest.raises(SaidByAgent, match="not done after 2"):
                await served[0].hospital.study("cardio").train(
                    app, variables={}, timeout=2,
                    on_event=lambda event: None, on_output=lambda line, is_error: None,
                )  # fmt: skip
            await served[0].until(lambda: not is_running(processes(keyed, 1)[-1][0]))

    asyncio.run(run())


def test_apps_that_hang_leave_threads_for_the_others(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "lungs", 1)
    approved(keyed, "cardio", 1, has_app=False)
    approve(keyed, 1, app_of(keyed, 9))
    holds(keyed, "begin", 9)

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: processes(keyed, 9))
            await served[0].until(lambda: scored(served[0], "lungs") == [1])
        assert not is_running(processes(keyed, 9)[0][0])

    asyncio.run(run())


def test_what_is_approved_with_another_app_goes_on_with_that(
    keyed: Consortium, serves: Serves
) -> None:
    study = approved(keyed, "cardio", 1, has_app=False)
    for number in (1, 2, 3):
        approve(keyed, number, app_of(keyed, number))
    fit = holds(keyed, "fit", 1)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[1].until(lambda: (1, "contributed") in events(served[1], "cardio"))
            await served[0].until(lambda: served[0].log.begun)
            follower = asyncio.create_task(followed(served[0], "cardio")[0])
            await asyncio.sleep(0.3)
            app = app_of(keyed, 1, "second")
            await served[0].hospital.study("cardio").approve(app, plan=study.digest, unpinned=True)
            with pytest.raises(SaidByAgent, match="is not the app of cardio"):
                await follower
            (error,) = (error for name, _, error in served[0].log.ends if name == "training")
            assert isinstance(error, OtherApp)
            await served[0].until(
                lambda: [kind for _, kind in processes(keyed, 1)] == ["first", "second"]
            )
            fit.unlink()
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1])
            assert not is_running(processes(keyed, 1)[0][0])

    asyncio.run(run())


@pytest.mark.parametrize("hangs", [False, True], ids=["failed", "hanging"])
def test_an_app_that_was_mended_is_tried_once_it_is_approved_anew(
    keyed: Consortium, serves: Serves, hangs: bool
) -> None:
    study = approved(keyed, "cardio", 1)
    app = app_of(keyed, 1, "first" if hangs else "raises")
    approve(keyed, 1, app)
    begin = holds(keyed, "begin", 1) if hangs else None

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: processes(keyed, 1) if begin else served[0].log.ends)
            if begin:
                os.rename(begin, f"{begin}-no-more")
                begin.touch()
            app_of(keyed, 1, "second")
            await served[0].hospital.study("cardio").approve(app, plan=study.digest, unpinned=True)
            await served[0].until(lambda: processes(keyed, 1)[-1][1] == "second")
            if begin:
                assert not is_running(processes(keyed, 1)[0][0])
                begin.unlink()
            await served[0].until(lambda: scored(served[0], "cardio") == [1])

    asyncio.run(run())


def test_an_app_that_hangs_is_ended_by_a_withdrawal(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", 1)
    approve(keyed, 1, app_of(keyed, 1))
    holds(keyed, "begin", 1)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: processes(keyed, 1))
            await served[0].hospital.study("cardio").withdraw(timeout=30)
            await served[0].until(lambda: not is_running(processes(keyed, 1)[0][0]))
            await asyncio.sleep(0.5)
            assert len(processes(keyed, 1)) == 1

    asyncio.run(run())


def test_an_approval_that_does_not_read_harms_its_own_study_alone(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1)
    approved(keyed, "lungs", 1)
    (keyed.member(1).folder / approval_name("cardio")).write_bytes(b"\xff")

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: scored(served[0], "lungs") == [1])
            ends = {session: error for _, session, error in served[0].log.ends}
            assert isinstance(ends["study/cardio"], DamagedFile)

    asyncio.run(run())


@of_four
def test_a_hospital_whose_app_fails_still_helps_with_the_sum(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1, (1, 2, 3, 4), least=3, seconds=3)
    approve(keyed, 4, app_of(keyed, 4, "raises"))

    async def run() -> None:
        async with serves(1, 2, 3, 4) as served:
            failing = served[3]
            await served[0].until(lambda: (1, "closed") in events(served[0], "cardio"))
            await failing.until(lambda: ("decryption", "study/cardio/1") in failing.log.begun)
            await failing.until(
                lambda: failing.log.ends[-1] == ("decryption", "study/cardio/1", None)
            )
            assert [kind for _, kind in processes(keyed, 4)] == ["raises"]

    asyncio.run(run())


def test_training_waits_for_a_person_who_is_at_one_of_its_rounds(
    keyed: Consortium, serves: Serves
) -> None:
    study = approved(keyed, "cardio", 1)
    approve(keyed, 1, app_of(keyed, 1, "raises"))

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            first = served[0].hospital.study("cardio")
            await served[0].until(lambda: served[0].log.ends)
            person = asyncio.create_task(first.decrypt(1, approve=lambda asked: True))
            await served[0].until(lambda: "study/cardio/1" in served[0].service._work._taken)
            app = app_of(keyed, 1, "second")
            await first.approve(app, plan=study.digest, unpinned=True)
            await served[0].until(lambda: served[0].service._work._beginnings._gave_way)
            await asyncio.sleep(3)
            assert len(processes(keyed, 1)) == 2
            person.cancel()
            await served[0].until(lambda: scored(served[0], "cardio") == [1])
            assert len(processes(keyed, 1)) == 3

    asyncio.run(run())


def test_a_fit_that_a_withdrawal_met_is_ended_and_adds_nothing(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1)
    approve(keyed, 1, app_of(keyed, 1))
    fit = holds(keyed, "fit", 1)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            for one in served[1:]:
                await one.until(lambda one=one: (1, "contributed") in events(one, "cardio"))
            await served[0].until(
                lambda: "app" in [t.waiting.kind for t in served[0].service._work.tasks]
            )
            found = await served[0].hospital.study("cardio").withdraw(timeout=30)
            assert found.withdrawn
            fit.unlink()
            await served[0].until(lambda: not is_running(processes(keyed, 1)[0][0]))
            await asyncio.sleep(1)
            assert len(processes(keyed, 1)) == 1
            assert (1, "contributed") not in events(served[0], "cardio")
            said = keyed.relay.core.board.session("study/cardio/1")
            assert 1 not in {posted.post.sender for posted in said}

    asyncio.run(run())
