"""Who stands by reads the board meanwhile, and looks again at what it may not rest on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from aggregator.board.kept import KeptBoard
from aggregator.errors import StoreDamaged
from aggregator.postgresql import follower as module
from aggregator.postgresql.candidate import Candidate
from aggregator.postgresql.database import PostgresBoard
from aggregator.store.board import BoardStore
from aggregator.store.database import Row
from protocol.encoding import encode
from tests.stage.boards.backend import InPostgres
from tests.stage.boards.server import Server
from tests.stage.record.good import good
from tests.stage.record.story import write

TERMS = good().story.federation.terms
ENTRIES = [encode(entry) for entry in write(good().story).entries]


@pytest.fixture
def database(
    postgres: Server, patient_database: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InPostgres]:
    monkeypatch.setattr(module, "_EVERY_SECONDS", 0.02)
    made = InPostgres(postgres, TERMS.federation)
    yield made
    made.close()


@asynccontextmanager
async def led_after(database: InPostgres, n_followed: int) -> AsyncIterator[PostgresBoard]:
    """What the next leader writes to, which has followed so many entries."""
    with closing(database.open()) as first:
        for position, entry in enumerate(ENTRIES, 1):
            first.append(position, entry, [])
        candidate, stop = Candidate(database.address, TERMS.federation), asyncio.Event()
        leading = candidate.leading(stop)
        asked = asyncio.create_task(leading.__aenter__())
        chains: list[int] = []
        while not chains or chains[-1] < n_followed:
            await asyncio.sleep(0.02)
            chains = [one._chain.head.position for one in FOLLOWERS]
    database.close()
    _, board = await asked
    yield board
    await leading.__aexit__(None, None, None)


FOLLOWERS: list[module.Follower] = []


@pytest.fixture(autouse=True)
def _followers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    begin = module.Follower.__init__

    def begun(self: module.Follower, address: str, federation: bytes) -> None:
        begin(self, address, federation)
        FOLLOWERS.append(self)

    monkeypatch.setattr(module.Follower, "__init__", begun)
    yield
    FOLLOWERS.clear()


async def test_the_next_leader_reads_what_it_has_not_followed(
    database: InPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, rows = [], PostgresBoard.rows

    def counted(self: PostgresBoard, after: int, last: int) -> Iterator[Row]:
        asked.append(after)
        return rows(self, after, last)

    async with led_after(database, len(ENTRIES)) as board:
        followed = board.followed()
        assert followed is not None
        assert followed.head.position == len(ENTRIES)
        monkeypatch.setattr(PostgresBoard, "rows", counted)
        store = BoardStore(tmp_path, board)
        store.check_chain(followed.head)
        assert asked == [len(ENTRIES) - 1, len(ENTRIES)]  # the last one is still there
        assert KeptBoard(TERMS, store).board.head == followed.head


async def test_of_a_database_that_was_put_back_nothing_is_believed(
    database: InPostgres, tmp_path: Path
) -> None:
    async with led_after(database, len(ENTRIES)) as board:
        database.change("DELETE FROM entries WHERE position > 20")
        store = BoardStore(tmp_path, board)
        assert KeptBoard(TERMS, store).board.head.position == 20
        assert store.hash_at(21) is None


async def test_an_entry_that_was_changed_since_is_found_where_it_is_read(
    database: InPostgres, tmp_path: Path
) -> None:
    async with led_after(database, len(ENTRIES)) as board:
        store = BoardStore(tmp_path, board)
        database.change("UPDATE entries SET entry = ? WHERE position = 5", ENTRIES[5])
        with pytest.raises(StoreDamaged, match="5"):
            KeptBoard(TERMS, store)


async def test_nothing_is_added_to_what_a_leader_goes_on_from(database: InPostgres) -> None:
    with closing(database.open()) as first:
        first.append(1, ENTRIES[0], [])
        follower = module.Follower(database.address, TERMS.federation)
        follower._read_on()
        chain = follower.end()
        first.append(2, ENTRIES[1], [])
        follower._read_on()
    assert chain.head.position == 1
