"""Disks that are full, broken, read-only or not ours: who cannot store, why, and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregator.blobs import BlobStore
from aggregator.errors import StoreFull
from aggregator.sentences import sentences
from aggregator.store import BoardStore
from participant import files
from participant.cli import speaking
from participant.cli.sentence import Context
from participant.cli.sentences import describe
from participant.errors import DiskError
from protocol.messages import blob_name
from protocol.refusals import remedy_for

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
    assert f"{path or 'the output'}: No space left on device" in said
    assert "make room" in said
