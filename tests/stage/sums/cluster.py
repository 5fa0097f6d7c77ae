"""A Dask scheduler and its workers as processes, on ports that the system chooses."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from aggregator.sums import SumsTls

_SECONDS = 30

_AS_A_NANNY = {"MALLOC_TRIM_THRESHOLD_": "65536"}  # what Dask gives a worker that it watches


class Cluster:
    """``place`` is where the scheduler listens."""

    def __init__(self, folder: Path, tls: SumsTls | None = None) -> None:
        self._file, self._folder, self._tls = folder / "scheduler.json", folder, tls
        self.workers: list[subprocess.Popen[bytes]] = []
        self.place = ""
        self.scheduler = self._start_scheduler(0)

    def restart(self) -> None:
        """A new scheduler at the place of one that has ended."""
        self._file.unlink()
        self.scheduler = self._start_scheduler(int(self.place.rpartition(":")[2]))

    def add_worker(self, preload: Path | None = None, **environ: str) -> None:
        """preload: a program that the worker runs first."""
        command = ["worker", self.place, "--no-nanny", "--nthreads", "1", "--host", "127.0.0.1"]
        command += ["--local-directory", str(self._folder), "--death-timeout", "60"]
        command += ["--preload", str(preload)] if preload else []
        self.workers.append(self._start([*command, *self._files()], _AS_A_NANNY | environ))

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()

    def _start_scheduler(self, port: int) -> subprocess.Popen[bytes]:
        command = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-show"]
        command += ["--scheduler-file", str(self._file), *self._files()]
        if self._tls is not None:
            command += ["--protocol", "tls"]
        process = self._start(command, {})
        wait_until(lambda: self._file.exists() and self._file.read_text().strip().endswith("}"))
        self.place = json.loads(self._file.read_text())["address"]
        return process

    def _files(self) -> list[str]:
        if (tls := self._tls) is None:
            return []
        return [
            "--tls-ca-file",
            str(tls.ca),
            "--tls-cert",
            str(tls.cert),
            "--tls-key",
            str(tls.key),
        ]

    def _start(self, command: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *command, "--no-dashboard"]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environ)


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 1, tls: SumsTls | None = None) -> Iterator[Cluster]:
    folder.mkdir()
    found = Cluster(folder, tls)
    try:
        for _ in range(workers):
            found.add_worker()
        yield found
    finally:
        found.close()


def wait_until(holds: Callable[[], object]) -> None:
    until = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
