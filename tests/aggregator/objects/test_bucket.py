"""A bucket that is slow, silent, altered or shared: what a service makes of it."""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.errors import BlobsRefused, StoreAway, StoreDamaged, StoreFull
from aggregator.objects import bucket as module
from aggregator.objects.bucket import Bucket
from examples.demo.processes import wait_for
from protocol.messages.attachment import blob_name
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.objects.backend import InABucket
from tests.stage.objects.server import ObjectServer, bucket_of, running

BLOB = b"blob" * 1000
NAME = blob_name(BLOB)
NOWHERE = Path("none")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of tests may be busy for seconds."""
    monkeypatch.setattr(module, "_CLIENT", {"connect_timeout": "60s", "timeout": "60s"})
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.1)


@pytest.fixture
def bucket(objects: ObjectServer) -> Iterator[Bucket]:
    with closing(Bucket(objects.new_bucket())) as made:
        yield made


def test_what_is_kept_lies_below_the_prefix_under_its_hash(
    bucket: Bucket, objects: ObjectServer
) -> None:
    bucket.keep(NOWHERE, NAME, BLOB)
    bucket.keep(NOWHERE, NAME, BLOB)
    hex_name = NAME.hex()
    key = f"some/prefix/{hex_name[:2]}/{hex_name}"
    assert objects.objects(bucket.place) == {key: len(BLOB)}
    assert Bucket(bucket.place).read(NAME) == BLOB


def test_what_is_deleted_may_be_gone_already(bucket: Bucket, objects: ObjectServer) -> None:
    bucket.keep(NOWHERE, NAME, BLOB)
    bucket.remove([blob_name(b"never"), NAME])
    assert objects.objects(bucket.place) == {}
    bucket.remove([NAME])
    bucket.remove([])
    with pytest.raises(StoreDamaged, match=f"it is gone from {bucket.place}"):
        bucket.read(NAME)


def test_all_that_lies_there_is_found_page_by_page_and_nothing_else(
    bucket: Bucket, objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    blobs = {blob_name(bytes([k])): k + 1 for k in range(7)}
    for k in range(7):
        bucket._store.put(module._name(blob_name(bytes([k]))), bytes(k + 1))
    for other in ("probe-1", "ab/cd", f"{NAME.hex()}", f"zz/{NAME.hex()}"):
        bucket._store.put(other, b"x")
    objects.client.put_object(Bucket=bucket_of(bucket.place), Key="some/prefix-2/x", Body=b"x")
    assert dict(bucket.found()) == blobs
    bucket.remove(list(blobs))
    assert dict(bucket.found()) == {}


def test_looking_through_it_goes_on_after_an_error(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 1)
    for k in range(3):
        bucket._store.put(module._name(blob_name(bytes([k]))), b"x")
    found, seen = bucket.found(), []
    seen.append(next(found))
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "_away", "it is silent")
        with pytest.raises(StoreFull):
            next(found)
    seen += list(found)
    assert len(set(seen)) == len(seen) == 3


def test_one_federation_does_not_see_what_another_has_in_the_same_bucket(
    objects: ObjectServer,
) -> None:
    address = objects.new_bucket()
    first, second = Bucket(f"{address}/{'a' * 64}"), Bucket(f"{address}/{'b' * 64}")
    first.keep(NOWHERE, NAME, BLOB)
    with pytest.raises(StoreDamaged):
        second.read(NAME)
    assert list(second.found()) == []
    second.remove([NAME])
    assert Bucket(first.place).read(NAME) == BLOB


def test_an_object_that_is_too_large_to_be_a_blob_is_not_read_into_memory(bucket: Bucket) -> None:
    """Its administrator may put terabytes there. Though it has its name, it is refused."""
    data = bytes(MAX_BLOB_BYTES + 1)
    bucket._store.put(module._name(blob_name(data)), data)
    with pytest.raises(StoreDamaged, match=bucket.place):
        bucket.read(blob_name(data))


def test_the_last_blobs_are_not_asked_for_again(bucket: Bucket, objects: ObjectServer) -> None:
    bucket.keep(NOWHERE, NAME, BLOB)
    again = Bucket(bucket.place)
    again.read(NAME)
    InABucket(objects, bucket.place).change(NAME, None)
    assert again.part(NAME, 4, 8) == bucket.part(NAME, 4, 8) == BLOB[4:12]


def test_a_bucket_that_is_gone_is_no_damage(bucket: Bucket, objects: ObjectServer) -> None:
    """A service that ended for it would have to be started by hand."""
    objects.client.delete_bucket(Bucket=bucket_of(bucket.place))
    with pytest.raises(StoreAway, match="NoSuchBucket"):
        bucket.read(NAME)


def test_a_silent_store_is_waited_for_once_and_then_not_asked_until_it_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "_CLIENT", {"connect_timeout": "4s", "timeout": "4s"})
    with running() as server, closing(Bucket(server.new_bucket())) as bucket:
        bucket.watch()
        bucket.keep(NOWHERE, NAME, BLOB)
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreAway, match="no answer in time"):
            bucket.keep(NOWHERE, blob_name(b"2"), b"2")
        asked = list[str]()
        with monkeypatch.context() as patch:
            patch.setattr(bucket, "_get", lambda digest: asked.append("get"))
            for _ in range(3):
                with pytest.raises(StoreAway):
                    bucket.read(blob_name(b"3"))
        assert asked == []
        assert bucket.is_away
        assert bucket.read(NAME) == BLOB, "what is in memory needs no store"
        time.sleep(0.5)
        assert bucket.is_away, "it is silent still"
        server.process.send_signal(signal.SIGCONT)
        wait_for("that it answers", lambda: not bucket.is_away, [], 30)
        bucket.keep(NOWHERE, blob_name(b"2"), b"2")
        assert Bucket(bucket.place).read(blob_name(b"2")) == b"2"
    assert caplog.text.count(f"{bucket.place} fails: no answer in time") == 1
    assert caplog.text.count(f"{bucket.place} answers again") == 1


def test_rights_that_are_taken_away_keep_it_away_although_it_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with running() as server, closing(Bucket(server.new_bucket())) as bucket:
        bucket.watch()
        server.require_keys(0)
        with pytest.raises(StoreAway, match="InvalidAccessKeyId"):
            bucket.keep(NOWHERE, NAME, BLOB)
        time.sleep(0.5)
        assert bucket.is_away
        server.require_keys(-1)
        wait_for("that it answers", lambda: not bucket.is_away, [], 30)
    assert caplog.text.count("fails") == 1


def test_requests_go_where_the_environment_was_looked_at(
    objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of its names counts is not left to the library."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", objects.url)
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:1")
    Bucket(objects.new_bucket()).check()


def test_nothing_goes_over_plain_http_that_was_not_looked_at(
    objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "endpoint", lambda *given: None)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with pytest.raises(BlobsRefused, match="plain http is not used"):
        Bucket(objects.new_bucket()).check()
