"""What the first program of a study has fixed: its run, its model, and what stays at home."""

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.errors import DamagedFile
from quorate_client import Agent, AgentError
from tests.participant.program.conftest import MODEL, Do, Training, begun, refused, until, visit
from tests.simulator.disk import Disk


def held(disk: Disk) -> tuple[threading.Event, threading.Event]:
    """Holds up every change of the disk: once there is one, and until it may go on."""
    is_writing, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_writing.set()
        assert may_go_on.wait(20)

    disk.hook = hold
    return is_writing, may_go_on


def test_nothing_waits_while_the_first_model_is_written(
    training: Training, path: Path, beside: Do
) -> None:
    """It may be large, and the agent does more than train in one study."""
    is_writing, may_go_on = held(training.disk)
    training.app.start()
    with visit(path) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        assert is_writing.wait(20)
        assert beside(lambda: training.app.is_asked).result(5) is False
        may_go_on.set()
        training.begin()
        beside(lambda: training.fit(1, MODEL))
        assert asked.result(20).kind == "train"
        training.app.give_up()


def test_nothing_is_kept_of_a_program_that_comes_once_training_is_over(
    training: Training, path: Path
) -> None:
    """A withdrawal has forgotten it, and the next approval begins anew."""
    training.app.start()
    training.app.finish(ValueError("it was withdrawn"))
    with visit(path) as agent:
        assert refused(lambda: agent.begin(MODEL)).rule == "ended"
    assert not training.disk.files


def test_nothing_is_kept_of_a_program_whose_model_is_written_when_training_ends(
    training: Training, path: Path, beside: Do
) -> None:
    is_writing, may_go_on = held(training.disk)
    training.app.start()
    with visit(path) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        assert is_writing.wait(20)
        training.app.finish(ValueError("it was withdrawn"))
        may_go_on.set()
        with pytest.raises(AgentError, match="no more here: because it was withdrawn"):
            asked.result(20)
    assert not training.disk.files


def test_an_agent_that_is_started_anew_goes_on_without_a_program(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside, "flower/7")
    training.app.close()
    training.app = training.made()
    assert np.array_equal(training.begin()["w"], [0, 0])
    assert training.app.run == "flower/7"
    fits = beside(lambda: training.round(1, MODEL))
    with visit(path, "flower/7") as agent:  # in the middle of its round
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"
    assert list(fits.result(20)["w"]) == [1, 1]


def test_who_comes_before_an_agent_that_is_started_anew_knows_its_place_waits_for_that(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    training.app.close()
    training.app = training.made()
    training.app.start()
    with visit(path) as agent:
        for question in (agent.model, partial(agent.update, 2, {"w": np.ones(2)}, 5)):
            training.app._desk._place = None
            asked = beside(question)
            with pytest.raises(TimeoutError):
                asked.result(0.3)
            training.stand(2, {"w": np.full(2, 2.0)}, in_sum=False)
            assert list(asked.result(20).parameters["w"]) == [2, 2]


def test_a_client_asks_again_where_its_agent_is_started_anew(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    with visit(path) as agent:
        asked = beside(lambda: agent.update(1, {"w": np.ones(2)}, 5))
        until(lambda: training.app._desk._handed == 1)
        training.app.close()
        training.app = training.made()
        training.begin()
        training.stand(1, {"w": np.ones(2)})
        assert asked.result(20).kind == "applied"


def test_what_is_kept_of_the_first_program_and_damaged_is_named(training: Training) -> None:
    training.disk.files["studies/cardio/beginning"] = b"x" * 40
    with pytest.raises(DamagedFile, match="studies/cardio/beginning"):
        training.made()


def test_a_study_is_for_the_run_that_began_with_it(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside, "flower/7")
    assert training.app.run == "flower/7"
    for again in (False, True):
        if again:  # it is known to an agent that is started anew
            training.app.close()
            training.app = training.made()
            training.app.start()
        with visit(path, "flower/8") as other:
            error = refused(lambda: other.begin(MODEL))
        assert error.rule == "run"
        assert "trained for run flower/7 (the first program has begun so)" in error.reason
        assert "trains for run flower/8" in error.reason
        assert "study new --start cardio/2" in error.remedy
        for named in ("", "flower/8"):  # which hello may leave to begin
            with Agent.connect(str(path)) as agent:
                agent.hello()
                assert refused(partial(agent.begin, MODEL, run=named)).rule == "run"


def test_each_message_is_for_the_run_of_the_study(
    training: Training, path: Path, beside: Do
) -> None:
    """Or else a program of another run would get its model, or answer for its round."""
    training.app.start()
    begun(path, training, beside, "flower/7")
    with visit(path) as unnamed:
        for question in (unnamed.model, partial(unnamed.update, 1, {"w": np.ones(2)}, 5)):
            error = refused(question)
            assert error.rule == "run"
            assert "for no run that it names" in error.reason
    with Agent.connect(str(path)) as agent:
        agent.hello()
        assert refused(partial(agent.begin, MODEL, run="flower/8")).rule == "run"
        assert refused(agent.model).rule == "run"  # it trains for run 8, and has said so
        assert agent.begin(MODEL, run="flower/7").kind == "train"
        assert agent.model().kind == "model"
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"


def test_a_study_that_began_without_a_run_is_for_no_run(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    with visit(path, "flower/8") as other:
        error = refused(lambda: other.begin(MODEL))
    assert error.rule == "run"
    assert "programs that name no run" in error.reason


@pytest.mark.parametrize("training", [{"run": "nvflare/job-1"}], indirect=True)
def test_a_plan_that_names_its_run_has_no_other(training: Training, path: Path, beside: Do) -> None:
    training.app.start()
    assert training.app.run == "nvflare/job-1"
    for name in ("", "nvflare/job-2"):
        with visit(path, name) as other:
            for question in (other.model, partial(other.begin, MODEL)):
                error = refused(question)
                assert (error.rule, "its plan names it" in error.reason) == ("run", True)
    assert begun(path, training, beside, "nvflare/job-1").kind == "train"


def test_a_model_of_other_shapes_is_refused_by_its_entry_and_the_round_goes_on(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    with visit(path) as agent:
        for question in (
            lambda: agent.update(1, {"w": np.ones(3)}, 5),
            lambda: agent.begin({"w": np.ones(3)}),
        ):
            error = refused(question)
            assert error.rule == "model"
            assert "entry 0, 'w', has shape (3,) instead of (2,)" in error.reason
        error = refused(lambda: agent.update(1, {"w": np.full(2, np.nan)}, 5))
        assert "nan" in error.reason.lower()
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "applied"


def test_local_entries_are_the_same_to_the_end(training: Training, path: Path, beside: Do) -> None:
    training.app.start()
    begun(path, training, beside)
    with visit(path, local_entries=("w",)) as other:
        error = refused(lambda: other.begin(MODEL))
    assert (error.rule, "['w'], and were []" in error.reason) == ("model", True)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (None, "begin brings none"),
        ({}, "no parameters"),
        ({"w": np.zeros(2, np.int64)}, "no entry holds floats"),
    ],
)
def test_a_first_model_that_cannot_be_trained_is_no_beginning(
    model: Any, why: str, training: Training, path: Path
) -> None:
    training.app.start()
    with visit(path) as agent:
        error = refused(lambda: agent.begin(model))
    assert (error.rule, why in error.reason) == ("model", True), error.reason
    assert training.app._desk.beginning is None
