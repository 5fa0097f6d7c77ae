"""What a hospital adds to a round of training: what its app makes of the model, encrypted."""

import time
from dataclasses import dataclass
from typing import Any

from keyshare.errors import BadUpdate
from participant.app import App, config_of, fit
from participant.disk import Storage
from participant.errors import BadApp
from participant.model import LocalEntries, Model, Vector, Weights, checked
from participant.rounds import BeyondPlan, ContributionMaker
from participant.training import last_contribution
from participant.training.outcome import keep_start
from participant.training.stance import Report
from protocol.board import Draft, Opening, Posted, Study
from protocol.key import HeldKey


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
        secret: HeldKey,
        app: App,
        storage: Storage,
        local: LocalEntries,
        report: Report,
    ) -> None:
        """local: the entries that stay here, which the app is given with every model."""
        self._study, self._secret, self._app = study, secret, app
        self._storage, self._local, self._report = storage, local, report

    def to_app(self, model: Model) -> Any:
        """A model as the app is given it."""
        return model.to_app(self._local.entries)

    def contribution(
        self, number: int, model: Model, opening: Posted[Opening], near: tuple[str, ...]
    ) -> Draft | None:
        """What is added to a round; None where this hospital adds nothing, and helps to decrypt.

        model: that the round starts from. near: what the contribution names. The app has no
        examples then, or its update is beyond what the plan allows. Raises BadApp.
        """
        started = time.monotonic()
        change, examples = self._fit(number, model)
        if not examples:
            self._report(number, "abstained", {})
            return None
        trained = time.monotonic()
        maker = ContributionMaker(self._study, *self._secret, self._storage, near)
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
        seconds = {"train": trained - started, "encrypt": time.monotonic() - trained}
        self._report(number, "contributed", {"suite": said.suite, "near": list(near), **seconds})
        return draft

    def _fit(self, number: int, model: Model) -> tuple[Change, int]:
        """What the app changed, and by how many examples it counts."""
        config = config_of(self._study, number)
        parameters, examples, metrics = fit(self._app, self.to_app(model), config)
        fitted = checked(parameters, model.layout, "fit")
        self._local.keep(parameters)
        self._report(number, "fitted", {"metrics": metrics, "examples": examples})
        if self._study.training.weights == "equal":
            examples = min(examples, 1)
        return Change(fitted, model.given), examples
