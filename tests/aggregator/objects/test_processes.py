"""Whole processes with their blobs in a bucket: a round, an outage, damage, and a death."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from examples.demo.processes import ROOT, aggregate, checked, wait_for
from protocol.messages.attachment import blob_name
from protocol.wire.frames import (
    BlobChunk,
    BlobHave,
    BlobRequest,
    Entries,
    FromMember,
    Rejected,
    Subscribe,
)
from tests.stage.boards.cluster import Cluster
from tests.stage.boards.server import Server
from tests.stage.caller import stranger
from tests.stage.objects.backend import InABucket
from tests.stage.objects.server import ObjectServer, running
from tests.stage.programs.place import Place, place, run, service, until_it_serves
from tests.test_federation import Federation, encrypt, finish_all

__all__ = ["place", "run"]  # fixtures
pytestmark = pytest.mark.slow
LENGTH = 700  # numbers, so that a contribution is a blob
BLOB = bytes(range(250)) * 80


@pytest.fixture
def address(objects: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    made = objects.new_bucket()
    monkeypatch.setenv("QUORATE_AGGREGATOR_BLOBS", made)
    return made


async def say(place: Place, *frames: FromMember, member: int = 1) -> list[object]:
    async with stranger(place.port, place.federation) as line:
        await line.introduce(member, place.federation.keys[member])
        return [await line.ask(frame) for frame in frames]


def chunk(data: bytes, first: int = 0, last: int | None = None) -> BlobChunk:
    return BlobChunk(blob_name(data), len(data), first, data[first:last])


def status(place: Place) -> dict[str, object]:
    words = str(place.file), "--data", str(place.data), "--json"
    return json.loads(checked(aggregate("status", *words)))


def sum_of(federation: Federation, name: str, numbers: list[float]) -> list[float]:
    """Each hospital contributes the same numbers to a statistic; the sums that are opened."""
    terms, options = str(federation.file), ("--study", name)
    exported = checked(federation.hospitals[0].participant("public-key", terms, "--phe"))
    files = [encrypt(exported, h, numbers) for h in federation.hospitals]
    plan = ("--data", name, "--length", str(len(numbers)), "--decimals", "3")
    federation.study(name, "--kind", "statistic", *plan)
    contributions = [
        federation.start(h, "contribute", str(f), "--federation", terms, *options)
        for h, f in zip(federation.hospitals, files, strict=True)
    ]
    finish_all(contributions, "the contributions")
    decrypt = ("decrypt", terms, *options, "--yes", "--json")
    other = federation.start(federation.hospitals[1], *decrypt)
    result = federation.hospitals[0].participant(*decrypt)
    finish_all([other], "the other hospital's part")
    return list(map(float, json.loads(checked(result).splitlines()[-1])["sums"]))


def exported(federation: Federation, out: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aggregator", "export", str(federation.file)]
    command += ["--data", str(federation.folder / "aggregator")]
    return subprocess.run(
        [*command, "--out", str(federation.folder / out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_ceremony_and_a_round_have_their_blobs_in_the_bucket_and_altered_ones_are_named(
    tmp_path: Path, objects: ObjectServer, address: str
) -> None:
    federation = Federation(tmp_path)
    store = tmp_path / "aggregator" / federation.terms.federation.hex()[:16]
    with federation.serve():
        finish_all(
            [federation.start(h, "ceremony", str(federation.file)) for h in federation.hospitals],
            "the ceremony",
        )
        numbers = [k / 8 for k in range(LENGTH)]
        assert sum_of(federation, "visits", numbers) == [3 * number for number in numbers]
        assert not exported(federation, "record").returncode
    prefix = f"some/prefix/{federation.terms.federation.hex()}/"
    keys = objects.objects(address)
    assert len(keys) > 3
    assert all(key.startswith(prefix) for key in keys)
    assert not (store / "blobs").exists()
    assert not list((store / "incoming").iterdir())
    first = federation.hospitals[0]
    verified = first.participant("verify", str(tmp_path / "record"), "--json")
    assert json.loads(checked(verified))["holds"]
    _alter_and_see(federation, objects, address, keys)


def _alter_and_see(
    federation: Federation, objects: ObjectServer, address: str, keys: dict[str, int]
) -> None:
    """The bucket's administrator changes one bit of each object."""
    place = InABucket(objects, f"{address}/{federation.terms.federation.hex()}")
    for key in keys:
        name = bytes.fromhex(key.rpartition("/")[2])
        place.change(name, bytes([place.open().read(name)[0] ^ 1]) + place.open().read(name)[1:])
    done = exported(federation, "record-2")
    assert done.returncode == 1
    assert "do not have its name" in done.stderr
    assert address in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_store_that_is_silent_for_a_while_costs_nothing_but_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running() as server:
        address = server.new_bucket()
        with service(place, "--blobs", address) as process:
            assert await say(place, chunk(BLOB, 0, 1000)) == [_have(BLOB, 1000)]
            server.process.send_signal(signal.SIGSTOP)
            (answer,) = await say(place, chunk(BLOB, 1000))
            assert isinstance(answer, Rejected)
            assert answer.code == "busy"
            assert "its object store fails: no answer in time" in answer.reason
            assert "bucket" not in answer.reason, "where it is concerns the operator alone"
            other, entries = await say(place, chunk(b"other"), Subscribe(0), member=2)
            assert isinstance(other, Rejected)
            assert isinstance(entries, Entries)
            wait_for("the report", lambda: status(place)["storage"] is not None, [], 30)
            server.process.send_signal(signal.SIGCONT)
            wait_for("that it goes on", lambda: status(place)["storage"] is None, [], 30)
            assert await say(place, chunk(BLOB, 1000)) == [_have(BLOB)]
            assert await say(place, chunk(b"other"), member=2) == [_have(b"other")]
            process.terminate()
            assert process.wait(30) == 0
            assert process.stderr is not None
            said = process.stderr.read()
        assert f"{address}/{place.terms.federation.hex()} fails" in said
        assert "answers again" in said
        assert "Traceback" not in said


