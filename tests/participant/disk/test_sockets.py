"""A socket lies in this user's own folder, and is this user's alone."""

import os
import socket
import stat
from pathlib import Path

import pytest

from participant.disk import sockets
from participant.errors import DiskError, ForeignPeer, PathTooLong, UnsafeFolder

NAME = "own.sock"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is closed to others."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path


def test_the_socket_is_its_owners_alone(folder: Path) -> None:
    with sockets.listen(folder / NAME, 1):
        found = (folder / NAME).stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_both_ends_find_each_other(folder: Path) -> None:
    with sockets.listen(folder / NAME, 1) as listening:
        line = sockets.connect(folder / NAME)
        assert line is not None
        with line:
            listening.setblocking(True)
            other, _ = listening.accept()
            with other:
                assert sockets.peer_user(other) == sockets.peer_user(line) == os.geteuid()


@pytest.mark.parametrize("mode", [0o750, 0o707, 0o701])
def test_a_folder_that_others_can_enter_has_no_door(mode: int, folder: Path) -> None:
    with sockets.listen(folder / NAME, 1):
        folder.chmod(mode)
        with pytest.raises(UnsafeFolder) as caught:
            sockets.connect(folder / NAME)
        assert caught.value.mode == mode
    with pytest.raises(UnsafeFolder):
        sockets.listen(folder / NAME, 1)


def test_anothers_folder_has_no_door(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sockets.listen(folder / NAME, 1):
        monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
        with pytest.raises(UnsafeFolder) as caught:
            sockets.connect(folder / NAME)
    assert caught.value.owner == f"user {folder.stat().st_uid}"


def test_a_process_of_another_user_is_not_spoken_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sockets.listen(folder / NAME, 1):
        monkeypatch.setattr(sockets, "peer_user", lambda line: os.geteuid() + 1)
        with pytest.raises(ForeignPeer) as caught:
            sockets.connect(folder / NAME)
    assert caught.value.user == os.geteuid() + 1


def test_a_path_that_no_socket_can_have_is_named(tmp_path: Path) -> None:
    long = tmp_path / ("x" * sockets.MAX_PATH_BYTES)
    long.mkdir(mode=0o700)
    for work in (lambda: sockets.listen(long / NAME, 1), lambda: sockets.connect(long / NAME)):
        with pytest.raises(PathTooLong) as caught:
            work()
        assert caught.value.limit == sockets.MAX_PATH_BYTES


def test_the_longest_path_that_is_allowed_works(tmp_path: Path) -> None:
    room = sockets.MAX_PATH_BYTES - len(os.fsencode(tmp_path / "x" / NAME))
    folder = tmp_path / ("x" * (room + 1))
    folder.mkdir(mode=0o700)
    with sockets.listen(folder / NAME, 1):
        line = sockets.connect(folder / NAME)
        assert line is not None
        line.close()


def test_the_socket_of_a_killed_process_is_replaced(folder: Path) -> None:
    sockets.listen(folder / NAME, 1).close()  # which leaves its name
    assert sockets.connect(folder / NAME) is None
    with sockets.listen(folder / NAME, 1):
        line = sockets.connect(folder / NAME)
        assert line is not None
        line.close()


def test_what_is_no_socket_is_left_alone(folder: Path) -> None:
    (folder / NAME).write_text("mine")
    with pytest.raises(DiskError):
        sockets.listen(folder / NAME, 1)
    assert (folder / NAME).read_text() == "mine"
    assert sockets.connect(folder / NAME) is None


def test_a_name_that_leads_elsewhere_is_left_alone(folder: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as elsewhere:
        elsewhere.bind(str(tmp_path / "other"))
        (folder / NAME).symlink_to(tmp_path / "other")
        with pytest.raises(DiskError):
            sockets.listen(folder / NAME, 1)
    assert (tmp_path / "other").exists()


def test_without_an_agent_there_is_nobody(folder: Path) -> None:
    assert sockets.connect(folder / NAME) is None
    assert sockets.connect(folder / "missing" / NAME) is None
