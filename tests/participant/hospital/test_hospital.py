"""A hospital inside a program that does what it should not."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import participant
from participant import Hospital, Notices
from participant.agent.steps import Steps as Thread
from participant.errors import (
    AlreadyRunning,
    BadApp,
    MissingApp,
    NotAgreed,
    OutOfTime,
    UnfitNumbers,
)
from participant.hospital.results import Round
from tests.participant.hospital.conftest import Opens
from tests.stage.consortium import PASSPHRASE, Consortium
from tests.stage.rounds.round_table import Steps


class Slow(Steps):
    """An app whose first fit takes as long as somebody wants."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.threads: set[int] = set()

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        asyncio.run(asyncio.sleep(0))  # no loop is at work in this thread
        self.threads.add(threading.get_ident())
        self.begun.set()
        assert self.may_end.wait(20)
        return super().fit(parameters, config)

    def evaluate(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        self.threads.add(threading.get_ident())
        return super().evaluate(parameters, config)


async def all_of(hospital: Hospital, app: Any, **options: Any) -> list[Round]:
    return [done async for done in hospital.study("cardio").train(app, **options)]


async def with_key(consortium: Consortium, opened: Opens) -> list[Hospital]:
    """Hospitals that have a key, and have approved both studies."""
    hospitals = [opened(number) for number in (1, 2, 3)]
    epochs = await asyncio.gather(*(h.ceremony() for h in hospitals))
    assert len({epoch.digest for epoch in epochs}) == 1
    assert await hospitals[0].ceremony() == epochs[0]  # which is there already
    for name in ("cardio", "visits"):
        study = await hospitals[0].propose(consortium.folder / f"{name}.toml")
        assert (await study.standing()).phase == "proposed"
        for hospital in hospitals:
            standing = await hospital.study(name).approve(unpinned=True)
        assert standing.phase == "open"
    return hospitals


async def test_training_that_is_cancelled_in_a_fit_goes_on_behind_it(
    consortium: Consortium, opened: Opens
) -> None:
    first, *others = await with_key(consortium, opened)
    app, events = Slow(), list[str]()
    training = asyncio.create_task(all_of(first, app))
    rest = [asyncio.create_task(all_of(h, Steps())) for h in others]
    await asyncio.to_thread(app.begun.wait, 20)
    with pytest.raises(AlreadyRunning):  # at once, though the fit goes on
        await all_of(first, Steps(), timeout=1.0)
    training.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    with pytest.raises(AlreadyRunning):
        await opened(1).check_key(timeout=5)
    with pytest.raises(OutOfTime, match="task"):
        await all_of(first, app, timeout=0.1)
    again = asyncio.create_task(
        all_of(first, app, on_event=lambda event: events.append(event["event"]))
    )
    await asyncio.sleep(0.05)
    assert events == []  # it waits
    app.may_end.set()
    rounds = await again
    assert [done.number for done in rounds] == [1, 2]
    assert rounds[1].contributors == ("H1", "H2", "H3")
    assert [e["event"] for e in rounds[1].events][-2:] == ["decrypted", "evaluated"]
    assert app.fits <= 3, "the fit whose call was cancelled is made at most once more"
    assert len(app.threads) == 1
    assert threading.get_ident() not in app.threads
    models = [done[-1].parameters() for done in (rounds, *await asyncio.gather(*rest))]
    assert all((model[0] == models[0][0]).all() for model in models)
    np.testing.assert_allclose(models[0][0], 0.2, atol=1e-3)


async def test_a_loop_that_is_left_ends_the_work_and_the_next_one_goes_on(
    consortium: Consortium, opened: Opens
) -> None:
    first, *others = await with_key(consortium, opened)
    rest = [asyncio.create_task(all_of(h, Steps())) for h in others]
    async for done in first.study("cardio").train(Steps()):
        assert done.number == 1
        break
    assert first.waiting is not None  # its end comes a moment later, and is waited for
    assert (await first.studies())["cardio"].phase == "open"
    async with opened(1).holding("another", 1.0):
        assert "steps" not in str(asyncio.all_tasks())
    assert [done.number for done in await all_of(first, Steps())] == [2]
    assert await all_of(first, Steps()) == []
    await asyncio.gather(*rest)


class Failing(Steps):
    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        raise ZeroDivisionError("no patients")


async def test_what_the_program_gives_wrong_is_its_error_and_changes_nothing(
    consortium: Consortium, opened: Opens
) -> None:
    first, *_ = hospitals = await with_key(consortium, opened)
    with pytest.raises(BadApp, match="no patients") as caught:
        await all_of(first, Failing())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    for wrong, words in ((Steps, "it is a class"), (object(), "no function initial_param")):
        with pytest.raises(BadApp, match=words):
            await all_of(first, wrong)
    with pytest.raises(ZeroDivisionError):
        await all_of(first, Steps(), on_event=lambda event: 1 / 0)
    spelled = b"12", bytearray(b"12")
    not_numbers: list[Any] = [[float("nan")], ["x"], [True], [], {"": 1}, {12, 15.5}, *spelled]
    for numbers in not_numbers:
        with pytest.raises(UnfitNumbers):
            await first.study("visits").contribute(numbers)
    for name in ("Visits", "", "1", "a/b"):
        with pytest.raises(ValueError, match="cannot name a study"):
            first.study(name)
    visits = first.study("visits")
    with pytest.raises(ValueError, match="numbered from 1"):
        await visits.decrypt(0, approve=lambda question: True)
    with pytest.raises(ValueError, match="to contribute, to open, or both"):
        await visits.approve(contribute=False, opens=False)
    with pytest.raises(MissingApp):
        await all_of(first, None)
    await asyncio.gather(*(h.study("visits").contribute([1]) for h in hospitals))
    for answer in (False, None, 1, "yes", asyncio.get_running_loop().create_future()):
        approve: Any = lambda question, answer=answer: answer  # noqa: E731
        with pytest.raises(NotAgreed):
            await visits.decrypt(approve=approve, timeout=5.0)
    with pytest.raises(ZeroDivisionError):
        await visits.decrypt(approve=lambda question: 1 // 0 == 1, timeout=5.0)
    with pytest.raises(ValueError, match="timeout must be more than 0"):
        await first.check_key(timeout=float("nan"))
    with pytest.raises(OutOfTime):
        await all_of(first, Steps(), timeout=0.2)


async def test_notices_of_the_program_that_fail_end_the_call(
    consortium: Consortium, opened: Opens
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await opened(1).ceremony(notices=Notices(found=fail))


async def test_a_call_that_is_cancelled_as_it_begins_lets_go_of_the_folder(
    consortium: Consortium, opened: Opens
) -> None:
    hospital = opened(1)
    for turns in range(6):
        beginning = asyncio.create_task(hospital.ceremony())
        for _ in range(turns):
            await asyncio.sleep(0)
        beginning.cancel()
        await asyncio.wait([beginning])
        assert beginning.cancelled()
        async with opened(1).holding("another", 1.0):
            pass


def test_what_is_exported_is_imported_when_it_is_asked_for() -> None:
    """Where something is missing, the command can say so; its help needs none of it."""
    code = "import participant, aggregator, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'Session'"):
        _ = participant.Session


def test_two_threads_do_not_work_on_one_hospital_at_once(
    consortium: Consortium, opened: Opens
) -> None:
    hospital, ends = opened(1), list[type[BaseException]]()

    def work() -> None:
        try:
            asyncio.run(hospital.ceremony(timeout=1.0))
        except Exception as error:
            ends.append(type(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(end.__name__ for end in ends) == ["AlreadyRunning", "OutOfTime"]


def test_a_passphrase_is_asked_for_once_and_shown_nowhere(consortium: Consortium) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("")
        return PASSPHRASE.text

    def refuse() -> str:
        raise PermissionError("not now")

    home = consortium.folder / "h1"
    hospital = Hospital.open(consortium.file, passphrase=ask, home=home)
    assert len(asked) == 1
    for text in (repr(hospital), repr(hospital.member), str(vars(hospital))):
        assert PASSPHRASE.text not in text
    for wrong in (PASSPHRASE.text.encode(), None):
        with pytest.raises(TypeError, match="a passphrase is a text, not"):
            Hospital.open(consortium.file, passphrase=wrong, home=home)  # type: ignore[arg-type]
    with pytest.raises(PermissionError):
        Hospital.open(consortium.file, passphrase=refuse, home=home)


async def test_a_step_that_nobody_waits_for_is_left_out_unless_it_was_begun() -> None:
    done: list[str] = []
    steps, may_end = Thread(), threading.Event()
    begun = asyncio.create_task(steps.do(lambda: done.append(str(may_end.wait(10)))))
    later = asyncio.create_task(steps.do(lambda: done.append("later")))
    await asyncio.sleep(0)
    begun.cancel()
    later.cancel()
    may_end.set()
    await steps.do(lambda: None)
    assert done == ["True"]


@pytest.mark.parametrize("raised", [SystemExit(0), GeneratorExit(), asyncio.CancelledError()])
async def test_what_code_of_others_raises_unawares_ends_no_event_loop(
    raised: BaseException,
) -> None:
    def step() -> None:
        raise raised

    steps = Thread()
    with pytest.raises(BadApp, match=type(raised).__name__):
        await steps.do(step)
    assert await steps.do(lambda: "and goes on") == "and goes on"


@pytest.mark.slow
async def test_the_record_and_how_things_stand_are_there_for_programs(
    consortium: Consortium, opened: Opens
) -> None:
    first, second, third = await with_key(consortium, opened)
    assert (await first.status())["entries"] > 0
    assert first.holdings()["key_share_epochs"] == [first.check_share().number]
    checks = await asyncio.gather(*(h.check_key(timeout=20) for h in (first, second, third)))
    assert all(found.decrypts and len(found.good) >= 2 for found in checks)
    for hospital in (first, second):
        found = await hospital.export(consortium.folder / "record")
    assert list(found.countersigned) == ["H1", "H2"]
    assert found.is_noted
