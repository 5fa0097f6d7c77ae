"""A round of three hospitals with a large model: whole processes over TLS, and what they hold.

Peak memory is each process's VmHWM as Linux tells it, read while it runs and just before it ends.
The result is compared with the average in the clear, weight by weight.
"""

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from benchmarks.large_app import change
from examples.demo.processes import (
    ROOT,
    Hospital,
    aggregator,
    approve,
    at_work,
    finish,
    propose,
    signed,
    wait_for,
)
from participant.model import model_name
from protocol.terms import Terms, parse

PARTIES, CLIP, STUDY = 3, 0.0625, "large"
PLAN = (
    "--kind", "training", "--purpose", "A benchmark.", "--clip", str(CLIP),
    "--max-examples", "100", "--suite", "hybrid",
)  # fmt: skip
VARIABLES = ("--app-env", "WEIGHTS", "--app-env", "HOSPITAL")  # of the app
_LIMIT_SECONDS = 3_600
_SLICE = 1 << 20


def measure(weights: int, key_bits: int) -> dict[str, Any]:
    """A ceremony and one round of ``weights`` float32 weights."""
    with tempfile.TemporaryDirectory(prefix="quorate-large-") as name:
        folder = Path(name)
        settings = {
            "--name": "Large", "--quorum": "2", "--key-bits": str(key_bits),
        }  # fmt: skip
        hospitals = signed(folder, PARTIES, settings)
        file = folder / "federation.toml"
        terms = parse(file.read_text()).terms
        with aggregator(file, folder / "aggregator", folder / "aggregator.log") as service:
            with at_work(hospitals, folder, "ceremony", str(file)) as processes:
                finish(processes, "the ceremony", _LIMIT_SECONDS)
            propose(hospitals[0], file, STUDY, "--rounds", "1", *PLAN)
            approve(hospitals, file, [STUDY], folder / "approvals.log", "--unpinned")
            peaks = {"aggregator": service.pid}
            found = _train(hospitals, folder, file, weights, peaks)
        found["largest_error"] = _largest_error(hospitals[0], terms, weights)
        return {"weights": weights, "key_bits": key_bits, "parties": PARTIES, **found}


def _train(
    hospitals: list[Hospital], folder: Path, file: Path, weights: int, pids: dict[str, int]
) -> dict[str, Any]:
    app = str(ROOT / "benchmarks" / "large_app.py")
    started, peaks = time.monotonic(), dict[str, int]()
    arguments = ("train", str(file), "--study", STUDY, "--app", app, "--json", *VARIABLES)
    with at_work(hospitals, folder, *arguments, WEIGHTS=str(weights)) as processes:
        pids |= {f"hospital {k}": p.pid for k, p in enumerate(processes, start=1)}

        def over() -> bool:
            for name, pid in pids.items():
                peaks[name] = max(peaks.get(name, 0), peak_kib(pid))
            return all(process.poll() == 0 for process in processes)

        wait_for("the round", over, processes, _LIMIT_SECONDS)
    terms = parse(file.read_text()).terms
    events = [event for h in hospitals for event in h.events(terms.federation, STUDY)]
    return {
        "seconds": round(time.monotonic() - started, 1),
        "encrypt_seconds": max(e["encrypt"] for e in events if "encrypt" in e),
        "decrypt_seconds": max(e["decrypt"] for e in events if "decrypt" in e),
        "bytes_up": max(e["bytes_up"] for e in events),
        "bytes_down": max(e["bytes_down"] for e in events),
        "peak_mib": {name: round(kib / 1024) for name, kib in peaks.items()},
    }


def peak_kib(pid: int) -> int:
    """VmHWM; 0 for a process that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def _largest_error(hospital: Hospital, terms: Terms, weights: int) -> float:
    """How far the model is from the plain average at most."""
    path = hospital.folder(terms.federation) / model_name(STUDY, 1)
    largest = 0.0
    with safe_open(os.fspath(path), framework="numpy") as file:
        model = file.get_slice("parameter_0")
        for start in range(0, weights, _SLICE):
            count = min(_SLICE, weights - start)
            parts = [change(start, count, k) for k in range(1, PARTIES + 1)]
            expected = np.mean(np.stack(parts).astype(np.float64), axis=0)
            found = model[start : start + count].astype(np.float64)
            largest = max(largest, float(np.abs(found - expected).max()))
    return largest
