"""Programs come to a socket and go, and training goes on with what they bring."""

import math
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.agent import Stopped
from participant.app import TurnsBeside
from participant.errors import DamagedFile
from quorate_client import Agent, AgentError, Answer, NoAgent, Visits, run, run_at
from quorate_client.agent import CONNECTION
from tests.participant.program.conftest import MODEL, TERMS, Do, Training, token, until
from tests.simulator.disk import Disk
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


def visit(path: Path, run: str = "", **changes: Any) -> Visits:
    """A framework's client in a process of its own, as far as the agent knows."""
    return Visits(str(path), run, patience=10, **changes)


def begun(
    path: Path, training: Training, beside: Do, run: str = "", is_whole: bool = True
) -> Answer:
    """A client has begun, trains in round 1, and its process has ended.

    is_whole: training goes on to the end of that round.
    """
    play = training.round if is_whole else training.fit
    with visit(path, run) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        training.begin()
        training.fitting = beside(lambda: play(1, MODEL))
        answer: Answer = asked.result(20)
    return answer


def refused(question: Any) -> AgentError:
    with pytest.raises(AgentError) as said:
        question()
    return said.value


def held(disk: Disk) -> tuple[threading.Event, threading.Event]:
    """Holds up every change of the disk: once there is one, and until it may go on."""
    is_writing, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_writing.set()
        assert may_go_on.wait(20)

    disk.hook = hold
    return is_writing, may_go_on


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
        with visit(path) as agent:
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


