"""What real apps do besides: workers of their own, connections of one thread, corrections."""

import asyncio
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from keyshare.errors import BadExamples
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.cli.work.foreground import Foreground
from participant.errors import BadApp, ForeignModel, ModelMismatch, ParticipantError
from protocol.messages.plan import Training
from tests.stage.consortium import Consortium, ended, with_key
from tests.stage.rounds.round_table import RoundTable, Steps

pytestmark = pytest.mark.usefixtures("path_as_it_was")

# ── one thread ──


def do(step: Callable[[], object], times: int = 1) -> Foreground:
    """Steps, after so many as a command has them done."""
    steps = Foreground()

    async def course() -> None:
        for _ in range(times):
            await steps.do(step)

    steps.run(course)
    return steps


def test_steps_are_done_in_the_main_thread_beside_no_event_loop() -> None:
    seen: list[Any] = []

    def step() -> None:
        seen.append(threading.current_thread() is threading.main_thread())
        seen.append(asyncio.run(asyncio.sleep(0, "an app's own loop")))

    do(step, times=2)
    assert seen == [True, "an app's own loop"] * 2


def test_a_policy_of_event_loops_that_an_app_puts_in_place_is_not_the_sessions() -> None:
    class Own(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            raise NotImplementedError("one loop at a time")

    done: list[bool] = []
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Own())
    try:
        do(lambda: done.append(True))
    finally:
        asyncio.set_event_loop_policy(before)
    assert done == [True]


def test_a_handler_that_an_app_puts_in_place_is_its_own_for_that_step_alone() -> None:
    found: list[bool] = []

    def step() -> None:
        found.append(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    before = signal.getsignal(signal.SIGTERM)
    do(step, times=2)
    assert found == [False, False]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_worker_that_is_forked_in_a_step_ends_at_a_signal_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ends: list[int] = []

    def step() -> None:
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
        worker.start()
        time.sleep(0.1)
        worker.terminate()
        worker.join(10)
        ends.append(worker.exitcode or 0)

    assert do(step).caught == 0
    assert ends == [-signal.SIGTERM]
    assert "Traceback" not in capfd.readouterr().err


def test_what_a_step_raises_is_raised_where_it_was_asked_for() -> None:
    def step() -> None:
        raise ValueError("no data today")

    with pytest.raises(ValueError, match="no data today"):
        do(step)


def test_in_another_thread_steps_have_one_thread_too() -> None:
    seen: set[int] = set()

    thread = threading.Thread(target=do, args=(lambda: seen.add(threading.get_ident()), 3))
    thread.start()
    thread.join(10)
    assert len(seen) == 1


BOUND_TO_A_THREAD = """
    import asyncio
    import multiprocessing
    import signal
    import sqlite3
    import numpy as np

    rows = sqlite3.connect(":memory:")
    rows.execute("create table outcomes (x real)")
    rows.executemany("insert into outcomes values (?)", [(0.1,), (0.9,)])

    def half(x):
        return x / 2

    async def loaded():
        return rows.execute("select avg(x) from outcomes").fetchone()[0]

    def initial_parameters(config):
        return [np.zeros(len(rows.execute("select x from outcomes").fetchall()))]

    def fit(parameters, config):
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            mean = pool.apply(half, (asyncio.run(loaded()),))
        return [p + mean for p in parameters], 10, {}

    def evaluate(parameters, config):
        (count,) = rows.execute("select count(*) from outcomes").fetchone()
        return float(parameters[0][0]), count, {}
"""


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    made = with_key(tmp_path_factory.mktemp("contract"))
    with made.relay.running():
        yield made


@pytest.mark.slow
def test_an_app_bound_to_one_thread_with_workers_and_a_loop_trains(consortium: Consortium) -> None:
    (consortium.folder / "bound_app.py").write_text(dedent(BOUND_TO_A_THREAD))
    consortium.hold_study("cardio", Training(1, 8.0, 24, 1_000))
    command = ["train", "--study", "cardio", "--app", "bound_app.py", "--timeout", "50"]
    running = [consortium.start(i, *command) for i in (1, 2, 3)]
    for process in running:
        output, _ = ended(process)
        assert "Study cardio is done, 1 round in all." in output
        loss = output.splitlines()[2].split()[-1]
        assert abs(float(loss) - 0.25) < 0.001


# ── a corrected app ──


class Shaped(Steps):
    """An app whose model has so many weights, and whose fit fails if it is told so."""

    def __init__(self, weights: int, fails: bool = False) -> None:
        super().__init__()
        self.weights, self.fails = weights, fails

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros(self.weights)]

    def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
        if self.fails:
            raise BadApp("fit", "matmul: mismatch in its core dimension 0")
        return super().fit(parameters, config)


def sentence(error: ParticipantError | BadExamples, table: RoundTable) -> str:
    said = describe(error, Context(terms=table.terms))
    return f"{said.what}. {said.remedy}"


def begun(table: RoundTable) -> None:
    """All hospitals have begun with one app; the round is open, and fit fails everywhere."""
    for i in table.toy.federation.members:
        table.train(i, Shaped(3, fails=True))
    table.settle()
    table.open("study/cardio/1")
    for i in list(table.tasks):
        with pytest.raises(BadApp, match="matmul"):
            table.due(i)
    table.tasks.clear()


def test_whoever_corrects_an_app_after_the_start_is_told_how_its_model_gets_its_turn() -> None:
    table = RoundTable()
    begun(table)
    task = table.train(1, Shaped(4))
    for _ in range(2):  # what its model is made of, and which one it is
        draft = task.due()
        assert draft is not None
        table.publish(1, draft)
    with pytest.raises(ModelMismatch) as caught:
        task.due()
    text = sentence(caught.value, table)
    assert "cardio/1: it was opened for another model than this hospital's" in text
    assert "its model is trained in another study" in text


def test_a_stored_model_of_another_app_is_named_with_the_way_on() -> None:
    table = RoundTable()
    for i in table.toy.federation.members:
        table.train(i, Shaped(3))
    table.play("study/cardio/1")
    with pytest.raises(ForeignModel) as caught:
        table.train(1, Shaped(4))
    text = sentence(caught.value, table)
    assert "the model that this hospital has after cardio/1 is none of this app: entry" in text
    assert "its model is trained in another study" in text


def test_too_many_examples_name_the_flag() -> None:
    class Many(Steps):
        def fit(self, parameters: list[np.ndarray], config: Mapping[str, Any]) -> Any:
            return super().fit(parameters, config)[0], np.int64(150_000), {}

    table = RoundTable()
    table.train(1, Many())
    table.settle()
    table.open("study/cardio/1")
    with pytest.raises(BadExamples) as caught:
        table.due(1)
    text = sentence(caught.value, table)
    assert "fit reports 150000 examples, allowed are 1 to 1000" in text
    assert "--max-examples" in text
