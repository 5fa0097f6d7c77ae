"""A receipt that a framework's server reads is what a hospital's agent may say, and no more."""

from dataclasses import asdict
from typing import Any

import pytest

from quorate_client import Answer
from quorate_client import Receipt as AgentsReceipt
from quorate_client.server_receipt import ServerReceipt

RIGHT = {
    "study": "cardio", "round": 3, "model": "ab" * 32, "contributors": 4, "in_sum": True,
    "outcome": "applied",
}  # fmt: skip
WRONG: dict[str, object] = {
    "nothing": None,
    "a text": "cardio",
    "no field": {},
    "a field more": {**RIGHT, "weights": b"1"},
    "a field less": {name: value for name, value in RIGHT.items() if name != "in_sum"},
    "a study that is a number": {**RIGHT, "study": 7},
    "a study of control characters": {**RIGHT, "study": "\x1b[2J"},
    "a study of two lines": {**RIGHT, "study": "cardio\n"},
    "a model of control characters": {**RIGHT, "model": "\x1b[2J"},
    "a model of more digits than a digest has": {**RIGHT, "model": "a" * 65},
    "a model that is bytes": {**RIGHT, "model": b"ab" * 32},
    "an outcome of its own": {**RIGHT, "outcome": "0.12 0.7"},
    "an outcome that is a list": {**RIGHT, "outcome": ["applied"]},
    "an outcome of another framework": {**RIGHT, "outcome": "study"},
    "a truth value that is a number": {**RIGHT, "in_sum": 7},
    "a round that is a truth value": {**RIGHT, "round": True},
    "a round below none": {**RIGHT, "round": -1},
    "a round that holds a model": {**RIGHT, "round": 1 << 4_000_000},
    "contributors that are a fraction": {**RIGHT, "contributors": 4.5},
    "contributors below none": {**RIGHT, "contributors": -1},
    "contributors that hold a model": {**RIGHT, "contributors": 1 << 32},
}


def test_it_says_of_the_agents_receipt_how_many_are_in_the_sum_and_no_names() -> None:
    said = AgentsReceipt("cardio", "flower/1", 3, "ab" * 32, ("North", "South"), True, "cd" * 32)
    receipt = ServerReceipt.of(Answer("applied", 3, receipt=said))
    assert receipt == ServerReceipt("cardio", 3, "ab" * 32, 2, True, "applied")


def test_before_the_first_round_it_says_no_study_and_no_model() -> None:
    assert ServerReceipt.of(Answer("void", 1)) == ServerReceipt("", 1, "", 0, False, "void")


def test_what_is_sent_is_read_again() -> None:
    receipt = ServerReceipt.from_facts(RIGHT)
    assert receipt is not None
    assert asdict(receipt) == RIGHT


class WithStudies(ServerReceipt):
    outcomes = ServerReceipt.outcomes | {"study"}


def test_a_framework_may_have_outcomes_of_its_own_beside_those_of_all() -> None:
    receipts = [WithStudies.from_facts({**RIGHT, "outcome": said}) for said in ("study", "late")]
    assert [type(receipt) for receipt in receipts] == [WithStudies, WithStudies]
    assert WithStudies.from_facts({**RIGHT, "outcome": "model"}) is None


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_anything_else_is_none(wrong: Any) -> None:
    assert ServerReceipt.from_facts(wrong) is None
