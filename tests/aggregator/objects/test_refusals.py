"""Where blobs cannot lie: a sentence and a remedy each, and nothing is changed."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import aggregator
from aggregator.cli.sentences import _OF_BLOBS
from aggregator.errors import StoreDamaged
from aggregator.place.blobs import noted
from aggregator.store import BlobFolder
from protocol.messages import blob_name
from tests.stage.objects.server import SECRET, ObjectServer, running
from tests.stage.programs.place import Place, Run, place, refused, refused_to_serve, run, service

__all__ = ["place", "run"]  # fixtures
Serve = Callable[..., str]


@pytest.fixture
def serve(place: Place, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """What ``serve`` says that is refused; no file is left that could have a key in it."""
    monkeypatch.chdir(tmp_path)

    def serve(address: str) -> str:
        said = refused_to_serve(run, place, "--blobs", address)
        assert SECRET not in said
        assert not (place.store / "blobs-at").exists()
        return said

    return serve


def test_an_address_with_keys_is_refused_and_never_repeated(serve: Serve) -> None:
    said = serve("s3://key:hush-hush@bucket/prefix")
    assert "lists of processes" in said
    assert "hush" not in said
    assert "Give it as --blobs s3://BUCKET/PREFIX" in serve("/var/blobs")


def test_a_bucket_that_is_not_there_is_named(serve: Serve, objects: ObjectServer) -> None:
    said = serve("s3://nowhere-at-all/x")
    assert "s3://nowhere-at-all/x" in said
    assert "no such bucket" in said
    assert "Make the bucket" in said


def test_a_server_that_is_not_there_is_named(
    serve: Serve, objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    said = serve("s3://bucket")
    assert "connection refused" in said
    assert "AWS_ENDPOINT_URL" in said


def test_plain_http_beyond_this_machine_is_refused_whatever_the_environment_allows(
    serve: Serve, objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.1:9000")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert "https://" in serve("s3://bucket")


def test_credentials_that_are_wrong_or_have_too_few_rights_are_told_apart(serve: Serve) -> None:
    with running() as server:
        address = server.new_bucket()
        server.require_keys(0)
        said = serve(address)
        assert "lets nobody in by these credentials: InvalidAccessKeyId" in said
        assert "AWS_ACCESS_KEY_ID" in said
        server.require_keys(-1)
        name, key = server.powerless_user()
        server.require_keys(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", name)
            patch.setenv("AWS_SECRET_ACCESS_KEY", key)
            said = serve(address)
        assert "too few rights" in said
        assert "AccessDenied" in said


@pytest.mark.parametrize("address", ["s3://bucket", "az://container"])
def test_a_machine_without_credentials_is_told_where_they_are_looked_for(
    serve: Serve, objects: ObjectServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    said = serve(address)
    assert "lets nobody in by these credentials: no credentials were found" in said
    assert "AWS_ACCESS_KEY_ID" in said


def test_what_is_not_installed_is_named_with_the_command(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "aggregator.objects.bucket", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    assert "pip install 'quorate-fl[objects]'" in serve("s3://bucket")


def test_a_folder_whose_blobs_lie_in_a_bucket_is_served_with_that_alone(
    place: Place, run: Run, objects: ObjectServer
) -> None:
    address, other = objects.new_bucket(), objects.new_bucket()
    with service(place, "--blobs", address):
        pass
    assert noted(place.store) == address
    for options in ((), ("--blobs", other), ("--blobs", address + "/more")):
        said = refused(run, "serve", *place.words, *options)
        assert f"The blobs of this federation are in {address}" in said
        assert str(place.store / "blobs-at") in said
    with service(place, "--blobs", address + "/"):
        pass
    assert objects.objects(other) == {}
    assert run("status", *place.words)[0] == 0


def test_a_folder_with_blobs_is_not_served_with_a_bucket(
    place: Place, serve: Serve, objects: ObjectServer
) -> None:
    data = b"a blob"
    path = place.store / "upload"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    BlobFolder(place.store / "blobs").keep(path, blob_name(data), data)
    address = objects.new_bucket()
    assert "are in the data folder" in serve(address)
    assert objects.objects(address) == {}


@pytest.mark.parametrize("text", [b"", b"s3://", b"file:///etc\n", b"s3://bucket\ns3://x", b"\xff"])
def test_a_note_that_does_not_read_is_damage(
    place: Place, run: Run, objects: ObjectServer, text: bytes
) -> None:
    place.store.mkdir(parents=True, exist_ok=True)
    (place.store / "blobs-at").write_bytes(text)
    with pytest.raises(StoreDamaged):
        noted(place.store)
    for command in ("serve", "status"):
        assert "blobs-at" in refused(run, command, *place.words)


def test_every_kind_of_refusal_has_its_sentence() -> None:
    folder = Path(aggregator.__file__).parent
    paths = [*(folder / "objects").glob("*.py"), folder / "place" / "blobs.py"]
    texts = "".join(path.read_text() for path in paths)
    kinds = set(re.findall(r'BlobsRefused\(\s*[^,]+, "(\w+)"', texts))
    kinds |= set(re.findall(r'return "(\w+)"', texts)) | {"connection"}
    kinds |= set(re.findall(r'^    "\w+": "(\w+)",$', texts, re.M))
    assert kinds == set(_OF_BLOBS)
