"""One process at a time on a data folder."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from participant.disk.lock import hold
from participant.errors import AlreadyRunning, DiskError

HOLDER = """
import sys, time
from pathlib import Path
from participant.disk.lock import hold
with hold(Path(sys.argv[1]), "train"):
    print("held", flush=True)
    time.sleep(60)
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_turned_away_and_told_who_holds(tmp_path: Path) -> None:
    with start_holder(tmp_path) as holder:
        try:
            with pytest.raises(AlreadyRunning) as caught, hold(tmp_path, "ceremony"):
                pass
            assert caught.value.path == tmp_path / "lock"
            assert caught.value.pid == holder.pid
            assert caught.value.command == "train"
        finally:
            holder.kill()


def test_a_killed_holder_holds_no_more(tmp_path: Path) -> None:
    with start_holder(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
    with hold(tmp_path, "ceremony"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\nceremony\n"


def test_the_same_process_cannot_hold_twice(tmp_path: Path) -> None:
    with (
        hold(tmp_path, "train"),
        pytest.raises(AlreadyRunning) as caught,
        hold(tmp_path, "decrypt"),
    ):
        pass
    assert caught.value.pid == os.getpid()


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold(tmp_path, "train"):
        raise ZeroDivisionError
    with hold(tmp_path, "train"):
        pass


def test_a_shorter_holder_leaves_nothing_of_a_longer_one_that_died(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4194304\n" + "a long command " * 10)
    with hold(tmp_path, "status"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\nstatus\n"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"-1\nx", "²\n".encode()])
def test_a_holder_that_wrote_no_pid_is_still_a_holder(content: bytes, tmp_path: Path) -> None:
    with hold(tmp_path, "train"):
        (tmp_path / "lock").write_bytes(content)
        with pytest.raises(AlreadyRunning) as caught, hold(tmp_path, "decrypt"):
            pass
        assert caught.value.pid is None


def test_an_executed_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with hold(tmp_path, "train"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with hold(tmp_path, "decrypt"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_folder_in_place_of_the_lock_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(DiskError), hold(tmp_path, "train"):
        pass


def test_the_folder_is_made_private(tmp_path: Path) -> None:
    with hold(tmp_path / "home", "init"):
        assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "home" / "lock").stat().st_mode & 0o777 == 0o600


def test_a_forked_child_that_outlives_the_holder_holds_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with hold(tmp_path, "train"):
        child = os.fork()
        if child == 0:
            os.write(writer, b"here")
            signal.pause()
            os._exit(0)
        assert os.read(reader, 4) == b"here"
    try:
        with hold(tmp_path, "status"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_what_a_forked_child_leaves_and_enters_is_not_its_parents(tmp_path: Path) -> None:
    with hold(tmp_path, "train"):
        child = os.fork()
        if child == 0:
            held = True
            with suppress(BaseException), hold(tmp_path, "decrypt"):
                held = False
            os._exit(0 if held else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(AlreadyRunning), hold(tmp_path, "status"):
            pass
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\ntrain\n"
