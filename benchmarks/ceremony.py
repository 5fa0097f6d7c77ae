"""Key ceremonies between whole processes over TLS websockets, the aggregator included."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregator.store import stored_entries
from examples.demo.processes import Hospital, aggregator, finish, sign_terms, stop
from protocol.board import Board, decode_entry
from protocol.messages import Step
from protocol.terms import Terms, parse


@dataclass(frozen=True)
class Run:
    """One ceremony; bytes are of posts and blobs, not of the frames around them."""

    seconds: float
    candidates: int
    biprimality_tests: int
    bytes_per_party: float
    board_rounds: int


def measure(bits: int, parties: int, runs: int) -> dict[str, Any]:
    """Fresh federations, one after the other."""
    found = []
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="quorate-ceremony-") as name:
            found.append(run_once(Path(name), bits, parties))
        print(f"run {number + 1}: {found[-1].seconds:.2f} s, {found[-1].candidates} candidates")
    seconds = [run.seconds for run in found]
    return {
        "bits": bits,
        "parties": parties,
        "runs": runs,
        "seconds": {
            "mean": round(statistics.mean(seconds), 3),
            "median": round(statistics.median(seconds), 3),
            "min": round(min(seconds), 3),
            "max": round(max(seconds), 3),
        },
        "candidates_mean": statistics.mean(run.candidates for run in found),
        "biprimality_tests_mean": statistics.mean(run.biprimality_tests for run in found),
        "bytes_sent_per_party": round(statistics.mean(run.bytes_per_party for run in found)),
        "board_rounds": statistics.mean(run.board_rounds for run in found),
    }


def run_once(folder: Path, bits: int, parties: int) -> Run:
    """One ceremony, timed from the first process's start to the last one's end."""
    hospitals = [
        Hospital(k, f"Hospital {k}", folder / f"hospital-{k}", folder)
        for k in range(1, parties + 1)
    ]
    settings = {"--name": "Benchmark", "--quorum": str(parties // 2 + 1), "--key-bits": str(bits)}
    for _ in sign_terms(folder, hospitals, settings):
        pass
    terms_file = folder / "federation.toml"
    with aggregator(terms_file, folder / "aggregator", folder / "aggregator.log"):
        started = time.monotonic()
        processes = [
            h.start("ceremony", str(terms_file), "--json", log=folder / f"{h.number}.log")
            for h in hospitals
        ]
        try:
            finish(processes, "the ceremony", 3_600)
        finally:
            for process in processes:
                stop(process)
        seconds = time.monotonic() - started
    terms, _ = parse(terms_file.read_text())
    events = [json.loads(line) for line in (folder / "1.log").read_text().splitlines()]
    facts = [event for event in events if "candidates" in event][-1]
    sent, rounds = _board(folder / "aggregator", terms)
    return Run(seconds, facts["candidates"], facts["tests"], sent / parties, rounds)


def _board(data: Path, terms: Terms) -> tuple[int, int]:
    """Bytes that all members sent, and steps of the ceremony."""
    board, size, steps = Board(terms), 0, set[str]()
    for entry in stored_entries(data / terms.federation.hex()[:16]):
        posted = board.append(decode_entry(entry))
        size += len(entry) + sum(a.size for a in posted.attachments if a.is_blob)
        body = posted.post.body
        if isinstance(body, Step):
            steps.add(f"{body.step}/{body.batch}/{body.part}")
        else:
            steps.add(type(body).__name__)
    return size, len(steps)
