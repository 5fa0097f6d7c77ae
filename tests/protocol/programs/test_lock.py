"""One process at a time on a data folder, a hospital's and an aggregator's."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import StoreFull
from aggregator.store import lock as aggregators
from participant.disk import lock as hospitals
from participant.errors import DiskError

HOLDER = """
import sys, time
from pathlib import Path
from {module} import hold
with hold(Path(sys.argv[1]), "train"):
    print("held", flush=True)
    time.sleep(60)
"""
REFUSED = DiskError, StoreFull


@pytest.fixture(params=["participant.disk.lock", "aggregator.store.lock"])
def lock(request: pytest.FixtureRequest) -> Any:
    """Either program's module."""
    return import_module(request.param)


def turned_away(lock: Any, folder: Path) -> Any:
    """The error of who finds a folder held."""
    with pytest.raises(lock.AlreadyRunning) as caught, lock.hold(folder, "decrypt"):
        raise AssertionError
    return caught.value


@contextmanager
def other_process(lock: Any, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds a folder."""
    words = [sys.executable, "-c", HOLDER.format(module=lock.__name__), str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


def test_a_second_process_is_turned_away_and_told_who_holds(lock: Any, tmp_path: Path) -> None:
    with other_process(lock, tmp_path) as holder:
        error = turned_away(lock, tmp_path)
        assert (error.path, error.pid) == (tmp_path / "lock", holder.pid)
        assert error.command == "train"


def test_a_killed_holder_holds_no_more(lock: Any, tmp_path: Path) -> None:
    with other_process(lock, tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with lock.hold(tmp_path, "ceremony"):
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\nceremony\n"


def test_the_same_process_cannot_hold_twice_at_once(lock: Any, tmp_path: Path) -> None:
    with lock.hold(tmp_path, "train"):
        error = turned_away(lock, tmp_path)
        assert (error.pid, error.command) == (os.getpid(), "train")
    with lock.hold(tmp_path, "train"):
        pass


def test_an_error_inside_lets_go(lock: Any, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock.hold(tmp_path, "train"):
        raise ZeroDivisionError
    with lock.hold(tmp_path, "train"):
        pass


@pytest.mark.parametrize(
    "left", [b"4194304\n" + b"a long command " * 10, b"\xff\x00garbage"], ids=["a name", "garbage"]
)
def test_nothing_is_left_of_what_stood_there(lock: Any, left: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(left)
    with lock.hold(tmp_path, "status"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\nstatus\n"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"-1\nx", "²\n".encode()])
def test_a_holder_that_wrote_no_pid_is_still_a_holder(content: bytes, tmp_path: Path) -> None:
    with hospitals.hold(tmp_path, "train"):
        (tmp_path / "lock").write_bytes(content)
        assert turned_away(hospitals, tmp_path).pid is None


def test_an_executed_child_does_not_inherit_the_lock(lock: Any, tmp_path: Path) -> None:
    with lock.hold(tmp_path, "train"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock.hold(tmp_path, "decrypt"):
            pass
    finally:
        child.kill()
        child.wait()


def test_what_stands_in_the_way_is_a_refusal_that_names_it(lock: Any, tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(REFUSED, match="lock"), lock.hold(tmp_path, "train"):
        raise AssertionError


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFull) as caught, aggregators.hold(tmp_path / "file/data", "serve"):
        raise AssertionError
    assert tmp_path / "file" in caught.value.path.parents


def test_the_folder_is_made_private(lock: Any, tmp_path: Path) -> None:
    with lock.hold(tmp_path / "home", "init"):
        assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "home" / "lock").stat().st_mode & 0o777 == 0o600


def test_a_forked_child_that_outlives_the_holder_holds_nothing(lock: Any, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with lock.hold(tmp_path, "train"):
        child = os.fork()
        if child == 0:
            os.write(writer, b"here")
            signal.pause()
            os._exit(0)
        assert os.read(reader, 4) == b"here"
    try:
        with lock.hold(tmp_path, "status"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_what_a_forked_child_leaves_and_enters_is_not_its_parents(
    lock: Any, tmp_path: Path
) -> None:
    with lock.hold(tmp_path, "train"):
        child = os.fork()
        if child == 0:
            held = True
            with suppress(BaseException), lock.hold(tmp_path, "decrypt"):
                held = False
            os._exit(0 if held else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert turned_away(lock, tmp_path).command == "train"
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\ntrain\n"


def test_who_asks_for_the_holder_is_in_nobodys_way(tmp_path: Path) -> None:
    """Also where a process that was killed has left its name there."""
    path = tmp_path / "lock"
    path.write_text("1\nserve\n")
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # as ``holder`` does, for longer
    threading.Timer(0.05, os.close, [descriptor]).start()
    with aggregators.hold(tmp_path, "serve"):
        assert aggregators.holder(tmp_path) == (os.getpid(), "serve")
    assert aggregators.holder(tmp_path) is None
    assert aggregators.holder(tmp_path / "nowhere") is None
