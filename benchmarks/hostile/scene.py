"""A federation on loopback that trains under attack: its processes, folders and clocks.

Every process is one that this scene has started, is ended by its id, and talks on loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.large_round import PLAN, STUDY, VARIABLES, peak_kib
from examples.demo.processes import (
    ROOT,
    DemoFailed,
    Hospital,
    approve,
    at_work,
    ending,
    finish,
    propose,
    signed,
)
from examples.demo.stored import stored_entries
from participant.home import Passphrase, load
from participant.network import Caller, Traffic, open_link
from protocol.board import Post, decode_entry
from protocol.encoding import decode
from protocol.messages import MAX_POST_BYTES, Opening, read_session
from protocol.terms import AddressCard, Terms, parse

HONEST = 3  # the hospitals that train; one more is the attacker in some scenes
_PROBE_SECONDS = 0.5  # between two connections that each honest hospital makes anew
_LIMIT_SECONDS = 120.0  # of one scene
_APP = ROOT / "benchmarks" / "large_app.py"


@dataclass
class Attack:
    """Processes that attack: a module of ours with its arguments."""

    module: str
    arguments: Sequence[str]
    member: int = 0  # whose identity they have; 0 for strangers
    descriptors: int = 0  # the aggregator's ``ulimit -n``; 0: as it is
    clean_up_seconds: int = 0  # of the aggregator, if the scene waits for it


@dataclass
class Probes:
    """Connections that honest hospitals make anew while the attack goes on."""

    seconds: list[float] = field(default_factory=list)  # from TCP to the welcome
    failed: Counter[str] = field(default_factory=Counter)


@dataclass
class Federation:
    """Folders of hospitals and an aggregator that have a key together; copied for each scene."""

    folder: Path
    hospitals: list[Hospital]

    @property
    def file(self) -> Path:
        return self.folder / "federation.toml"

    @property
    def data(self) -> Path:
        return self.folder / "aggregator"

    @property
    def log(self) -> Path:
        return self.folder / "aggregator.log"

    @property
    def terms(self) -> Terms:
        return parse(self.file.read_text()).terms

    @property
    def card(self) -> AddressCard:
        found = parse(self.file.read_text()).card
        assert found is not None
        return found

    def copy(self, folder: Path) -> Federation:
        """The same, in a folder of its own."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.log"))
        moved = [
            Hospital(h.number, h.name, folder / h.home.name, folder, h.passphrase)
            for h in self.hospitals
        ]
        return Federation(folder, moved)


def found(folder: Path, n_members: int, rounds: int, key_bits: int) -> Federation:
    """Terms, and a ceremony."""
    folder.mkdir()
    settings = {
        "--name": "Hostile", "--quorum": str(HONEST), "--key-bits": str(key_bits),
    }  # fmt: skip
    made = Federation(folder, signed(folder, n_members, settings))
    ceremony = at_work(made.hospitals, folder, "ceremony", str(made.file))
    with service(made, None), ceremony as processes:
        finish(processes, "the ceremony", _LIMIT_SECONDS)
        propose(
            made.hospitals[0], made.file, STUDY, "--rounds", str(rounds), "--seconds", "1", *PLAN
        )
        approve(made.hospitals, made.file, [STUDY], folder / "approvals.log", "--unpinned")
    return made


def play(made: Federation, weights: int, attack: Attack | None) -> dict[str, Any]:
    """Train under attack, and measure."""
    with service(made, attack) as running, attacking(made, attack) as attacker:
        honest = made.hospitals[:HONEST]
        options = "--study", STUDY, "--app", str(_APP), "--json", *VARIABLES
        arguments = "train", str(made.file), *options
        with at_work(honest, made.folder, *arguments, WEIGHTS=str(weights)) as processes:
            probes = asyncio.run(_watch(made, processes, attacker, bool(attack and attack.member)))
        told = _end(attacker)
        stored = _stored_bytes(made.data)
        result = {
            "round_seconds": round(statistics.mean(_round_seconds(made)), 2),
            "connects": len(probes.seconds) + sum(probes.failed.values()),
            "connects_failed": sum(probes.failed.values()),
            "failures": dict(probes.failed),
            "slowest_connect_seconds": round(max(probes.seconds, default=0.0), 2),
            "bytes_down": max(_bytes_down(made, h) for h in honest),
            "stored_bytes": stored,
            "attacker": told,
            "aggregator_peak_mib": peak_kib(running.pid) // 1024,
        }
        if attack and attack.clean_up_seconds:
            result["stored_bytes_after_clean_up"] = _wait_for_room(made, attack, stored)
    # The counts of what repeated come when the service ends.
    refused = _counted(made.log.read_text(), "nothing can be stored")
    return result | {"uploads_refused": refused, "log_lines": len(_foreign_lines(made))}


# ── processes ──


@contextlib.contextmanager
def service(made: Federation, attack: Attack | None) -> Iterator[subprocess.Popen[str]]:
    """The real aggregator, perhaps with few descriptors, until the block ends."""
    command = [sys.executable, "-m", "aggregator"]
    environment = dict(os.environ)
    if attack and attack.clean_up_seconds:
        command[-1] = "benchmarks.hostile.aggregator"
        environment["CLEAN_UP_SECONDS"] = str(attack.clean_up_seconds)
    command += ["serve", str(made.file), "--data", str(made.data)]
    if attack and attack.descriptors:
        limit = f'ulimit -n {attack.descriptors}; exec "$@"'
        command = ["/bin/sh", "-c", limit, "sh", *command]
    with made.log.open("a") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, text=True
        )
    with ending([process]):
        yield process


