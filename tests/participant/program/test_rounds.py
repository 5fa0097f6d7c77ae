"""What a program is told of rounds, and what training is told of a program."""

import math
from pathlib import Path

import numpy as np
import pytest

from participant.agent import Stopped
from participant.app import TurnsBeside
from quorate_client import Agent
from tests.participant.program.conftest import MODEL, Do, Training, begun, until, visit


def test_an_update_that_is_late_is_told_so_and_the_program_goes_on(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    turns = TurnsBeside(training.app, lambda: None)
    with visit(path) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        training.begin()
        late = turns.begin(lambda: training.fit(1, MODEL))
        assert asked.result(20).kind == "train"
        training.stand(1, {"w": np.full(2, 7.0)}, in_sum=False)
        turns.give_up(late)
        with pytest.raises(Stopped):
            late.result(20)
        said = agent.update(1, {"w": np.ones(2)}, 5)
        assert (said.kind, said.round, list(said.parameters["w"])) == ("late", 1, [7, 7])
        assert said.receipt is not None
        assert (said.receipt.in_sum, said.receipt.contributors) == (False, ("H2",))
        following = turns.begin(lambda: training.fit(2, {"w": np.full(2, 7.0)}))
        assert agent.begin().round == 2
        training.app.give_up()
        with pytest.raises(Stopped):
            following.result(20)


@pytest.mark.parametrize("training", [{"rounds": 5}], indirect=True)
def test_who_comes_back_two_rounds_later_gets_the_present_round(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    training.app.give_up()
    for number in (1, 2, 3):
        training.stand(number, {"w": np.full(2, float(number))}, in_sum=number == 1)
    with visit(path) as agent:
        late = agent.update(2, {"w": np.ones(2)}, 5)
        scored = beside(lambda: training.app.evaluate(MODEL, {}))  # waits for none of that
        assert math.isnan(scored.result(5)[0])
        assert (late.kind, late.round, list(late.parameters["w"])) == ("late", 2, [3, 3])
        assert late.receipt is not None
        assert late.receipt.round == 3
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"
        asked = beside(lambda: agent.begin(MODEL))
        beside(lambda: training.fit(4, {"w": np.full(2, 3.0)}))
        answer = asked.result(20)
        assert (answer.kind, answer.round, list(answer.parameters["w"])) == ("train", 4, [3, 3])
        training.app.give_up()


def test_a_void_round_says_why(training: Training, path: Path, beside: Do) -> None:
    training.app.start()
    begun(path, training, beside, is_whole=False)
    with visit(path) as agent:
        asked = beside(lambda: agent.update(1, {"w": np.ones(2)}, 5))
        until(lambda: training.app._desk._owes_score)
        training.stand(1, MODEL, reason="the key was refreshed")
        said = asked.result(20)
        assert (said.kind, said.reason) == ("void", "the key was refreshed")
        assert np.array_equal(said.parameters["w"], [0, 0])


@pytest.mark.parametrize("how", ["leaves", "begins", "scores"])
def test_a_score_is_the_programs_or_none(
    how: str, training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    with Agent.connect(str(path)) as agent:
        agent.hello()
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"
        assert agent.model().kind == "model"  # which is no score, and ends no waiting for it
        assert not training.fitting.done()
        if how != "leaves":
            score = {"loss": 0.25, "examples": 4, "metrics": {"a": 1}}
            beside(lambda: agent.begin(None, score if how == "scores" else None))
            training.fitting.result(20)
    training.fitting.result(20)
    loss, examples, metrics = training.score
    if how == "scores":
        assert (loss, examples, metrics) == (0.25, 4, {"a": 1})
    else:
        assert math.isnan(loss)
        assert examples == 0


def test_no_score_is_waited_for_where_no_program_is(training: Training) -> None:
    assert math.isnan(training.app.evaluate(MODEL, {})[0])


def test_a_hospital_is_ready_for_a_round_only_when_a_program_has_asked(
    training: Training, path: Path, beside: Do
) -> None:
    """Or else a round would wait for a framework that evaluates, or has ended."""
    training.app.start()
    assert not training.app.is_asked
    begun(path, training, beside)
    assert training.app.is_asked
    assert training.woken == 1
    with Agent.connect(str(path)) as agent:
        agent.hello()
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"
        assert not training.app.is_asked
        agent.model()
        assert not training.app.is_asked
        beside(lambda: agent.begin(MODEL))
        until(lambda: training.app.is_asked)
    until(lambda: training.app._desk._is_begun is False)
    assert training.app.is_asked  # it has asked, and may come back
    training.stand(2, MODEL)
    assert not training.app.is_asked


def test_a_program_that_waits_while_a_round_goes_by_is_still_ready(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    with visit(path) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        training.begin()
        training.stand(1, MODEL, in_sum=False)
        assert training.app.is_asked
        beside(lambda: training.fit(2, MODEL))
        assert asked.result(20).round == 2
        training.app.give_up()
