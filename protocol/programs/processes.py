"""What one process of a user may see of another, and what becomes of it when that ends."""

import ctypes
import os
import resource
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4  # of linux/prctl.h
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


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
