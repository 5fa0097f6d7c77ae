"""What only reads works on a folder that cannot be written to: a snapshot, or a full disk."""

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aggregator.board import ReadBoard
from aggregator.errors import StoreDamaged, StoreFull
from aggregator.status.stored import stored_report
from aggregator.store import sqlite as store
from aggregator.store.sqlite import to_read
from aggregator.store.stored import StoredBoard
from participant.agent.snapshot import Snapshot
from participant.disk import files
from participant.disk.lock import hold, look
from participant.errors import AlreadyRunning, DiskError
from participant.home.membership import enter
from participant.home.terms_file import read_signed_terms
from participant.network.status import local_facts
from protocol.board.board import Board
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Join, Step
from protocol.terms.terms import Terms
from tests.stage.consortium import Consortium, found
from tests.stage.desk import Desk
from tests.stage.programs.place import Place, Run, join, place, run
from tests.stage.toy import next_post, toy_epoch
from tests.stage.toy_home import PASSPHRASE, member_at

__all__ = ["place", "run"]  # fixtures
REFUSALS = [errno.EROFS, errno.EACCES, errno.ENOSPC]


def replayed_board(folder: Path, terms: Terms) -> Board:
    """The board in a folder, as ``export`` and ``status`` read it."""
    with to_read(folder) as tables:
        return ReadBoard(terms, StoredBoard(tables, None)).board


@contextmanager
def not_writable(folder: Path, number: int) -> Iterator[None]:
    """Let the system refuse whatever would change something there."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "mkdir", "rename", "link", "unlink", "rmdir", "truncate"):
            really = getattr(os, name)

            def guarded(path: Any, *rest: Any, really: Any = really, **names: Any) -> Any:
                reads = really.__name__ == "open" and not rest[0] & writing
                is_there = isinstance(path, str | Path) and folder in Path(path).absolute().parents
                if is_there and not reads:
                    raise OSError(number, os.strerror(number), str(path))
                return really(path, *rest, **names)

            patch.setattr(os, name, guarded)
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A hospital's home with a key share, and signed terms beside it."""
    toy = toy_epoch(3, 2)
    member_at(tmp_path / "home", 1, toy)
    (tmp_path / "federation.toml").write_text(toy.federation.signed_text())
    return tmp_path / "home"


