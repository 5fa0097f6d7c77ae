"""Tickets: what a bucket's owner signs, and how it is found out what the store checks."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.errors import BadUpload
from aggregator.objects import bucket as module
from aggregator.objects.bucket import Bucket
from aggregator.objects.tickets import put_by_url
from aggregator.store.blobs import BlobStore
from aggregator.store.board import BoardStore
from aggregator.store.unnamed_blobs import CLEAN_UP_SECONDS
from examples.demo.processes import wait_for
from participant.errors import StoreRefuses
from participant.network.blob_source import read_source
from participant.network.store_client import StoreClient
from protocol.messages.attachment import blob_name
from tests.stage.objects.checking import CheckingStore
from tests.stage.objects.server import ObjectServer

BLOB = bytes(range(256)) * 2_000
NAME, SIZE = blob_name(BLOB), len(BLOB)


@pytest.fixture
def store(objects: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[CheckingStore]:
    with CheckingStore(objects).running() as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        yield found


@pytest.fixture
def bucket(objects: ObjectServer, store: CheckingStore) -> Iterator[Bucket]:
    with closing(Bucket(f"{objects.new_bucket()}/a=b")) as made:
        made.offer_tickets()
        store.moved.clear()
        yield made


@pytest.fixture
def client(bucket: Bucket) -> Iterator[StoreClient]:
    with closing(StoreClient(read_source(bucket._tickets.base))) as made:
        yield made


def test_a_blob_is_put_and_got_by_who_has_no_keys(
    bucket: Bucket, client: StoreClient, store: CheckingStore
) -> None:
    assert not bucket.is_left(NAME, SIZE)
    client.put(NAME, BLOB, bucket.ticket_to_put(NAME, SIZE))
    bucket.expect(NAME)
    assert bucket.is_left(NAME, SIZE)
    assert bucket.read(NAME) == BLOB
    assert client.get(NAME, SIZE, bucket.ticket_to_get(NAME)) == BLOB
    assert [(way, size) for way, _, size in store.moved] == [("PUT", SIZE), ("GET", SIZE)]


@pytest.mark.parametrize("data", [BLOB[::-1], BLOB + b"x", BLOB[:-1], b""])
def test_nothing_but_the_blob_is_taken(
    bucket: Bucket, client: StoreClient, store: CheckingStore, data: bytes
) -> None:
    client.put(NAME, BLOB, query := bucket.ticket_to_put(NAME, SIZE))
    with pytest.raises(StoreRefuses, match="it answers 40"):
        client.put(NAME, data, query)
    other = hashlib.sha256(data).digest()
    with pytest.raises(StoreRefuses, match="it answers 403"):
        client.put(other, data, query)  # to another path, with its right checksum
    assert bucket.read(NAME) == BLOB


def test_a_ticket_is_for_one_blob_and_one_way(bucket: Bucket, client: StoreClient) -> None:
    other = b"another" * 50_000
    bucket.keep(Path("none"), blob_name(other), other)
    bucket.keep(Path("none"), NAME, BLOB)
    for query in (bucket.ticket_to_get(blob_name(other)), bucket.ticket_to_put(NAME, SIZE)):
        with pytest.raises(StoreRefuses, match="it answers 403"):
            client.get(NAME, SIZE, query)


def test_what_comes_of_a_ticket_is_looked_for_once_and_by_its_size(
    bucket: Bucket, client: StoreClient
) -> None:
    client.put(NAME, BLOB, bucket.ticket_to_put(NAME, SIZE))
    bucket.expect(NAME)
    assert not bucket.is_left(NAME, SIZE - 1)
    assert not bucket.is_left(NAME, SIZE)
    bucket.expect(NAME)
    assert bucket.is_left(NAME, SIZE)
    other = blob_name(b"never put")
    bucket.expect(other)
    assert not bucket.is_left(other, 9)
    assert not bucket.is_away


def test_where_the_store_checks_nothing_uploads_have_no_tickets(
    objects: ObjectServer, caplog: pytest.LogCaptureFixture
) -> None:
    """As moto's, which takes any bytes."""
    with closing(Bucket(objects.new_bucket())) as made, caplog.at_level(logging.INFO):
        assert made.ticket_to_get(NAME) == made.ticket_to_put(NAME, SIZE) == ""
        made.offer_tickets()
        assert made.ticket_to_put(NAME, SIZE) == ""
        assert made.ticket_to_get(NAME)
        assert objects.objects(made.place) == {}
    assert f"hospitals may fetch blobs by themselves: --blobs-from {objects.url}" in caplog.text


