"""One process at a time on a data folder."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aggregator.errors import StoreFull
from aggregator.store.lock import LOCK_NAME, AlreadyRunning, hold, holder

HOLD = """
import sys, time
from pathlib import Path
from aggregator.store.lock import hold
with hold(Path(sys.argv[1]), "serve"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_folder_says_who_holds_it_and_for_what(tmp_path: Path) -> None:
    with hold(tmp_path / "new", "serve"):
        with pytest.raises(AlreadyRunning) as caught, hold(tmp_path / "new", "status"):
            pass
        assert (caught.value.pid, caught.value.command) == (os.getpid(), "serve")
    with hold(tmp_path / "new", "status"):
        pass


def test_who_asks_for_the_holder_is_in_nobodys_way(tmp_path: Path) -> None:
    """Also where a process that was killed has left its name there."""
    (tmp_path / LOCK_NAME).write_text("1 serve\n")
    descriptor = os.open(tmp_path / LOCK_NAME, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # as ``holder`` does, for longer
    threading.Timer(0.05, os.close, [descriptor]).start()
    with hold(tmp_path, "serve"):
        assert holder(tmp_path) == (os.getpid(), "serve")
    assert holder(tmp_path) is None
    assert holder(tmp_path / "nowhere") is None


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning) as caught, hold(tmp_path, "serve"):
            pass
        assert caught.value.pid == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
    with hold(tmp_path, "serve"):
        pass


def test_a_lock_file_of_garbage_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_bytes(b"\xff\x00garbage")
    with hold(tmp_path, "serve"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFull) as caught, hold(tmp_path / "file" / "data", "serve"):
        pass
    assert tmp_path / "file" in caught.value.path.parents
