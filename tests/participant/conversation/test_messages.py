"""Messages of an app's process are what the page says, or refused."""

import json
from typing import Any

import pytest

from participant.conversation.messages import (
    AppAsksModel,
    AppBegins,
    AppHello,
    AppUpdate,
    Scored,
    read_message,
)
from protocol.errors import Malformed

UPDATE = {
    "op": "update", "round": 3, "examples": 10, "form": "list",
    "entries": [{"name": "w", "at": "body", "tensor": True}], "metrics": {"a": 0.5},
}  # fmt: skip


def read(said: Any) -> Any:
    return read_message(json.dumps(said).encode())


def test_each_message_is_read() -> None:
    assert read({"op": "hello", "version": 1}) == AppHello(1)
    assert read({"op": "begin"}) == AppBegins()
    scored = {"loss": float("inf"), "examples": 2, "metrics": {}}
    assert read({"op": "begin", "evaluation": scored}).evaluation == Scored(float("inf"), 2)
    assert read({"op": "model"}) == AppAsksModel()
    found = read(UPDATE)
    assert isinstance(found, AppUpdate)
    assert found.entries[0].tensor


def test_a_large_number_among_metrics_is_exact() -> None:
    assert read({**UPDATE, "metrics": {"n": 1 << 900}}).metrics["n"] == 1 << 900


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([], "object"),
        ({"op": "approve", "study": "cardio"}, "Invalid value"),
        ({"op": "open"}, "Invalid value"),
        ({"op": "model", "more": 1}, "unknown field"),
        ({**UPDATE, "round": -1}, ">= 0"),
        ({**UPDATE, "examples": "10"}, "int"),
        ({**UPDATE, "form": "tuple"}, "Invalid enum"),
        ({**UPDATE, "entries": [{"name": "w", "at": "disk"}]}, "Invalid enum"),
        ({"op": "hello", "version": 1, "token": "x" * 2_000}, "length"),
        ({"op": "begin", "turn": "the second"}, "regex"),
    ],
)
def test_what_is_no_message_is_refused(said: Any, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(said)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b'{"op": "model", "op": "begin"}', b"[" * 200_000, b"9" * 5_000]
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_message(data)


def test_a_token_is_not_shown() -> None:
    assert "open sesame" not in repr(AppHello(1, "open sesame"))
