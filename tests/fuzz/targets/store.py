"""Decoders of the aggregator's own files, and of the first word of whoever connects to it."""

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from aggregator.board.summary import Summary, _hash, read_summary
from aggregator.cli.sentences import _OF_BLOBS
from aggregator.errors import AggregatorError, StoreDamaged
from aggregator.identity import (
    KEY_NAME,
    NoIdentity,
    TlsFiles,
    certificate_pin,
    load_key,
    tls_context,
)
from aggregator.objects.meaning import is_gone, kind, words
from aggregator.place.blobs import noted
from aggregator.rounds.schedule import Rounds
from aggregator.rounds.vector_sum import ChunkSum, Vector, VectorSum
from aggregator.server.admission import NotAdmitted, identify
from aggregator.server.waits import Waits
from aggregator.status.file import STATUS_NAME, read_status
from aggregator.store.board import BoardStore
from aggregator.store.database import RoundVector
from aggregator.store.heads import HeadLog
from aggregator.store.sqlite import to_read
from aggregator.store.stored import StoredBoard
from examples.demo.stored import stored_entries
from protocol.board.board import Board
from protocol.board.post import Head
from protocol.encoding import encode
from protocol.messages.rounds import Contributor
from protocol.wire.handshake import AggregatorHandshake, MemberHandshake
from tests.fuzz.codecs import JSON
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import DIGEST, FEDERATION, TERMS, entries
from tests.fuzz.targets.home import certificates
from tests.fuzz.targets.services import report_of_a_round
from tests.fuzz.targets.texts import scratch
from tests.stage.rounds.contribution import hybrid_lattice
from tests.stage.studies import training_study


@target("hello", "protocol.wire.handshake.AggregatorHandshake.take, aggregator.server.admission")
def first_word() -> Case:
    handshake = AggregatorHandshake(
        TERMS, FEDERATION.keys[0], b"n" * 32, lambda number, url: number == 1
    )
    purposes: tuple[Any, ...] = ("member", "status")
    honest = [
        encode(
            MemberHandshake(
                TERMS, FEDERATION.card, i, b"i" * 16, purpose, FEDERATION.keys[i]
            ).answer(encode(handshake.challenge))[0]
        )
        for i in FEDERATION.members
        for purpose in purposes
    ]

    def run(data: bytes) -> None:
        with suppress(NotAdmitted):
            found = identify(data, handshake)
            assert data in honest, f"member {found.member} did not say that"

    return Case(run, honest)


@target("head-log", "aggregator.store.heads.HeadLog")
def head_log() -> Case:
    path = scratch() / "heads"
    log = HeadLog(path)
    for position in (1, 2, 3):
        log.note(Head(position, DIGEST))
    seed = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        found = HeadLog(path)
        if found.last is not None:
            assert 0 <= found.last.position < 1 << 64
            assert len(found.last.hash) == 32
        found.note(Head(9, DIGEST))
        assert HeadLog(path).last == Head(9, DIGEST)

    return Case(run, [seed, seed[:-5]], None)


def _database() -> bytes:
    """A small board's file, with its pages in one place."""
    folder = scratch()
    store = BoardStore(folder)
    for position, entry in enumerate(entries()[:3], start=1):
        vector = RoundVector("cardio", position, (DIGEST,))
        store.append(Head(position, entry.hash), encode(entry), (), vector)
    store.add_blob(DIGEST, 5_000)
    store.mark_pruned("cardio", 2)
    store.close()
    copy = folder / "copy.sqlite"
    with (
        closing(sqlite3.connect(folder / "board.sqlite")) as from_,
        closing(sqlite3.connect(copy)) as to,
    ):
        from_.executescript("PRAGMA journal_mode=DELETE; PRAGMA page_size=512; VACUUM")
        from_.backup(to)
    return copy.read_bytes()


@target("board-database", "aggregator.store.sqlite.SqliteBoard and to_read", limit=16_384)
def board_database() -> Case:
    folder = scratch()
    path = folder / "board.sqlite"
    seed = _database()

    def run(data: bytes) -> None:
        for name in ("heads", "board.sqlite-wal", "board.sqlite-shm", "board.sqlite-journal"):
            (folder / name).unlink(missing_ok=True)
        path.write_bytes(data)
        with suppress(AggregatorError):
            stored_entries(folder)
            with to_read(folder) as tables:
                read = StoredBoard(tables, None)
                assert isinstance(read.summary, bytes)
            with closing(BoardStore(folder)) as store:
                size = store.blob_size(DIGEST)
                assert size is None or isinstance(size, int)
                gone, _ = store.prune(2)
                assert all(isinstance(name, bytes) for name in gone)
                # Not as before it was opened: damage can make the file's header part of an entry.
                assert list(store.entries()) == stored_entries(folder)

    return Case(run, [seed], None)


