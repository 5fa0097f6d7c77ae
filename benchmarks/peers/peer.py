"""Another package's dealerless Paillier keys, beside ours: tno.mpc.protocols.distributed-keygen.

It runs as we do, a process for each party, here over its own communication pool: HTTP on loopback,
without TLS. Its security parameters are its defaults; it has gmpy2, as it recommends. It gets an
environment of its own under build/peers/tno, made from the package index at the first use.
"""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.environment import environment
from benchmarks.timing import spread
from examples.demo.processes import DemoFailed, ending, finish, free_port

PACKAGE = "tno.mpc.protocols.distributed-keygen"
_REQUIREMENTS = (
    f"{PACKAGE}==4.3.0",
    "tno.mpc.communication==4.8.1",
    "tno.mpc.encryption_schemes.shamir==1.3.2",
    "tno.mpc.encryption_schemes.utils==0.12.3",
    "tno.mpc.encryption_schemes.paillier==3.0.1",
    "gmpy2>=2.2",
)
_PARTY = Path(__file__).with_name("party.py")
_LIMIT_SECONDS = 4 * 3_600


def compare(bits: int, parties: int, runs: int, our_seconds: float) -> dict[str, Any]:
    """The peer's seconds for keys of ``bits`` bits, and how often our mean goes into theirs."""
    python = environment("tno", _REQUIREMENTS)
    seconds = []
    for number in range(runs):
        seconds.append(run_once(python, bits, parties))
        print(f"peer, run {number + 1}: {seconds[-1]:.2f} s", flush=True)
    return {
        "package": _REQUIREMENTS[0],
        "bits": bits,
        "parties": parties,
        "runs": runs,
        "parameters": "its defaults",
        "transport": "HTTP on loopback, a process a party",
        "seconds": spread(seconds),
        "ratio": round(sum(seconds) / runs / our_seconds, 2),
    }


def run_once(python: Path, bits: int, parties: int) -> float:
    """Seconds from the first party's start to the last one's end; all must have the same key."""
    ports = [str(port) for port in _free_ports(parties)]
    with tempfile.TemporaryDirectory(prefix="quorate-peer-") as name:
        keys = [Path(name) / f"{k}.key" for k in range(parties)]
        began = time.monotonic()
        processes = [_start(python, [str(bits), str(k), *ports], key) for k, key in enumerate(keys)]
        with ending(processes):
            finish(processes, "the peer's key generation", _LIMIT_SECONDS)
        seconds = time.monotonic() - began
        found = {key.read_text() for key in keys}
    if len(found) != 1 or not int(found.pop(), 16):
        raise DemoFailed("the peer's parties have different keys")
    return seconds


def _start(python: Path, arguments: Sequence[str], key: Path) -> subprocess.Popen[str]:
    with key.open("w") as output:
        command = [str(python), "-W", "ignore", str(_PARTY), *arguments]
        return subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, text=True)


def _free_ports(count: int) -> list[int]:
    found = set[int]()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)