def _have(data: bytes, offset: int | None = None) -> BlobHave:
    return BlobHave(blob_name(data), len(data) if offset is None else offset, len(data), False)


async def test_the_next_leader_has_the_blobs_that_the_last_one_put_there(
    place: Place, postgres: Server, address: str
) -> None:
    """The folder that they share has the uploads alone."""
    cluster = Cluster(place.file, place.data, postgres.address(postgres.new_database()), 2)
    try:
        first = cluster.leader()
        at_first = replace(place, port=first.port)
        assert await say(at_first, chunk(BLOB), chunk(b"other!", 0, 3)) == [
            _have(BLOB), BlobHave(blob_name(b"other!"), 3, 6, False),
        ]  # fmt: skip
        first.process.kill()
        first.process.wait()
        second, _ = cluster.follower(first)
        asked = BlobRequest(blob_name(BLOB), 0), chunk(b"other!", 3)
        part, rest = await say(replace(place, port=second.port), *asked)
        assert isinstance(part, BlobChunk)
        assert BLOB.startswith(part.data)
        assert rest == _have(b"other!")
    finally:
        cluster.close()
    assert not (place.store / "blobs").exists()


DIES_AT_THE_ROW = """
import os, signal, sys
from aggregator.store import BoardStore
BoardStore.add_blob = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
from aggregator.__main__ import main
main()
"""


@pytest.fixture
def dying(place: Place, address: str) -> Iterator[subprocess.Popen[str]]:
    """A service that is killed between an object and its row."""
    words = ["serve", str(place.file), "--data", str(place.data)]
    with subprocess.Popen(
        [sys.executable, "-c", DIES_AT_THE_ROW, *words], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stderr is not None
            until_it_serves(process)
            yield process
        finally:
            process.kill()


async def test_a_blob_whose_service_is_killed_before_its_row_is_whole_when_it_is_asked_for(
    place: Place, objects: ObjectServer, address: str, dying: subprocess.Popen[str]
) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011  # however a connection ends
        await say(place, chunk(BLOB))
    assert dying.wait(30) == -signal.SIGKILL
    (key,) = objects.objects(address)
    assert key.endswith(blob_name(BLOB).hex())
    with service(place):
        found, part = await say(place, chunk(BLOB), BlobRequest(blob_name(BLOB), 0))
        assert found == _have(BLOB)
        assert isinstance(part, BlobChunk)
        assert BLOB.startswith(part.data)
    assert list(objects.objects(address)) == [key]
