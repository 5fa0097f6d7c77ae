"""Disks that are full, broken, read-only or not ours: who cannot store, why, and what to do."""

import asyncio
import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregator.cli.sentences import sentences
from aggregator.errors import StoreFull
from aggregator.store.blobs import BlobStore
from aggregator.store.board import BoardStore
from participant.agent.steps import Steps
from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.cli.views import speaking
from participant.cli.views.ceremony import link_notices
from participant.cli.views.standing import show_standing
from participant.disk import files
from participant.errors import DiskError
from participant.hospital import room
from participant.network.session import Notices
from protocol.messages.attachment import blob_name
from protocol.programs.refusals import remedy_for

NUMBERS = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "quota",
    errno.EFBIG: "ulimit -f",
    errno.EIO: "reports errors",
    errno.EROFS: "for writing",
    errno.EACCES: "right to it",
    errno.EPERM: "right to it",
    errno.ENAMETOOLONG: "shorter path",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "close other programs",
    errno.ENOLCK: "local disk",
}
IDS = [errno.errorcode[number] for number in NUMBERS]


def refusing(number: int) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("call", ["open", "write", "fsync", "link", "rename"])
@pytest.mark.parametrize("number", NUMBERS, ids=IDS)
def test_a_file_that_a_hospital_cannot_write_is_as_it_was(
    number: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fresh = tmp_path / "post", tmp_path / "new"
    files.replace(path, b"before")
    with monkeypatch.context() as broken:
        broken.setattr(os, call, refusing(number))
        for write, target in ((files.replace, path), (files.write_new, fresh)):
            if (write, call) in ((files.replace, "link"), (files.write_new, "rename")):
                continue
            with pytest.raises(DiskError) as caught:
                write(target, b"after")
            assert (caught.value.path, caught.value.number) == (target, number)
            said = describe(caught.value, Context())
            assert said.what == f"{target}: {os.strerror(number)}"
            assert NUMBERS[number] in said.remedy
            assert "type the same command again" in said.remedy
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["post"]  # and nothing half-written is left
    files.replace(path, b"after")
    assert path.read_bytes() == b"after"


@pytest.mark.parametrize("number", NUMBERS, ids=IDS)
def test_what_the_aggregator_cannot_store_is_not_acknowledged(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BoardStore(tmp_path)
    blobs, data = BlobStore(tmp_path, store), b"x" * 1000
    name = blob_name(data)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refusing(number))
        with pytest.raises(StoreFull) as caught:
            blobs.add(1, name, len(data), 0, data)
    assert caught.value.number == number
    what, remedy = sentences(caught.value)
    assert os.strerror(number) in what
    assert NUMBERS[number].lower() in remedy.lower()
    assert blobs.have(1, name, len(data)) == 0
    assert blobs.add(1, name, len(data), 0, data) == len(data)  # once there is room
    assert blobs.read(name) == data
    store.close()


def test_a_refusal_of_an_unknown_kind_has_a_remedy() -> None:
    for number in [None, 0, *errno.errorcode]:
        assert remedy_for(number)


@pytest.mark.parametrize("path", [None, "some/file"])
def test_what_nothing_else_has_named_is_no_internal_error(
    path: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    speaking._end(speaking._refused(error), Context())
    said = capsys.readouterr().err
    assert f"{path or 'this machine'}: No space left on device" in said
    assert "make room" in said


# ── a hospital that works on ──


class Attempts:
    """Work that a full disk ends so many times."""

    def __init__(self, folder: Path, fail: int, number: int = errno.ENOSPC) -> None:
        self.folder, self.fail, self.number = folder, fail, number
        self.left: list[float | None] = []

    async def __call__(self, seconds: float | None) -> str:
        self.left.append(seconds)
        if len(self.left) <= self.fail:
            raise DiskError(self.folder / "outbox", os.strerror(self.number), self.number)
        return "done"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited for room, without waiting."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(room.asyncio, "sleep", sleep)
    return slept


SILENT = Notices()


def allowed(
    folder: Path, work: Attempts, seconds: float | None = None, notices: Notices = SILENT
) -> str:
    return asyncio.run(room.as_room_allows(folder, seconds, work, notices, Steps()))


def test_a_hospital_goes_on_by_itself_when_there_is_room(
    tmp_path: Path,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chances = iter([False, False, True, True])
    monkeypatch.setattr(room, "_has_room", lambda folder: next(chances))
    work = Attempts(tmp_path, 2)
    assert allowed(tmp_path, work, notices=link_notices("wss://h", print)) == "done"
    said = capsys.readouterr().err.splitlines()
    assert work.left == [None] * 3
    assert len(waits) == 4  # before each look for room
    assert [line.partition(":")[0] for line in said] == [
        "This hospital cannot store anything", "There is room again",
    ] * 2  # fmt: skip
    assert "outbox: No space left on device" in said[0]


def test_who_needs_more_room_than_is_found_tries_at_ever_longer_intervals(
    tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_has_room", lambda folder: True)
    assert allowed(tmp_path, Attempts(tmp_path, 9)) == "done"
    assert waits[:3] == [5.0, 10.0, 20.0]
    assert waits[-2:] == [320.0, 320.0]


def test_room_is_looked_for_by_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert room._has_room(tmp_path)
    monkeypatch.setattr(os, "write", refusing(errno.ENOSPC))
    assert not room._has_room(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_other_refusal_is_waited_for(tmp_path: Path, waits: list[float]) -> None:
    with pytest.raises(DiskError):
        allowed(tmp_path, Attempts(tmp_path, 1, errno.EIO))
    assert waits == []


def test_who_waits_for_room_waits_no_longer_than_was_said(
    tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_has_room", lambda folder: False)
    monkeypatch.setattr(room.time, "monotonic", lambda: 100.0 + sum(waits))
    with pytest.raises(DiskError):
        allowed(tmp_path, Attempts(tmp_path, 1), 12.0)
    assert waits == [5.0, 5.0, 2.0]


@pytest.mark.parametrize(
    ("free", "said"), [(None, "CANNOT BE WRITTEN"), (1 << 20, "1.0 MB are free"), (1 << 40, "")]
)
def test_a_hospitals_status_tells_of_its_own_disk(
    free: int | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here: dict[str, Any] = {
        "member": 1, "name": "H1", "data_folder": "h1", "key_share_epochs": [],
        "models": {}, "models_kept": {}, "post_on_its_way": False, "free_bytes": free,
    }  # fmt: skip
    show_standing(here, None, "H1")
    out = capsys.readouterr().out
    assert said in out
    assert ("DISK" in out or "FOLDER" in out) is bool(said)


# ── and on a real one ──


@pytest.mark.slow
def test_a_hospital_and_an_aggregator_on_a_disk_of_a_megabyte_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs rights that are not given here")
    try:
        storage, stored = files.FolderStorage(folder / "h1"), list[str]()

        def fill() -> None:
            for k in range(100):
                storage.write(f"blob-{k}", bytes([k]) * 50_000)
                stored.append(f"blob-{k}")

        with pytest.raises(DiskError) as caught:
            fill()
        assert caught.value.number == errno.ENOSPC
        assert storage.names() == sorted(stored)
        assert all(storage.read(name) == bytes([k]) * 50_000 for k, name in enumerate(stored))
        assert not room._has_room(folder)
        for name in stored:
            storage.delete(name)
        store = BoardStore(folder / "agg")
        blobs, kept = BlobStore(folder / "agg", store), list[bytes]()

        def upload() -> None:
            for k in range(100):
                data = bytes([k]) * 50_000
                assert blobs.add(1, blob_name(data), len(data), 0, data) == len(data)
                kept.append(data)

        with pytest.raises(StoreFull) as full:
            upload()
        assert full.value.number in (errno.ENOSPC, errno.EIO)
        store.close()
        store = BoardStore(folder / "agg")
        assert [BlobStore(folder / "agg", store).read(blob_name(d)) for d in kept] == kept
        store.close()
    finally:
        subprocess.run(["umount", folder], check=False)
