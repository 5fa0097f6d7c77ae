"""The key refreshed and handed over by whole processes, while they train, and while some die."""

import contextlib
import copy
import random
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from examples.demo.processes import Hospital, checked, ending, finish, wait_for
from participant.model.file import model_name
from protocol.board.board import Board
from protocol.board.handover import Handover
from protocol.messages.rounds import Opening
from protocol.terms.terms import parse
from tests.test_federation import Federation, HospitalHere

pytestmark = pytest.mark.slow

APP = """
import os, time
from pathlib import Path
import numpy as np

PLACE = Path(os.environ["PLACE"])
with (PLACE / "pids").open("a") as file:
    file.write(f"{os.getpid()}\\n")

def initial_parameters(config):
    return [np.zeros(2)]

def fit(parameters, config):
    while (PLACE / "hold").exists():
        time.sleep(0.05)
    return [parameters[0] + np.array([1.0, 0.25])], 1, {}

def evaluate(parameters, config):
    return 0.5, 1, {}
"""
ROUNDS = 6
COMMAND = ("key", "refresh")
Command = tuple[Hospital, tuple[str, ...]]


class Handing(Federation):
    """Three hospitals with a key, and their agents."""

    def all_type(self, *words: str, seconds: float = 90) -> None:
        """Every hospital types it, and all commands end well."""
        processes = [self.start(hospital, *words, str(self.file)) for hospital in self.hospitals]
        with ending(processes):
            finish(processes, " ".join(words), seconds)

    @contextlib.contextmanager
    def agents(self) -> Iterator[list[subprocess.Popen[str]]]:
        """The agent of every hospital."""
        processes = list[subprocess.Popen[str]]()
        with ending(processes):
            for hospital in self.hospitals:
                self.place(hospital.number).mkdir(exist_ok=True)
                log = self.folder / f"agent-{hospital.number}.log"
                words = ("serve", str(self.file), "--app-env", "PLACE")
                place = str(self.place(hospital.number))
                processes.append(hospital.start(*words, log=log, PLACE=place))
            logs = [self.folder / f"agent-{hospital.number}.log" for hospital in self.hospitals]
            is_so = lambda: all("connected to" in log.read_text() for log in logs)  # noqa: E731
            wait_for("the agents", is_so, processes, 90)
            yield processes

    def place(self, number: int) -> Path:
        return self.folder / f"place-{number}"

    def copied(self, folder: Path) -> "Handing":
        """The same at another place."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        made = copy.copy(self)
        made.folder, made.file = folder, folder / self.file.name
        made.hospitals = [
            replace(h, home=folder / h.home.name, patients=folder / h.patients.name)
            for h in self.hospitals
        ]
        return made

    @property
    def handovers(self) -> list[Handover]:
        return self.board().key.handovers.all

    def epochs(self) -> list[list[int]]:
        """Of which each hospital has a key share."""
        folders = [h.folder(self.terms.federation) / "vault" for h in self.hospitals]
        return [
            sorted(int(p.stem.split("-")[2]) for p in folder.glob("key-share-*.sealed"))
            for folder in folders
        ]

    def models(self, study: str, number: int) -> list[Path]:
        return [h.folder(self.terms.federation) / model_name(study, number) for h in self.hospitals]


@pytest.fixture(scope="module")
def with_key(tmp_path_factory: pytest.TempPathFactory) -> Handing:
    made = Handing(tmp_path_factory.mktemp("with-key"))
    with made.serve():
        made.all_type("ceremony")
    return made


@pytest.fixture
def federation(with_key: Handing, tmp_path: Path) -> Handing:
    return with_key.copied(tmp_path)


def openings(board: Board, study: str) -> list[int]:
    """The positions at which a study's rounds were opened, in order."""
    return [
        posted.position
        for posted in board.entries
        if isinstance(posted.post.body, Opening) and f"/{study}/" in f"/{posted.post.session}/"
    ]


