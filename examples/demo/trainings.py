"""Two models trained at one time, by agents that stay; one is killed, and the aggregator moves.

Each hospital's agent serves both studies that were approved there. Nobody types ``train``.
"""

from collections.abc import Callable
from pathlib import Path

from aggregator.identity import CERTIFICATE_NAME
from examples.demo.consortium import Consortium
from examples.demo.processes import Hospital, aggregate, checked, free_port, propose
from examples.demo.running import Running
from examples.demo.study import Training
from participant.home import Address
from participant.model import model_name

APP = Path(__file__).parent / "app.py"
WAIT_SECONDS = 8
SECONDS = 150  # that all rounds may take before something must be wrong
KILLED, KILLED_ROUND = 4, 3  # which hospital is killed, and while it trains for which round


def interrupts(consortium: Consortium) -> dict[int, str]:
    """Where the app of the hospital that is to be killed waits for that, by its number."""
    mark = _mark(consortium.hospitals[KILLED - 1])
    return {KILLED: f"fit:{consortium.tumours.name}:{KILLED_ROUND}:{mark}"}


def train_both(running: Running) -> None:
    """Five rounds of one model and three of another, side by side."""
    consortium = running.consortium
    first, second = consortium.tumours, consortium.digits
    killed = consortium.hospitals[KILLED - 1]
    for study in (first, second):
        propose_training(consortium, study)
    shown = ("study", "show", first.name, str(consortium.terms_file))
    print(checked(consortium.hospitals[0].participant(*shown)).rstrip(), flush=True)
    approve_trainings(consortium, first.name, second.name)
    running.wait_for("a training to interrupt", _mark(killed).exists, 90)
    running.kill(killed)
    print(f"{killed.name} was killed while it trained in round {KILLED_ROUND}", flush=True)
    done = _has_model(consortium, first, KILLED_ROUND)
    running.wait_for(f"the end of round {KILLED_ROUND}", done, 60)
    running.start(killed)
    print(f"{killed.name} is back", flush=True)
    move(running)
    for study in (first, second):
        running.wait_for(f"the last round of {study.name}", _has_scored(consortium, study), SECONDS)


def propose_training(consortium: Consortium, study: Training, *start: str, name: str = "") -> None:
    """Post the plan of a study that trains.

    start: options that say where it starts. name: if not that of the training.
    """
    propose(
        consortium.hospitals[0], consortium.terms_file, name or study.name,
        "--kind", "training", "--purpose", study.purpose,
        "--rounds", "1" if start else str(study.rounds), *start,
        "--seconds", str(WAIT_SECONDS), "--clip", "8", "--max-examples", "1000",
        "--app", str(APP),
    )  # fmt: skip


def approve_trainings(consortium: Consortium, *names: str) -> None:
    """Let all hospitals approve studies that train, with the app that their plans pin."""
    consortium.approve(consortium.hospitals, names, "--app", str(APP))


def move(running: Running) -> None:
    """Move the aggregator to another port, with a certificate of another key.

    The agents have been told by then, by the service at the old place; nobody types anything.
    """
    consortium = running.consortium
    place, port = consortium.folder / "moved", free_port()
    checked(aggregate("init", "--data", str(place), "--host", "127.0.0.1", "--port", str(port)))
    checked(
        aggregate(
            "card", "--data", str(consortium.data), "--url", f"wss://127.0.0.1:{port}",
            "--tls", "pinned", "--tls-cert", str(place / CERTIFICATE_NAME),
        )
    )  # fmt: skip
    running.wait_for("the hospitals to see the card", lambda: _have_seen(consortium), 60)
    consortium.tls = place
    running.run_aggregator()
    print(f"the aggregator has moved to port {port}, with another certificate", flush=True)


def _mark(hospital: Hospital) -> Path:
    return hospital.home / "to-be-killed"


def _have_seen(consortium: Consortium) -> bool:
    """Whether every hospital has kept the newest card."""
    terms = consortium.terms
    kept = [
        Address(terms.aggregator_key, None, hospital.folder(terms.federation)).kept()
        for hospital in consortium.hospitals
    ]
    return all(card == consortium.card for card in kept)


def _has_model(consortium: Consortium, study: Training, number: int) -> Callable[[], bool]:
    folder = consortium.hospitals[0].folder(consortium.terms.federation)
    return (folder / model_name(study.name, number)).exists


def _has_scored(consortium: Consortium, study: Training) -> Callable[[], bool]:
    """Whether all hospitals have scored the last model."""

    def is_so() -> bool:
        return all(
            any(
                (event["event"], event["round"]) == ("evaluated", study.rounds)
                for event in hospital.events(consortium.terms.federation, study.name)
            )
            for hospital in consortium.hospitals
        )

    return is_so
