"""What a hospital adds to a round of training: what its app makes of the model, encrypted."""

import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from keyshare.errors import BadUpdate
from participant.app import App, Turns, config_of, fit
from participant.disk import Storage
from participant.errors import BadApp
from participant.model import LocalEntries, Model, Vector, Weights, checked
from participant.rounds import BeyondPlan, ContributionMaker
from participant.training import last_contribution
from participant.training.outcome import keep_start
from participant.training.stance import Report
from protocol.board import Draft, Posted, Study
from protocol.key import HeldKey
from protocol.messages import Near, Opening

Fitted = tuple[tuple[Any, int, Any], float]  # what ``fit`` returned, and after how many seconds


@dataclass(frozen=True)
class Change:
    """What training changed, weight by weight, computed where it is read."""

    fitted: Weights
    given: Weights

    def __len__(self) -> int:
        return len(self.fitted)

    def slice(self, start: int, stop: int) -> Vector:
        """Weights ``start`` to ``stop``, float64."""
        return self.fitted.slice(start, stop) - self.given.slice(start, stop)


class Fitter:
    """Has the app train, and makes contributions of what it returns."""

    def __init__(
        self,
        study: Study,
        app: App,
        turns: Turns,
        storage: Storage,
        local: LocalEntries,
        report: Report,
    ) -> None:
        """local: the entries that stay here, which the app is given with every model."""
        self._study, self._app, self._turns = study, app, turns
        self._storage, self._local, self._report = storage, local, report
        self._begun: tuple[int, Future[Fitted]] | None = None  # the round that the app trains for

    def to_app(self, model: Model) -> Any:
        """A model as the app is given it."""
        return model.to_app(self._local.entries)

    def has_fitted(self, number: int, model: Model) -> bool:
        """Whether the app's answer for a round is here; it begins to train where it has not."""
        if self._begun is None or self._begun[0] != number:
            self.give_up()
            work = partial(_timed, self._app, self.to_app(model), config_of(self._study, number))
            self._begun = number, self._turns.begin(work)
        return self._begun[1].done()

    @property
    def is_at_work(self) -> bool:
        """Whether the app trains."""
        return self._begun is not None and not self._begun[1].done()

    def give_up(self) -> None:
        """Wait no longer for the app, if it still trains: the round has ended without this."""
        begun, self._begun = self._begun, None
        if begun is not None and not begun[1].done():
            self._report(begun[0], "given-up", {})
            self._turns.give_up(begun[1])

    def contribution(
        self, number: int, model: Model, opening: Posted[Opening], near: Near, key: HeldKey
    ) -> Draft | None:
        """What is added to a round; None where this hospital adds nothing, and helps to decrypt.

        Once the app ``has_fitted``. model: that the round starts from. near: what the contribution
        names. key: that of the opening. The app has no examples then, or its update is beyond what
        the plan allows. Raises BadApp.
        """
        change, examples, trained_seconds = self._fit(number, model)
        if not examples:
            self._report(number, "abstained", {})
            return None
        started = time.monotonic()
        maker = ContributionMaker(self._study, *key, self._storage, near)
        try:
            draft, writer = maker.make(change, examples, opening)
        except BadUpdate as error:
            raise BadApp("fit", str(error)) from None
        except BeyondPlan as error:
            facts = {"largest": error.largest, "clip": self._study.training.clip}
            self._report(number, "beyond-plan", facts)
            return None
        if number == 1:
            keep_start(self._storage, self._study.name, model)
        last_contribution.keep(self._storage, self._study.name, number, writer.marks)
        said = opening.post.body
        if not writer.fits:
            facts = {"clip": said.clip, "most": said.max_examples}
            self._report(number, "blinded", facts)
        seconds = {"train": trained_seconds, "encrypt": time.monotonic() - started}
        named = {"near": list(near.rounds), "near_before": list(near.before)}
        self._report(number, "contributed", {"suite": said.suite, **named, **seconds})
        return draft

    def _fit(self, number: int, model: Model) -> tuple[Change, int, float]:
        """What the app changed, by how many examples it counts, and in how many seconds."""
        assert self._begun is not None
        (parameters, examples, metrics), seconds = self._begun[1].result()
        self._begun = None
        fitted = checked(parameters, model.layout, "fit")
        self._local.keep(parameters)
        self._report(number, "fitted", {"metrics": metrics, "examples": examples})
        if self._study.training.weights == "equal":
            examples = min(examples, 1)
        return Change(fitted, model.given), examples, seconds


def _timed(app: App, parameters: Any, config: dict[str, Any]) -> Fitted:
    started = time.monotonic()
    answer = fit(app, parameters, config)
    return answer, time.monotonic() - started
