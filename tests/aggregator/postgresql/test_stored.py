"""What is in the database for who reads it: ``status`` and ``export``, with nobody at work."""

from pathlib import Path

import pytest

from aggregator.server.aggregation import Aggregation
from tests.stage.boards.backend import InPostgres
from tests.stage.boards.server import Server
from tests.stage.desk import Desk
from tests.stage.programs.place import Place, Run, place, refused, run

__all__ = ["place", "run"]  # fixtures


@pytest.fixture
def board(place: Place, postgres: Server, patient_database: None) -> InPostgres:
    """A board with three entries, which nobody serves."""
    made = InPostgres(postgres, place.terms.federation)
    desk = Desk(place.store, place.federation, database=made.open)
    desk.join()
    desk.service.close()
    made.close()
    return made


def test_the_status_is_that_of_the_board_in_the_database(
    place: Place, run: Run, board: InPostgres
) -> None:
    found = Aggregation(place.file, place.data, board.address).status()
    assert found["entries"] == 3
    code, out, _ = run("status", *place.words, "--board", board.address)
    assert code == 0
    assert "not running" in out


def test_the_record_is_that_of_the_board_in_the_database(
    place: Place, run: Run, board: InPostgres, tmp_path: Path
) -> None:
    out = tmp_path / "record"
    words = "export", *place.words, "--out", out
    assert "name that with --board" in refused(run, *words)
    code, said, _ = run(*words, "--board", board.address)
    assert code == 0
    assert "entries  3, up to" in said
    assert len(list((out / "entries").iterdir())) == 3


def test_who_forgets_where_the_board_is_serves_no_empty_one(
    place: Place, run: Run, board: InPostgres
) -> None:
    said = refused(run, "serve", *place.words)
    assert "though the board once went on to entry 3" in said
    assert "name that with --board" in said
