"""What a program is refused, and what it is told then."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from quorate_client import Agent, AgentError, NoAgent
from tests.participant.program.conftest import MODEL, Do, Training, begun, refused, visit


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