def test_a_training_goes_on_across_a_refresh_that_its_people_type(federation: Handing) -> None:
    app = federation.folder / "app.py"
    app.write_text(APP)
    with federation.serve(), federation.agents() as running:
        plan = ("--kind", "training", "--rounds", str(ROUNDS), "--clip", "16", "--app", str(app))
        federation.study("risk", *plan, app=str(app))
        first = federation.models("risk", 2)
        wait_for("two rounds", lambda: all(p.exists() for p in first), running, 60)
        hold = federation.place(1) / "hold"
        hold.touch()
        before = len(openings(federation.board(), "risk"))
        typed = [federation.start(h, *COMMAND, str(federation.file)) for h in federation.hospitals]
        with ending(typed):
            agreed = lambda: [h for h in federation.handovers if h.view.attempt.is_agreed]  # noqa: E731
            wait_for("an agreement", agreed, running, 60)
            time.sleep(2)
            assert not federation.handovers[0].view.attempt.frozen
            hold.unlink()
            finish(typed, "the refresh", 90)
        last = federation.models("risk", ROUNDS)
        wait_for("the last round", lambda: all(p.exists() for p in last), running, 90)
        for h in federation.hospitals:
            assert len((federation.place(h.number) / "pids").read_text().split()) == 1
        assert len({path.read_bytes() for path in last}) == 1
        (handover,) = federation.handovers
        assert handover.released_at is not None
        opened = openings(federation.board(), "risk")
        assert before < ROUNDS
        assert opened[before - 1] < handover.released_at < opened[-1]
        assert federation.epochs() == [[2]] * 3
    (model,) = load_file(last[0]).values()
    assert model == pytest.approx([ROUNDS, ROUNDS / 4], rel=1e-3)


def test_an_agent_or_a_person_at_each_hospital_makes_no_difference(federation: Handing) -> None:
    with federation.serve(), federation.agents():
        federation.all_type(*COMMAND)
    assert federation.epochs() == [[2]] * 3
    with federation.serve():
        federation.all_type("key", "check", "--together")


def survive(federation: Handing, commands: Sequence[Command], seed: int) -> None:
    """Kill hospitals and the aggregator, and type the same again, until all commands end well."""
    drawn = random.Random(seed)
    typed = [federation.start(hospital, *words) for hospital, words in commands]
    with contextlib.ExitStack() as services, ending(typed):
        service = services.enter_context(federation.serve())
        for _ in range(8):
            time.sleep(drawn.uniform(0.1, 2.5))
            who = drawn.randrange(len(typed) + 1)
            if who == len(typed):
                service.kill()
                service.wait()
                service = services.enter_context(federation.serve())
            elif typed[who].poll() is None:
                typed[who].kill()
                typed[who].wait()
                hospital, words = commands[who]
                typed[who] = federation.start(hospital, *words)
        finish(typed, "the handover", 90)
    last = federation.handovers[-1]
    assert last.view.attempt.is_settled


@pytest.mark.parametrize("seed", range(2))
def test_deaths_at_any_moment_of_a_refresh_are_gone_on_from(federation: Handing, seed: int) -> None:
    survive(federation, [(h, (*COMMAND, str(federation.file))) for h in federation.hospitals], seed)
    newest = 1 + len([h for h in federation.handovers if h.released_at])
    assert federation.epochs() == [[newest]] * 3
    with federation.serve():
        federation.all_type("key", "check", "--together")


def test_deaths_at_any_moment_of_a_handover_are_gone_on_from(federation: Handing) -> None:
    """Hospital 3 leaves, and a fourth one joins."""
    folder, old, new = federation.folder, federation.file, federation.folder / "new.toml"
    first, second, third = federation.hospitals
    fourth = HospitalHere(4, "Hospital 4", folder / "h4", folder / "data-4.csv")
    checked(fourth.participant("init", "--name", fourth.name))
    changes = ("--add", str(fourth.home / "card.toml"), "--remove", third.name, "--leaves-in-peace")
    checked(first.participant("terms", "succeed", str(old), *changes, "--out", str(new)))
    for hospital in (first, second, fourth):
        checked(hospital.participant("terms", "sign", str(new), "--old", str(old), "--yes"))
    record = folder / "record"
    with federation.serve():
        checked(first.participant("export", str(old), "--out", str(record)))
    words = ("handover", str(new), "--old", str(old), "--yes")
    stay = [(hospital, words) for hospital in federation.hospitals]
    survive(federation, [*stay, (fourth, (*words, "--record", str(record)))], seed=3)

    assert federation.epochs() == [[]] * 3
    receipt = tomllib.loads(
        (third.folder(federation.terms.federation) / "receipt.toml").read_text()
    )
    assert (receipt["epoch_given_up"], receipt["hospital"]) == (1, third.name)
    federation.terms, federation.file = parse(new.read_text()).terms, new
    federation.hospitals = [first, second, fourth]
    assert federation.epochs() == [[2]] * 3
    with federation.serve():
        federation.all_type("key", "check", "--together")
