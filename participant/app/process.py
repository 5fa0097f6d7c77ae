"""The process of an app: begun by exec, with nothing of the hospital's in it, and ended with it.

It gets the app's file and one end of a socket pair. It does not get the vault, the passphrase, the
key share, the lock or any other descriptor, and of the environment only what is listed here or
asked for. It is the first of a session of its own, so that its workers end with it.
"""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from participant.app.output import Relay, Show
from participant.errors import NoAppUser
from protocol.programs.processes import reap

CONNECTION = "QUORATE_CONNECTION"
# What programs need of their surroundings: where things are, how to speak, which devices to use.
PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM",
    "PYTHONPATH", "PYTHONHASHSEED", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "PYTORCH_CUDA_ALLOC_CONF",
)  # fmt: skip
_PASSED_BEGINNING = ("LC_",)
_own, _beginning = set[int](), threading.Lock()  # processes that are waited for here
_GRACE_SECONDS = 5.0  # that a process has to end by itself once it is asked to
_MOMENT_SECONDS = 2.0


@dataclass(frozen=True)
class AppFile:
    """An app to be run in a process of its own.

    path: a Python file, or a folder that is a package. variables: of the environment, which it
    gets besides those of PASSED. user: as whom it runs, if not as this process's. digest: its
    SHA-256, if nothing else may be run; looked at before each process.
    """

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None
    digest: bytes = b""

    def __str__(self) -> str:
        return f"the process of {self.path.name}"


def environment_for(
    file: AppFile, user: pwd.struct_passwd | None, around: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment of an app's process."""
    passed = {k: v for k, v in around.items() if k in PASSED or k.startswith(_PASSED_BEGINNING)}
    if user is not None:
        passed |= {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
        passed.pop("TMPDIR", None)
    return {**passed, "PYTHONUNBUFFERED": "1", **file.variables}


class AppProcess:
    """A running process of an app; ``connection`` is this end of its socket pair."""

    def __init__(self, file: AppFile, show: Show, module: str = "participant.app.child") -> None:
        """Raises NoAppUser where the user is not there, or this process may not become it.

        module: what it runs.
        """
        self.file = file
        user = None if file.user is None else _user(file.user)
        self.connection, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", module, str(file.path)]
            around = environment_for(file, user) | {CONNECTION: f"fd:{theirs.fileno()}"}
            with _beginning:
                self._process = self._begun(command, around, theirs.fileno(), user)
                _own.add(self._process.pid)
        out, err = self._process.stdout, self._process.stderr
        assert out is not None and err is not None
        self._relays = [Relay(os.dup(s.fileno()), s is err, show) for s in (out, err)]
        out.close()
        err.close()

    def _begun(
        self,
        command: list[str],
        around: dict[str, str],
        number: int,
        user: pwd.struct_passwd | None,
    ) -> "subprocess.Popen[bytes]":
        as_whom: dict[str, Any] = {} if user is None else _as_user(user)
        try:
            found: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                env=around,
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                **as_whom,
            )
        except PermissionError:
            self.connection.close()
            if user is None:
                raise
            raise NoAppUser(user.pw_name, "this process may not become it") from None
        return found

    def ended(self) -> str:
        """How it has ended, once it has said its last; it is ended where it has not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_MOMENT_SECONDS)
        code = self._process.returncode
        self.end()
        if code is None:
            return "has closed the connection to the agent"
        if code >= 0:
            return f"has ended by itself, with code {code}"
        told = f"was ended by {_name(-code)}"
        return f"{told}, as a system does that has no memory left" if code == -9 else told

    def end(self, is_idle: bool = False) -> None:
        """Let it end, make it end, and its workers with it. May be called in any thread, and twice.

        is_idle: it waits for the agent, and ends by itself.
        """
        if is_idle:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # of another user, whom it may not end
            self._process.wait(_GRACE_SECONDS)
        if self._process.returncode is not None:
            _own.discard(self._process.pid)
        for relay in self._relays:
            relay.join(_MOMENT_SECONDS)

    def _signal(self, number: int) -> None:
        """To all processes of its session that are left in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def reap_left() -> None:
    """Let go of processes that apps have left behind, once those have ended; see ``reap``."""
    with _beginning:
        reap(_own)


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise NoAppUser(name, "this machine has no such user") from None


def _as_user(user: pwd.struct_passwd) -> dict[str, Any]:
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
