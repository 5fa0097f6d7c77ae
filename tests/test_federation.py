"""The whole as its users run it: real processes over real sockets, and deaths on both sides.

Where nothing goes on beside a hospital's command, this process runs it, since each start of
Python costs more than most commands.
"""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import phe
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from examples.demo.processes import (
    ROOT,
    Hospital,
    aggregator,
    checked,
    ending,
    finish,
    propose,
    sign_terms,
    wait_for,
)
from examples.demo.stored import stored_entries
from participant.cli import app
from participant.model.file import model_name
from protocol.board.board import Board
from protocol.board.post import decode_entry
from protocol.messages.ceremony import Certificate, Step
from protocol.messages.rounds import Partial
from protocol.terms.terms import Terms, parse
from tests.participant.statistic.test_phe_files import encrypted
from tests.stage.files import contents

APP = str(ROOT / "examples" / "csv_hospital" / "csv_hospital.py")
NUMBERS = ([3, 0.5, -2], [5, 1.25, 7], [0, -0.125, 0])


class HospitalHere(Hospital):
    """A hospital whose commands that are waited for run in this process."""

    def participant(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(app, list(arguments), env=self.environment(**extra))
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


class Federation:
    """Three hospitals with their own homes, and the aggregator's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hospitals = [
            HospitalHere(k, f"Hospital {k}", folder / f"h{k}", folder / f"data-{k}.csv")
            for k in (1, 2, 3)
        ]
        settings = {
            "--name": "Test", "--quorum": "2", "--key-bits": "256",
        }  # fmt: skip
        for _ in sign_terms(folder, self.hospitals, settings):
            pass
        self.file = folder / "federation.toml"
        self.terms: Terms = parse(self.file.read_text()).terms

    def serve(self):
        return aggregator(self.file, self.folder / "aggregator", self.folder / "aggregator.log")

    def board(self) -> Board:
        board = Board(self.terms)
        store = self.folder / "aggregator" / self.terms.federation.hex()[:16]
        for data in stored_entries(store):
            board.append(decode_entry(data))
        return board

    def start(self, hospital: Hospital, *words: str) -> subprocess.Popen[str]:
        return hospital.start(*words, log=self.folder / f"{hospital.number}.log")

    def study(self, name: str, *settings: str, app: str = "") -> None:
        """One hospital proposes a study, and all approve it; the aggregator runs."""
        plan = ("--purpose", "A test.", "--seconds", "20", *settings)
        propose(self.hospitals[0], self.file, name, *plan)
        given = ("--app", app) if app else ()
        for hospital in self.hospitals:
            approval = ("study", "approve", name, str(self.file), "--yes", *given)
            checked(hospital.participant(*approval))

    def train_in(self, name: str, rounds: int) -> None:
        """The same, a study that trains with ``APP``."""
        plan = ("--kind", "training", "--rounds", str(rounds), "--clip", "8", "--app", APP)
        self.study(name, *plan, app=APP)


def give_patients(federation: Federation) -> None:
    """Ninety patients, of which each hospital has a third."""
    rows = np.random.default_rng(1).normal(size=(90, 4))
    outcomes = (rows[:, 0] + rows[:, 1] > 0).astype(float)
    for hospital, part in zip(federation.hospitals, np.array_split(np.arange(90), 3), strict=True):
        table = np.column_stack([rows[part], outcomes[part]])
        np.savetxt(hospital.patients, table, delimiter=",", header="a,b,c,d,y", comments="")


def train(federation: Federation, hospital: Hospital, study: str) -> subprocess.Popen[str]:
    """A hospital's process that trains in a study."""
    return hospital.start(
        "train", str(federation.file), "--study", study, "--app", APP, "--app-env", "QUORATE_CSV",
        log=federation.folder / f"{hospital.number}.log", QUORATE_CSV=str(hospital.patients),
    )  # fmt: skip


def finish_all(processes: list[subprocess.Popen[str]], what: str) -> None:
    with ending(processes):
        finish(processes, what, 90)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """A federation whose ceremony went through the death of a hospital and of the aggregator."""
    made = Federation(tmp_path_factory.mktemp("federation"))
    command = ("ceremony", str(made.file))

    def has_steps(count: int) -> bool:
        return sum(isinstance(p.post.body, Step) for p in made.board().entries) >= count

    with made.serve() as service:
        first, second = (made.start(h, *command) for h in made.hospitals[:2])
        wait_for("two hospitals", lambda: len(made.board().entries) >= 2, [], 90)
        first.kill()
        first.wait()
        third = made.start(made.hospitals[2], *command)
        again = made.start(made.hospitals[0], *command)
        wait_for("the first steps", lambda: has_steps(4), [], 60)
        service.kill()
        service.wait()
    with made.serve():
        finish_all([again, second, third], "the ceremony")
    return made


def test_all_certify_one_key_in_spite_of_two_deaths(federation: Federation) -> None:
    bodies = [p.post.body for p in federation.board().entries]
    certificates = [body for body in bodies if isinstance(body, Certificate)]
    assert len(certificates) == 3
    assert len({body.epoch for body in certificates}) == 1


def encrypt(exported: str, hospital: Hospital, numbers: list[float]) -> Path:
    """What a program with unmodified phe writes."""
    public = phe.PaillierPublicKey(phe.util.base64_to_int(json.loads(exported)["n"]))
    values = [encrypted(number, public) for number in numbers]
    file = hospital.home / "numbers.json"
    file.write_text(json.dumps({"values": values}))
    return file


def test_sums_of_phe_numbers_are_exact(federation: Federation) -> None:
    expected = [sum(map(Decimal, map(str, column))) for column in zip(*NUMBERS, strict=True)]
    assert expected[:2] == [8, Decimal("1.625")]
    terms = str(federation.file)
    exported = checked(federation.hospitals[0].participant("public-key", terms, "--phe"))
    files = [
        encrypt(exported, h, numbers)
        for h, numbers in zip(federation.hospitals, NUMBERS, strict=True)
    ]
    options = ("--study", "visits")
    with federation.serve():
        numbers = ("--data", "visits", "--length", "3", "--decimals", "3")
        federation.study("visits", "--kind", "statistic", *numbers)
        contributions = [
            federation.start(h, "contribute", str(f), "--federation", terms, *options)
            for h, f in zip(federation.hospitals, files, strict=True)
        ]
        finish_all(contributions, "the contributions")
        decrypt = ("decrypt", terms, "--study", "visits", "--yes", "--json")
        other = federation.start(federation.hospitals[1], *decrypt)
        result = federation.hospitals[0].participant(*decrypt)
        finish_all([other], "the other hospital's part")
    found = json.loads(checked(result).splitlines()[-1])
    assert found["sums"] == [f"{value:.3f}" for value in expected]
    partials = [p for p in federation.board().entries if isinstance(p.post.body, Partial)]
    assert len(partials) == 2


def test_two_rounds_of_training_give_everyone_the_same_model(federation: Federation) -> None:
    give_patients(federation)
    with federation.serve():
        federation.train_in("risk", 2)
        finish_all([train(federation, h, "risk") for h in federation.hospitals], "training")
    models = [
        h.folder(federation.terms.federation) / model_name("risk", 2) for h in federation.hospitals
    ]
    assert len({path.read_bytes() for path in models}) == 1
    model = load_file(models[0])
    assert min(model["weight of a"], model["weight of b"]) > 0.5


def files_in(folder: Path) -> dict[str, bytes]:
    """A record's files but the countersignatures."""
    return {k: v for k, v in contents(folder).items() if not k.startswith("heads/")}


def test_the_record_of_it_all_verifies_whoever_has_written_it(federation: Federation) -> None:
    terms, data = str(federation.file), str(federation.folder / "aggregator")
    ours, theirs = federation.folder / "record", federation.folder / "record-of-aggregator"
    with federation.serve():
        for hospital in federation.hospitals:
            checked(hospital.participant("export", terms, "--out", str(ours)))
        command = [sys.executable, "-m", "aggregator", "export", terms, "--data", data]
        checked(
            subprocess.run(
                [*command, "--out", str(theirs)],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )
        )  # fmt: skip
    assert files_in(ours) == files_in(theirs)
    first = federation.hospitals[0]
    for folder in (ours, theirs):
        found = json.loads(checked(first.participant("verify", str(folder), "--json")))
        assert found["holds"]
    assert len(list((ours / "heads").iterdir())) == 3
    page = federation.folder / "report.html"
    checked(first.participant("report", str(ours), "--out", str(page)))
    assert "Round risk/2" in page.read_text()
