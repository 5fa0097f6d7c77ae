"""A framework's clients train in studies: real agents, doorkeepers, rounds and aggregator.

Each message is a client of its own, as in Flower, where it is a process of its own.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quorate_client import AgentError, Answer, NoAgent, Visits
from tests.participant.program.conftest import until
from tests.stage.adapters.staged import Staged, staged

ALL = (1, 2, 3, 4)
# Of each study another one: sums from one model over different hospitals would show one of them.
MODELS = {
    name: {"w": np.full(4, 100.0 * k)}
    for k, name in enumerate(
        ["first", "asked", "restarts", "away", "two-runs", "withdrawn", "held"]
    )
}


class Stage:
    """A federation of four hospitals in a loop of its own; three are enough for a sum."""

    def __init__(self, folder: Path) -> None:
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._folder, self._stop = folder, asyncio.Event()
        self.staged: Staged
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    def _run(self) -> None:
        async def run() -> None:
            async with staged(self._folder, len(ALL)) as self.staged:
                self._ready.set()
                await self._stop.wait()

        self._loop.run_until_complete(run())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)

    def study(self, name: str, **plan: Any) -> list[str]:
        found: list[str] = self.do(self.staged.study(name, **plan))
        return found

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("staged"))
    yield made
    made.close()


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(16)
    yield pool
    pool.shutdown(wait=False, cancel_futures=True)


def begins(path: str, model: Any, run: str = "") -> Answer:
    """A client that begins, and whose process ends with the answer."""
    with Visits(path, run) as agent:
        return agent.begin(model)


def updates(path: str, number: int, trained: Any, run: str = "") -> Answer:
    with Visits(path, run) as agent:
        return agent.update(number, trained, 10)


def trains(path: str, model: Any, hospital: int, run: str = "") -> Answer:
    """A whole train message: it adds the hospital's number to each weight."""
    with Visits(path, run) as agent:
        answer = agent.begin(model)
        assert answer.kind == "train", answer
        return agent.update(answer.round, {"w": answer.parameters["w"] + hospital}, 10)


def said_in(board: Any, session: str, kind: str) -> list[Any]:
    """What was said of that kind in a session."""
    return [e for e in board.session(session) if type(e.post.body).__name__ == kind]


def standing(path: str, run: str = "") -> Answer:
    with Visits(path, run) as agent:
        return agent.model()


def done(futures: "list[Future[Answer]]") -> list[Answer]:
    return [one.result(60) for one in futures]


def test_clients_come_for_each_message_and_a_second_study_follows_at_their_sockets(
    stage: Stage, beside: ThreadPoolExecutor
) -> None:
    paths, model = stage.study("first", rounds=2), MODELS["first"]
    for number in (1, 2):
        at = [beside.submit(trains, p, model, k, "flower/1") for k, p in enumerate(paths, 1)]
        answers = done(at)
        assert {(a.kind, a.round) for a in answers} == {("applied", number)}
        now = [standing(path, "flower/1") for path in paths]
        for answer in (*answers, *now):
            assert answer.parameters["w"] == pytest.approx(np.full(4, 2.5 * number), abs=1e-3)
            assert answer.receipt is not None
        receipts = {a.receipt for a in answers}
        assert receipts == {one.receipt for one in now}
        (receipt,) = receipts
        assert receipt is not None
        assert (receipt.contributors, receipt.run) == (("H1", "H2", "H3", "H4"), "flower/1")
    with Visits(paths[0], "flower/1") as agent:
        assert agent.begin(model).kind == "end"
    told = [line for one in stage.staged.told.values() for line in one.printed_lines]
    assert all(line.startswith("waiting for a program") for line in told)
    assert all(error is None for one in stage.staged.told.values() for _, _, error in one.ends)
    # Another run under the same key, at the same sockets, from the last model of this one.
    again = stage.study("second", on="first", rounds=1, start_study="first", start_round=2)
    assert again == paths
    answers = done([beside.submit(trains, p, model, k, "flower/2") for k, p in enumerate(paths, 1)])
    assert {a.kind for a in answers} == {"applied"}
    assert answers[0].parameters["w"] == pytest.approx(np.full(4, 7.5), abs=1e-3)


