"""The diary of training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.errors import DiskError
from participant.network.link import Traffic
from participant.training.journal import Journal


def test_events_are_appended_one_json_line_each_and_shown(tmp_path: Path) -> None:
    shown: list[dict[str, Any]] = []
    traffic = Traffic(up=7)
    journal = Journal(tmp_path / "cardio" / "rounds.jsonl", "cardio", traffic, shown.append)
    journal.record(1, "fitted", {"metrics": {"loss": np.float32(1.5), "confusion": np.eye(2)}})
    traffic.down = 9
    journal.record(1, "evaluated", {"loss": 0.5})
    first, second = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert (first["study"], first["round"], first["event"]) == ("cardio", 1, "fitted")
    assert first["bytes_up"] == 7
    assert first["metrics"]["loss"] == 1.5
    assert isinstance(first["metrics"]["confusion"], str)
    assert (second["bytes_down"], second["loss"]) == (9, 0.5)
    assert [event["event"] for event in shown] == ["fitted", "evaluated"]


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "rounds.jsonl").mkdir()
    with pytest.raises(DiskError):
        Journal(tmp_path / "rounds.jsonl", "x", Traffic(), lambda event: None).record(1, "x", {})
