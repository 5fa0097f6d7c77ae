"""From nothing to two trained models: identities, terms, key ceremony, studies."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregator.record import read_board
from examples.demo.processes import (
    Hospital,
    aggregator,
    approve,
    ending,
    finish,
    propose,
    sign_terms,
    wait_for,
)
from examples.demo.study import Training, handwriting, tumours
from participant.model import model_name
from protocol.board import Board, Study
from protocol.terms import AddressCard, Terms, parse

NAMES = ("St. Mary", "Riverside", "Northgate", "Hillcrest", "Lakeview")
QUORUM, WAIT_SECONDS = 3, 12
SECONDS_A_STUDY = 150  # that its rounds may take before something must be wrong
APP = Path(__file__).parent / "study" / "app.py"
KILLED, KILLED_ROUND = 4, 3  # which hospital is killed, and while it trains for which round


@dataclass
class Consortium:
    """Five hospitals and an aggregator on this machine."""

    folder: Path
    hospitals: list[Hospital]
    tumours: Training
    digits: Training
    terms_file: Path
    terms: Terms
    ceremony_seconds: float = 0.0

    @property
    def card(self) -> AddressCard:
        """Where the aggregator is, by the terms' file."""
        card = parse(self.terms_file.read_text()).card
        assert card is not None
        return card

    @property
    def data(self) -> Path:
        """The aggregator's folder."""
        return self.folder / "aggregator"

    def read_board(self) -> Board:
        """The aggregator's board, every entry verified again."""
        return read_board(self.data / self.terms.federation.hex()[:16], self.terms)[0]

    def study(self, name: str) -> Study:
        """A study as it was proposed on the board."""
        return self.read_board().studies[name].study

    @property
    def logs(self) -> Path:
        """What the processes said."""
        return self.folder / "logs"

    def log_of(self, hospital: Hospital) -> Path:
        """What a hospital said, unless it is shown."""
        return self.logs / f"hospital-{hospital.number}.log"

    def serving(
        self, module: str = "aggregator"
    ) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """The aggregator, or a module in its place, running until the block ends."""
        log = self.logs / "aggregator.log"
        return aggregator(self.terms_file, self.data, log, ("-m", module))

    def approve(self, hospitals: Sequence[Hospital], name: str, *options: str) -> None:
        """Let some hospitals approve a study; the aggregator runs."""
        approve(hospitals, self.terms_file, name, self.logs / "approvals.log", *options)


def found(folder: Path, key_bits: int) -> Consortium:
    """Fresh identities for all, and terms that all have signed."""
    if folder.exists():
        shutil.rmtree(folder)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    cancer = tumours(folder / "patients")
    digits = handwriting(folder / "images")
    hospitals = [
        Hospital(number, name, folder / f"hospital-{number}", patients)
        for number, (name, patients) in enumerate(zip(NAMES, cancer.files, strict=True), start=1)
    ]
    settings = {"--name": "Demo consortium", "--quorum": str(QUORUM), "--key-bits": str(key_bits)}
    for said in sign_terms(folder, hospitals, settings):
        print(said.rstrip(), flush=True)
    terms_file = folder / "federation.toml"
    terms = parse(terms_file.read_text()).terms
    return Consortium(folder, hospitals, cancer, digits, terms_file, terms)


def hold_ceremony(consortium: Consortium) -> None:
    """All hospitals run the key ceremony through the aggregator; the first one is shown live."""
    started = time.monotonic()
    terms = str(consortium.terms_file)
    with consortium.serving():
        first, *others = consortium.hospitals
        processes = [h.start("ceremony", terms, log=consortium.log_of(h)) for h in others]
        with ending(processes):
            processes.append(first.start("ceremony", terms))
            finish(processes, "the key ceremony", 150)
    consortium.ceremony_seconds = time.monotonic() - started


def train_tumours(consortium: Consortium) -> None:
    """Five rounds; in one of them a hospital is killed while it trains, and comes back."""
    study, killed = consortium.tumours, consortium.hospitals[KILLED - 1]
    mark = killed.home / "to-be-killed"
    with consortium.serving():
        print(hold_study(consortium, study).rstrip(), flush=True)
        running: list[subprocess.Popen[str]] = []
        with ending(running):
            for hospital in reversed(consortium.hospitals):
                reached = f"fit:{KILLED_ROUND}:{mark}" if hospital is killed else ""
                running.append(start_training(consortium, study, hospital, reached))
            wait_for("a training to interrupt", mark.exists, running, 90)
            process = running.pop(-KILLED)  # they were started from the last to the first
            process.kill()
            process.wait()
            print(f"{killed.name} was killed while it trained in round {KILLED_ROUND}", flush=True)
            wait_for(
                f"the end of round {KILLED_ROUND}",
                lambda: _has_model(consortium, study, KILLED_ROUND), running, 60,
            )  # fmt: skip
            running.append(start_training(consortium, study, killed))
            print(f"{killed.name} is back", flush=True)
            finish(running, "the end of the training", SECONDS_A_STUDY)


def train_digits(consortium: Consortium) -> None:
    """Three rounds of a larger model under the same key, in a study of its own."""
    study, running = consortium.digits, list[subprocess.Popen[str]]()
    with consortium.serving(), ending(running):
        hold_study(consortium, study)
        for hospital in reversed(consortium.hospitals):
            running.append(start_training(consortium, study, hospital))
        finish(running, "the end of the training", SECONDS_A_STUDY)


def hold_study(consortium: Consortium, study: Training) -> str:
    """Propose a study that trains, and let all approve it with its app; what they are shown."""
    said = propose(
        consortium.hospitals[0], consortium.terms_file, study.name,
        "--kind", "training", "--purpose", study.purpose, "--rounds", str(study.rounds),
        "--seconds", str(WAIT_SECONDS), "--clip", "8", "--max-examples", "1000",
        "--app", str(APP),
    )  # fmt: skip
    consortium.approve(consortium.hospitals, study.name, "--app", str(APP))
    return said


def start_training(
    consortium: Consortium,
    training: Training,
    hospital: Hospital,
    interrupt: str = "",
    study: str = "",
) -> subprocess.Popen[str]:
    """Let a hospital train; the first one is shown, the others write to their logs.

    interrupt: where the app is to wait to be stopped. study: another one with this app and data.
    """
    log = consortium.log_of(hospital) if hospital.number > 1 else None
    options = ["train", str(consortium.terms_file), "--study", study or training.name]
    options += ["--app", str(APP)]
    of_app = {
        training.variable: str(training.files[hospital.number - 1]),
        "DEMO_APP": training.app.__name__,
        "INTERRUPT": interrupt or "",
    }
    for name in of_app:
        options += ["--app-env", name]
    return hospital.start(*options, log=log, **of_app)


def _has_model(consortium: Consortium, study: Training, number: int) -> bool:
    folder = consortium.hospitals[0].folder(consortium.terms.federation)
    return (folder / model_name(study.name, number)).exists()