@pytest.mark.parametrize("number", REFUSALS, ids=errno.errorcode.get)
@pytest.mark.parametrize("is_fresh", [False, True], ids=["used", "fresh"])
def test_a_hospital_reads_what_it_holds(home: Path, number: int, is_fresh: bool) -> None:
    terms = read_signed_terms(home.parent / "federation.toml")
    if is_fresh:
        for folder in home.glob("????????????????"):
            shutil.rmtree(folder)
    (home / "card.toml").unlink()
    before = sorted(home.rglob("*"))
    with not_writable(home, number):
        member = enter(terms, home, PASSPHRASE)
        facts = local_facts(member)
        with pytest.raises(DiskError):
            member.storage.write("head", b"x")
    assert facts["key_share_epochs"] == ([] if is_fresh else [1])
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("number", REFUSALS, ids=errno.errorcode.get)
def test_a_lock_is_done_without_where_it_cannot_be_written(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "folder"
    with look(folder, "export") as is_writable:
        assert is_writable
        with pytest.raises(AlreadyRunning), look(folder, "export"):
            raise AssertionError
    with not_writable(folder, number), look(folder, "export") as is_writable:
        assert not is_writable
    with not_writable(folder, number), pytest.raises(DiskError), hold(folder, "train"):
        raise AssertionError


def test_no_other_refusal_is_taken_for_a_folder_that_is_only_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with not_writable(folder, errno.EIO), pytest.raises(DiskError), look(folder, "export"):
        raise AssertionError


def test_a_snapshot_changes_nothing_below_it_and_shows_no_outbox(tmp_path: Path) -> None:
    below = files.FolderStorage(tmp_path)
    for name in ("head", "outbox/post", "sets/1"):
        below.write(name, name.encode())
    above = Snapshot(below)
    assert above.names() == ["head", "sets/1"]
    assert above.read("outbox/post") is None
    above.write("head", b"other")
    above.delete("sets/1")
    with above.writing("models/a") as file:
        file.write(b"1")
        file.write(b"2")
    assert (above.read("head"), above.read("sets/1"), above.read("models/a")) == (
        b"other", None, b"12",
    )  # fmt: skip
    assert above.names() == ["head", "models/a"]
    assert below.names() == ["head", "outbox/post", "sets/1"]
    assert below.read("head") == b"head"


# ── the aggregator ──


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A board with a payload."""
    desk = Desk(tmp_path / "data")
    public = b"p" * 5000
    desk.say(1, "ceremony/1", Step("deal", 0, 0, (attach(public, 0),)), public)
    desk.say(2, "ceremony/1", Join(b"key", bytes(32)))
    yield desk
    desk.service.close()


def refuse_to_read(
    monkeypatch: pytest.MonkeyPatch, folder: Path, code: int = sqlite3.SQLITE_CANTOPEN
) -> None:
    """SQLite in a folder where it cannot make what it needs beside a database."""
    really = sqlite3.connect

    class Refused(sqlite3.Connection):
        def execute(self, *_: Any) -> Any:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = code
            raise error

    def connect(path: Any, **names: Any) -> Any:
        if "mode=ro" in str(path):
            return really(path, factory=Refused, **names)
        assert folder not in Path(path).parents
        return really(path, **names)

    monkeypatch.setattr(store.sqlite3, "connect", connect)


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR_SHMSIZE,  # on a full disk
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMMAP,
    ],
)
@pytest.mark.parametrize("is_closed", [False, True], ids=["log of writes", "closed"])
def test_a_board_is_read_where_sqlite_cannot_write(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_closed: bool, code: int
) -> None:
    if is_closed:
        desk.service.close()
    before = sorted(desk.folder.rglob("*"))
    refuse_to_read(monkeypatch, desk.folder, code)
    board = replayed_board(desk.folder, desk.federation.terms)
    assert board.head.position == 2
    assert sorted(desk.folder.rglob("*")) == before
    assert replayed_board(tmp_path / "nothing", desk.federation.terms).head.position == 0


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_READ])
def test_a_board_that_sqlite_refuses_for_another_reason_is_not_copied(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_to_read(monkeypatch, desk.folder, code)
    with pytest.raises(StoreFull):
        replayed_board(desk.folder, desk.federation.terms)


@pytest.mark.parametrize("is_gone", [False, True], ids=["emptied", "gone"])
def test_a_board_whose_file_is_empty_is_not_taken_for_none(desk: Desk, is_gone: bool) -> None:
    desk.service.close()
    path = desk.folder / "board.sqlite"
    path.unlink()
    if not is_gone:
        path.write_bytes(b"")
    with pytest.raises(StoreDamaged, match="the board once went on to entry 2"):
        stored_report(desk.folder, desk.federation.terms, lambda: 0)


def test_the_report_of_what_is_stored_is_that_of_a_service_that_has_just_begun(desk: Desk) -> None:
    now = lambda: desk.time_ms  # noqa: E731
    found = stored_report(desk.folder, desk.federation.terms, now)
    assert found == desk.restart().status({})


def test_a_payload_that_is_gone_is_noticed_without_a_service(desk: Desk) -> None:
    (blob,) = (desk.folder / "blobs").glob("*/*")
    blob.write_bytes(b"short")
    with pytest.raises(StoreDamaged, match="another length"):
        stored_report(desk.folder, desk.federation.terms, lambda: 0)
    blob.unlink()
    with pytest.raises(StoreDamaged, match="its file is gone"):
        stored_report(desk.folder, desk.federation.terms, lambda: 0)


# ── whole commands on file systems that are mounted read-only ──


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
    try:
        for command in commands:
            if subprocess.run([*map(str, command)], check=False, capture_output=True).returncode:
                pytest.skip("mounting needs rights that are not given here")
        yield
    finally:
        subprocess.run(["umount", folder], check=False, capture_output=True)


@pytest.mark.slow
def test_an_aggregators_snapshot_has_a_status_and_a_record(
    place: Place, run: Run, tmp_path: Path
) -> None:
    desk = Desk(place.store, place.federation)
    assert desk.ask(1, join(place, 1))
    snapshot = tmp_path / "snapshot"
    shutil.copytree(place.data, snapshot)  # as of a service at work
    desk.service.close()
    for data in (snapshot, place.data):
        (data / "lock").unlink(missing_ok=True)
        with mounted_read_only(data):
            code, out, err = run("status", place.file, "--data", data)
            assert code == 0, err
            assert "1 entry" in out
            record = tmp_path / f"record-of-{data.name}"
            code, out, err = run("export", place.file, "--data", data, "--out", record)
            assert code == 0, err
            code, _, err = run("serve", place.file, "--data", data)
            assert (code, "for writing" in err) == (1, True)


@pytest.mark.slow
def test_a_hospitals_snapshot_has_a_status_and_countersigns_a_record(tmp_path: Path) -> None:
    made: Consortium = found(tmp_path)
    with made.relay.running():
        core = made.relay.core
        post = made_join(made)
        core._append(post)
        with mounted_read_only(tmp_path / "h1"):
            out, _ = made.typed(1, "status")
            assert "Here: H1" in out
            out, err = made.typed(1, "export", "--out", "record", "--timeout", "20")
            assert "countersigned  H1" in out
            assert "the head of the board is not noted there" in err
            made.typed(1, "verify", "record")
            made.typed(1, "report", "record", "--out", "page.html")
            _, err = made.typed(1, "ceremony", "--timeout", "5", expect=1)
            assert "for writing" in err


def made_join(made: Consortium) -> Any:
    key, said = made.member(2).identity.signing_key, Join(b"key", bytes(32))
    return next_post(key, made.relay.core.board, "ceremony/1", 2, said)
