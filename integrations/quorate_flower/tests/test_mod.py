# SPDX-License-Identifier: Apache-2.0
"""An app behind the mod trains on the agent's model, and nothing of its update leaves."""

import logging
import math
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Error, Message, MetricRecord, RecordDict
from quorate_flower.records import Arrays, record_of
from scripted import ScriptedAgent

from quorate_flower import exchange, mod
from tests.stage.apps import (
    EXAMPLES,
    adding_app,
    app_that,
    context_of,
    message_of,
    old_app,
    old_message,
    refused,
    stock_message,
)

ZERO: Arrays = {"b": np.zeros(3, np.float32), "a": np.zeros((2, 2), np.float32)}
OURS: Arrays = {name: values + np.float32(5.1) for name, values in ZERO.items()}


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 0.0)
    monkeypatch.setattr(mod, "CATCH_UP", 0.0)


def test_the_app_trains_from_the_agents_model_and_its_update_goes_to_the_agent_alone(
    agent: ScriptedAgent,
) -> None:
    agent.model, seen = OURS, list[Arrays]()
    given = {name: values + np.float32(1e-7) for name, values in OURS.items()}
    app, context = adding_app(seen=seen), context_of(quorate_socket=agent.path)
    reply = app(message_of("train", given), context)
    assert not reply.has_error()
    assert list(seen[0]) == ["b", "a"]
    assert all(np.array_equal(seen[0][name], OURS[name]) for name in OURS)
    (trained,) = agent.trained
    assert list(trained) == ["b", "a"]
    assert all(np.array_equal(trained[n], OURS[n] + np.float32(0.25)) for n in OURS)
    assert agent.said == ["hello", "begin", "update"]
    assert agent.asked[0]["run"] == "flower/7"
    assert agent.asked[2]["examples"] == EXAMPLES


def test_a_reply_has_a_receipt_and_neither_arrays_nor_examples_nor_metrics(
    agent: ScriptedAgent,
) -> None:
    reply = adding_app()(message_of("train", ZERO), context_of(quorate_socket=agent.path))
    assert not reply.content.array_records
    assert dict(reply.content["metrics"]) == {"num-examples": 1}
    assert dict(reply.content["quorate"]) == {
        "study": "cardio",
        "round": 1,
        "model": f"{1:064x}",
        "contributors": 2,
        "in_sum": True,
        "outcome": "applied",
    }
    assert set(reply.content) == {"metrics", "quorate"}


def test_metrics_leave_that_the_hospital_lists(agent: ScriptedAgent) -> None:
    told = {"num-examples": EXAMPLES, "loss": 0.5, "age": 71.0}
    context = context_of(quorate_socket=agent.path, quorate_metrics="loss, other")
    for kind in ("train", "evaluate"):
        reply = adding_app(metrics=told)(message_of(kind, ZERO), context)
        assert dict(reply.content["metrics"]) == {"num-examples": 1, "loss": 0.5}


def test_a_listed_metric_that_is_no_number_does_not_leave(agent: ScriptedAgent) -> None:
    agent.model = OURS
    app = adding_app(metrics={"num-examples": 3, "loss": [0.5, 0.25]})
    context = context_of(quorate_socket=agent.path, quorate_metrics="loss")
    assert "metric loss is no number" in refused(app(message_of("evaluate", ZERO), context))


def test_an_app_is_evaluated_on_the_agents_model(agent: ScriptedAgent) -> None:
    agent.model, agent.round, seen = OURS, 3, list[Arrays]()
    reply = adding_app(seen=seen)(
        message_of("evaluate", ZERO), context_of(quorate_socket=agent.path)
    )
    assert all(np.array_equal(seen[0][name], OURS[name]) for name in OURS)
    assert not reply.content.array_records
    assert reply.content["quorate"]["round"] == 2
    assert agent.said == ["hello", "model"]


