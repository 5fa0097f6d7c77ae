"""One process at a time on a data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aggregator.errors import StoreFull
from aggregator.lock import LOCK_NAME, AlreadyRunning, hold

HOLD = """
import sys, time
from pathlib import Path
from aggregator.lock import hold
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


def test_a_brief_holder_is_waited_for(tmp_path: Path) -> None:
    held, finish = threading.Event(), threading.Event()

    def look() -> None:
        with hold(tmp_path, "status"):
            held.set()
            finish.wait(5)

    looking = threading.Thread(target=look)
    looking.start()
    assert held.wait(5)
    threading.Timer(0.1, finish.set).start()
    with hold(tmp_path, "serve", brief="status"):
        pass
    looking.join()


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