@target("board-summary", "aggregator.board.summary.read_summary, what its hash is right for")
def board_summary() -> Case:
    board = Board(TERMS)
    board.append(entries()[0])
    rounds = Rounds(TERMS, board.studies, board.key, board.session)
    honest = Summary(board.state, rounds.state, rounds.stated.state)

    def run(data: bytes) -> None:
        found = read_summary(_hash(data) + data)
        assert found is None or found.stored == _hash(data) + data

    return Case(run, [encode(honest)])


@target("chunk-sum", "aggregator.rounds.vector_sum.VectorSum.read", limit=20_480)
def chunk_sum() -> Case:
    """The checksum is put right, so that what lies behind it is read."""
    folder = scratch()
    lattice = hybrid_lattice(training_study(TERMS))
    size = lattice.ring.degree * 8
    total = VectorSum(folder, "study/s/1", lattice, 21)
    vectors = {1: Vector(DIGEST, (DIGEST,)), 2: Vector(DIGEST[::-1], (DIGEST,))}
    contributors = tuple(Contributor(m, v.post) for m, v in vectors.items())
    path = total._path(0)

    def run(data: bytes) -> None:
        path.write_bytes(total._digest(0, data) + data)
        found = total.read(0, vectors)
        assert found is None or len(found) == lattice.ring.degree * lattice.sum_bytes

    honest = encode(ChunkSum(contributors, bytes(range(256)) * (size // 256)))
    return Case(run, [honest, encode(ChunkSum(contributors[:1], bytes(size)))])


def _private_keys() -> list[bytes]:
    kinds: list[Any] = [
        FEDERATION.keys[0],
        ec.derive_private_key(7, ec.SECP256R1()),
        ed448.Ed448PrivateKey.from_private_bytes(bytes(57)),
    ]
    return [k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for k in kinds]


@target("aggregator-key", "aggregator.identity.load_key")
def aggregator_key() -> Case:
    folder = scratch()
    path = folder / KEY_NAME

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(NoIdentity):
            assert len(load_key(folder).private_bytes_raw()) == 32

    return Case(run, _private_keys(), None)


@target("aggregator-certificate", "aggregator.identity.certificate_pin and tls_context")
def aggregator_certificate() -> Case:
    folder = scratch()
    key = folder / "tls-key.pem"
    key.write_bytes(_private_keys()[0])
    path = folder / "given.pem"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(NoIdentity):
            assert len(certificate_pin(path)) == 32
            tls_context(TlsFiles(path, key))

    pems = [load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in certificates()]
    return Case(run, pems, None)


@target("alive", "aggregator.server.waits._read", limit=8_192)
def alive() -> Case:
    folder = scratch()

    def run(data: bytes) -> None:
        (folder / "alive").write_bytes(data)
        waits = Waits(folder, 1_000)
        waits.begin(waits.last_ms + 1)
        datetime.fromtimestamp(waits.last_ms / 1000, UTC)
        assert isinstance(waits.since(0, waits.last_ms + 2), int)

    return Case(run, [b'{"last_ms": 5000, "stops": [[10, 20], [30, 40]]}    '], JSON)


@target("status-file", "aggregator.status.file.read_status", limit=8_192)
def status_file() -> Case:
    folder = scratch()

    def run(data: bytes) -> None:
        (folder / STATUS_NAME).write_bytes(data)
        found = read_status(folder)
        assert found is None or isinstance(found, dict)

    return Case(run, [report_of_a_round()], JSON)


@target("blobs-note", "aggregator.place.blobs.noted, aggregator.objects.address.read_address")
def blobs_note() -> Case:
    folder = scratch()

    def run(data: bytes) -> None:
        (folder / "blobs-at").write_bytes(data)
        with suppress(StoreDamaged):
            found = noted(folder)
            assert found.isascii()
            assert found.isprintable()
            assert found.partition("://")[0] in ("s3", "gs", "az")
            assert not set("@?:%") & set(found.partition("://")[2])
            (folder / "blobs-at").write_text(found)
            assert noted(folder) == found

    return Case(run, [b"s3://bucket/prefix\n", b"gs://bucket\n", b"az://container/a/b.c\n"], None)


@target("object-store-error", "aggregator.objects.meaning.words, kind and is_gone")
def object_store_error() -> Case:
    """What a store answers is quoted in the log, in reports and to hospitals."""
    code = b"Generic S3 error: status code: 403 Forbidden: <Error><Code>AccessDenied</Code></Error>"
    refused = b'HTTP error\n\nDebug source:\nOs { code: 111, message: "Connection refused" }'
    silent = b"HTTP error\n\nDebug source:\nHttpError { kind: Timeout, source: TimedOut }"

    def run(data: bytes) -> None:
        error = OSError(data.decode(errors="replace"))
        said = words(error)
        assert said.isascii()
        assert said.isprintable()
        assert 0 < len(said) <= 120
        assert kind(error) in _OF_BLOBS
        assert is_gone(error) == (said in ("NoSuchKey", "BlobNotFound"))

    return Case(run, [code, refused, silent, b"<Code>NoSuchKey</Code>"], None)
