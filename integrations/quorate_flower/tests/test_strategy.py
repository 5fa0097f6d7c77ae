# SPDX-License-Identifier: Apache-2.0
"""A server with QuorateFedAvg gets no arrays, sends them once, and compares receipts."""

import logging
from functools import partial
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.serverapp.exception import InconsistentMessageReplies
from quorate_flower.receipt import WHICH_STUDY
from quorate_flower.records import record_of

from quorate_flower import QuorateFedAvg, Receipt
from tests.stage.local_grid import LocalGrid, Node

INITIAL = record_of({"w": np.zeros(3, np.float32)})


@pytest.fixture
def strategy() -> QuorateFedAvg:
    return QuorateFedAvg()


def at_study(message: Message, identity: str = "aa", study: str = "cardio") -> Message:
    """A node's answer before it trains."""
    assert WHICH_STUDY in message.content["quorate"]
    receipt = Receipt(study, 0, identity, 0, False, "study")
    return Message(RecordDict({"quorate": receipt.record()}), reply_to=message)


def silent(message: Message) -> Message:
    return Message(Error(2, "away"), reply_to=message)


def sent(strategy: QuorateFedAvg, number: int, *nodes: Node) -> dict[int, Message]:
    """nodes: how each answers which study it trains; three that train one, if none is given."""
    grid = LocalGrid(list(nodes) or [at_study] * 3)
    messages = strategy.configure_train(number, INITIAL, ConfigRecord(), grid)
    return {message.metadata.dst_node_id: message for message in messages}


def reply(message: Message, number: int = 1, model: str = "aa", **metrics: Any) -> Message:
    receipt = Receipt("cardio", number, model, 3, True, "applied")
    numbers = MetricRecord({"num-examples": 1, **metrics})
    return Message(RecordDict({"metrics": numbers, "quorate": receipt.record()}), reply_to=message)


def test_the_initial_model_is_sent_to_each_hospital_until_it_has_answered(
    strategy: QuorateFedAvg,
) -> None:
    first = sent(strategy, 1)
    assert len(first) == 3
    assert all(list(one.content["arrays"]) == ["w"] for one in first.values())
    assert all(one.content["quorate"]["initial"] for one in first.values())
    failed = Message(Error(2, "away"), reply_to=first[3])
    strategy.aggregate_train(1, [reply(first[1]), reply(first[2]), failed])
    second = sent(strategy, 2)
    assert [len(second[node].content["arrays"]) for node in (1, 2, 3)] == [0, 0, 1]
    assert [second[node].content["quorate"]["initial"] for node in (1, 2, 3)] == [
        False,
        False,
        True,
    ]
    assert second[3].content["config"]["server-round"] == 2


def test_a_node_whose_agent_is_of_another_study_is_named_before_anything_is_trained(
    strategy: QuorateFedAvg,
) -> None:
    other = partial(at_study, identity="bb" * 32, study="digits")
    why = r"node 2 study digits \(b{16}\), and the others study cardio \(aa\)\. .* quorate-socket"
    with pytest.raises(InconsistentMessageReplies, match=why):
        sent(strategy, 1, at_study, other, at_study)


def test_a_node_that_comes_later_is_asked_and_others_are_not_asked_again(
    strategy: QuorateFedAvg,
) -> None:
    assert len(sent(strategy, 1, at_study, at_study, silent)) == 3
    asked = list[int]()

    def noted(message: Message) -> Message:
        asked.append(message.metadata.dst_node_id)
        return at_study(message, identity="bb")  # as another federation's agent

    with pytest.raises(InconsistentMessageReplies, match="node 3 study cardio"):
        sent(strategy, 2, noted, noted, noted)
    assert asked == [3]


def test_the_messages_of_a_round_have_one_turn_and_the_next_ones_another(
    strategy: QuorateFedAvg,
) -> None:
    turns = [
        {str(m.content["quorate"]["turn"]) for m in sent(strategy, n).values()} for n in (1, 2)
    ]
    assert [len(one) for one in turns] == [1, 1]
    assert turns[0] != turns[1]


def test_a_receipt_that_all_agree_on_is_kept_and_no_arrays_come_out(
    strategy: QuorateFedAvg,
) -> None:
    first = sent(strategy, 1)
    replies = [reply(one, loss=float(node)) for node, one in first.items()]
    replies[0].content["arrays"] = INITIAL  # of a hospital that reveals averages
    arrays, metrics = strategy.aggregate_train(1, replies)
    assert arrays is None
    assert metrics is not None
    assert metrics["loss"] == pytest.approx(2.0)
    assert strategy.receipts == {1: Receipt("cardio", 1, "aa", 3, True, "applied")}


