"""A record in a folder is read strictly: whoever made it is not trusted."""

import os
import pickle
import stat
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


@pytest.mark.parametrize(
    ("size", "at_once"), [(0, 100), (3, 100), (3, 2), (5, 2), (5, 100), (9, 1), (9, 100)]
)
def test_a_file_that_changes_while_it_is_read_is_read_to_its_end_and_no_further_than_allowed(
    folder: Path, size: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """size: what it seemed to have; the system may give less at a time than it is asked for."""
    real, path = os.read, "entries/one.msgpack"
    monkeypatch.setattr(os, "read", lambda file, count: real(file, min(count, at_once)))
    monkeypatch.setattr(
        os, "fstat", lambda file: os.stat_result([stat.S_IFREG, *[0] * 5, size, 0, 0, 0])
    )
    files = RecordFolder(folder)
    assert files.read(path, 9) == b"entry"
    if size < 5:
        with pytest.raises(Malformed, match="more than 4 bytes"):
            files.read(path, 4)


def test_no_folder_stays_open_longer_than_it_is_read(folder: Path) -> None:
    files = RecordFolder(folder)
    before = set(os.listdir("/proc/self/fd"))
    files.read("entries/one.msgpack", 5)
    assert set(os.listdir("/proc/self/fd")) - before
    del files
    assert set(os.listdir("/proc/self/fd")) == before


def test_another_process_reads_the_same_record(folder: Path) -> None:
    files = RecordFolder(folder)
    files.read("entries/one.msgpack", 5)
    there = pickle.loads(pickle.dumps(files))
    del files
    assert there.read("entries/one.msgpack", 5) == b"entry"


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
