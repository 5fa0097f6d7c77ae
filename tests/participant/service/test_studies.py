"""An agent that stays trains in the studies that its hospital approves, and opens their sums."""

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from participant.door.messages import JobWanted
from participant.door.study_messages import TrainStudy
from participant.errors import OtherApp, SaidByAgent
from participant.model.file import model_name
from participant.network.session import Notices
from participant.study import write_plan
from protocol.board import Study
from protocol.messages import Plan, Training
from tests.participant.service.conftest import Served, Serves
from tests.stage.consortium import Consortium

APP = """
import time
from pathlib import Path
from typing import Any
import numpy as np

def initial_parameters(config):
    return [np.zeros(3)]

def fit(parameters, config):
    while Path({waits!r}).exists():
        time.sleep(0.01)
    return [parameters[0] + {step}], 10, {{}}

def evaluate(parameters, config):
    return float(parameters[0].sum()), 10, {{}}
"""


def app_at(folder: Path, member: int, step: float) -> Path:
    """One that adds ``step`` to each weight, once there is no file ``wait``."""
    path = folder / f"app{member}.py"
    path.write_text(APP.format(step=step, waits=str(folder / f"wait{member}")))
    return path


def approved(
    made: Consortium,
    name: str,
    rounds: int = 2,
    members: tuple[int, ...] = (1, 2, 3),
    least: int = 0,
    seconds: int = 30,
    has_app: bool = True,
) -> Study:
    """A study that trains, which all hospitals approve with their apps, and without an agent."""
    work = Training(rounds, 8.0, 24, 1_000)
    study = Study(made.terms, name, Plan("to try", members, least or len(members), seconds, work))
    write_plan(made.folder / f"{name}.toml", study)
    made.typed(1, "study", "propose", f"{name}.toml")
    for index in range(1, made.terms.n_members + 1):
        app = ["--app", str(app_at(made.folder, index, index / 8))] if index in members else []
        given = app if has_app else []
        made.typed(index, "study", "approve", name, "--yes", "--unpinned", *given)
    return study


of_four = pytest.mark.parametrize("consortium", [4], indirect=True)


def scored(served: Served, study: str) -> list[int]:
    """The rounds of a study that are done at a hospital."""
    return [number for number, name in events(served, study) if name == "evaluated"]


def events(served: Served, study: str) -> list[tuple[int, str]]:
    return [(e["round"], e["event"]) for e in served.log.events if e["study"] == study]


def model_at(served: Served, study: str, number: int) -> bytes:
    return (served.folder / model_name(study, number)).read_bytes()


def test_what_is_approved_is_trained_without_a_command(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio")
    approved(keyed, "lungs", 1)

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1, 2])
                await one.until(lambda one=one: scored(one, "lungs") == [1])
                await one.until(lambda one=one: len(one.log.ends) == 2)
                assert [end for end in one.log.ends if end[2]] == []
        assert len({model_at(one, "cardio", 2) for one in served}) == 1

    asyncio.run(run())


@of_four
def test_a_holder_that_only_opens_helps_by_itself(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", 1, members=(1, 2, 3))

    async def run() -> None:
        async with serves(1, 3, 4, 2) as served:
            holder = served[2]
            for one in served:
                if one is not holder:
                    await one.until(lambda one=one: scored(one, "cardio") == [1])
            await holder.until(lambda: holder.log.ends)
            assert holder.log.ends == [("decryption", "study/cardio/1", None)]
            assert [name for name, _ in holder.log.begun] == ["decryption"]

    asyncio.run(run())


def test_while_an_app_trains_the_agent_does_all_else(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", 1)
    waits = keyed.folder / "wait1"
    waits.touch()

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[1].until(lambda: (1, "contributed") in events(served[1], "cardio"))
            _, checked = await served[0].hospital.check_key(True, timeout=30)
            assert checked is not None
            assert checked.good == (1, 2, 3)
            (task,) = (await served[0].hospital.standing()).tasks
            assert (task.task, task.session, task.waits.kind) == ("training", "study/cardio", "app")
            assert (1, "contributed") not in events(served[0], "cardio")
            waits.unlink()
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1])

    asyncio.run(run())


@of_four
def test_a_fit_that_is_late_is_given_up_and_the_next_round_is_trained(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 2, (1, 2, 3, 4), least=3, seconds=3)
    waits = keyed.folder / "wait3"
    waits.touch()

    async def run() -> None:
        async with serves(1, 2, 3, 4) as served:
            late = served[2]
            await late.until(lambda: (1, "given-up") in events(late, "cardio"))
            waits.unlink()
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1, 2])
            assert (1, "contributed") not in events(late, "cardio")
            assert len({model_at(one, "cardio", 1) for one in served}) == 1

    asyncio.run(run())


def test_an_app_that_was_changed_is_not_run_until_it_is_approved(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1)
    ran = keyed.folder / "ran"
    changed = app_at(keyed.folder, 1, 0.5)
    changed.write_text(f"open({str(ran)!r}, 'w')\n" + changed.read_text())

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: served[0].log.ends)
            ((name, session, error),) = served[0].log.ends
            assert (name, session) == ("training", "study/cardio")
            assert isinstance(error, OtherApp)
            assert not ran.exists()

    asyncio.run(run())
    keyed.typed(1, "study", "approve", "cardio", "--yes", "--unpinned", "--app", str(changed))

    async def again() -> None:
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: scored(served[0], "cardio") == [1])
        assert ran.exists()

    asyncio.run(again())


