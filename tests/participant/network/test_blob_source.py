"""What people may name as the aggregator's object store."""

import pytest

from participant.errors import BadBlobSource
from participant.network import opening
from participant.network.blob_source import MOST_CHARACTERS, read_source
from protocol.messages.attachment import blob_name

NAME = blob_name(b"x").hex()


@pytest.mark.parametrize(
    ("text", "target", "authority"),
    [
        ("https://s3.example.org/bucket/a=b/", "/bucket/a=b", "s3.example.org"),
        ("https://s3.example.org:9000", "", "s3.example.org:9000"),
        ("https://[2001:db8::1]/b", "/b", "[2001:db8::1]"),
        ("https://S3.example.org:443/b", "/b", "s3.example.org"),
        ("http://127.0.0.1:9000/b", "/b", "127.0.0.1:9000"),
        ("http://localhost/a%3Db", "/a%3Db", "localhost"),
    ],
)
def test_a_blob_lies_below_it_under_its_name(text: str, target: str, authority: str) -> None:
    source = read_source(text)
    assert source.authority == authority
    assert source.target(blob_name(b"x"), "q=1") == f"{target}/{NAME[:2]}/{NAME}?q=1"


@pytest.mark.parametrize(
    "text",
    [
        "", "s3://bucket", "https://", "//host/b", "http://example.org/b", "ftp://127.0.0.1/",
        "https://user@host/b", "https://user:secret@host/b", "https://host/b?x", "https://host/b#x",
        "https://host/b?", "https://host/a b", "https://host/a/../b", "https://host/./b",
        "https://host:port/", "https://host:99999/", "https://ho st/", "https://host/\u00e4",
        "https://host/b\n", "https://[::1", "https://host/" + "a" * MOST_CHARACTERS,
    ],
)  # fmt: skip
def test_what_is_no_place_of_blobs_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadBlobSource) as refused:
        read_source(text)
    assert "secret" not in str(refused.value)


def test_without_the_extra_people_are_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "participant.network.store_client", None)
    with pytest.raises(BadBlobSource, match=r"quorate-fl\[direct\]"):
        opening.open_store("https://s3.example.org/bucket")
    assert opening.open_store(None) is None