def test_no_round_opens_until_clients_ask_for_it(stage: Stage, beside: ThreadPoolExecutor) -> None:
    """Or else its time would run while the framework evaluates."""
    paths, model = stage.study("asked", rounds=2, seconds=60), MODELS["asked"]
    done([beside.submit(trains, p, model, k) for k, p in enumerate(paths, 1)])
    board, session = stage.staged.made.relay.core.board, "study/asked/1"
    until(lambda: len(said_in(board, session, "Partial")) >= 3)
    assert {standing(p).round for p in paths} == {1}
    time.sleep(0.5)
    assert not said_in(board, session, "Statement")
    begun = done([beside.submit(begins, p, model) for p in paths])
    assert {(a.kind, a.round) for a in begun} == {("train", 2)}
    assert len(said_in(board, session, "Statement")) == len(ALL)


def test_an_agent_and_the_aggregator_are_started_anew_in_the_middle_of_a_round(
    stage: Stage, beside: ThreadPoolExecutor
) -> None:
    paths, model = stage.study("restarts", rounds=1, seconds=60), MODELS["restarts"]
    run = "flower/3"
    begun = done([beside.submit(begins, p, model, run) for p in paths])
    assert {(a.kind, a.round) for a in begun} == {("train", 1)}
    models = [{"w": model["w"] + k} for k in ALL]
    waiting = [beside.submit(updates, paths[k], 1, models[k], run) for k in (0, 1)]
    stage.staged.stop_aggregator()
    stage.do(stage.staged.stop(2))  # whose client has sent its update
    stage.do(stage.staged.stop(3))  # whose client trains
    stage.staged.start_aggregator()
    stage.do(stage.staged.start(2))
    stage.do(stage.staged.start(3))
    waiting += [beside.submit(updates, paths[k], 1, models[k], run) for k in (2, 3)]
    answers = done(waiting)
    assert {a.kind for a in answers} == {"applied"}
    for answer in answers:
        assert answer.parameters["w"] == pytest.approx(model["w"] + 2.5, abs=1e-3)
    (receipt,) = {a.receipt for a in answers}
    assert receipt is not None
    assert receipt.run == run


def test_a_hospital_comes_back_two_rounds_later(stage: Stage, beside: ThreadPoolExecutor) -> None:
    paths, model = stage.study("away", rounds=3, seconds=4), MODELS["away"]
    begun = done([beside.submit(begins, p, model) for p in paths])
    assert {a.kind for a in begun} == {"train"}  # and the fourth is not heard of again
    for _ in (1, 2):
        rest = done([beside.submit(trains, paths[k], model, k) for k in range(3)])
        assert {a.kind for a in rest} == {"applied"}
    until(lambda: standing(paths[3]).round == 2)  # its agent reads of it when it does
    late = updates(paths[3], 1, {"w": model["w"] + 1})
    assert (late.kind, late.round) == ("late", 1)
    assert late.receipt is not None
    assert late.receipt.round == 2
    assert (late.receipt.in_sum, len(late.receipt.contributors)) == (False, 3)
    assert late.parameters["w"] == pytest.approx(model["w"] + 2, abs=1e-3)
    answers = done([beside.submit(trains, paths[k], model, k) for k in range(4)])
    assert {(a.kind, a.round) for a in answers} == {("applied", 3)}
    assert answers[0].receipt == answers[3].receipt


def refused_in_the_end(path: str, model: dict[str, Any]) -> str:
    """What a program of run flower/5 is told, once its agent has read of the opening."""
    for _ in range(300):
        with pytest.raises(AgentError) as said:
            begins(path, model, "flower/5")
        if not said.value.reason.startswith("H1, H2, H3: not at this hospital's model"):
            break
        time.sleep(0.1)
    return said.value.reason


def test_a_hospital_that_trains_for_another_run_is_told_whose_run_it_is(
    stage: Stage, beside: ThreadPoolExecutor
) -> None:
    paths, model = stage.study("two-runs", rounds=1, seconds=2), MODELS["two-runs"]
    odd = beside.submit(begins, paths[3], model, "flower/5")
    begun = [beside.submit(begins, p, model, "flower/4") for p in paths[:3]]
    with pytest.raises(AgentError) as said:
        odd.result(60)
    assert said.value.rule == "disagreement"
    assert "This hospital trains for run flower/5" in said.value.reason
    assert "for run flower/4" in said.value.reason  # of those who have stated by then
    assert {a.kind for a in done(begun)} == {"train"}
    assert "opened for hospitals that train for run flower/4" in refused_in_the_end(paths[3], model)
    with Visits(paths[0], "flower/5") as other, pytest.raises(AgentError) as refused:
        other.begin(model)  # while that study trains
    assert refused.value.rule == "run"
    trained = {"w": model["w"] + 1}
    answers = done([beside.submit(updates, p, 1, trained, "flower/4") for p in paths[:3]])
    assert {a.kind for a in answers} == {"applied"}
    assert answers[0].receipt is not None
    assert answers[0].receipt.contributors == ("H1", "H2", "H3")


