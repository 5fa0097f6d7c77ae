"""A federation has one board: nobody serves another one from the same folder at the same time."""

from contextlib import AbstractAsyncContextManager

import pytest

from aggregator import Aggregation
from aggregator.cli.sentences import sentences
from aggregator.postgresql.lead import Lead
from aggregator.store import lock
from aggregator.store.lock import AlreadyRunning
from tests.stage.boards.server import Server
from tests.stage.programs.place import Place, place, run

__all__ = ["place", "run"]  # fixtures

pytestmark = pytest.mark.usefixtures("patient_database")
Serving = AbstractAsyncContextManager[int]


@pytest.fixture
def address(postgres: Server) -> str:
    return postgres.address(postgres.new_database())


async def refusal_of(serving: Serving) -> tuple[str, str]:
    with pytest.raises(AlreadyRunning) as caught:
        async with serving:
            pass
    return sentences(caught.value)


async def test_while_a_board_in_postgresql_is_served_none_begins_in_the_folder(
    place: Place, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.0)
    async with Aggregation(place.file, place.data, address).serving(port=0):
        what, remedy = await refusal_of(Aggregation(place.file, place.data).serving(port=0))
    assert "in use by another process" in what
    assert "name that with --board" in remedy
    assert not (place.store / "board.sqlite").exists()
    async with Aggregation(place.file, place.data).serving(port=0):
        pass  # nobody is left who shares the folder


async def test_while_a_board_in_the_folder_is_served_none_begins_in_postgresql(
    place: Place, address: str
) -> None:
    async with Aggregation(place.file, place.data).serving(port=0):
        what, _ = await refusal_of(Aggregation(place.file, place.data, address).serving(port=0))
    assert "(quorate-aggregator serve)" in what
    lead = Lead(address, place.terms.federation)
    assert lead.take()
    assert lead.term == 1  # nobody has led
    lead.close()
