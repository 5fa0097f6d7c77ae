"""SIGKILL, again and again within one study: the aggregator and a hospital that trains go on."""

import contextlib
import json
import random
import subprocess
import time

import pytest

from examples.demo.processes import aggregate, checked, finish, wait_for
from examples.demo.stored import stored_entries
from participant.model.file import model_name
from tests.test_federation import Federation, finish_all, give_patients, train

ROUNDS, KILLED = 3, 2  # which hospital is killed
LATEST_SECONDS = 0.2
KILLS = (  # when the board has so many entries more than before the training
    ("aggregator", 1), ("hospital", 3), ("aggregator", 6), ("hospital", 8), ("hospital", 11),
    ("aggregator", 14), ("hospital", 18), ("aggregator", 21), ("hospital", 25), ("aggregator", 29),
)  # fmt: skip


class Site:
    """The processes of one training study, of which some are killed and started again."""

    def __init__(self, federation: Federation, ends: contextlib.ExitStack) -> None:
        self.federation, self._ends = federation, ends
        self.service = ends.enter_context(federation.serve())
        self.hospitals = {h.number: train(federation, h, "risk") for h in federation.hospitals}

    def __len__(self) -> int:
        """How many entries the board has."""
        name = self.federation.terms.federation.hex()[:16]
        return len(stored_entries(self.federation.folder / "aggregator" / name))

    def kill(self, which: str) -> None:
        """End a process as nothing can that it could answer to, and start the next one."""
        if which == "aggregator":
            die(self.service)
            self.service = self._ends.enter_context(self.federation.serve())
            return
        die(self.hospitals[KILLED])
        hospital = self.federation.hospitals[KILLED - 1]
        self.hospitals[KILLED] = train(self.federation, hospital, "risk")

    def close(self) -> None:
        """End what still runs."""
        for process in self.hospitals.values():
            process.kill()
            process.wait()


def die(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None, "it had ended before it could be killed"
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """One that has its key, and a study that all have approved."""
    made = Federation(tmp_path_factory.mktemp("killed"))
    give_patients(made)
    with made.serve():
        command = "ceremony", str(made.file)
        finish_all([made.start(h, *command) for h in made.hospitals], "the ceremony")
        made.train_in("risk", ROUNDS)
    return made


@pytest.mark.slow
def test_training_goes_on_after_every_kill_and_its_record_verifies(federation: Federation) -> None:
    draw = random.Random(9)
    with contextlib.ExitStack() as ends:
        site = Site(federation, ends)
        ends.callback(site.close)
        before = len(site)
        for which, entries in KILLS:
            due = before + entries
            wait_for(f"entry {due}", lambda due=due: len(site) >= due, [site.service], 90)
            time.sleep(draw.uniform(0, LATEST_SECONDS))
            site.kill(which)
        finish([*site.hospitals.values()], "the training", 120)
    folders = [h.folder(federation.terms.federation) for h in federation.hospitals]
    assert len({(folder / model_name("risk", ROUNDS)).read_bytes() for folder in folders}) == 1
    record = federation.folder / "record"
    data = str(federation.folder / "aggregator")
    checked(aggregate("export", str(federation.file), "--data", data, "--out", str(record)))
    verified = federation.hospitals[0].participant("verify", str(record), "--json")
    assert json.loads(checked(verified))["holds"]
