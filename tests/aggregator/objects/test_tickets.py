"""Tickets: what a bucket's owner signs, and how it is found out what the store checks."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.objects.bucket import Bucket
from aggregator.objects.tickets import put_by_url
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
    assert not bucket.is_left(NAME, SIZE - 1)
    assert not bucket.is_left(NAME, SIZE)
    bucket.ticket_to_put(NAME, SIZE)
    assert bucket.is_left(NAME, SIZE)
    other = blob_name(b"never put")
    bucket.ticket_to_put(other, 9)
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
