"""Who descends from a process, also of what its children leave behind, and who lets go of that."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest

from protocol.programs.processes import is_descendant

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux's prctl and /proc")

# A child leaves a process of another session behind, which ends once it is told to.
LEAVES = """
    import os, subprocess, time
    from protocol.programs.processes import is_descendant, keep_descendants, reap

    {first}
    reading, writing = os.pipe()
    told, tell = os.pipe()
    if not (child := os.fork()):
        if os.fork():
            os._exit(0)
        os.setsid()
        os.write(writing, str(os.getpid()).encode())
        os.read(told, 1)
        os._exit(0)
    os.waitpid(child, 0)
    left = int(os.read(reading, 20))
    own = subprocess.Popen(["sh", "-c", "exit 3"], start_new_session=True)
    beside = subprocess.Popen(["sh", "-c", "exit 4"])
    print(is_descendant(left))
    time.sleep(0.3)  # until those two have ended
    os.write(tell, b"x")
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{{left}}") and time.monotonic() < end:
        reap({{own.pid}})
        time.sleep(0.01)
    print(os.path.exists(f"/proc/{{left}}"), own.wait(10), beside.wait(10))
"""


def said(first: str) -> list[str]:
    code = dedent(LEAVES.format(first=first))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.split()


def test_what_a_child_leaves_behind_descends_from_here_and_is_let_go_of() -> None:
    assert said("keep_descendants()") == ["True", "False", "3", "4"]


def test_it_would_not_descend_from_a_process_that_does_not_keep_it() -> None:
    assert said("pass")[0] == "False"


def test_a_child_descends_from_here_and_neither_a_parent_nor_this_process_does() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert is_descendant(child.pid)
        child.kill()
    assert not is_descendant(os.getpid())
    assert not is_descendant(os.getppid())


def test_of_who_is_gone_it_is_not_known_and_nobody_has_to_answer() -> None:
    with subprocess.Popen(["sleep", "0"]) as child:
        pass
    assert is_descendant(child.pid)
