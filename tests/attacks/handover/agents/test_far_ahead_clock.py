"""An aggregator dates a refresh years ahead.

Hospitals that type ``key refresh`` soon after one are told that it is done, as others have typed
the same. Then they would be told so for years, and nobody would refresh the key.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from participant.handover import HandoverTask
from protocol.board.handover import Handover
from tests.stage.handover.refreshes import Refresh
from tests.stage.toy import toy_epoch

TOY = toy_epoch(3, 2)
YEAR_MS = 365 * 24 * 3_600_000


@pytest.fixture
def hall(tmp_path: Path) -> Refresh:
    return Refresh(tmp_path / "aggregator", federation=TOY.federation).homes(tmp_path)


def typed_twice(hall: Refresh) -> None:
    """The first refresh is dated ten years ahead; the second is typed after an hour."""
    now = hall.time_ms
    hall.time_ms += 10 * YEAR_MS
    hall.later_ms = now - hall.time_ms
    for _ in range(2):
        for i in (1, 2, 3):
            hall.take_part(i)
        hall.talk()
        hall.later_ms += 3_600_000


def test_the_next_refresh_is_one(hall: Refresh) -> None:
    typed_twice(hall)
    assert hall.newest.number == 3


def test_if_what_is_ahead_counted_as_new_there_would_be_none(
    hall: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = HandoverTask._is_ours

    def is_ours(task: HandoverTask, last: Handover) -> bool:
        return real(task, last) or (task.wish is not None and task._now_ms() < last.moved_ms)

    monkeypatch.setattr(HandoverTask, "_is_ours", is_ours)
    typed_twice(hall)
    assert hall.newest.number == 2
    assert all(task.done for task in hall.tasks.values()), "and all are told that it is done"
