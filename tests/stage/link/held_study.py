"""A study in which real processes train, and whose last hospital waits where a test says."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from aggregator.server.aggregation import Aggregation
from examples.demo.processes import aggregate, aggregator, checked, ending, free_port, wait_for
from examples.demo.stored import stored_entries
from participant.home.folders import federation_folder
from participant.home.terms_file import read_aggregator_card
from participant.model.file import model_name
from protocol.board import Board, Posted, decode_entry
from protocol.messages import Training, round_session
from protocol.terms.address_card import AddressCard
from tests.stage.consortium import Consortium, found, run_all

STUDY, ROUNDS, STEP = "moved", 3, 0.25
ALL = (1, 2, 3)
HELD = 3
_SECONDS = 60.0
_APP = f"""
import os
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

def initial_parameters(config):
    return [np.zeros(3)]

def fit(parameters, config):
    if os.environ.get("HELD"):
        (HERE / f"reached-{{config['round']}}").touch()
        while not (HERE / f"go-{{config['round']}}").exists():
            time.sleep(0.02)
    return [p + {STEP} for p in parameters], 10, {{}}

def evaluate(parameters, config):
    return 0.0, 1, {{}}
"""


@dataclass
class HeldStudy:
    """Hospitals with a key and a study that all have approved, and the aggregator's folder.

    port: where the first card says that the aggregator is.
    """

    consortium: Consortium
    data: Path
    port: int
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path) -> HeldStudy:
        """Make the key and the study, in this process but for the aggregator."""
        port, data = free_port(), folder / "aggregator"
        card = Aggregation.init(data, "localhost", port)
        made = cls(found(folder / "hospitals", card=card), data, port)
        (made.folder / "app.py").write_text(_APP)
        with made.served():
            assert run_all([made.consortium.session(i) for i in ALL]) == [None, None, None]
            made.consortium.hold_study(STUDY, Training(ROUNDS, 8.0, 24, 1_000))
        return made

    def copied(self, folder: Path) -> HeldStudy:
        """The same, as it is now, in another folder."""
        shutil.copytree(self.folder, folder / "hospitals")
        shutil.copytree(self.data, folder / "aggregator")
        consortium = replace(self.consortium, folder=folder / "hospitals")
        return HeldStudy(consortium, folder / "aggregator", self.port)

    @property
    def folder(self) -> Path:
        """Of the hospitals."""
        return self.consortium.folder

    def served(self, *options: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """The aggregator as a process, until the block ends; options: of ``serve``."""
        log = self.data.with_suffix(".log")
        return aggregator(self.consortium.file, self.data, log, options=options)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """All hospitals' processes train; at the end of the block they are ended, if they run."""
        with ending(self.processes):
            for index in ALL:
                held = ("--app-env", "HELD=1") if index == HELD else ()
                words = ("train", "--study", STUDY, "--app", "app.py", "--timeout", "120", *held)
                self.processes.append(self.consortium.start(index, *words))
            yield

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Wait, while all processes work."""
        wait_for(what, condition, self.processes, _SECONDS)

    def wait_for_middle(self, number: int) -> None:
        """The held hospital is at work on a round, to which the others have contributed."""
        session, others = round_session(STUDY, number), set(ALL) - {HELD}
        self.wait(f"round {number}", (self.folder / f"reached-{number}").exists)
        self.wait(
            "the others' contributions",
            lambda: others <= {p.post.sender for p in self.entries() if p.post.session == session},
        )

    def let_go(self, number: int) -> None:
        """The held hospital goes on with a round."""
        (self.folder / f"go-{number}").touch()

    def said(self) -> list[str]:
        """What each process has told people, in one line, once all have ended well."""
        wait_for("the end", lambda: all(p.poll() == 0 for p in self.processes), self.processes, 90)
        return [" ".join(process.communicate()[1].split()) for process in self.processes]

    def entries(self) -> list[Posted]:
        """The board, as the aggregator has stored it."""
        board = Board(self.consortium.terms)
        for data in stored_entries(self.data / self.consortium.terms.federation.hex()[:16]):
            board.append(decode_entry(data))
        return list(board.entries)

    def check_models(self) -> None:
        """Every hospital has the same one, with the steps of all rounds and nothing else."""
        federation = self.consortium.terms.federation
        folders = [federation_folder(self.folder / f"h{i}", federation) for i in ALL]
        files = [folder / model_name(STUDY, ROUNDS) for folder in folders]
        assert len({file.read_bytes() for file in files}) == 1
        (values,) = load_file(files[0]).values()
        assert np.allclose(values, ROUNDS * STEP, atol=0.01)

    def make_card(self, *options: str) -> AddressCard:
        """The operator makes a newer card with a process of its own; options: of ``card``."""
        checked(aggregate("card", "--data", str(self.data), *options))
        return read_aggregator_card(self.data / "aggregator.toml")

    def kept(self) -> list[AddressCard | None]:
        """The card in each hospital's folder."""
        return [self.consortium.member(i).address.kept() for i in ALL]