def test_training_that_is_called_off_before_it_begins_is_begun_anew(
    keyed: Consortium, serves: Serves
) -> None:
    """An approval ends in the moment in which what it made due is about to begin."""
    approved(keyed, "cardio", 1)
    begin, called_off = asyncio.create_task, list[str]()

    def called_off_once(course: Any, **options: Any) -> Any:
        task = begin(course, **options)
        if course.__name__ == "_prepare" and not called_off:
            called_off.append(course.__name__)
            task.cancel()
        return task

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            for one in served:
                await one.until(lambda one=one: scored(one, "cardio") == [1])

    with patch("asyncio.create_task", called_off_once):
        asyncio.run(run())
    assert called_off


def test_what_is_over_is_not_begun_again(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", 1)

    async def run(seconds: float) -> list[Served]:
        async with serves(1, 2, 3) as served:
            for one in served:
                await one.until(lambda one=one: one.log.ends or seconds)
            await asyncio.sleep(seconds)
            return served

    asyncio.run(run(0.0))
    for one in asyncio.run(run(1.0)):
        assert one.log.begun == []


# ── the command ``train``, while the agent runs ──


def followed(served: Served, study: str, app: Path | None = None) -> "tuple[Any, list[str]]":
    """What ``train`` does at a hospital whose agent runs, and what it is told."""
    told = list[str]()
    course = served.hospital.study(study).train(
        app, variables={}, timeout=60,
        on_event=lambda event: told.append(f"{event['event']} {event['round']}"),
        on_output=lambda line, is_error: told.append(line),
    )  # fmt: skip
    return course, told


def test_a_command_follows_what_the_agent_trains(keyed: Consortium, serves: Serves) -> None:
    approved(keyed, "cardio", 2)
    waits = keyed.folder / "wait1"
    waits.touch()

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            await served[0].until(lambda: "running" in served[0].log.states)
            course, told = followed(served[0], "cardio")
            following = asyncio.create_task(course)
            await served[0].until(lambda: served[0].log.begun)
            other = keyed.folder / "other.py"
            other.write_text(APP.format(step=1, waits=""))
            with pytest.raises(SaidByAgent, match="trains in cardio already, with another app"):
                await followed(served[0], "cardio", other)[0]
            gone = asyncio.create_task(followed(served[0], "cardio")[0])
            await asyncio.sleep(0.2)
            gone.cancel()  # the agent trains on
            waits.unlink()
            assert await following == 2
            assert [t for t in told if t.startswith("evaluated")] == ["evaluated 1", "evaluated 2"]

    asyncio.run(run())


def test_a_command_has_the_agent_train_with_an_app_of_its_own(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    prints = keyed.folder / "app1.py"
    app_at(keyed.folder, 1, 0.5)
    prints.write_text("print('here it is')\n" + prints.read_text())

    async def run() -> None:
        async with serves(1, 2, 3) as served:
            for one in served:
                await one.until(lambda one=one: "running" in one.log.states)
            with pytest.raises(SaidByAgent, match="no app was given or approved"):
                await followed(served[0], "cardio")[0]
            with pytest.raises(SaidByAgent, match="nobody has proposed a study nothing"):
                await followed(served[0], "nothing", prints)[0]
            left = asyncio.create_task(followed(served[0], "cardio", prints)[0])
            await served[0].until(lambda: served[0].log.begun)
            left.cancel()  # and nobody is left who wants it
            await served[0].until(lambda: not served[0].service._work.courses)
            courses = [
                followed(one, "cardio", app_at(keyed.folder, k, 0.5))
                for k, one in enumerate(served[1:], 2)
            ]
            courses.append(followed(served[0], "cardio", prints))
            assert await asyncio.gather(*(course for course, _ in courses)) == [1, 1, 1]
            assert "here it is" in courses[-1][1]

    asyncio.run(run())


def test_an_app_that_the_agent_finds_otherwise_is_not_run(
    keyed: Consortium, serves: Serves
) -> None:
    approved(keyed, "cardio", 1, has_app=False)
    ran, app = keyed.folder / "ran", keyed.folder / "app1.py"
    app.write_text(f"open({str(ran)!r}, 'w')")

    async def run() -> None:
        async with serves(1) as (served,):
            await served.until(lambda: "running" in served.log.states)
            for path, said in ((app, "finds another app"), (ran, "cannot read the app")):
                job = TrainStudy("cardio", str(path), bytes(32), (), "", 30.0)
                with pytest.raises(SaidByAgent, match=said):
                    await served.hospital._do(job, Notices())
            assert not ran.exists()

    asyncio.run(run())


def test_no_variable_of_an_app_is_shown_with_its_job() -> None:
    job = TrainStudy("cardio", "", b"", (("DATABASE", "its password"),), "", None)
    assert "its password" not in repr(JobWanted(job, "", ""))