@pytest.mark.parametrize("fault", ["digest", "length"])
def test_a_store_that_checks_one_thing_alone_is_found_out(
    objects: ObjectServer, store: CheckingStore, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def half(*about: object) -> str:
        found = CheckingStore._wrong(store, *about)  # type: ignore[arg-type]
        is_passed = {"digest": "BadDigest", "length": "SignatureDoesNotMatch"}[fault]
        return "" if found == is_passed else found

    monkeypatch.setattr(store, "_wrong", half)
    with closing(Bucket(objects.new_bucket())) as made:
        made.offer_tickets()
        assert made.ticket_to_put(NAME, SIZE) == ""


def test_a_store_that_is_silent_is_asked_for_no_tickets(
    bucket: Bucket, store: CheckingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_away", "it is silent")
    assert bucket.ticket_to_get(NAME) == bucket.ticket_to_put(NAME, SIZE) == ""


def test_credentials_that_cannot_be_had_any_more_cost_the_ticket_alone(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise RuntimeError("no role")

    monkeypatch.setattr(bucket._tickets._credentials, "get_frozen_credentials", gone)
    assert bucket.ticket_to_put(NAME, SIZE) == ""
    assert bucket.ticket_to_get(NAME)
    assert not bucket.is_away


def test_keys_that_the_two_libraries_find_in_other_places_sign_no_upload(
    objects: ObjectServer, store: CheckingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Bucket(objects.new_bucket())) as made:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
        made.offer_tickets()
        assert made.ticket_to_get(NAME)
        assert made.ticket_to_put(NAME, SIZE) == ""


def test_a_url_is_refused_as_the_store_says(bucket: Bucket) -> None:
    assert not put_by_url(
        f"{bucket._tickets.base}/?X-Amz-Signature=x&X-Amz-SignedHeaders=host&"
        "X-Amz-Credential=a/b/c/d/e&X-Amz-Date=0&X-Amz-Expires=1",
        b"x",
        "x",
    )


# ── at the aggregator ──


class Clock:
    """Milliseconds, as a test has them."""

    ms = 0

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def blobs(bucket: Bucket, clock: Clock, tmp_path: Path) -> Iterator[BlobStore]:
    with closing(BoardStore(tmp_path)) as board:
        made = BlobStore(tmp_path, board, lambda: 2 * SIZE, clock, bucket)
        made.look_for_unnamed()
        made.clean_up()
        yield made


def clean(blobs: BlobStore, clock: Clock, seconds: float) -> None:
    clock.ms += int(1000 * seconds)
    for _ in range(3):  # what one round finds, another deletes
        blobs.clean_up()


def test_what_was_put_and_offered_is_whole(blobs: BlobStore, client: StoreClient) -> None:
    client.put(NAME, BLOB, blobs.ticket_to_put(1, NAME, SIZE))
    assert blobs.size(NAME) is None
    assert blobs.have(1, NAME, SIZE) == SIZE == blobs.size(NAME)
    assert blobs.read(NAME) == BLOB


def test_what_was_put_and_never_offered_goes_after_an_hour(
    blobs: BlobStore, client: StoreClient, clock: Clock, objects: ObjectServer, bucket: Bucket
) -> None:
    client.put(NAME, BLOB, blobs.ticket_to_put(1, NAME, SIZE))
    assert len(objects.objects(bucket.place)) == 1
    clean(blobs, clock, CLEAN_UP_SECONDS + 1)
    assert objects.objects(bucket.place) == {}


def test_what_was_put_after_that_goes_within_two_days(
    blobs: BlobStore, client: StoreClient, clock: Clock, objects: ObjectServer, bucket: Bucket
) -> None:
    query = blobs.ticket_to_put(1, NAME, SIZE)
    clean(blobs, clock, CLEAN_UP_SECONDS + 1)
    client.put(NAME, BLOB, query)
    clean(blobs, clock, CLEAN_UP_SECONDS + 1)
    assert len(objects.objects(bucket.place)) == 1
    clean(blobs, clock, 24 * 3_600)
    clean(blobs, clock, CLEAN_UP_SECONDS + 1)
    assert objects.objects(bucket.place) == {}


def test_tickets_cost_what_uploads_do_also_where_nothing_is_put(blobs: BlobStore) -> None:
    asked = list[bytes]()

    def ask_without_end() -> None:
        while len(asked) < 100:
            asked.append(bytes([len(asked)]) * 32)
            blobs.ticket_to_put(1, asked[-1], SIZE)

    with pytest.raises(BadUpload, match="too much that no post of its names"):
        ask_without_end()
    assert asked[-1] not in blobs._whole._tickets._put
    assert blobs.ticket_to_put(2, NAME, SIZE)  # another member's are its own


def test_a_store_that_answers_again_is_tried_again(
    bucket: Bucket, store: CheckingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(store, "_wrong", lambda *about: "")  # it checks nothing any more
    bucket._is_watched = True
    bucket._failed("it was silent")
    wait_for("that it answers", lambda: not bucket.is_away, [], 60)
    assert bucket.ticket_to_get(NAME)
    assert bucket.ticket_to_put(NAME, SIZE) == ""
