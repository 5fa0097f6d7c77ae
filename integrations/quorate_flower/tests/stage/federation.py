# SPDX-License-Identifier: Apache-2.0
"""A real federation on this machine: an aggregator and hospitals' agents, by their commands.

They run in quorate's own environment, and are spoken with over their sockets alone.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.stage.deployment import free_port, until

ROOT = Path(__file__).parents[4]
BIN = Path(os.environ.get("QUORATE_BIN", ROOT / ".venv" / "bin"))


@dataclass
class Hospital:
    """One hospital's folder, and its agent."""

    number: int
    home: Path
    passphrase: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    agent: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What its commands see."""
        own = {"QUORATE_HOME": str(self.home), "QUORATE_PASSPHRASE": self.passphrase}
        return {**_environment(), **own}

    def does(self, *words: object) -> str:
        """Run one of its commands to its end."""
        return _run(["quorate-participant", *words], self.environment)

    def socket(self, study: str) -> Path:
        """Where its agent listens for a study."""
        return self.home / "sockets" / f"{study}.sock"


class Federation:
    """Hospitals with a key; three at least are in each sum. ``with`` it, and its processes end."""

    def __init__(self, folder: Path, hospitals: int = 3, key_bits: int = 512) -> None:
        """key_bits: few, for tests. Making a key that is safe takes minutes."""
        folder.mkdir(exist_ok=True)
        self.folder, self.terms = folder, folder / "federation.toml"
        self.hospitals = [Hospital(k, folder / f"h{k}") for k in range(1, hospitals + 1)]
        self._key_bits = key_bits
        self._aggregator: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Federation:
        try:
            self._found()
            self.start_aggregator()
            for hospital in self.hospitals:
                self.start_agent(hospital)
            until(lambda: all(self._has_key(one) for one in self.hospitals), 900)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*(one.agent for one in self.hospitals), self._aggregator):
            if process is not None:
                _end(process)

    def _found(self) -> None:
        data, place = self.folder / "aggregator", ["--host", "127.0.0.1", "--port", free_port()]
        with ThreadPoolExecutor() as threads:
            named = [
                threads.submit(h.does, "init", "--name", f"H{h.number}") for h in self.hospitals
            ]
            _run(["quorate-aggregator", "init", "--data", data, *place], _environment())
            for one in named:
                one.result()
        cards = [word for h in self.hospitals for word in ("--member", h.home / "card.toml")]
        self.hospitals[0].does(
            "terms", "new", self.terms, *cards, "--aggregator", data / "aggregator.toml",
            "--name", "Flower", "--quorum", len(self.hospitals) // 2 + 1,
            "--key-bits", self._key_bits,
            *(["--allow-small-key"] if self._key_bits < 2048 else []),
        )  # fmt: skip
        for hospital in self.hospitals:
            hospital.does("terms", "sign", self.terms, "--yes")
            hospital.socket("").parent.mkdir(mode=0o700)

    def start_aggregator(self) -> None:
        """Start it, or start it anew."""
        command = ["quorate-aggregator", "serve", self.terms, "--data", self.folder / "aggregator"]
        self._aggregator = _start(command, _environment(), self.folder / "aggregator.log")

    def stop_aggregator(self) -> None:
        """End it, as a crash does."""
        assert self._aggregator is not None
        _end(self._aggregator, signal.SIGKILL)

    def start_agent(self, hospital: Hospital) -> None:
        """Start it, or start it anew."""
        command = ["quorate-participant", "serve", self.terms]
        hospital.agent = _start(command, hospital.environment, self.log(hospital))

    def stop_agent(self, hospital: Hospital) -> None:
        """End it, as a crash does."""
        assert hospital.agent is not None
        _end(hospital.agent, signal.SIGKILL)

    def log(self, hospital: Hospital) -> Path:
        """What its agent says."""
        return self.folder / f"h{hospital.number}.log"

    def _has_key(self, hospital: Hospital) -> bool:
        assert hospital.agent is not None
        assert hospital.agent.poll() is None, self.log(hospital).read_text()
        return any(hospital.home.glob("*/vault/*"))

    def study(self, name: str, rounds: int, seconds: int = 60, **plan: object) -> list[Path]:
        """Propose it and let all approve, with a socket each; the sockets, once all listen."""
        first, file = self.hospitals[0], self.folder / f"{name}.toml"
        settings = {"rounds": rounds, "seconds": seconds, **plan}
        options = [word for key, value in settings.items() for word in (f"--{key}", value)]
        about = ["--kind", "training", "--purpose", "to try it"]
        first.does("study", "new", file, self.terms, *about, *options)
        first.does("study", "propose", file, self.terms)
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda hospital: self._approve(hospital, name), self.hospitals))
        sockets = [one.socket(name) for one in self.hospitals]
        until(lambda: all(path.exists() for path in sockets))
        return sockets

    def _approve(self, hospital: Hospital, name: str) -> None:
        app = f"unix:{hospital.socket(name)}"
        hospital.does("study", "approve", name, self.terms, "--app", app, "--unpinned", "--yes")


def _environment() -> dict[str, str]:
    """Without what the tests of this package are run with."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _run(command: list[object], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [str(BIN / str(command[0])), *map(str, command[1:])],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def _start(
    command: list[object], environment: dict[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(BIN / str(command[0])), *map(str, command[1:])],
            env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def _end(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> None:
    process.send_signal(how)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(15)