@contextlib.contextmanager
def attacking(made: Federation, attack: Attack | None) -> Iterator[subprocess.Popen[str] | None]:
    """The attacker, two seconds ahead of the hospitals, until the block ends."""
    if attack is None:
        yield None
        return
    command = [sys.executable, "-m", attack.module, *attack.arguments]
    environment = dict(os.environ)
    if attack.member:
        command += [str(made.file), "--member", str(attack.member)]
        environment = made.hospitals[attack.member - 1].environment()
    else:
        port = made.card.url.rpartition(":")[2]
        command += ["--port", port]
    with (made.folder / "attacker.log").open("w") as errors:
        _wait_for_line(made.log, "serving on")
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    with ending([process]):
        time.sleep(2.0)
        yield process


def _end(attacker: subprocess.Popen[str] | None) -> dict[str, Any]:
    """What the attacker tells at its end."""
    if attacker is None:
        return {}
    if attacker.poll() is None:
        attacker.terminate()
    said, _ = attacker.communicate(timeout=20)
    return json.loads(said.splitlines()[-1]) if said.strip() else {}


def _wait_for_line(log: Path, text: str) -> None:
    until = time.monotonic() + 30.0
    while not log.exists() or text not in log.read_text():
        if time.monotonic() > until:
            raise DemoFailed(f"the aggregator did not say {text!r}: {log.read_text()[-500:]}")
        time.sleep(0.05)


# ── what is measured ──


async def _watch(
    made: Federation,
    processes: Sequence[subprocess.Popen[str]],
    attacker: subprocess.Popen[str] | None,
    to_its_end: bool,
) -> Probes:
    """Wait for the hospitals, and for an attacker that ends by itself; connect anew meanwhile."""
    probes, callers = Probes(), []
    for hospital in made.hospitals[:HONEST]:
        identity = load(hospital.home, Passphrase(hospital.passphrase))
        callers.append(
            Caller(hospital.number, identity.signing_key, secrets.token_bytes(16), "status")
        )
    where = made.terms, made.card
    probing = [asyncio.create_task(_probe(*where, caller, probes)) for caller in callers]
    until = time.monotonic() + _LIMIT_SECONDS
    try:
        while True:
            waiting = [p for p in processes if p.poll() is None]
            if to_its_end and attacker is not None and attacker.poll() is None:
                waiting.append(attacker)
            if not waiting:
                return probes
            if failed := [p for p in processes if p.poll() not in (None, 0)]:
                raise DemoFailed(f"a hospital ended: {failed[0].args!r}\n{_ends_of_logs(made)}")
            if time.monotonic() > until:
                raise DemoFailed(f"the rounds did not end within {_LIMIT_SECONDS:.0f} s")
            await asyncio.sleep(0.05)
    finally:
        await _end_probes(probing)


async def _end_probes(probing: Sequence[asyncio.Task[None]]) -> None:
    """Raises what a probe ended with before: its counts are not those of the whole attack."""
    ended = [task for task in probing if task.done()]
    for task in probing:
        task.cancel()
    await asyncio.wait(probing)
    for task in ended:
        task.result()
        raise DemoFailed("a probe ended before the attack")


def _counted(log: str, kind: str) -> int:
    """How often an aggregator met something: a line says one of it, or how many more."""
    found = 0
    for line in log.splitlines():
        if more := re.search(rf"{kind}: ([0-9,]+) more in ", line):
            found += int(more[1].replace(",", ""))
        elif f"{kind}: " in line:
            found += 1
    return found


def _ends_of_logs(made: Federation) -> str:
    return "\n".join(f"{log.name}: {log.read_text()[-1_000:]}" for log in made.folder.glob("*.log"))


async def _probe(terms: Terms, card: AddressCard, caller: Caller, probes: Probes) -> None:
    """Connect as the agent does, be welcomed, and go, again and again."""
    while True:
        began = time.monotonic()
        try:
            async with open_link(terms, card, caller, Traffic()):
                probes.seconds.append(time.monotonic() - began)
        except Exception as error:  # whatever it is, a hospital could not connect
            probes.failed[f"{type(error).__name__}: {error}"] += 1
        await asyncio.sleep(_PROBE_SECONDS)


def _round_seconds(made: Federation) -> list[float]:
    """From each training round's opening to its last post, by the aggregator's clock."""
    times: dict[str, list[int]] = {}
    for data in stored_entries(made.data / made.terms.federation.hex()[:16]):
        entry = decode_entry(data)
        post = decode(entry.post.post, Post, "post", MAX_POST_BYTES)
        if isinstance(post.body, Opening) or post.session in times:
            times.setdefault(post.session, []).append(entry.time_ms)
    return [(max(t) - t[0]) / 1000 for s, t in times.items() if read_session(s).is_round]


def _foreign_lines(made: Federation) -> list[str]:
    """Lines of the aggregator's log about others than members that come, go and post."""
    lines = made.log.read_text().splitlines()
    routine = (
        " comes and goes",
        ": connected from",
        ": disconnected",
        " entry ",
        "serving on",
        ": stopped",
        "joint key",
    )
    return [line for line in lines if not any(word in line for word in routine)]


def _bytes_down(made: Federation, hospital: Hospital) -> int:
    return max((e["bytes_down"] for e in hospital.events(made.terms.federation, STUDY)), default=0)


def _stored_bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _wait_for_room(made: Federation, attack: Attack, stored: int) -> int:
    """The bytes on disk once the clean-up time is over, or a little later."""
    until = time.monotonic() + attack.clean_up_seconds + 5.0
    least = stored
    while time.monotonic() < until:
        time.sleep(0.25)
        least = _stored_bytes(made.data)
    return least
