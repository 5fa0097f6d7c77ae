"""What one process of a user may see of another, and what becomes of it when that ends."""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Container, Iterator
from pathlib import Path

# Of linux/prctl.h.
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
_ANCESTORS = 4_096  # more than any process has
_LOOK_SECONDS = 1.0


def hide_memory() -> None:
    """Let no other process of this user read this one's memory or environment; leave no core.

    On Linux; elsewhere, no core alone. Whoever has CAP_SYS_PTRACE, as root has, reads it all the
    same.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _prctl(PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """Let this process be killed as soon as the one that began it has ended."""
    parent = os.getppid()
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was quicker
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def keep_descendants() -> None:
    """Remain an ancestor of all that this process begins, also of what its children leave behind.

    On Linux. Who has called this has to ``reap``.
    """
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def is_descendant(process: int) -> bool:
    """Whether this process is an ancestor of another, or it cannot be known; on Linux.

    It is no ancestor of its own. Elsewhere nobody is one.
    """
    if sys.platform != "linux" or process == os.getpid():
        return False
    for _ in range(_ANCESTORS):
        try:
            process = _stat(process)[1]
        except (OSError, ValueError):
            return True  # it has ended, or hides: nobody has to answer it
        if process == os.getpid():
            return True
        if process <= 1:
            return False
    return True


def reap(begun: Container[int]) -> None:
    """Let go of ended processes that came to this one from its children; ``begun``: own children.

    Those of this process's session are its own, too, and are left alone.
    """
    for process in _children():
        with contextlib.suppress(OSError, ValueError, ChildProcessError):
            state, _, session = _stat(process)
            if state == "Z" and process not in begun and session != os.getsid(0):
                os.waitpid(process, os.WNOHANG)


def _children() -> Iterator[int]:
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, listed.read_text().split())


def _stat(process: int) -> tuple[str, int, int]:
    """A process's state, parent and session [proc(5)]; raises OSError, ValueError."""
    said = Path(f"/proc/{process}/stat").read_text(errors="replace")
    state, parent, _, session, *_ = said.rpartition(")")[2].split()
    return state, int(parent), int(session)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
