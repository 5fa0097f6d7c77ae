"""The studies that hospitals are asked to approve: training and statistics, over the same and near.

Plans are harmless one by one. What hospitals add is the same wherever it is the same *column*, or
is trained from one model; the plans say so, or call it otherwise. Models that hardly differ are
one: what a hospital trains from either is nearly the same. This is the truth that hospitals' own
words (``Contribution.near``) are measured by. Models of one study stay several: a member that holds
its model still is what docs/security/sums.md says that no rule here sees.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from participant.statistic.numbers import Numbers
from protocol.board.study import Study
from protocol.messages.plan import Plan, Training
from protocol.terms.terms import Terms
from tests.stage.rounds.round_table import Steps
from tests.stage.studies import statistic_plan, training_plan

ROUNDS = 3
TRAINING = (
    "cardio",
    "tumours",
    "twin",  # has another dummy weight to begin with
    "peers",  # all hospitals count alike
)
COLUMNS = {  # what a statistic adds, and what its plan calls the data
    "age": ("patients", (0, 1)),
    "ages": ("patients", (0,)),
    "stay": ("visits", (0, 1)),  # the same numbers by another name
    "nights": ("visits", (5, 6)),  # other numbers by that name
    "cases": ("records", (0, 1)),  # and by a third name
    "beds": ("wards", (2,)),
    "rooms": ("wards", (3, 4)),
}
# What a sequence plays: over the same models, data and numbers, or nearly, or not at all.
FOCI = (
    ("cardio", "tumours", "twin"),
    ("cardio", "tumours"),
    ("cardio", "twin", "stay"),
    ("age", "ages", "stay"),
    ("age", "stay"),
    ("age", "stay", "cases"),
    ("age", "nights", "stay"),
    ("age", "ages", "cardio"),
    ("cardio", "peers"),
    ("cardio", "peers", "tumours"),
    ("beds", "rooms", "tumours"),
)
DUMMY = 1e-3
CLOSE = 0.01  # of each weight; a round moves some weight by more

Weights = tuple[float, ...]


class Counting(Steps):
    """``Steps`` from as many examples as its hospital has."""

    def __init__(self, index: int) -> None:
        super().__init__(index / 8)
        self.examples = examples_of(index)

    def fit(self, parameters: list[np.ndarray], config: object) -> Any:
        fitted, _, metrics = super().fit(parameters, {})
        return fitted, self.examples, metrics


class Twin(Counting):
    """``Counting`` from a model that differs in one weight."""

    def initial_parameters(self, config: object) -> list[np.ndarray]:
        weights, bias = super().initial_parameters({})
        weights[0, 0] = DUMMY
        return [weights, bias]


def app_of(name: str, index: int) -> Steps:
    """The app that a hospital runs in a study."""
    return (Twin if name == "twin" else Counting)(index)


def examples_of(index: int) -> int:
    """How many examples a hospital has; of no two as many, and the adversary knows it.

    All are within what one round's bounds allow, whoever said what it needs: 9 to 16.
    """
    return 8 + index


def times_of(plan: Plan, index: int) -> int:
    """How many times a hospital's contribution to a round of a plan holds its number."""
    work = plan.work
    return examples_of(index) if isinstance(work, Training) and work.weights == "examples" else 1


def numbers_of(name: str, index: int) -> Numbers:
    """What a hospital contributes to a statistic; no two of its columns are alike."""
    _, columns = COLUMNS[name]
    return Numbers("numbers.csv", tuple(Decimal(100 * index + k + 1) for k in columns))


@lru_cache(maxsize=256)
def study_of(terms: Terms, name: str, variant: int = 0) -> Study:
    """A study of this name; of its two plans the second one is for all members but the first."""
    n = terms.n_members
    changes: dict[str, Any] = {
        "members": tuple(range(1 + variant, n + 1)),
        "purpose": f"Plan {variant}.",
    }
    if name == "peers":
        changes |= {"weights": "equal", "max_examples": 1}
    if name in TRAINING:
        plan: Plan = training_plan(terms, rounds=ROUNDS, **changes)
    else:
        data, columns = COLUMNS[name]
        plan = statistic_plan(terms, len(columns), data=data, **changes)
    return Study(terms, name, plan)


@dataclass
class Sources:
    """The models that hospitals have trained from, by digest."""

    weights: dict[bytes, Weights] = field(default_factory=dict)
    same: dict[bytes, bytes] = field(default_factory=dict)
    studies: defaultdict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))

    def learn(self, study: str, model: bytes, weights: Weights) -> None:
        """Take note of the weights of a model that a study has trained from."""
        if model not in self.weights:
            others = (m for m in self.weights if study not in self.studies[m])
            close = (m for m in others if _are_close(weights, self.weights[m]))
            self.same[model] = self.of_model(next(close, model))
            self.weights[model] = weights
        self.studies[model].add(study)

    def of_model(self, model: bytes) -> bytes:
        """The first of the models that are one with this."""
        return self.same.get(model, model)

    def of_statistic(self, name: str, count: int) -> list[tuple[bytes, int]]:
        """The columns that a study adds; of other names for what no plan here asks for."""
        columns = COLUMNS[name][1]
        return [
            (b"column %d" % columns[k] if k < len(columns) else b"beyond " + name.encode(), 0)
            for k in range(count)
        ]


def _are_close(one: Weights, other: Weights) -> bool:
    pairs = zip(one, other, strict=True)
    return len(one) == len(other) and all(abs(a - b) <= CLOSE for a, b in pairs)
