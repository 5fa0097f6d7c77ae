"""The journal's figures, as the report reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from participant.errors import DamagedFile, MissingFile
from participant.network.link import Traffic
from participant.report.facts import read_journal
from participant.training.journal import Journal


def event(number: int, **facts: Any) -> bytes:
    return json.dumps({"round": number, "event": "evaluated", **facts}).encode()


def read(tmp_path: Path, *lines: bytes, end: bytes = b"\n") -> dict[str, dict[int, float]]:
    path = tmp_path / "rounds.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    return {m.name: dict(m.values) for m in read_journal(path).metrics}


def test_what_training_writes_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "rounds.jsonl", "cardio", Traffic(), lambda event: None)
    journal.record(1, "fitted", {"train": 0.5})
    facts = {"loss": 0.5, "examples": 10, "metrics": {"accuracy": 0.75, "name": "x", "good": True}}
    journal.record(1, "evaluated", facts)
    found = read_journal(tmp_path / "rounds.jsonl")
    assert [(m.name, dict(m.values)) for m in found.metrics] == [
        ("accuracy", {1: 0.75}),
        ("loss", {1: 0.5}),
    ]


def test_of_a_round_evaluated_twice_the_last_counts(tmp_path: Path) -> None:
    lines = event(2, loss=3), event(1, loss=2), event(2, loss=1)
    assert read(tmp_path, *lines) == {"loss": {1: 2.0, 2: 1.0}}


def test_figures_that_are_none_are_left_out(tmp_path: Path) -> None:
    line = b'{"round": 1, "event": "evaluated", "loss": NaN, "metrics": {"a": Infinity}}'
    huge = b'{"round": 2, "event": "evaluated", "loss": 1' + b"0" * 400 + b"}"
    assert read(tmp_path, line, huge) == {"loss": {}, "a": {}}


def test_a_last_line_that_is_being_written_does_not_count(tmp_path: Path) -> None:
    assert read(tmp_path, event(1, loss=1), b'{"round": 2, "ev', end=b"") == {"loss": {1: 1.0}}


@pytest.mark.parametrize(
    "line", [b"{", b"\xff", b"[]", b"1", b"{}", b'{"event": "evaluated"}', b"[" * 100_000]
)
def test_a_line_that_does_not_read_is_named(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(DamagedFile) as bad:
        read(tmp_path, event(1, loss=1), line)
    assert bad.value.reason.startswith("line 2: ")


@pytest.mark.parametrize("number", [True, -1, 1.5, "1", 1 << 40])
def test_a_round_that_is_none_is_named(tmp_path: Path, number: Any) -> None:
    with pytest.raises(DamagedFile, match="names no round"):
        read(tmp_path, event(number, loss=1))


def test_a_missing_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        read_journal(tmp_path / "rounds.jsonl")
