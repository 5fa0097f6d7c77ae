"""Files are whole or absent, and never overwritten by accident."""

import contextlib
import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participant.disk import files
from participant.disk.files import FolderStorage
from participant.errors import BadName, DiskError, FileExists, MissingFile, TooLarge
from protocol.errors import WrongKind


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_file_is_private_and_whole(tmp_path: Path) -> None:
    files.write_new(tmp_path / "share", b"x" * 100_000)
    assert files.read(tmp_path / "share", 100_000, "share") == b"x" * 100_000
    assert mode(tmp_path / "share") == 0o600
    assert os.listdir(tmp_path) == ["share"]
    assert (tmp_path / "share").stat().st_nlink == 1


def test_a_new_file_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "share").write_bytes(b"old")
    with pytest.raises(FileExists) as caught:
        files.write_new(tmp_path / "share", b"new")
    assert caught.value.path == tmp_path / "share"
    assert (tmp_path / "share").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["share"]


def test_a_dangling_link_counts_as_taken(tmp_path: Path) -> None:
    (tmp_path / "share").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExists):
        files.write_new(tmp_path / "share", b"new")
    assert not (tmp_path / "elsewhere").exists()


def test_replacing_keeps_readers_on_the_old_or_the_new(tmp_path: Path) -> None:
    files.replace(tmp_path / "state", b"old")
    with (tmp_path / "state").open("rb") as reader:
        files.replace(tmp_path / "state", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "state").read_bytes() == b"new"
    assert mode(tmp_path / "state") == 0o600


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_file_and_no_other(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.replace(tmp_path / "state", b"old")
    monkeypatch.setattr(files.os, call, full_disk)
    with pytest.raises(DiskError) as caught:
        files.replace(tmp_path / "state", b"new")
    assert caught.value.reason == os.strerror(errno.ENOSPC)
    assert caught.value.path == tmp_path / "state"
    assert os.listdir(tmp_path) == ["state"]
    assert (tmp_path / "state").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
def test_a_full_disk_leaves_no_half_of_a_new_file(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, call, full_disk)
    with pytest.raises(DiskError):
        files.write_new(tmp_path / "share", b"new")
    assert os.listdir(tmp_path) == []


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, data: whole(fd, data[:7]))
    files.write_new(tmp_path / "share", bytes(range(100)))
    assert (tmp_path / "share").read_bytes() == bytes(range(100))


def test_file_and_folder_are_synced_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        events.append("sync folder" if folder else "sync file")
        fsync(descriptor)

    def recorded_rename(source: Path, target: Path) -> None:
        events.append("rename")
        rename(source, target)

    monkeypatch.setattr(files.os, "fsync", recorded_fsync)
    monkeypatch.setattr(files.os, "rename", recorded_rename)
    files.replace(tmp_path / "state", b"new")
    assert events == ["sync file", "rename", "sync folder"]


