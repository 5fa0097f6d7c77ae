"""Two models trained at one time, by agents that stay; one is killed, and the aggregator moves.

Each hospital's agent serves both studies that were approved there. Nobody types ``train``.
"""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from aggregator.identity import CERTIFICATE_NAME
from examples.demo.consortium import NAMES, Consortium
from examples.demo.processes import (
    DemoFailed,
    Hospital,
    aggregate,
    checked,
    ending,
    free_port,
    propose,
    stop,
    wait_for,
)
from examples.demo.study import Training
from participant.model import model_name
from protocol.board import CardSeen

APP = Path(__file__).parent / "study" / "app.py"
WAIT_SECONDS = 12
SECONDS = 150  # that all rounds may take before something must be wrong
KILLED, KILLED_ROUND = 4, 3  # which hospital is killed, and while it trains for which round


def train_both(consortium: Consortium) -> None:
    """Five rounds of one model and three of another, side by side."""
    first, second = consortium.tumours, consortium.digits
    killed = consortium.hospitals[KILLED - 1]
    mark = killed.home / "to-be-killed"
    agents: list[subprocess.Popen[str]] = []
    with consortium.serving() as service, ending(agents):
        print(hold_study(consortium, first).rstrip(), flush=True)
        hold_study(consortium, second)
        for hospital in reversed(consortium.hospitals):
            reached = f"fit:{first.name}:{KILLED_ROUND}:{mark}" if hospital is killed else ""
            agents.append(serve(consortium, hospital, reached))
        wait_for("a training to interrupt", mark.exists, agents, 90)
        process = agents.pop(-KILLED)  # they were started from the last to the first
        process.kill()
        process.wait()
        print(f"{killed.name} was killed while it trained in round {KILLED_ROUND}", flush=True)
        done = _has_model(consortium, first, KILLED_ROUND)
        wait_for(f"the end of round {KILLED_ROUND}", done, agents, 60)
        agents.append(serve(consortium, killed))
        print(f"{killed.name} is back", flush=True)
        with move(consortium, service, agents):
            for study in (first, second):
                done = _has_scored(consortium, study)
                wait_for(f"the last round of {study.name}", done, agents, SECONDS)
            for agent in agents:
                stop(agent)
    if codes := {agent.returncode for agent in agents} - {0}:
        raise DemoFailed(f"agents ended with exit codes {codes}")


def serve(consortium: Consortium, hospital: Hospital, interrupt: str = "") -> subprocess.Popen[str]:
    """A hospital's agent; the first one is shown, the others write to their logs.

    interrupt: where the app is to wait to be stopped.
    """
    log = consortium.log_of(hospital) if hospital.number > 1 else None
    given = given_to_app(consortium, hospital) | {"INTERRUPT": interrupt}
    names = [part for name in given for part in ("--app-env", name)]
    return hospital.start("serve", str(consortium.terms_file), *names, log=log, **given)


def given_to_app(consortium: Consortium, hospital: Hospital) -> dict[str, str]:
    """Variables of the environment, with the hospital's own files."""
    studies = (consortium.tumours, consortium.digits)
    return {study.variable: str(study.files[hospital.number - 1]) for study in studies}


def hold_study(consortium: Consortium, study: Training, *start: str, name: str = "") -> str:
    """Propose a study that trains, and let all approve it with its app; what they are shown.

    start: options that say where it starts. name: if not that of the training.
    """
    name, rounds = name or study.name, "1" if start else str(study.rounds)
    said = propose(
        consortium.hospitals[0], consortium.terms_file, name,
        "--kind", "training", "--purpose", study.purpose, "--rounds", rounds, *start,
        "--seconds", str(WAIT_SECONDS), "--clip", "8", "--max-examples", "1000",
        "--app", str(APP),
    )  # fmt: skip
    consortium.approve(consortium.hospitals, name, "--app", str(APP))
    return said


def move(
    consortium: Consortium, service: subprocess.Popen[str], agents: Sequence[subprocess.Popen[str]]
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Move the aggregator to another port, with a certificate of another key.

    Its agents have been told by then, by the service at the old place; nobody types anything.
    """
    place, port = consortium.folder / "moved", free_port()
    checked(aggregate("init", "--data", str(place), "--host", "127.0.0.1", "--port", str(port)))
    checked(
        aggregate(
            "card", "--data", str(consortium.data), "--url", f"wss://127.0.0.1:{port}",
            "--tls", "pinned", "--tls-cert", str(place / CERTIFICATE_NAME),
        )
    )  # fmt: skip
    wait_for("the hospitals to see the card", lambda: _have_seen(consortium), agents, 60)
    stop(service)
    print(f"the aggregator has moved to port {port}, with another certificate", flush=True)
    consortium.tls = place
    return consortium.serving()


def _have_seen(consortium: Consortium) -> bool:
    entries = consortium.read_board().session("address/2")
    return sum(isinstance(posted.post.body, CardSeen) for posted in entries) == len(NAMES)


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
