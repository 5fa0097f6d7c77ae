"""The demo's processes: hospitals and an aggregator, each with a folder of its own."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyshare.ceremony import LEAST_KEY_BITS
from participant.home import federation_folder

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]


class DemoFailed(Exception):
    """Something that the demo must show did not happen."""


@dataclass
class Hospital:
    """One hospital's folder, passphrase and data; its processes know nothing of the others'."""

    number: int
    name: str
    home: Path
    patients: Path
    passphrase: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    def environment(self, **extra: str) -> dict[str, str]:
        """What this hospital's processes see."""
        own = {
            "QUORATE_HOME": str(self.home),
            "QUORATE_PASSPHRASE": self.passphrase,
            "PATIENTS": str(self.patients),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "integrations")]),
        }
        return {**os.environ, **own, **extra}

    def participant(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run quorate-participant to its end."""
        return subprocess.run(
            [str(BIN / "quorate-participant"), *arguments],
            env=self.environment(**extra), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def start(
        self, *arguments: str, log: Path | None = None, **extra: str
    ) -> subprocess.Popen[str]:
        """Start quorate-participant; without a log it shows what it says."""
        command = [str(BIN / "quorate-participant"), *arguments]
        if log is None:
            return subprocess.Popen(command, env=self.environment(**extra), text=True)
        with log.open("a") as output:
            return subprocess.Popen(
                command, env=self.environment(**extra), stdout=output, stderr=output, text=True
            )

    def folder(self, federation: bytes) -> Path:
        """Where this hospital keeps what belongs to the federation."""
        return federation_folder(self.home, federation)

    def events(self, federation: bytes, study: str) -> list[dict[str, Any]]:
        """What this hospital's training in a study has reported so far."""
        path = self.folder(federation) / "studies" / study / "rounds.jsonl"
        if not path.exists():
            return []
        lines = path.read_text().split("\n")[:-1]  # the last line may be half-written
        return [json.loads(line) for line in lines]


def sign_terms(
    folder: Path, hospitals: Sequence[Hospital], settings: Mapping[str, str]
) -> Iterator[str]:
    """Identities for all, an aggregator, and folder/federation.toml signed; what was said."""
    for hospital in hospitals:
        yield checked(hospital.participant("init", "--name", hospital.name))
    data, file = folder / "aggregator", str(folder / "federation.toml")
    place = ("--data", str(data), "--host", "127.0.0.1", "--port", str(free_port()))
    checked(aggregate("init", *place))
    cards = [part for h in hospitals for part in ("--member", str(h.home / "card.toml"))]
    options = [part for pair in settings.items() for part in pair]
    if int(settings["--key-bits"]) < LEAST_KEY_BITS:
        options.append("--allow-small-key")
    address = ["--aggregator", str(data / "aggregator.toml")]
    checked(hospitals[0].participant("terms", "new", file, *cards, *address, *options))
    for hospital in hospitals:
        checked(hospital.participant("terms", "sign", file, "--yes"))
    yield checked(hospitals[0].participant("terms", "show", file))


def propose(hospital: Hospital, terms: Path, name: str, *settings: str) -> None:
    """Write the plan of a study beside the terms, and post it.

    settings: options of ``study new``. The aggregator runs.
    """
    plan = terms.parent / f"{name}.toml"
    checked(hospital.participant("study", "new", str(plan), str(terms), *settings))
    checked(hospital.participant("study", "propose", str(plan), str(terms)))


def approve(
    hospitals: Sequence[Hospital], terms: Path, names: Sequence[str], log: Path, *options: str
) -> None:
    """Hospitals approve studies, at the same time; raises DemoFailed."""
    processes = [
        hospital.start("study", "approve", name, str(terms), "--yes", *options, log=log)
        for name in names
        for hospital in hospitals
    ]
    with ending(processes):
        finish(processes, f"the approvals of {', '.join(names)}", 60)


def aggregate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run quorate-aggregator to its end."""
    command = [str(BIN / "quorate-aggregator"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def signed(folder: Path, count: int, settings: Mapping[str, str]) -> list[Hospital]:
    """So many hospitals, with folders in ``folder``, whose terms are signed there."""
    hospitals = [
        Hospital(k, f"Hospital {k}", folder / f"hospital-{k}", folder) for k in range(1, count + 1)
    ]
    for _ in sign_terms(folder, hospitals, settings):
        pass
    return hospitals


@contextlib.contextmanager
def aggregator(
    terms: Path,
    data: Path,
    log: Path,
    module: Sequence[str] = ("-m", "aggregator"),
    options: Sequence[str] = (),
) -> Iterator[subprocess.Popen[str]]:
    """A running aggregator; ends when the block does."""
    command = [str(BIN / "python"), *module, "serve", str(terms), "--data", str(data), *options]
    with log.open("a") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, text=True)
    with ending([process]):
        yield process


def stop(*processes: subprocess.Popen[str]) -> None:
    """End processes of ours, all at one time, gently first."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def ending(processes: Collection[subprocess.Popen[str]]) -> Iterator[None]:
    """End processes of ours when the block does; it may start more."""
    try:
        yield
    finally:
        stop(*processes)


@contextlib.contextmanager
def at_work(
    hospitals: Sequence[Hospital], folder: Path, *arguments: str, **extra: str
) -> Iterator[list[subprocess.Popen[str]]]:
    """Hospitals at work until the block ends, each with a log of its number in a folder."""
    processes = [
        h.start(*arguments, log=folder / f"{h.number}.log", HOSPITAL=str(h.number), **extra)
        for h in hospitals
    ]
    with ending(processes):
        yield processes


def wait_for(
    what: str,
    condition: Any,
    processes: Sequence[subprocess.Popen[str]],
    seconds: float,
    pause: float = 0.05,
) -> None:
    """Wait until something is so; raises DemoFailed when it takes too long or a process fails.

    pause: seconds until it is looked at again.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if failed := [p for p in processes if p.poll() not in (None, 0)]:
            raise DemoFailed(f"while waiting for {what}, a process ended: {failed[0].args!r}")
        if time.monotonic() > deadline:
            raise DemoFailed(f"{what} did not come within {seconds:.0f} s")
        time.sleep(pause)


def finish(processes: Sequence[subprocess.Popen[str]], what: str, seconds: float) -> None:
    """Wait until all processes have ended well; raises DemoFailed."""
    wait_for(what, lambda: all(p.poll() == 0 for p in processes), processes, seconds)


def free_port() -> int:
    """A port that the operating system says is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def checked(result: subprocess.CompletedProcess[str]) -> str:
    """The output of a command that must have worked."""
    if result.returncode:
        raise DemoFailed(f"{' '.join(map(str, result.args))}: {result.stdout}{result.stderr}")
    return result.stdout
