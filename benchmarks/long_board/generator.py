"""A federation whose board has grown for years: the aggregator's data folder, and agents' homes.

Terms, identities and cards come from the commands; the key from a ceremony of all members, of 256
bits; rounds from ``benchmarks.long_board.rounds``. An aggregator serves the folder as it is, agents
work in the homes, and an audit of the record finds nothing wrong. What is made is kept, and taken
as it is the next time.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from aggregator.identity import load_key
from aggregator.store import BoardStore
from aggregator.store.heads import HeadLog
from benchmarks.long_board.rounds import STUDY, LongTable, model_after
from examples.demo.processes import ROOT, Hospital, sign_terms
from participant.agent import save_checkpoint
from participant.home import Membership, Passphrase, enter, keep_share, now_ms, read_signed_terms
from participant.training.bounds import Bounds
from participant.training.outcome import Standing, stay
from protocol.board import Entry, Post
from protocol.encoding import decode, encode
from protocol.key import HeldKey
from protocol.messages import MAX_POST_BYTES, chunks_of, read_session
from tests.stage.toy import CeremonyTable, Federation, ToyEpoch, finished

MEMBERS, QUORUM, KEY_BITS = 5, 3, 256
PASSPHRASE = "a board of many years"
FOLDER = ROOT / "build" / "long-board"
_WHOLE = "whole"  # a file that is written last


@dataclass(frozen=True)
class LongBoard:
    """What was made; nobody is at work there. Whoever changes it works on a copy."""

    folder: Path
    rounds: int

    @property
    def terms(self) -> Path:
        """``federation.toml``, signed by all."""
        return self.folder / "federation.toml"

    @property
    def data(self) -> Path:
        """The aggregator's folder, as its ``--data``."""
        return self.folder / "aggregator"

    @property
    def stored(self) -> Path:
        """Where board and blobs of this federation lie in it."""
        return self.data / read_signed_terms(self.terms).terms.federation.hex()[:16]

    @property
    def hospitals(self) -> list[Hospital]:
        """All members."""
        return _hospitals(self.folder)


@contextmanager
def copied(made: LongBoard) -> Iterator[LongBoard]:
    """The aggregator's part of it, to be changed; blobs are the same files until one is deleted."""
    with TemporaryDirectory(dir=made.folder.parent) as name:
        copy = LongBoard(Path(name), made.rounds)
        shutil.copy2(made.terms, copy.terms)
        shutil.copytree(made.data, copy.data, copy_function=linked)
        yield copy


def linked(source: str, target: str) -> None:
    """Copy a file; blobs are never written to again, and are the same file."""
    if "/blobs/" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def long_board(rounds: int, folder: Path = FOLDER) -> LongBoard:
    """The federation after so many rounds, at least 1; made unless it is there."""
    made = LongBoard(folder / str(rounds), rounds)
    if not (made.folder / _WHOLE).exists():
        shutil.rmtree(made.folder, ignore_errors=True)
        made.folder.mkdir(parents=True)
        _make(made)
        (made.folder / _WHOLE).touch()
    return made


def _hospitals(folder: Path) -> list[Hospital]:
    numbers = range(1, MEMBERS + 1)
    return [Hospital(k, f"H{k}", folder / f"h{k}", folder, PASSPHRASE) for k in numbers]


def _make(made: LongBoard) -> None:
    settings = {"--name": "Years", "--quorum": str(QUORUM), "--key-bits": str(KEY_BITS)}
    for _ in sign_terms(made.folder, made.hospitals, settings):
        pass
    file, passphrase = read_signed_terms(made.terms), Passphrase(PASSPHRASE)
    members = [enter(file, hospital.home, passphrase) for hospital in made.hospitals]
    toy = _with_key(made, members)
    processes = len(os.sched_getaffinity(0))
    with _Store.at(made.stored) as store, LongTable.of(toy, made.rounds, processes) as table:
        table.begin()
        for number in range(1, made.rounds + 1):
            table.play(number)
            store.take(table.entries, table.blobs)
            table.entries.clear()
            table.blobs.clear()
    HeadLog(made.stored / "heads").note(table.board.head)
    last = Standing(0, model_after(made.rounds), Bounds())
    for member in members:
        save_checkpoint(member.storage, table.board.head)
        stay(member.storage, STUDY, made.rounds, last)


def _with_key(made: LongBoard, members: Sequence[Membership]) -> ToyEpoch:
    """The key of all, from a ceremony at a table; each has its share in its vault."""
    keys = (load_key(made.data), *(member.identity.signing_key for member in members))
    file = read_signed_terms(made.terms)
    table = CeremonyTable(Federation(file.terms, keys, file.card))
    table.now_ms = now_ms()
    toy = finished(table.run())
    for member in members:
        held = HeldKey(toy.epoch, toy.secrets[member.index])
        keep_share(member.vault, held, member.passphrase, table.now_ms)
    return toy


@dataclass
class _Store:
    """The aggregator's folder, written as a service leaves it, without a sync for each post."""

    folder: Path
    database: sqlite3.Connection

    @classmethod
    @contextmanager
    def at(cls, folder: Path) -> Iterator[Self]:
        """The folder's, until the block ends."""
        BoardStore(folder).close()  # it has its tables then
        with closing(sqlite3.connect(folder / "board.sqlite", isolation_level=None)) as database:
            yield cls(folder, database)

    def take(self, entries: Sequence[Entry], blobs: Mapping[bytes, bytes]) -> None:
        """Add entries and blobs that were not added yet."""
        for name, data in blobs.items():
            place = self.folder / "blobs" / name.hex()[:2]
            place.mkdir(parents=True, exist_ok=True)
            (place / name.hex()).write_bytes(data)
        posts = [(entry.position, encode(entry)) for entry in entries]
        said = [decode(entry.post.post, Post, "post", MAX_POST_BYTES) for entry in entries]
        chunks = {
            (session.study, session.number, name)
            for post in said
            for session in [read_session(post.session)]
            for name in chunks_of(post.body)
        }
        vectors = {name for *_, name in chunks}
        sizes = [(name, len(data), 1 if name in vectors else 2) for name, data in blobs.items()]
        self.database.execute("BEGIN")
        self.database.executemany("INSERT INTO entries VALUES (?, ?)", posts)
        self.database.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)", sizes)
        self.database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", chunks)
        self.database.execute("COMMIT")
