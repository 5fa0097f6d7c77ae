"""From nothing to a trained model: identities, terms, key ceremony, five rounds."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from aggregator.store import stored_entries
from examples.demo.patients import write_patients
from examples.demo.processes import (
    ROOT,
    Hospital,
    aggregator,
    finish,
    sign_terms,
    stop,
    wait_for,
)
from participant.outcome import model_name
from protocol.board import Board, decode_entry
from protocol.terms import Terms, parse

NAMES = ("St. Mary", "Riverside", "Northgate", "Hillcrest", "Lakeview")
QUORUM, ROUNDS, WAIT_SECONDS, STATISTIC_SECONDS = 3, 5, 12, 2
KILLED, KILLED_ROUND = 4, 3  # which hospital is killed, and while it trains for which round


@dataclass
class Consortium:
    """Five hospitals and an aggregator on this machine."""

    folder: Path
    hospitals: list[Hospital]
    held_out: Path
    terms_file: Path
    terms: Terms
    ceremony_seconds: float = 0.0

    @property
    def data(self) -> Path:
        """The aggregator's folder."""
        return self.folder / "aggregator"

    def read_board(self) -> Board:
        """The aggregator's board, every entry verified again."""
        board = Board(self.terms)
        for data in stored_entries(self.data / self.terms.federation.hex()[:16]):
            board.append(decode_entry(data))
        return board

    @property
    def logs(self) -> Path:
        """What the processes said."""
        return self.folder / "logs"

    @property
    def aggregator_log(self) -> Path:
        """What the aggregator said."""
        return self.logs / "aggregator.log"


def found(folder: Path, key_bits: int) -> Consortium:
    """Fresh identities for all, and terms that all have signed."""
    if folder.exists():
        shutil.rmtree(folder)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    files, held_out = write_patients(folder / "patients")
    hospitals = [
        Hospital(number, name, folder / f"hospital-{number}", patients)
        for number, (name, patients) in enumerate(zip(NAMES, files, strict=True), start=1)
    ]
    settings = {
        "--name": "Demo consortium",
        "--quorum": str(QUORUM),
        "--key-bits": str(key_bits),
        "--rounds": str(ROUNDS + 1),  # the last one is for the rogue aggregator
        "--min-contributors": "3",
        "--seconds": str(WAIT_SECONDS),
        "--statistic-seconds": str(STATISTIC_SECONDS),
        "--clip": "8",
        "--max-examples": "1000",
    }
    for said in sign_terms(folder, hospitals, settings):
        print(said.rstrip(), flush=True)
    terms_file = folder / "federation.toml"
    terms, _ = parse(terms_file.read_text())
    return Consortium(folder, hospitals, held_out, terms_file, terms)


def hold_ceremony(consortium: Consortium) -> None:
    """All hospitals run the key ceremony through the aggregator; the first one is shown live."""
    started = time.monotonic()
    terms = str(consortium.terms_file)
    with aggregator(consortium.terms_file, consortium.data, consortium.aggregator_log):
        processes = [
            h.start("ceremony", terms, log=consortium.logs / f"hospital-{h.number}.log")
            for h in consortium.hospitals[1:]
        ]
        try:
            processes.append(consortium.hospitals[0].start("ceremony", terms))
            finish(processes, "the key ceremony", 150)
        finally:
            for process in processes:
                stop(process)
    consortium.ceremony_seconds = time.monotonic() - started


def train(consortium: Consortium) -> None:
    """Five rounds; in one of them a hospital is killed while it trains, and comes back.

    When the sixth round opens, all are stopped: it is left for the rogue aggregator.
    """
    marks = {h.number: h.home / "training" for h in consortium.hospitals}
    killed = consortium.hospitals[KILLED - 1]
    running: dict[int, subprocess.Popen[str]] = {}
    with aggregator(consortium.terms_file, consortium.data, consortium.aggregator_log):
        try:
            for hospital in reversed(consortium.hospitals):
                round_to_stop = KILLED_ROUND if hospital is killed else ROUNDS + 1
                interrupt = f"{round_to_stop}:{marks[hospital.number]}"
                running[hospital.number] = start_training(consortium, hospital, interrupt)
            wait_for("a training to interrupt", marks[KILLED].exists, [*running.values()], 90)
            running[KILLED].kill()
            running.pop(KILLED).wait()
            marks[KILLED].unlink()
            print(f"{killed.name} was killed while it trained for round {KILLED_ROUND}", flush=True)
            others = [*running.values()]
            wait_for(
                f"the end of round {KILLED_ROUND}",
                lambda: _has_model(consortium, KILLED_ROUND), others, 60,
            )  # fmt: skip
            interrupt = f"{ROUNDS + 1}:{marks[KILLED]}"
            running[KILLED] = start_training(consortium, killed, interrupt)
            print(f"{killed.name} is back", flush=True)
            wait_for(
                "the end of five rounds",
                lambda: all(mark.exists() for mark in marks.values()), [*running.values()], 90,
            )  # fmt: skip
        finally:
            for process in running.values():
                stop(process)


def start_training(
    consortium: Consortium, hospital: Hospital, interrupt: str = ""
) -> subprocess.Popen[str]:
    """Let a hospital train; the first one is shown, the others write to their logs."""
    app = str(ROOT / "examples" / "demo" / "app.py")
    log = consortium.logs / f"hospital-{hospital.number}.log" if hospital.number > 1 else None
    terms = str(consortium.terms_file)
    return hospital.start("train", terms, "--app", app, log=log, INTERRUPT=interrupt)


def _has_model(consortium: Consortium, number: int) -> bool:
    folder = consortium.hospitals[0].folder(consortium.terms.federation)
    return (folder / model_name(number)).exists()
