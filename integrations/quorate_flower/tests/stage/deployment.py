# SPDX-License-Identifier: Apache-2.0
"""A SuperLink and SuperNodes as processes of this machine, as people start them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

BIN = Path(sys.executable).parent
SUPERLINK = ("--insecure", "--port", "--database", "--disable-runtime-dependency-installation")
SUPERNODE = ("--insecure", "--superlink", "--port", "--node-config")
RUN = ("--stream", "--run-config")
_POLL = "FLWR_SUPEREXEC_TASK_POLL_INTERVAL"  # seconds
_STARTED = re.compile(r"started run (\d+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def free_port() -> int:
    """One that nobody listens at just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Deployment:
    """Everything in one folder; ``close`` ends what was started."""

    trust: Sequence[str] = ("--insecure",)  # how a gate goes to the SuperLink

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            **os.environ,
            "FLWR_HOME": str(folder / "flwr"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            _POLL: "0.1",
        }
        (folder / "flwr").mkdir()
        (folder / "flwr" / "config.toml").write_text(
            f'[superlink]\ndefault = "local"\n\n[superlink.local]\n'
            f'address = "127.0.0.1:{self.port}"\ninsecure = true\n'
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)

    def superlink(self) -> None:
        """Start it, or start it anew at the same port, from its database."""
        settings = ["--insecure", "--port", self.port, "--database", self.folder / "superlink.db"]
        self._start(
            "superlink",
            ["flower-superlink", *settings, "--disable-runtime-dependency-installation"],
        )
        until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", self.port)) == 0

    def gate(self, number: int, *options: str) -> str:
        """One hospital's gate; returns where its SuperNode finds it."""
        name, line = f"gate-{number}", re.compile(r"--superlink (\S+:\d+)")
        where = ["--listen", "127.0.0.1:0", "--superlink", f"127.0.0.1:{self.port}"]
        self._start(name, ["python", "-m", "quorate_flower.gate", *self.trust, *where, *options])
        until(lambda: line.search(self.log(name)))
        return str(line.findall(self.log(name))[-1])

    def bundle(self, app: Path) -> str:
        """The SHA-256 of an app's bundle."""
        made = Path(tempfile.mkdtemp(dir=self.folder))
        said = self.flwr("build", "--app", app, cwd=made)
        found = list(made.glob("*.fab"))
        assert found, said
        return hashlib.sha256(found[0].read_bytes()).hexdigest()

    def supernode(self, number: int, node_config: Mapping[str, Any], superlink: str = "") -> None:
        """One hospital's; superlink: that of a gate, if it has one."""
        given = " ".join(
            f'{k}="{v}"' if isinstance(v, str) else f"{k}={v}" for k, v in node_config.items()
        )
        self._start(
            f"supernode-{number}",
            ["flower-supernode", "--insecure", "--superlink",
             superlink or f"127.0.0.1:{self.port}", "--port", free_port(), "--node-config", given],
            {"FLWR_HOME": str(self.folder / f"flwr-{number}")},
        )  # fmt: skip

    def run(self, app: Path, timeout: float = 240, **config: Any) -> str:
        """What ``flwr run`` prints to the end of the run."""
        given = " ".join(f"{name.replace('_', '-')}={value}" for name, value in config.items())
        options = ["--run-config", given] if given else []
        return self.flwr("run", app, "local", "--stream", *options, timeout=timeout)

    def flwr(self, *words: object, timeout: float = 60, cwd: Path | None = None) -> str:
        """What ``flwr`` prints."""
        done = subprocess.run(
            [BIN / "flwr", *map(str, words)],
            env=self._environment, cwd=cwd or self.folder,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return _COLOUR.sub("", done.stdout + done.stderr)

    def log(self, name: str) -> str:
        """What a process has said so far."""
        return _COLOUR.sub("", (self.folder / f"{name}.log").read_text(errors="replace"))

    def stop(self, name: str, how: int = signal.SIGTERM) -> int:
        """End a process, and those that it has started, which are of its group.

        Returns its exit status.
        """
        process = self._running.pop(name)
        _signal(process, how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait(10)
        _signal(process, signal.SIGKILL)
        return process.returncode

    def _start(
        self, name: str, command: list[Any], environment: Mapping[str, str] | None = None
    ) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [str(BIN / command[0]), *map(str, command[1:])],
                env={**self._environment, **(environment or {})},
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip


def _signal(process: subprocess.Popen[bytes], how: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def run_of(said: str) -> str:
    """The number of the run that ``flwr run`` says it has started."""
    found = _STARTED.search(said)
    assert found is not None, said
    return found[1]


def until(is_so: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, is_so
        time.sleep(0.1)
