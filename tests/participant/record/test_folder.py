"""A record in a folder is read strictly: whoever made it is not trusted."""

import os
from pathlib import Path

import pytest

from participant.errors import MissingFile
from participant.record.folder import RecordFolder
from participant.record.output import RecordOutput
from protocol.errors import Malformed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record = tmp_path / "record"
    (record / "entries").mkdir(parents=True)
    (record / "record.json").write_bytes(b"{}")
    (record / "entries" / "one.msgpack").write_bytes(b"entry")
    (tmp_path / "secret").write_bytes(b"secret")
    return record


def test_files_are_listed_and_read(folder: Path) -> None:
    files = RecordFolder(folder)
    assert files.paths() == ["entries/one.msgpack", "record.json"]
    assert files.read("entries/one.msgpack", 5) == b"entry"
    assert files.read("entries/two.msgpack", 5) is None
    assert files.read("blobs/two.bin", 5) is None


def test_no_more_is_read_than_allowed(folder: Path) -> None:
    with pytest.raises(Malformed, match="at most 4"):
        RecordFolder(folder).read("entries/one.msgpack", 4)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "entries//one.msgpack", "", "./x"])
def test_no_path_leads_out_of_the_folder(folder: Path, path: str) -> None:
    with pytest.raises(Malformed, match="no file of a record"):
        RecordFolder(folder).read(path, 100)


def test_no_link_is_followed(folder: Path) -> None:
    (folder / "entries" / "link.msgpack").symlink_to(folder.parent / "secret")
    (folder / "blobs").symlink_to(folder.parent)
    files = RecordFolder(folder)
    for path in ("entries/link.msgpack", "blobs/secret"):
        with pytest.raises(Malformed, match="link"):
            files.read(path, 100)
    assert {"blobs", "entries/link.msgpack"} < set(files.paths())


def test_only_regular_files_are_read(folder: Path) -> None:
    os.mkfifo(folder / "entries" / "pipe.msgpack")
    (folder / "entries" / "folder.msgpack").mkdir()
    files = RecordFolder(folder)
    for name in ("pipe", "folder"):
        with pytest.raises(Malformed, match="not a regular file"):
            files.read(f"entries/{name}.msgpack", 100)


def test_a_folder_without_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        RecordFolder(tmp_path)
    with pytest.raises(MissingFile):
        RecordFolder(tmp_path / "nowhere")


def test_a_name_that_is_no_text_is_listed_all_the_same(folder: Path) -> None:
    (folder / os.fsdecode(b"\xff")).write_bytes(b"")
    assert "\\xff" in RecordFolder(folder).paths()


def test_a_folder_that_is_being_written_is_read_the_same_way(tmp_path: Path) -> None:
    files = RecordOutput(tmp_path / "record")
    assert files.read("terms.toml", 10) is None
    files.write("terms.toml", b"terms")
    assert files.read("terms.toml", 10) == b"terms"