def test_a_killed_writer_leaves_the_old_file_and_a_sweep_clears_up(tmp_path: Path) -> None:
    files.replace(tmp_path / "state", b"old")
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from participant.disk import files
        files.os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        files.replace(Path(sys.argv[1]), b"new")
        """
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "state"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "state").read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 2
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == ["state"]


def test_a_sweep_spares_what_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def swept_just_before(source: Path, target: Path) -> None:
        files.sweep(tmp_path)
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", swept_just_before)
    files.replace(tmp_path / "state", b"new")
    assert (tmp_path / "state").read_bytes() == b"new"


def test_a_writer_swept_before_it_could_lock_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    swept = False

    def flock_after_a_sweep(descriptor: int, how: int) -> None:
        nonlocal swept
        if not swept:
            swept = True
            files.sweep(tmp_path)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock_after_a_sweep)
    files.replace(tmp_path / "state", b"new")
    assert swept
    assert os.listdir(tmp_path) == ["state"]


def test_a_sweep_touches_no_other_file(tmp_path: Path) -> None:
    for name in (".hidden", "x.tmp", ".quorate-1.tmp"):
        (tmp_path / name).write_bytes(b"")
    files.sweep(tmp_path)
    assert len(os.listdir(tmp_path)) == 3


def test_a_missing_file_is_named_with_what_it_would_hold(tmp_path: Path) -> None:
    with pytest.raises(MissingFile) as caught:
        files.read(tmp_path / "none", 10, "key share")
    assert (caught.value.path, caught.value.what) == (tmp_path / "none", "key share")


def test_a_pipe_is_read_to_its_end_and_not_beyond_the_limit(tmp_path: Path) -> None:
    pipe, content = tmp_path / "pipe", b"x" * 3_000_000
    os.mkfifo(pipe)

    def read_from_pipe(limit: int) -> bytes:
        writer = threading.Thread(target=write_to_pipe)
        writer.start()
        try:
            return files.read(pipe, limit, "numbers")
        finally:
            writer.join()

    def write_to_pipe() -> None:
        with contextlib.suppress(BrokenPipeError), pipe.open("wb") as file:
            file.write(content)

    assert read_from_pipe(3_000_000) == content
    with pytest.raises(TooLarge):
        read_from_pipe(2_999_999)


def test_a_large_file_is_read_without_a_second_copy(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(20_000_000))
    tracemalloc.start()
    try:
        assert len(files.read(tmp_path / "model", 1 << 30, "model")) == 20_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 21_000_000


def test_a_file_of_the_limit_reads_and_one_byte_more_does_not(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    assert len(files.read(tmp_path / "f", 10, "f")) == 10
    with pytest.raises(TooLarge):
        files.read(tmp_path / "f", 9, "f")


def test_what_cannot_be_read_or_written_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError):
        files.make_folder(tmp_path / "file" / "below")
    with pytest.raises(DiskError):
        files.write_new(tmp_path / ("x" * 300), b"")


def test_a_folder_for_a_file_and_a_file_for_a_folder_are_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WrongKind, match=f"{tmp_path} is a folder, not terms"):
        files.read(tmp_path, 10, "terms")
    with pytest.raises(WrongKind, match="file is a file, not folder"):
        files.read(tmp_path / "file" / "below", 10, "below")
    with pytest.raises(WrongKind, match="file is a file, not folder"):
        files.make_folder(tmp_path / "file")
    with pytest.raises(WrongKind, match="file is a file, not folder"):
        files.write_new(tmp_path / "file" / "f", b"")
    with pytest.raises(MissingFile, match="nowhere: no folder here"):
        files.write_new(tmp_path / "nowhere" / "f", b"")


def test_folders_are_private(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700


def test_storage_gives_back_what_was_written_even_when_opened_again(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "outbox")
    storage.write("round-7/post.1", b"old")
    storage.write("round-7/post.1", b"post")
    storage.write("head", b"")
    again = FolderStorage(tmp_path / "outbox")
    assert again.read("round-7/post.1") == b"post"
    assert again.read("head") == b""
    assert again.read("round-7/post.2") is None
    assert again.read("round-8/post.1") is None
    again.delete("head")
    again.delete("head")
    assert again.read("head") is None


def test_storage_lists_names_by_prefix_sorted(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    for name in ("b/2", "b/10", "b-1", "a"):
        storage.write(name, b"")
    assert storage.names() == ["a", "b-1", "b/10", "b/2"]
    assert storage.names("b/") == ["b/10", "b/2"]
    assert storage.names("c") == []


def test_what_lies_in_a_folder_beside_is_read_and_nothing_of_it_touched(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "new")
    assert storage.read_beside("old", "studies/age/numbers") is None
    assert not (tmp_path / "old").exists()
    FolderStorage(tmp_path / "old").write("studies/age/numbers", b"1")
    (tmp_path / "old" / ".half.tmp").write_bytes(b"what another process writes")
    assert storage.read_beside("old", "studies/age/numbers") == b"1"
    assert storage.read_beside("old", "studies/none/numbers") is None
    assert (tmp_path / "old" / ".half.tmp").exists()


@pytest.mark.parametrize("folder", ["..", ".", "", "a/b", "../new", ".hidden", "/", "old\n"])
def test_only_a_folder_beside_is_read(folder: str, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "home" / "new")
    (tmp_path / "home" / "name").write_bytes(b"1")
    (tmp_path / "name").write_bytes(b"1")
    with pytest.raises(BadName):
        storage.read_beside(folder, "name")
    with pytest.raises(BadName):
        storage.read_beside("new", "../name")


def test_storage_clears_what_a_dead_writer_left(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    left = tmp_path / "a" / f".quorate-{'0' * 32}.tmp"
    left.write_bytes(b"half")
    assert FolderStorage(tmp_path).names() == []
    assert not left.exists()


def test_a_name_written_in_parts_appears_when_it_is_whole(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    storage.write("models/1", b"old")
    with storage.writing("models/1") as file:
        file.write(b"first, ")
        file.write(b"")
        file.write(b"second")
        assert storage.names() == ["models/1"]
        assert storage.read("models/1") == b"old"
        FolderStorage(tmp_path)  # a second process sweeps nothing that is being written
    assert storage.read("models/1") == b"first, second"
    assert mode(tmp_path / "models" / "1") == 0o600
    assert os.listdir(tmp_path / "models") == ["1"]


def write_half(storage: FolderStorage, error: BaseException | None = None) -> None:
    with storage.writing("models/1") as file:
        file.write(b"half")
        raise error or AssertionError("the disk was to be full")


def test_nothing_appears_of_what_was_not_finished(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_half(storage, KeyboardInterrupt())
    assert storage.read("models/1") is None
    assert os.listdir(tmp_path / "models") == []


def test_a_disk_that_fills_while_parts_are_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FolderStorage(tmp_path)
    storage.write("models/1", b"old")
    monkeypatch.setattr(os, "write", full_disk)
    with pytest.raises(DiskError) as caught:
        write_half(storage)
    assert caught.value.path == tmp_path / "models" / "1"
    assert storage.read("models/1") == b"old"
    assert os.listdir(tmp_path / "models") == ["1"]


def test_an_error_of_whoever_writes_is_not_the_disks(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), FolderStorage(tmp_path).writing("x"):
        raise ConnectionError


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/..",
        "a/.x",
        ".x",
        "/a",
        "a/",
        "a//b",
        "a/b/c/d",
        "A",
        "a b",
        "a\n",
        "ä",
        "a\0",
        "a" * 129,
    ],
)
def test_storage_refuses_names_that_could_leave_or_hide(name: str, tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s")
    for use in (
        storage.read, storage.delete, storage.writing, lambda name: storage.write(name, b""),
    ):  # fmt: skip
        with pytest.raises(BadName):
            use(name)
    assert os.listdir(tmp_path) == ["s"]


@given(name=st.text(), data=st.binary(max_size=64))
def test_storage_stores_under_a_name_or_refuses_it(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    storage = FolderStorage(tmp_path_factory.getbasetemp() / "any")
    try:
        storage.write(name, data)
    except BadName:
        return
    assert storage.read(name) == data
    assert name in storage.names(name)
    storage.delete(name)
    assert name not in storage.names()


def test_a_full_disk_keeps_what_storage_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FolderStorage(tmp_path)
    storage.write("post", b"old")
    monkeypatch.setattr(files.os, "write", full_disk)
    with pytest.raises(DiskError):
        storage.write("post", b"new")
    assert storage.read("post") == b"old"
    assert storage.names() == ["post"]
