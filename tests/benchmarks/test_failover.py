"""The benchmark of leaders: both databases hold what was appended, and each end counts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from benchmarks.failover import appends, whole
from tests.stage.boards.server import running


def test_both_databases_hold_all_that_was_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appends, "TURN", 3)
    count = "SELECT count(*), min(length(entry)) FROM {}"
    with running() as server:
        found = appends.measure(tmp_path, server)
        with psycopg.connect(server.owner("board_1")) as connection:
            there = connection.execute(count.format("quorate.entries").encode()).fetchone()
    with closing(sqlite3.connect(tmp_path / "board.sqlite")) as database:
        assert database.execute(count.format("entries")).fetchone() == there
    assert there == (found["appends"], appends.ENTRY_BYTES) == (3 * appends.TURNS, 2_000)


@pytest.mark.slow
def test_each_end_of_a_leader_is_counted() -> None:
    found = whole.measure(2, 1)
    assert (found["seconds_killed"]["runs"], found["seconds_frozen"]["runs"]) == (2, 1)
    assert found["entries_twice"] == 0
    assert found["entries"] > whole.ROUNDS