def test_the_server_is_told_which_study_this_is_and_the_app_does_not_hear_of_it(
    agent: ScriptedAgent,
) -> None:
    seen = list[Arrays]()
    content = RecordDict({"quorate": ConfigRecord({"which-study": True})})
    asked = Message(content, dst_node_id=1, message_type="train")
    reply = adding_app(seen=seen)(asked, context_of(quorate_socket=agent.path))
    assert set(reply.content) == {"quorate"}
    said = dict(reply.content["quorate"])
    assert (said["study"], said["model"], said["outcome"]) == ("cardio", "ab" * 32, "study")
    assert not seen
    assert agent.said == ["hello"]


def test_there_is_nothing_to_evaluate_before_the_first_round(agent: ScriptedAgent) -> None:
    reply = adding_app()(message_of("evaluate", ZERO), context_of(quorate_socket=agent.path))
    assert "rule 'model'" in refused(reply)


def test_no_agent_is_said_to_both_and_its_path_to_the_hospital(
    agent: ScriptedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    context = context_of(quorate_socket=agent.path.with_name("other.sock"))
    with caplog.at_level(logging.ERROR, "flwr"):
        reason = refused(adding_app()(message_of("train", ZERO), context))
    assert "no agent listens" in reason
    assert "other.sock" not in reason
    assert "other.sock" in caplog.text
    assert "quorate-participant serve" in caplog.text


@pytest.mark.parametrize("op", ["hello", "begin", "update", "model"])
def test_what_an_agent_refuses_is_named_by_its_rule_and_explained_in_the_log(
    agent: ScriptedAgent, op: str, caplog: pytest.LogCaptureFixture
) -> None:
    why = {"rule": "run", "member": 0, "reason": "a change of 3.25", "remedy": "propose a study"}
    agent.refuses[op] = why
    kind = "evaluate" if op == "model" else "train"
    with caplog.at_level(logging.ERROR, "flwr"):
        reply = adding_app()(message_of(kind, ZERO), context_of(quorate_socket=agent.path))
    assert "rule 'run'" in refused(reply)
    assert "3.25" not in refused(reply)
    assert "a change of 3.25. propose a study" in caplog.text


def test_a_second_supernode_at_a_socket_is_refused_at_once(
    agent: ScriptedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 60.0)
    agent.refuses["hello"] = {"rule": "busy", "member": 0, "reason": "another", "remedy": ""}
    reply = adding_app()(message_of("train", ZERO), context_of(quorate_socket=agent.path))
    assert "rule 'busy'" in refused(reply)
    assert agent.said == ["hello"]


def test_why_a_round_waits_is_in_the_supernodes_log_and_the_answer_comes_after_it(
    agent: ScriptedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    agent.waits = "cardio/1 is held back"
    with caplog.at_level(logging.WARNING, "flwr"):
        reply = adding_app()(message_of("train", ZERO), context_of(quorate_socket=agent.path))
    assert reply.content["quorate"]["outcome"] == "applied"
    assert "quorate: cardio/1 is held back. start its SuperNode" in caplog.messages


def test_what_an_agent_trains_is_in_the_log_where_the_server_does_not_ask(
    agent: ScriptedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    context = context_of(quorate_socket=agent.path, quorate_reveal="average")
    with caplog.at_level(logging.INFO, "flwr"):
        assert not adding_app()(stock_message("train", ZERO), context).has_error()
    assert f"quorate: study cardio of federation Toy ({'ab' * 32})" in caplog.messages
    assert agent.said == ["hello", "begin", "update"]


def test_a_study_that_has_ended_is_said(agent: ScriptedAgent) -> None:
    agent.ended = True
    reply = adding_app()(message_of("train", ZERO), context_of(quorate_socket=agent.path))
    assert "has ended" in refused(reply)


@pytest.mark.parametrize("outcome", ["late", "void"])
def test_an_update_that_is_in_no_sum_gets_a_receipt_that_says_so(
    agent: ScriptedAgent, outcome: str
) -> None:
    agent.outcome = outcome
    reply = adding_app()(message_of("train", ZERO), context_of(quorate_socket=agent.path))
    said = reply.content["quorate"]
    assert (said["outcome"], said["round"], said["in_sum"]) == (outcome, 0, False)


def changed(**entries: Any) -> Arrays:
    return {**OURS, **entries}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (changed(a=OURS["a"] + np.float32(1e-3)), "FedAdam"),
        (changed(a=OURS["a"] * np.float32(np.nan)), "FedAdam"),
        (changed(a=np.zeros(4, np.float32)), "shape"),
        (changed(c=OURS["a"]), "other entries"),
        ({"a": OURS["a"]}, "other entries"),
    ],
)
def test_a_server_that_changes_the_model_is_told_that_its_strategy_cannot_be_used(
    agent: ScriptedAgent, given: Arrays, said: str
) -> None:
    agent.model, agent.round = OURS, 2
    reply = adding_app()(message_of("train", given), context_of(quorate_socket=agent.path))
    assert said in refused(reply)
    assert not agent.trained


def test_rounding_at_the_server_is_no_change_of_the_model(agent: ScriptedAgent) -> None:
    rng = np.random.default_rng(1)
    agent.model = {"w": rng.normal(size=10_000).astype(np.float32)}
    third, w = 1.0 / 3, agent.model["w"]
    given = {"w": w * third + w * third + w * third}
    assert not np.array_equal(given["w"], w)
    reply = adding_app()(message_of("train", given), context_of(quorate_socket=agent.path))
    assert not reply.has_error()


def test_the_initial_model_may_come_to_a_hospital_that_is_beyond_it(agent: ScriptedAgent) -> None:
    agent.model, agent.round, seen = OURS, 4, list[Arrays]()
    message = message_of("train", ZERO)
    message.content["quorate"] = ConfigRecord({"initial": True})
    reply = adding_app(seen=seen)(message, context_of(quorate_socket=agent.path))
    assert not reply.has_error()
    assert np.array_equal(seen[0]["a"], OURS["a"])


def test_a_message_without_arrays_trains_from_the_agents_model(agent: ScriptedAgent) -> None:
    agent.model, seen = OURS, list[Arrays]()
    app = adding_app(seen=seen)
    reply = app(message_of("train", {}), context_of(quorate_socket=agent.path))
    assert not reply.has_error()
    assert list(seen[0]) == ["b", "a"]
    assert "entries" not in agent.asked[1]


def test_a_message_with_two_records_of_arrays_is_refused(agent: ScriptedAgent) -> None:
    message = message_of("train", ZERO)
    message.content["control"] = record_of(ZERO)
    reply = adding_app()(message, context_of(quorate_socket=agent.path))
    assert "2 records of arrays" in refused(reply)


def raising(message: Message) -> Message:
    raise ValueError("patient 1234")


def erring(message: Message) -> Message:
    return Message(Error(2, "patient 1234"), reply_to=message)


@pytest.mark.parametrize("does", [raising, erring])
def test_what_an_app_says_of_its_failure_stays_in_the_hospitals_log(
    agent: ScriptedAgent, does: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "flwr"):
        reply = app_that(does)(message_of("train", ZERO), context_of(quorate_socket=agent.path))
    assert "see the" in refused(reply)
    assert "1234" not in refused(reply)
    assert "patient 1234" in caplog.text


@pytest.mark.parametrize(
    "examples", [{}, {"num-examples": 2.5}, {"num-examples": -1}, {"num-examples": math.nan}]
)
def test_a_reply_without_a_number_of_examples_is_refused(
    agent: ScriptedAgent, examples: dict[str, Any]
) -> None:
    reply = adding_app(metrics={"loss": 1.0, **examples})(
        message_of("train", ZERO), context_of(quorate_socket=agent.path)
    )
    assert "num-examples" in refused(reply)
    assert not agent.trained


def answering(**records: Any) -> Any:
    return lambda message: Message(RecordDict(records), reply_to=message)


def test_a_query_is_refused_unless_the_hospital_lists_it(agent: ScriptedAgent) -> None:
    app = app_that(answering(sizes=MetricRecord({"patients": 150})))
    message = Message(RecordDict(), dst_node_id=1, message_type="query.sizes")
    reply = app(message, context_of(quorate_socket=agent.path))
    assert "answers no query.sizes" in refused(reply)
    context = context_of(quorate_socket=agent.path, quorate_queries="query.sizes")
    assert app(message, context).content["sizes"]["patients"] == 150


def test_no_query_answers_with_arrays(agent: ScriptedAgent) -> None:
    app = app_that(answering(rows=record_of(ZERO)))
    message = Message(RecordDict(), dst_node_id=1, message_type="query.sizes")
    context = context_of(quorate_socket=agent.path, quorate_queries="query.sizes")
    assert "has arrays" in refused(app(message, context))


def test_an_older_server_that_asks_a_hospital_for_its_parameters_is_refused(
    agent: ScriptedAgent,
) -> None:
    content = RecordDict({"getparametersins.config": ConfigRecord()})
    message = Message(content, dst_node_id=1, message_type="get_parameters")
    reply = old_app([])(message, context_of(quorate_socket=agent.path))
    assert "initial_parameters" in refused(reply)


def test_an_app_of_the_older_api_trains_and_evaluates_behind_the_mod(agent: ScriptedAgent) -> None:
    names = [str(k) for k in range(12)]
    agent.model = {name: np.full(2, float(name), np.float32) for name in names}
    seen: list[Any] = []
    context = context_of(quorate_socket=agent.path, quorate_metrics="acc", quorate_reveal="average")
    reply = old_app(seen)(old_message("train", agent.model), context)
    assert [float(one[0]) for one in seen[0]] == list(range(12))
    assert list(agent.trained[0]) == names
    assert agent.asked[2]["examples"] == EXAMPLES
    assert dict(reply.content["fitres.metrics"]) == {"acc": 0.7133}
    assert dict(reply.content["fitres.num_examples"]) == {"num_examples": 1}
    sent = reply.content.array_records["fitres.parameters"]
    assert [float(one.numpy()[0]) for one in sent.values()] == [k + 1.25 for k in range(12)]
    reply = old_app(seen)(old_message("evaluate", {}), context)
    assert float(seen[1][3][0]) == 4.25
    assert np.isnan(reply.content.metric_records["evaluateres.loss"]["loss"])
    assert dict(reply.content["evaluateres.num_examples"]) == {"num_examples": 1}


def test_the_average_goes_to_the_server_where_the_hospital_says_so(agent: ScriptedAgent) -> None:
    agent.model = {"w": np.ones(2, np.float32), "batches": np.array(7)}
    given = {"w": np.ones(2, np.float32), "batches": np.array(3)}
    context = context_of(quorate_socket=agent.path, quorate_reveal="average")
    reply = adding_app()(stock_message("train", given), context)
    sent = {name: one.numpy() for name, one in reply.content.array_records["arrays"].items()}
    assert np.array_equal(sent["w"], np.full(2, 2.25, np.float32))
    assert sent["batches"] == 3  # not the hospital's own number


@pytest.mark.parametrize("message", [stock_message("train", ZERO), old_message("train", ZERO)])
def test_a_server_that_averages_is_refused_where_the_hospital_reveals_nothing(
    agent: ScriptedAgent, message: Message
) -> None:
    reply = adding_app()(message, context_of(quorate_socket=agent.path))
    assert "use QuorateFedAvg" in refused(reply)
    assert not agent.asked


def said_after(number: int, kind: str = "train") -> Message:
    message = message_of(kind, {})
    message.content["quorate"] = ConfigRecord({"initial": False, "after": number})
    return message


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_an_agent_that_is_behind_the_others_for_long_is_said(
    agent: ScriptedAgent, kind: str
) -> None:
    agent.model, agent.round = OURS, 2
    reply = adding_app()(said_after(2, kind), context_of(quorate_socket=agent.path))
    assert "this hospital's agent" in refused(reply)
    assert not agent.trained


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_an_agent_that_comes_to_the_round_a_moment_later_is_waited_for(
    agent: ScriptedAgent, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mod, "CATCH_UP", 20.0)
    agent.model, agent.round = OURS, 2

    def moves_on(seconds: float) -> None:
        agent.round += 1

    monkeypatch.setattr("quorate_flower.mod.time.sleep", moves_on)
    reply = adding_app()(said_after(3, kind), context_of(quorate_socket=agent.path))
    assert not reply.has_error()
    assert agent.round == (5 if kind == "train" else 4)