def test_who_waits_in_a_round_that_is_held_back_is_told_for_whom(
    stage: Stage, beside: ThreadPoolExecutor
) -> None:
    """With the sum of another study from one model, three updates would show the fourth."""
    paths, model = stage.study("before", rounds=1, seconds=60), MODELS["held"]
    answers = done([beside.submit(trains, p, model, k) for k, p in enumerate(paths, 1)])
    assert {a.kind for a in answers} == {"applied"}
    paths, told = stage.study("held", rounds=1, seconds=1), list[str]()
    begun = done([beside.submit(begins, p, model) for p in paths])
    assert {a.kind for a in begun} == {"train"}

    def waits(path: str, hospital: int) -> Answer:
        with Visits(path, told=told.append) as agent:
            return agent.update(1, {"w": model["w"] + hospital}, 10)

    waiting = [beside.submit(waits, paths[k - 1], k) for k in (1, 2, 3)]
    until(lambda: len(told) == 3)
    for said in told:
        assert "held/1 is held back. The sum of before/1 began from the same model" in said
        assert "It closes as soon as H4 contributes" in said
        assert "quorate-participant study end held" in said
    assert not any(one.done() for one in waiting)
    waiting.append(beside.submit(waits, paths[3], 4))
    assert {a.kind for a in done(waiting)} == {"applied"}
    assert len(told) == 3


def test_hospitals_that_begin_with_other_models_are_answered_and_not_left_waiting(
    stage: Stage, beside: ThreadPoolExecutor
) -> None:
    paths = stage.study("models", rounds=1, seconds=60)
    models = [{"w": np.zeros(3 + k)} for k in range(len(paths))]
    at = [beside.submit(begins, paths[k], models[k]) for k in range(3)]
    for k in range(len(paths)):  # the last one begins once the others have stated theirs
        with pytest.raises(AgentError) as said:
            at[k].result(60) if k < 3 else begins(paths[k], models[k])
        assert said.value.rule == "disagreement"
        assert "'w' is" in said.value.reason
        assert "float64" in said.value.reason


def test_a_withdrawn_approval_is_the_answer(stage: Stage, beside: ThreadPoolExecutor) -> None:
    (path, *_) = stage.study("withdrawn", rounds=1)
    asked = beside.submit(begins, path, MODELS["withdrawn"])
    events = stage.staged.told[1].events
    until(lambda: "withdrawn" in [event["study"] for event in events])
    stage.do(stage.staged.hospital(1).study("withdrawn").withdraw(timeout=30))
    with pytest.raises(AgentError) as said:
        asked.result(60)
    assert said.value.rule == "ended"
    assert "has withdrawn its approval" in said.value.reason


def test_a_study_that_is_not_approved_has_no_socket(stage: Stage) -> None:
    with pytest.raises(NoAgent, match="study approve"):
        Visits(str(stage.staged.socket("nothing", 1)), patience=0.1).model()


@pytest.mark.slow  # the adapters' own tests begin it, too
def test_the_stage_of_adapters_is_a_program_that_ends_with_its_input(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.stage.adapters", "--plan", '{"rounds": 1}'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["study"], len(said["sockets"])) == ("cardio", 3)
        with ThreadPoolExecutor() as pool:
            work = [pool.submit(partial(trains, p, {"w": np.zeros(4)}, 1)) for p in said["sockets"]]
            assert {a.kind for a in done(work)} == {"applied"}
        process.stdin.write('{"do": "events", "hospital": 2}\n')
        process.stdin.flush()
        events = json.loads(process.stdout.readline())["events"]
        assert "decrypted" in [event["event"] for event in events]
        process.stdin.close()
        assert process.wait(30) == 0
    assert not any(Path(path).exists() for path in said["sockets"])
