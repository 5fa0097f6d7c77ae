"""Plans on the wire: each field in its range, and one spelling."""

from typing import Any

import pytest

from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.messages.bodies import Body


def refused(content: Any) -> bool:
    try:
        decode(encode(content), Body, "plan", 1 << 16)  # type: ignore[arg-type]
    except Malformed:
        return True
    return False


def _statistic(length: Any, decimals: Any = 0, data: Any = "ages", labels: Any = ()) -> list[Any]:
    return ["plan", "why", [1], 3, 10, ["statistic", length, decimals, data, list(labels)]]


def _training(**changes: Any) -> list[Any]:
    """A plan as it lies on the wire, each of its fields at the end of its range."""
    fields: dict[str, Any] = {
        "rounds": 1_000_000,
        "clip": 1e300,
        "bits": 64,
        "max_examples": (1 << 48) - 1,
        "suite": "hybrid-s2",
        "weights": "equal",
        "start_study": "a" * 64,
        "start_round": (1 << 48) - 1,
        "start_federation": b"f" * 32,
        "app": b"x" * 32,
        "run": "flower/" + "1" * 193,
        "keep_vectors": 1_000_000,
    }
    return ["plan", "why", [1], 3, 10, ["training", *(fields | changes).values()]]


@pytest.mark.parametrize(
    "content",
    [
        _statistic("5"),
        _statistic(5.0),
        _statistic(True),
        _statistic(None),
        _statistic(0),
        _statistic(-1),
        _statistic(100_001),
        _statistic(5, -1),
        _statistic(5, 101),
        _statistic(5, 0, "Ages"),
        _statistic(5, 0, ""),
        _statistic(5, 0, "a" * 65),
        _statistic(5, 0, "ages", [""]),
        _statistic(5, 0, "ages", [" men"]),
        _statistic(5, 0, "ages", ["men\n"]),
        _statistic(5, 0, "ages", ["m\x1b[2Jen"]),
        _statistic(5, 0, "ages", ["m\x9ben"]),
        _statistic(5, 0, "ages", ["m" * 101]),
        _training(rounds=0),
        _training(rounds=1_000_001),
        _training(clip=-1.0),
        _training(clip=float("nan")),
        _training(bits=0),
        _training(bits=65),
        _training(max_examples=0),
        _training(max_examples=1 << 48),
        _training(suite="rot13"),
        _training(weights="mine"),
        _training(start_study="a" * 65),
        _training(start_federation=b"f" * 33),
        _training(app=b"x" * 33),
        _training(run="a run"),
        _training(run="x" * 201),
        _training(run="run\u00e9"),
        _training(keep_vectors=0),
        _training(keep_vectors=1_000_001),
        ["plan", "p" * 501, [1], 3, 10, ["statistic", 5, 0, "ages", []]],
        ["plan", "two\nlines", [1], 3, 10, ["statistic", 5, 0, "ages", []]],
        ["plan", "why", [1] * 17, 3, 10, ["statistic", 5, 0, "ages", []]],
        ["plan", "why", [17], 3, 10, ["statistic", 5, 0, "ages", []]],
        ["plan", "why", [1], 17, 10, ["statistic", 5, 0, "ages", []]],
        ["plan", "why", [1], 3, 0, ["statistic", 5, 0, "ages", []]],
        ["plan", "why", [1], 3, 365 * 24 * 3_600 + 1, ["statistic", 5, 0, "ages", []]],
        ["plan", "why", [1], 3, 10, ["lottery", 5]],
    ],
)
def test_what_is_out_of_range_is_refused(content):
    assert refused(content)


def test_the_cases_above_fail_for_their_fault_alone():
    for content in (
        _statistic(100_000, 100, "a" * 64, ["m" * 100, "old men, 90+"]),
        _training(),
        ["plan", "p" * 500, [16] * 16, 16, 365 * 24 * 3_600, _training()[5]],
    ):
        assert not refused(content)
