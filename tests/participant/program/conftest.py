"""A study whose programs come to a socket, and training, which a test plays."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.app import AppFile, Stood, config_of
from participant.program import AppAtSocket
from protocol.board import Study
from quorate_client import AgentError, Answer, Visits
from tests.simulator.disk import Disk
from tests.stage.studies import training_study
from tests.stage.toy import toy_federation

TERMS = toy_federation().terms
Do = Callable[[Callable[[], Any]], "Future[Any]"]


def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def token(path: Path) -> str:
    until(path.exists)
    return Path(f"{path}.token").read_text()


def refused(question: Any) -> AgentError:
    with pytest.raises(AgentError) as said:
        question()
    return said.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    return folder / "own.sock"


@pytest.fixture
def beside() -> Do:
    """Does a call in a thread of its own, which is not waited for at the end."""

    def begin(call: Callable[[], Any]) -> "Future[Any]":
        found: Future[Any] = Future()

        def do() -> None:
            found.set_running_or_notify_cancel()
            try:
                found.set_result(call())
            except BaseException as error:
                found.set_exception(error)

        threading.Thread(target=do, daemon=True).start()
        return found

    return begin


@dataclass
class Training:
    """What training does with the app of one hospital: rounds, one after the other."""

    path: Path
    study: Study
    disk: Disk = field(default_factory=Disk)
    told: list[str] = field(default_factory=list)
    freed: list[Path] = field(default_factory=list)
    woken: int = 0
    score: Any = None  # of the last round
    fitting: Any = None  # the round that is under way

    def __post_init__(self) -> None:
        self.app = self.made()

    def made(self) -> AppAtSocket:
        """As an agent makes it that is started anew, on the same disk."""
        return AppAtSocket(
            AppFile(self.path),
            self.study,
            self.disk,
            lambda line, _: self.told.append(line),
            self._wake,
            lambda error: (f"because {error}", "do better"),
            self.freed.append,
        )

    def _wake(self) -> None:
        self.woken += 1

    def begin(self) -> Any:
        """The model before the first round, where training stands then."""
        config = config_of(self.study, 0)
        self.app.prepare(config)
        initial = self.app.initial_parameters(config)
        self.stand(0, initial)
        return initial

    def stand(self, number: int, model: Any, in_sum: bool = True, reason: str = "") -> None:
        names = ("H1", "H2") if in_sum else ("H2",)
        stood = Stood(number, bytes([number] * 32), names, in_sum, b"s" * 32, reason)
        self.app.stand(stood, lambda: model)

    def fit(self, number: int, model: Any) -> Any:
        return self.app.fit(model, config_of(self.study, number))

    def round(self, number: int, model: Any) -> Any:
        """Fit, and stand at what came of it; the model after the round."""
        fitted, _, _ = self.fit(number, model)
        self.stand(number, fitted)
        self.score = self.app.evaluate(fitted, config_of(self.study, number))
        return fitted


@pytest.fixture
def training(path: Path, request: pytest.FixtureRequest) -> Iterator[Training]:
    """Of the study that is the test's parameter, else of two rounds."""
    changes = getattr(request, "param", {"rounds": 2})
    found = Training(path, training_study(TERMS, **changes))
    yield found
    found.app.close()


MODEL = {"w": np.zeros(2)}


def visit(path: Path, run: str = "", **changes: Any) -> Visits:
    """A framework's client in a process of its own, as far as the agent knows."""
    return Visits(str(path), run, patience=10, **changes)


def begun(
    path: Path, training: Training, beside: Do, run: str = "", is_whole: bool = True
) -> Answer:
    """A client has begun, trains in round 1, and its process has ended.

    is_whole: training goes on to the end of that round.
    """
    play = training.round if is_whole else training.fit
    with visit(path, run) as agent:
        asked = beside(lambda: agent.begin(MODEL))
        training.begin()
        training.fitting = beside(lambda: play(1, MODEL))
        answer: Answer = asked.result(20)
    return answer
