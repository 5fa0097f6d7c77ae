"""From nothing to two trained models: identities, terms, key ceremony, rounds."""

import contextlib
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from aggregator.record import read_board
from examples.demo.processes import Hospital, aggregator, ending, finish, sign_terms, wait_for
from examples.demo.study import Study, handwriting, tumours
from participant.model import model_name
from protocol.board import Board
from protocol.terms import AddressCard, Terms, parse

NAMES = ("St. Mary", "Riverside", "Northgate", "Hillcrest", "Lakeview")
QUORUM, WAIT_SECONDS, STATISTIC_SECONDS = 3, 12, 2
TUMOUR_ROUNDS, DIGIT_ROUNDS = range(1, 6), range(6, 9)
ROGUE_ROUND = 9  # left for the rogue aggregator
SECONDS_A_STUDY = 150  # that its rounds may take before something must be wrong
_APP = Path(__file__).parent / "study" / "app.py"
KILLED, KILLED_ROUND = 4, 3  # which hospital is killed, and while it trains for which round


@dataclass
class Consortium:
    """Five hospitals and an aggregator on this machine."""

    folder: Path
    hospitals: list[Hospital]
    tumours: Study
    digits: Study
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


def found(folder: Path, key_bits: int) -> Consortium:
    """Fresh identities for all, and terms that all have signed."""
    if folder.exists():
        shutil.rmtree(folder)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    cancer = tumours(folder / "patients", TUMOUR_ROUNDS)
    digits = handwriting(folder / "images", DIGIT_ROUNDS)
    hospitals = [
        Hospital(number, name, folder / f"hospital-{number}", patients)
        for number, (name, patients) in enumerate(zip(NAMES, cancer.files, strict=True), start=1)
    ]
    settings = {
        "--name": "Demo consortium",
        "--quorum": str(QUORUM),
        "--key-bits": str(key_bits),
        "--rounds": str(ROGUE_ROUND),
        "--min-contributors": "3",
        "--seconds": str(WAIT_SECONDS),
        "--statistic-seconds": str(STATISTIC_SECONDS),
        "--clip": "8",
        "--max-examples": "1000",
    }
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
        running: list[subprocess.Popen[str]] = []
        with ending(running):
            for hospital in reversed(consortium.hospitals):
                reached = f"fit:{KILLED_ROUND}:{mark}" if hospital is killed else None
                running.append(start_training(consortium, study, hospital, reached))
            wait_for("a training to interrupt", mark.exists, running, 90)
            process = running.pop(-KILLED)  # they were started from the last to the first
            process.kill()
            process.wait()
            print(f"{killed.name} was killed while it trained for round {KILLED_ROUND}", flush=True)
            wait_for(
                f"the end of round {KILLED_ROUND}",
                lambda: _has_model(consortium, KILLED_ROUND), running, 60,
            )  # fmt: skip
            running.append(start_training(consortium, study, killed))
            print(f"{killed.name} is back", flush=True)
            _wait_for_last_round(consortium, study, running)


def train_digits(consortium: Consortium) -> None:
    """Three rounds of another, larger model under the same key."""
    study, running = consortium.digits, list[subprocess.Popen[str]]()
    with consortium.serving(), ending(running):
        for hospital in reversed(consortium.hospitals):
            running.append(start_training(consortium, study, hospital))
        _wait_for_last_round(consortium, study, running)


def start_training(
    consortium: Consortium, study: Study, hospital: Hospital, interrupt: str | None = None
) -> subprocess.Popen[str]:
    """Let a hospital train; the first one is shown, the others write to their logs.

    All but the first are interrupted when they have the study's last model, before they state it:
    so that no further round opens. ``interrupt``: where instead.
    """
    if interrupt is None and hospital.number > 1:
        interrupt = f"evaluate:{study.last_round}:{_mark(study, hospital)}"
    log = consortium.log_of(hospital) if hospital.number > 1 else None
    options = ["train", str(consortium.terms_file), "--app", str(_APP)]
    if study.rounds[0] > 1:
        options += ["--new-model-after", str(study.rounds[0] - 1)]
    of_app = {
        study.variable: str(study.files[hospital.number - 1]),
        "DEMO_APP": study.app.__name__,
        "INTERRUPT": interrupt or "",
    }
    for name in of_app:
        options += ["--app-env", name]
    return hospital.start(*options, log=log, **of_app)


def _wait_for_last_round(
    consortium: Consortium, study: Study, running: list[subprocess.Popen[str]]
) -> None:
    first, *others = consortium.hospitals

    def is_over() -> bool:
        events = first.events(consortium.terms.federation)
        is_evaluated = any(
            (e["round"], e["event"]) == (study.last_round, "evaluated") for e in events
        )
        return is_evaluated and all(_mark(study, hospital).exists() for hospital in others)

    what = f"the end of round {study.last_round}"
    wait_for(what, is_over, running, SECONDS_A_STUDY)


def _mark(study: Study, hospital: Hospital) -> Path:
    return hospital.home / f"finished-{study.last_round}"


def _has_model(consortium: Consortium, number: int) -> bool:
    folder = consortium.hospitals[0].folder(consortium.terms.federation)
    return (folder / model_name(number)).exists()