def test_hospitals_that_hold_two_models_after_one_round_are_named(strategy: QuorateFedAvg) -> None:
    first = sent(strategy, 1)
    replies = [reply(first[1]), reply(first[2]), reply(first[3], model="bb")]
    with pytest.raises(InconsistentMessageReplies, match=r"node 1: cardio, aa.*node 3: cardio, bb"):
        strategy.aggregate_train(1, replies)


def test_a_receipt_of_an_earlier_round_is_late_and_no_disagreement(
    strategy: QuorateFedAvg, caplog: pytest.LogCaptureFixture
) -> None:
    first = sent(strategy, 3)
    replies = [reply(first[1], 3, "cc", loss=1.0), reply(first[2], 2, "bb", loss=9.0)]
    with caplog.at_level(logging.WARNING, "flwr"):
        _, metrics = strategy.aggregate_train(3, replies)
    assert "node 2 is late in round 3" in caplog.text
    assert strategy.receipts[3].round == 3
    assert metrics is not None
    assert metrics["loss"] == 1.0


def test_a_hospital_that_names_a_round_far_ahead_makes_nobody_late(
    strategy: QuorateFedAvg, caplog: pytest.LogCaptureFixture
) -> None:
    first = sent(strategy, 1)
    replies = [reply(first[1]), reply(first[2]), reply(first[3], 10**9, "ee")]
    with caplog.at_level(logging.WARNING, "flwr"):
        strategy.aggregate_train(1, replies)
    assert "node 3 is alone in round 1" in caplog.text
    assert "late" not in caplog.text
    assert strategy.receipts[1].round == 1
    strategy.aggregate_train(2, [reply(first[3], 10**9, "ee")])  # the others answer nothing
    second = sent(strategy, 3)
    assert {one.content["quorate"]["after"] for one in second.values()} == {1}


def test_an_answer_without_a_receipt_is_of_an_app_without_the_mod(strategy: QuorateFedAvg) -> None:
    first = sent(strategy, 1)
    bare = RecordDict({"arrays": INITIAL, "metrics": MetricRecord({"num-examples": 150})})
    with pytest.raises(InconsistentMessageReplies, match=r"node 1 answered without .* quorate_mod"):
        strategy.aggregate_train(1, [Message(bare, reply_to=first[1])])


@pytest.mark.parametrize(
    "said",
    [
        {}, {"round": 1}, {"round": "1"}, {"in_sum": 1}, {"contributors": "all"},
        {"study": "\x1b[2J"}, {"model": "\x1b[2J"}, {"model": "a" * 65}, {"outcome": "\x1b[2J"},
    ],
)  # fmt: skip
def test_a_receipt_that_cannot_be_read_is_none(said: dict[str, Any]) -> None:
    whole = dict(Receipt("cardio", 1, "aa", 3, True, "applied").record())
    record = ConfigRecord({**whole, **said} if said else {})
    found = Receipt.read(RecordDict({"quorate": record}))
    assert (found is not None) == (said == {"round": 1})


def test_nothing_comes_of_a_round_in_which_all_have_failed(strategy: QuorateFedAvg) -> None:
    first = sent(strategy, 1)
    replies = [Message(Error(2, "away"), reply_to=one) for one in first.values()]
    assert strategy.aggregate_train(1, replies) == (None, None)
    assert strategy.aggregate_evaluate(1, replies) is None


def test_evaluation_sends_no_arrays_and_leaves_out_who_is_at_another_model(
    strategy: QuorateFedAvg,
) -> None:
    messages = list(
        strategy.configure_evaluate(2, INITIAL, ConfigRecord(), LocalGrid([at_study] * 3))
    )
    assert not any(len(one.content["arrays"]) for one in messages)
    replies = [reply(messages[0], 2, loss=1.0), reply(messages[1], 1, "bb", loss=9.0)]
    metrics = strategy.aggregate_evaluate(2, replies)
    assert metrics is not None
    assert metrics["loss"] == 1.0


def test_a_server_cannot_choose_some_of_the_hospitals() -> None:
    with pytest.raises(TypeError, match="fraction_train"):
        QuorateFedAvg(fraction_train=0.5)
