"""A board's tables in PostgreSQL, for the process that leads."""

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Cursor

from aggregator.postgresql.connection import Connection, check_tables, connect, database_errors
from aggregator.postgresql.lead import Lead
from aggregator.store import Chain, RoundVector, Row

_PAGE = 128  # entries that are read at once
_ROWS = (
    "SELECT position, entry FROM entries WHERE position > %s AND position <= %s "
    "ORDER BY position LIMIT %s"
)
# A change happens where the term is still ours. Who takes the lead waits for a change under way.
_CHANGE = (
    "WITH lead AS (SELECT 1 FROM board WHERE term = %s FOR SHARE), {} SELECT count(*) FROM lead"
)
# All parts of a statement see what was there before it: to each, names that are due are there.
_PRUNE = """
WITH lead AS (SELECT 1 FROM board WHERE term = %s FOR SHARE),
due AS (
  SELECT v.study, v.round, v.digest FROM lead, pruned AS p
  JOIN vectors AS v ON v.study = p.study AND v.round < p.before LIMIT %s
),
forgotten AS (
  DELETE FROM vectors AS v USING due AS d
  WHERE v.study = d.study AND v.round = d.round AND v.digest = d.digest
),
gone AS (
  DELETE FROM blobs AS b WHERE digest IN (SELECT digest FROM due) AND NOT stays AND NOT EXISTS (
    SELECT 1 FROM vectors AS v WHERE v.digest = b.digest
    AND (v.study, v.round, v.digest) NOT IN (SELECT study, round, digest FROM due)
  ) RETURNING digest
)
SELECT (SELECT count(*) FROM lead), (SELECT count(*) FROM due), ARRAY(SELECT digest FROM gone)
"""


class PostgresBoard:
    """Every change is one statement, durable when it returns, and done by who leads alone."""

    def __init__(
        self, address: str, lead: Lead, federation: bytes, followed: Chain | None = None
    ) -> None:
        """lead: which has the lock. followed: what was read before. Raises BoardRefused."""
        self._place, self._lead, self._followed = lead.place, lead, followed
        self._database = self._connected(address, federation)
        try:
            self._reader = self._connected(address, federation)  # beside what is written
        except BaseException:
            self._database.close()
            raise

    def _connected(self, address: str, federation: bytes) -> Connection:
        made = connect(address, target_session_attrs="read-write")
        try:
            check_tables(made, self._place, federation)
        except BaseException:
            made.close()
            raise
        self._lead.carry(made)
        return made

    def close(self) -> None:
        """Let go of its connections; the lead goes on."""
        self._reader.close()
        self._database.close()

    def rows(self, after: int, last: int) -> Iterator[Row]:
        """Positions and entries, in order, after a position and up to another."""
        while after < last:
            page = self._ask(self._database, _ROWS, after, last, _PAGE).fetchall()
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def rows_beside(self, after: int, last: int) -> list[Row]:
        """The same at once, in any thread, while something is written."""
        return self._ask(self._reader, _ROWS, after, last, None).fetchall()

    def append(
        self, position: int, entry: bytes, names: Sequence[bytes], vector: RoundVector | None = None
    ) -> None:
        """Store the next entry, and that it names these blobs for good, and those until pruned."""
        study, number, chunks = vector or RoundVector("", 0, ())
        added = "added AS (INSERT INTO entries SELECT %s, %s FROM lead)"
        named = (
            "named AS (UPDATE blobs SET named = true, stays = stays OR digest = ANY(%s) FROM lead "
            "WHERE digest = ANY(%s))"
        )
        noted = (
            "noted AS (INSERT INTO vectors SELECT %s::text, %s::bigint, name "
            "FROM lead, unnest(%s::bytea[]) AS name ON CONFLICT DO NOTHING)"
        )
        for_good, all_named = list(names), [*names, *chunks]
        values = position, entry, for_good, all_named, study, number, list(chunks)
        self._change(f"{added}, {named}, {noted}", *values)

    def summary(self) -> object:
        """What was kept last, None if nothing was."""
        return self._value("SELECT summary FROM summary")

    def keep_summary(self, data: bytes) -> None:
        """Put it in the place of the last one."""
        put = "INSERT INTO summary SELECT 1, %s FROM lead ON CONFLICT (number) DO UPDATE"
        self._change(f"kept AS ({put} SET summary = excluded.summary)", data)

    def add_blob(self, digest: bytes, size: int) -> None:
        """Record that a blob is whole; nothing changes if it is recorded already."""
        put = "INSERT INTO blobs SELECT %s, %s, false FROM lead ON CONFLICT DO NOTHING"
        self._change(f"added AS ({put})", digest, size)

    def remove_blobs(self, digests: Sequence[bytes]) -> None:
        """Record, at once, that blobs are not here any more."""
        gone = "gone AS (DELETE FROM blobs USING lead WHERE digest = ANY(%s))"
        self._change(gone, list(digests))

    def is_named(self, digest: bytes) -> bool:
        """Whether an entry names a blob."""
        return self._value("SELECT 1 FROM blobs WHERE digest = %s AND named", digest) is not None

    def blob_size(self, digest: bytes) -> object:
        """The recorded size of a blob, None if there is none."""
        return self._value("SELECT size FROM blobs WHERE digest = %s", digest)

    def unnamed_blobs(self) -> list[Row]:
        """The blobs that no entry names, with their sizes."""
        query = "SELECT digest, size FROM blobs WHERE NOT named"
        return self._ask(self._database, query).fetchall()

    def pruned(self) -> list[Row]:
        """By study, the first round whose vectors are not given up."""
        return self._ask(self._database, "SELECT study, before FROM pruned").fetchall()

    def followed(self) -> Chain | None:
        """What was read while another process led."""
        return self._followed

    def mark_pruned(self, study: str, before: int) -> None:
        """Give up the vectors of a study's rounds before that one."""
        put = "INSERT INTO pruned SELECT %s::text, %s::bigint FROM lead ON CONFLICT (study)"
        self._change(f"kept AS ({put} DO UPDATE SET before = excluded.before)", study, before)

    def prune(self, limit: int) -> tuple[list[object], bool]:
        """Forget so many names of vectors that are given up; whether there may be more.

        Returns those of blobs that nothing else names, whose rows are gone.
        """
        row = self._ask(self._database, _PRUNE, self._lead.term, limit).fetchone()
        if row is None or not row[0]:
            raise self._lead.superseded()
        return row[2], row[1] == limit

    def _value(self, query: str, *values: object) -> object:
        row = self._ask(self._database, query, *values).fetchone()
        return None if row is None else row[0]

    def _ask(self, connection: Connection, query: str, *values: object) -> Cursor[Any]:
        self._lead.require()  # files change after questions: not by who may lead no more
        with database_errors(self._place):
            return connection.execute(query, values, binary=True)

    def _change(self, change: str, *values: object) -> None:
        query = _CHANGE.format(change)
        row = self._ask(self._database, query, self._lead.term, *values).fetchone()
        if row is None or not row[0]:
            raise self._lead.superseded()