def test_a_second_program_in_a_turn_is_refused_once_the_first_has_given_its_update(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    rounds = beside(lambda: training.round(2, training.round(1, training.begin())))
    with visit(path) as first:
        assert first.begin(MODEL, "a1").kind == "train"
    with visit(path) as second:  # the first went before its update
        assert second.begin(MODEL, "a1").kind == "train"
        assert second.update(1, {"w": np.ones(2)}, 5).kind == "applied"
    with visit(path) as third:
        error = refused(lambda: third.begin(MODEL, "a1"))
    assert error.rule == "turn"
    assert "study cardio in this turn" in str(error)
    assert "End the other one" in str(error)
    with visit(path) as first:
        assert first.begin(MODEL, "a2").round == 2
        assert first.update(2, {"w": np.ones(2)}, 5).kind == "applied"
    rounds.result(20)


def test_a_program_is_told_which_study_this_is(training: Training, path: Path) -> None:
    training.app.start()
    with visit(path) as agent:
        facts = agent.hello().facts
    assert (facts["federation"], facts["study"]) == ("Toy", "cardio")
    assert facts["identity"] == training.study.digest.hex()


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


# ── an agent that is started anew ──


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


# ── what is refused ──


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
        with visit(path) as unnamed:
            assert refused(lambda: unnamed.begin(MODEL)).rule == "run"
        with Agent.connect(str(path)) as agent:
            agent.hello()
            assert refused(lambda: agent.begin(MODEL, run="flower/8")).rule == "run"


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
            error = refused(lambda: other.begin(MODEL))
        assert (error.rule, "its plan names it" in error.reason) == ("run", True)
    assert begun(path, training, beside, "nvflare/job-1").kind == "train"


@pytest.mark.parametrize("training", [{"app": b"a" * 32}], indirect=True)
def test_a_program_says_that_it_runs_the_app_of_the_plan(training: Training, path: Path) -> None:
    training.app.start()
    for said in ("", (b"b" * 32).hex()):
        with Agent.connect(str(path)) as agent:
            error = refused(partial(agent.hello, app=said))
            assert error.rule == "app"
            assert (b"a" * 32).hex() in error.reason
            agent._socket.settimeout(10)
            assert "failed (timed" not in refused(partial(agent.begin, MODEL)).reason  # hung up on
    assert training.app._desk.beginning is None
    with Agent.connect(str(path)) as agent:
        assert agent.hello(app=(b"a" * 32).hex()).kind == "hello"


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


@pytest.mark.parametrize("number", [0, 2, 3, 9])
def test_an_update_of_a_round_that_has_not_begun_is_refused(
    number: int, training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    with visit(path) as agent:
        error = refused(lambda: agent.update(number, {"w": np.ones(2)}, 5))
        assert error.rule == "round"
        assert f"round {number} of study cardio has not begun" in error.reason


def test_a_disagreement_is_the_answer_to_begin(training: Training, path: Path, beside: Do) -> None:
    facts = {"members": ["H2", "H3", "H4"], "agreeing": 1, "needed": 3, "entries": []}
    facts |= {"run": "", "runs": []}
    training.app.start()
    with visit(path) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        training.begin()
        training.app.hear(0, "disagreement", {**facts, "members": ["H2"]})  # others may agree
        assert not asked.done()
        training.app.hear(0, "disagreement", facts)
        with pytest.raises(AgentError, match="because cardio/0: hospitals state") as said:
            asked.result(20)
        assert (said.value.rule, said.value.remedy) == ("disagreement", "do better")
        assert refused(lambda: agent.begin(MODEL)).rule == "disagreement"
        beside(lambda: training.fit(1, MODEL))  # it was mended
        until(lambda: training.app._desk._wanted)
        assert agent.begin(MODEL).kind == "train"
        training.app.give_up()


def test_what_ends_training_is_the_answer_to_begin_and_to_who_comes_later(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    with visit(path) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        training.begin()
        training.app.finish(ValueError("it was withdrawn"))
        with pytest.raises(AgentError, match="no more here: because it was withdrawn") as said:
            asked.result(20)
        assert (said.value.rule, said.value.remedy) == ("ended", "do better")
    with visit(path) as agent:
        assert refused(lambda: agent.begin(MODEL)).rule == "ended"
        assert agent.model().kind == "model"
    training.app.close()
    assert not path.exists()


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


def test_after_the_last_round_programs_may_ask_until_the_socket_is_closed(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    with visit(path) as agent:
        agent.update(1, {"w": np.ones(2)}, 5)
    training.stand(2, {"w": np.full(2, 2.0)}, in_sum=False)
    training.app.finish(None)
    with visit(path) as agent:
        assert list(agent.model().parameters["w"]) == [2, 2]
        assert agent.begin(MODEL).kind == "end"
        assert agent.update(2, {"w": np.ones(2)}, 5).kind == "late"
    training.app.close()
    with pytest.raises(NoAgent):
        Agent.connect(str(path))


def test_a_model_before_the_first_program_has_begun_is_none(training: Training, path: Path) -> None:
    training.app.start()
    with visit(path) as agent:
        error = refused(agent.model)
    assert (error.rule, error.remedy) == ("model", "ask for it after begin")


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (b"\0\0\0\2{}" + bytes(8), "message"),
        (b'\0\0\0\x0f{"op":"hello" }' + bytes(8), "message"),
        (b"\xff\xff\xff\xff", "frame"),
    ],
)
def test_nonsense_after_the_hello_is_answered_and_the_next_one_comes_in(
    said: bytes, rule: str, training: Training, path: Path
) -> None:
    training.app.start()
    with Agent.connect(str(path)) as agent:
        agent.hello()
        agent._socket.sendall(said)
        header, _ = agent._receive()
        assert header["error"]["rule"] == rule
    with Agent.connect(str(path)) as agent:
        assert agent.hello().facts["study"] == "cardio"


def test_a_text_that_cannot_be_kept_is_answered_and_nothing_is(
    training: Training, path: Path
) -> None:
    training.app.start()
    with Agent.connect(str(path)) as agent:
        agent.hello(["[w\ud800]"])
        error = refused(lambda: agent.begin({"v": np.zeros(2), "w": np.zeros(2)}))
    assert (error.rule, str(error)) == ("message", "a text in it is no Unicode")
    assert training.app._desk.beginning is None


def test_an_update_over_a_new_connection_is_not_much_larger_than_the_model(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside)
    with Agent.connect(str(path)) as agent:
        agent.hello()
        said = b'{"op":"model"}'
        size = (1 << 30).to_bytes(8, "big")
        agent._socket.sendall(len(said).to_bytes(4, "big") + said + size)
        header, _ = agent._receive()
        assert header["error"]["rule"] == "frame"


def test_another_version_is_refused(
    training: Training, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.app.start()
    monkeypatch.setattr("quorate_client.agent.VERSION", 2)
    with Agent.connect(str(path)) as agent:
        assert refused(agent.hello).rule == "version"


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
