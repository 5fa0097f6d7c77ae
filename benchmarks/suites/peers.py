"""Other packages' encryption of an update, beside our suites: TenSEAL, phe and OpenFHE.

Each runs in an environment of its own under build/peers, pinned to one core, with one thread.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environment import environment
from examples.demo.processes import ROOT, DemoFailed

_LIMIT_SECONDS = 3_600


@dataclass(frozen=True)
class Peer:
    """A package and what its figures are of.

    interpreter: the Python that it needs, None for ours. per_weight: whether its figures are for
    one weight, and larger ones are multiples.
    """

    requirements: tuple[str, ...]
    module: str
    what: str
    interpreter: str | None = None
    per_weight: bool = False


PEERS: Mapping[str, Peer] = {
    "tenseal": Peer(
        ("tenseal==0.3.18",),
        "benchmarks.peers.tenseal",
        "CKKS, degree 8192, 140-bit modulus; one secret key that every site has, not threshold",
    ),
    "phe": Peer(
        ("phe==1.5.0", "gmpy2>=2.2"),
        "benchmarks.peers.phe",
        "Paillier, a ciphertext a weight; one secret key, not threshold",
        per_weight=True,
    ),
    "openfhe": Peer(
        ("openfhe==1.6.1.0.22.4",),
        "benchmarks.peers.openfhe",
        "threshold CKKS, all members must decrypt; no proofs",
        interpreter="python3.10",
    ),
}


def compare(
    names: Sequence[str], ours: Mapping[str, Any], key_bits: int, runs: int
) -> dict[str, dict[str, Any]]:
    """Each peer's figures for as many weights and members as ours, and theirs over ours."""
    return {name: _measured(name, ours, key_bits, runs) for name in dict.fromkeys(names)}


def _measured(name: str, ours: Mapping[str, Any], key_bits: int, runs: int) -> dict[str, Any]:
    peer = PEERS[name]
    about = {"package": peer.requirements[0], "what": peer.what}
    interpreter = working_interpreter(peer.interpreter)
    if interpreter is None:
        version = str(peer.interpreter).removeprefix("python")
        return about | {"skipped": f"no Python {version} found, and its wheel is for no other one"}
    python = environment(name, peer.requirements, interpreter)
    if peer.per_weight:
        found = _run(python, peer.module, [key_bits, runs])
        found |= {"bits": key_bits, "growth": [_whole(found, ours["weights"])]}
    else:
        sizes = [row["weights"] for row in ours["growth"] if row["weights"] <= ours["weights"]]
        found = _run(python, peer.module, [ours["members"], runs, *sizes])
    row = found["growth"][-1]
    row["bytes_per_weight"] = round(row["bytes"] / row["weights"], 3)
    return {**about, **row, **found, "ratios": ratios(row, ours)}


def ratios(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, float]:
    """How often our figure goes into theirs."""
    parts: dict[str, Callable[[Mapping[str, Any]], float]] = {
        "encrypt": lambda row: row["encrypt_seconds"],
        "bytes": lambda row: row["bytes_per_weight"],
        "aggregate": lambda row: row.get("parse_seconds", 0.0) + row["add_seconds"],
        "decrypt": decrypting,
    }
    return {name: float(f"{of(theirs) / of(ours):.3g}") for name, of in parts.items()}


def decrypting(row: Mapping[str, Any]) -> float:
    """Seconds of one site from a sum to weights; its part with a proof, where there are any."""
    named = ("decrypt", "partial", "equality_proof", "combine", "open")
    return float(sum(row.get(f"{name}_seconds", 0.0) for name in named))


def working_interpreter(name: str | None) -> str | None:
    """Where a Python of that name is that does start; None if there is none. This one for None."""
    if name is None:
        return sys.executable
    found = shutil.which(name)
    if found is None:
        return None
    tried = subprocess.run([found, "-c", ""], check=False, capture_output=True)
    return None if tried.returncode else found


def _whole(per_weight: Mapping[str, Any], weights: int) -> dict[str, Any]:
    """What so many weights cost, from the figures for each."""
    parts = ("encrypt_seconds", "parse_seconds", "add_seconds", "decrypt_seconds", "bytes")
    costs = {part: round(per_weight[f"{part}_per_weight"] * weights, 3) for part in parts}
    return {"weights": weights, "extrapolated": True, **costs, "bytes": int(costs["bytes"])}


def _run(python: Path, module: str, arguments: Sequence[int]) -> dict[str, Any]:
    command = [str(python), "-m", module, *map(str, arguments)]
    alone = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    print(f"running {module.removeprefix('benchmarks.')}", flush=True)
    done = subprocess.run(
        command, cwd=ROOT, env=alone, check=False, stdout=subprocess.PIPE, text=True,
        timeout=_LIMIT_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise DemoFailed(f"{module} ended with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
