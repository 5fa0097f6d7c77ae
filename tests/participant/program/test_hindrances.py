"""Why a round gets no further: an answer where waiting changes nothing, else told meanwhile."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.errors import RoundHeldUp
from quorate_client import AgentError
from tests.participant.program.conftest import (
    MODEL,
    TERMS,
    Do,
    Training,
    begun,
    refused,
    until,
    visit,
)


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


def held_back(*members: str, is_own: bool = False) -> dict[str, Any]:
    """Facts of the event, as ``participant.rounds.HeldBack`` has them."""
    return {
        "study": "cardio", "members": list(members), "rounds": ["before/1"], "needed": 3,
        "waits_for_own": is_own,
    }  # fmt: skip


def test_who_waits_in_a_round_that_is_held_back_is_told_for_whom_and_the_answer_comes(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside, is_whole=False)
    told: list[str] = []
    with visit(path, told=told.append) as agent:
        asked = beside(lambda: agent.update(1, {"w": np.ones(2)}, 5))
        until(lambda: training.app._desk._handed == 1)
        training.app.hear(1, "held-back", held_back("H4", "H5"))
        until(lambda: told)
        training.app.hear(1, "held-back", held_back("H5"))
        until(lambda: len(told) == 2)
        assert told == ["because cardio/1: held-back. do better"] * 2
        assert not asked.done()
        training.stand(1, {"w": np.ones(2)})
        assert asked.result(20).kind == "applied"
    assert len(told) == 2


def test_a_program_whose_own_update_is_what_is_missing_is_not_told_to_wait_for_itself(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside, is_whole=False)
    training.app.hear(1, "held-back", held_back("H1", is_own=True))
    told: list[str] = []
    with visit(path, told=told.append) as agent:
        asked = beside(lambda: agent.update(1, {"w": np.ones(2)}, 5))
        until(lambda: training.app._desk._handed == 1)
        training.stand(1, {"w": np.ones(2)})
        assert asked.result(20).kind == "applied"
    assert not told


def test_a_round_that_nobodys_update_can_free_is_an_answer(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun(path, training, beside, is_whole=False)
    with visit(path) as agent:
        asked = beside(lambda: agent.update(1, {"w": np.ones(2)}, 5))
        until(lambda: training.app._desk._handed == 1)
        training.app.hear(1, "held-back", held_back())
        with pytest.raises(AgentError, match="because cardio/1: held-back") as said:
            asked.result(20)
        assert (said.value.rule, said.value.remedy) == ("held-back", "do better")
        for question in (lambda: agent.update(1, {"w": np.ones(2)}, 5), agent.begin):
            assert refused(question).rule == "held-back"
        training.stand(1, {"w": np.ones(2)}, reason="the key was refreshed")
        assert agent.update(1, {"w": np.ones(2)}, 5).kind == "void"  # it goes on
        assert not training.app._desk._hindrance


@pytest.mark.parametrize(
    ("event", "facts"),
    [("other-rounds", {"rounds": ["before/1"]}), ("weighed-otherwise", {"studies": ["before"]})],
)
def test_a_program_that_waits_to_train_is_told_why(
    event: str, facts: dict[str, Any], training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    told: list[str] = []
    with visit(path, told=told.append) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        training.begin()
        training.app.hear(1, event, facts)
        until(lambda: told)
        assert told == [f"because cardio/1: {event}. do better"]
        training.fitting = beside(lambda: training.fit(1, MODEL))
        assert asked.result(20).kind == "train"
        training.app.give_up()


def test_who_reads_nothing_while_it_waits_holds_up_nobody_else(
    training: Training, path: Path, beside: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the lock of the desk, which the agent's own step takes."""
    training.app.start()
    begun(path, training, beside, is_whole=False)
    is_telling, may_go_on = threading.Event(), threading.Event()

    def slow(*said: object) -> None:
        is_telling.set()
        assert may_go_on.wait(20)

    with visit(path) as agent:
        asked = beside(lambda: agent.update(1, {"w": np.ones(2)}, 5))
        until(lambda: training.app._desk._handed == 1)
        assert training.app._visit is not None
        channel = training.app._visit[0]._channel
        monkeypatch.setattr(channel, "send", slow)
        training.app.hear(1, "held-back", held_back("H5"))
        assert is_telling.wait(20)
        assert beside(lambda: training.app.is_asked).result(5)
        monkeypatch.undo()
        may_go_on.set()
        training.stand(1, {"w": np.ones(2)})
        assert asked.result(20).kind == "applied"


@pytest.mark.parametrize(
    ("event", "facts", "what", "remedy"),
    [
        (
            "held-back", held_back("H4"), "cardio/1 is held back. The sum of before/1 began from",
            "It closes as soon as H4 contributes. 3 hospitals can end the study cardio",
        ),
        (
            "held-back", held_back(), "would show too few hospitals",
            "One hospital's contribution cannot be added",
        ),
        (
            "other-rounds", {"rounds": ["a/1", "b/1"]}, "waits for the end of a/1, b/1, which",
            "Only one after the other",
        ),
        (
            "weighed-otherwise", {"studies": ["a"]}, "It has added to a, from this model",
            "Another study can have those weights",
        ),
    ],
)  # fmt: skip
def test_programs_read_what_people_read(
    event: Any, facts: dict[str, Any], what: str, remedy: str
) -> None:
    found = describe(RoundHeldUp("cardio/1", event, facts), Context(terms=TERMS))
    assert what in found.what
    assert remedy in found.remedy
    assert not f"{found.what}{found.remedy}".endswith(".")
