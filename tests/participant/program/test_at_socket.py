"""Programs come to a socket and go, and training goes on with what they bring."""

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quorate_client import Agent, NoAgent, run, run_at
from quorate_client.agent import CONNECTION
from tests.participant.program.conftest import (
    MODEL,
    TERMS,
    Do,
    Training,
    begun,
    token,
    until,
    visit,
)
from tests.stage.studies import training_study


class Plus:
    """Adds the number of the round to the model."""

    local_entries = ("own",)

    def initial_parameters(self, config: dict[str, Any]) -> Any:
        return {"w": np.zeros(2), "own": np.ones(1)}

    def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
        return {**parameters, "w": parameters["w"] + config["round"]}, 3, {}

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> Any:
        return 0.5, 3, {}


def test_a_program_that_connects_trains_as_an_app(
    training: Training, path: Path, beside: Do
) -> None:
    program = beside(lambda: run_at(str(path), Plus()))
    initial = training.begin()
    assert training.app.local_entries == ("own",)
    assert np.array_equal(initial["w"], [0, 0])
    fitted, examples, _ = training.fit(1, initial)
    assert (list(fitted["w"]), examples) == ([1, 1], 3)
    training.stand(1, fitted)
    assert training.app.evaluate(fitted, {}) == (0.5, 3, {})
    fitted, _, _ = training.fit(2, fitted)
    training.stand(2, fitted)
    assert training.app.evaluate(fitted, {}) == (0.5, 3, {})
    assert program.result(20) is None
    assert training.told == [f"waiting for a program to connect: QUORATE_CONNECTION=unix:{path}"]


@pytest.mark.parametrize("training", [{"rounds": 1}], indirect=True)
def test_a_program_may_take_the_connection_from_its_environment(
    training: Training, path: Path, beside: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.app.start()
    token(path)
    monkeypatch.setenv(CONNECTION, f"unix:{path}")
    program = beside(lambda: run(Plus()))
    training.round(1, training.begin())
    program.result(20)


def test_a_process_for_each_message_trains_and_asks_for_the_model(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    rounds = beside(lambda: training.round(2, training.round(1, training.begin())))
    for number in (1, 2):
        with visit(path, "flower/7") as agent:
            asked = beside(partial(agent.begin, MODEL))
            answer = asked.result(20)
            assert (answer.kind, answer.round) == ("train", number)
            applied = agent.update(number, {"w": answer.parameters["w"] + 1}, 5)
        assert (applied.kind, applied.round) == ("applied", number)
        assert np.array_equal(applied.parameters["w"], [number, number])
        with visit(path, "flower/7") as agent:
            standing = agent.model()
        assert np.array_equal(standing.parameters["w"], [number, number])
        assert applied.receipt == standing.receipt
        assert applied.receipt is not None
        receipt = applied.receipt
        assert (receipt.study, receipt.run, receipt.round) == ("cardio", "flower/7", number)
        assert (receipt.contributors, receipt.in_sum) == (("H1", "H2"), True)
        assert (receipt.model, receipt.sum) == (f"{number:02x}" * 32, (b"s" * 32).hex())
    rounds.result(20)
    with visit(path, "flower/7") as agent:
        assert agent.begin(MODEL).kind == "end"
    assert training.told == [f"waiting for a program to connect: QUORATE_CONNECTION=unix:{path}"]


def test_a_program_that_goes_before_its_update_may_come_back_with_it(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    answer = begun(path, training, beside)
    assert answer.kind == "train"
    with visit(path) as agent:
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"
    assert list(training.fitting.result(20)["w"]) == [1, 1]


def test_a_round_that_is_open_is_begun_again(training: Training, path: Path, beside: Do) -> None:
    training.app.start()
    first = begun(path, training, beside)
    with visit(path) as agent:
        again = agent.begin(MODEL)
        assert (again.kind, again.round) == (first.kind, first.round) == ("train", 1)
        assert np.array_equal(again.parameters["w"], first.parameters["w"])
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"


def test_an_update_whose_answer_was_lost_is_asked_for_again_and_counts_once(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside, is_whole=False)
    with Agent.connect(str(path)) as agent:
        agent.hello()
        beside(lambda: agent.update(1, {"w": np.ones(2)}, 5))
        until(lambda: training.app._desk._handed == 1)
    with visit(path) as again:
        asked = beside(lambda: again.update(1, {"w": np.full(2, 9.0)}, 5))
        until(lambda: training.app._visit is not None and not training.app._visit[0].is_gone)
        training.stand(1, {"w": np.ones(2)})
        assert asked.result(20).kind == "applied"
    assert list(training.fitting.result(20)[0]["w"]) == [1, 1]
    assert training.app._desk._given is None  # no second model is kept


def test_a_program_is_told_which_study_this_is(training: Training, path: Path) -> None:
    training.app.start()
    with visit(path) as agent:
        facts = agent.hello().facts
    assert (facts["federation"], facts["study"]) == ("Toy", "cardio")
    assert facts["identity"] == training.study.digest.hex()


def test_the_own_fault_of_a_program_is_no_reason_to_connect_again(
    training: Training, path: Path
) -> None:
    class Wrong(Plus):
        def initial_parameters(self, config: dict[str, Any]) -> Any:
            raise OSError("mine")

    training.app.start()
    with pytest.raises(OSError, match="mine"):
        run_at(str(path), Wrong())


def test_a_program_waits_for_an_agent_that_is_started_anew(path: Path) -> None:
    with pytest.raises(NoAgent, match="study approve"):
        run_at(str(path), Plus(), patience=0.2)


def test_a_busy_socket_is_waited_for(training: Training, path: Path, beside: Do) -> None:
    training.app.start()
    has_gone = threading.Event()
    with Agent.connect(str(path)) as first:
        first.hello()
        with visit(path) as second:
            asked = beside(lambda: second.begin(MODEL))
            assert not has_gone.wait(0.5)
            assert not asked.done()
            first.close()
            training.begin()
            beside(lambda: training.fit(1, MODEL))
            assert asked.result(20).kind == "train"
            training.app.give_up()


def test_another_study_has_what_it_began_with_for_itself(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside, "flower/7")
    training.app.close()
    other = Training(path, training_study(TERMS, "other"), training.disk)
    other.app.start()
    try:
        assert begun(path, other, beside, "flower/8").kind == "train"
        assert (training.made().run, other.app.run) == ("flower/7", "flower/8")
    finally:
        other.app.close()
