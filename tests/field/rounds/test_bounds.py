"""Bounds and scales that follow what hospitals need: through warm-ups, jumps and quiet rounds."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import csv_hospital
from keyshare.rounds.slots import Slots
from participant.training.bounds import Bounds
from protocol.board.study import Study
from protocol.board.suite import suite_of
from protocol.messages.rounds import Opening
from tests.field.rounds.test_heart import At, apps
from tests.stage.rounds.round_table import Events, RoundTable
from tests.stage.rounds.whole_update import average, quantise
from tests.stage.studies import training_study
from tests.stage.toy import toy_epoch, toy_federation

__all__ = ["apps"]  # a fixture
HOSPITALS = 4
# Of learning rates: jumps by ten, a quiet round, a halt, and what such schedules end with.
WARM_UP = (0.0005, 0.005, 0.05, 0.5, 0.5, 0.0, 0.0005, 0.5, 0.5, 0.5, 0.5, 0.5)


WIDE: dict[str, Any] = {"clip": 8.0, "bits": 32, "max_examples": 100_000, "suite": "auto"}


class Warming(At):
    """The CSV app at one hospital, with another learning rate in every round."""

    def fit(self, parameters: Any, config: Mapping[str, Any]) -> Any:
        self._patch.setattr(csv_hospital, "LEARNING_RATE", WARM_UP[config["round"] - 1])
        return super().fit(parameters, dict(config))


def table(**changes: Any) -> RoundTable:
    """Four hospitals and a study as ``study new`` plans it, with a small key."""
    toy = toy_epoch(4, 3, 512)
    plan = WIDE | {"rounds": len(WARM_UP)} | changes
    return RoundTable(toy, training_study(toy.federation.terms, **plan))


def hear(found: RoundTable, apps: Sequence[Any]) -> Events:
    """Seat the hospitals; what is reported to them from now on."""
    told = Events()
    for k, app in enumerate(apps, start=1):
        found.train(k, app, lambda *said: told.append(said))
    return told


def test_a_warm_up_ends_as_well_at_every_hospital_as_averaging_in_the_clear(apps: list[At]) -> None:
    for app in apps:
        app.__class__ = Warming
    found = table()
    told = hear(found, apps)
    task = found.tasks[1]
    model = task.parameters
    for number in range(1, len(WARM_UP) + 1):
        fitted = [app.fit(model, {"round": number})[:2] for app in apps]
        total = sum(examples for _, examples in fitted)
        model = {name: sum(f[name] * n for f, n in fitted) / total for name in model}
        found.play(f"study/cardio/{number}")
    for app in apps:
        ours = app.evaluate(task.parameters, {})[2]["accuracy"]
        assert abs(ours - app.evaluate(model, {})[2]["accuracy"]) <= 0.005
    # Outgrown where the rate jumps by ten at first, not where it does so again, nor after that.
    assert {number for number, event, _ in told if event == "outgrown"} == {2}


class Pulling:
    """A hospital that changes 200 weights by about 0.01, from so many patients."""

    def __init__(self, index: int, patients: int, *sizes: float) -> None:
        """``sizes``: of the changes in each round; the last one's in all that follow."""
        self.patients, self.draw = patients, np.random.default_rng(index)
        self.sizes = list(sizes or (0.01,))

    def initial_parameters(self, config: Any) -> list[np.ndarray]:
        return [np.zeros(200)]

    def fit(self, parameters: list[np.ndarray], config: Any) -> Any:
        size = self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]
        return [parameters[0] + self.draw.normal(0, size, 200)], self.patients, {}

    def evaluate(self, parameters: list[np.ndarray], config: Any) -> Any:
        return 0.0, 1, {}


@pytest.mark.parametrize("patients", [(30, 30, 30, 30), (30, 100_000, 45, 700)])
def test_small_and_large_hospitals_are_averaged_to_a_thousandth_from_the_second_round_on(
    patients: tuple[int, ...],
) -> None:
    found = table(suite="paillier", bits=20)  # as few bits as the hybrid suite has
    apps = [Pulling(k, n) for k, n in enumerate(patients)]
    twins = [Pulling(k, n) for k, n in enumerate(patients)]
    told = hear(found, apps)
    model, errors = np.zeros(200), []
    for number in (1, 2, 3):
        changes = np.array([twin.fit([model], {})[0][0] - model for twin in twins])
        clear = np.array(patients) @ changes / sum(patients)
        found.play(f"study/cardio/{number}")
        ours = found.tasks[1].parameters[0] - model
        errors.append(root_mean_square(ours - clear) / root_mean_square(clear))
        model = model + ours
    assert all(error < 0.001 for error in errors[1:])
    said = [facts["rounding"] for _, event, facts in told if event == "rounding"][:: len(apps)]
    assert np.allclose(said[-2:], errors[1:], rtol=0.25)
    assert (max(patients) < 100) == ("coarse" in {event for _, event, _ in told})


def test_fewer_patients_than_a_step_count_rightly_all_the_same() -> None:
    patients = (1, 3, 30, 40)
    found = table(suite="paillier", bits=14, max_examples=10**6)
    apps = [Pulling(k, n) for k, n in enumerate(patients)]
    told = hear(found, apps)
    found.play("study/cardio/1")
    assert {event for _, event, _ in told}.isdisjoint({"void", "outgrown"})
    assert all(f["rounding"] > 0.01 for _, event, f in told if event == "rounding")
    told.clear()
    found.play("study/cardio/2")
    assert {event for _, event, _ in told}.isdisjoint({"void", "outgrown"})
    assert all(f["rounding"] < 0.01 for _, event, f in told if event == "rounding")


@pytest.mark.parametrize(
    ("clip", "errors"), [pytest.param(1e6, 0.001, marks=pytest.mark.slow), (1e9, 0.01)]
)
def test_a_bound_far_above_all_changes_is_narrowed_or_its_price_is_told(
    clip: float, errors: float
) -> None:
    """Changes of 0.01 lie within the classes of the first, and below all of the others."""
    found = table(suite="paillier", bits=20, clip=clip)
    told = hear(found, [Pulling(k, 30) for k in range(HOSPITALS)])
    for number in (1, 2, 3):
        found.play(f"study/cardio/{number}")
    said = [facts["rounding"] for _, event, facts in told if event == "rounding"][::HOSPITALS]
    assert all(one <= errors for one in said)
    coarse = sorted({number for number, event, _ in told if event == "coarse"})
    assert coarse == ([1, 2, 3] if errors == 1.0 else [1])
    assert len(said) == 3 - len(coarse)


@pytest.mark.parametrize("sizes", [(0.002,), (0.001, 0.01), (0.001, 0.002, 0.1)])
def test_a_round_whose_changes_rounding_hides_is_no_hold_up_for_the_next(
    sizes: tuple[float, ...],
) -> None:
    """The model stays, and is trained again under bounds with which its changes are seen."""
    found = table(suite="paillier", bits=20)
    told = hear(found, [Pulling(k, 30, *sizes) for k in range(HOSPITALS)])
    models = []
    for number in (1, 2, 3):
        found.play(f"study/cardio/{number}")
        models.append(found.tasks[1].parameters[0])
    assert not models[0].any()
    assert {number for number, event, _ in told if event == "coarse"} >= {1}
    outgrown = {number for number, event, _ in told if event == "outgrown"}
    jumps = {k for k, (a, b) in enumerate(itertools.pairwise(sizes), start=2) if b > 8 * a}
    assert outgrown == jumps
    assert root_mean_square(models[1]) > 0.0005 or 2 in outgrown
    assert root_mean_square(models[2]) > 0.0005 or 3 in outgrown


def root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("suite", ["hybrid", "hybrid-s2"])
@pytest.mark.parametrize("members", [3, 10, 16])
def test_the_precision_is_there_with_the_bits_of_the_lattice(suite: Any, members: int) -> None:
    """One round in the clear, with the slots of a second round under each suite."""
    study = training_study(toy_federation(members, members // 2 + 1).terms, **WIDE)
    draw = np.random.default_rng(members)
    changes, patients = draw.normal(0, 0.01, (members, 5_000)), draw.integers(30, 300, members)
    patients[0] = 100_000
    tally = suite_of(suite, study).slots(opening(suite, 8.0, 10**5)).tally
    marks = [tally.marks(np.abs(c).max(), int(n)) for c, n in zip(changes, patients, strict=True)]
    counts = tally.read(np.sum([tally.values(m) for m in marks], axis=0), members)
    bounds = Bounds().after(counts, marks[0])
    second = opening(suite, bounds.clip(study), bounds.max_examples(study))
    slots = suite_of(suite, study).slots(second)
    updates = zip(changes, patients, strict=True)
    sums = np.sum(
        [quantise(c, int(n), slots, bytes([k] * 32)) for k, (c, n) in enumerate(updates)], axis=0
    )
    clear = patients @ changes / patients.sum()
    error = root_mean_square(average(sums, members, slots) - clear) / root_mean_square(clear)
    assert error < 0.001


def opening(suite: Any, clip: float, most: int) -> Opening:
    return Opening(bytes(32), bytes(32), bytes(32), 5_000, suite, clip, most)


def first_round(hospitals: int) -> tuple[Study, Slots]:
    """A usual study, and the slots of a first round under the hybrid suite."""
    study = training_study(toy_federation(hospitals, hospitals // 2 + 1).terms, **WIDE)
    return study, suite_of("hybrid", study).slots(opening("hybrid", 8.0, 100_000))


@pytest.mark.parametrize(("hospitals", "examples"), [(3, 100), (5, 100), (16, 100), (16, 1000)])
def test_a_first_round_in_a_usual_study_does_no_more_harm_than_none(
    hospitals: int, examples: int
) -> None:
    """Where rounding would change the average by more than the updates do, it is left out."""
    _, slots = first_round(hospitals)
    draw = np.random.default_rng(1)
    updates = draw.normal(0, 0.003, (hospitals, 1)) + draw.normal(0, 0.003, (hospitals, 5_000))
    found = [quantise(x, examples, slots, bytes([k] * 32)) for k, x in enumerate(updates)]
    sums, reader, true = np.sum(found, axis=0), slots.reader(hospitals), updates.mean(axis=0)
    reader.take_head(sums[: slots.head])
    error = reader.take(sums[slots.head :]) - true
    assert reader.is_coarse or root_mean_square(error) < root_mean_square(true)
    assert reader.is_coarse or examples == 1000


@pytest.mark.parametrize("hospitals", [3, 5, 16])
def test_one_large_change_does_not_let_rounding_spoil_all_others(hospitals: int) -> None:
    """As the running variance of a normalisation has, or a bias: the others change by 0.001."""
    _, slots = first_round(hospitals)
    draw = np.random.default_rng(1)
    updates = draw.normal(0, 0.001, (1, 5_000)) + draw.normal(0, 0.0002, (hospitals, 5_000))
    updates[:, 0] = 1.0
    found = [quantise(x, 100, slots, bytes([k] * 32)) for k, x in enumerate(updates)]
    sums, reader = np.sum(found, axis=0), slots.reader(hospitals)
    reader.take_head(sums[: slots.head])
    reader.take(sums[slots.head :])
    assert reader.is_coarse


def outgrown_in(sizes: list[float]) -> int:
    """How many rounds such changes outgrow, by the bounds of the rounds before."""
    study, slots = first_round(4)
    tally = slots.tally
    bounds, found = Bounds(), 0
    for size in sizes:
        found += size > bounds.clip(study)
        marks = tally.marks(size, 100)
        bounds = bounds.after(tally.read(4 * tally.values(marks), 4), marks)
    return found


def test_a_warm_up_by_tens_loses_one_round() -> None:
    """The model stays in it: the app's rate follows the number of the round."""
    assert outgrown_in([0.2 * 10.0**k for k in (-6, -5, -4, -3, -2, -1, 0, 0, 0)]) == 1


def test_a_warm_up_by_twos_loses_none() -> None:
    assert outgrown_in([0.01 * 2.0**k for k in (0, 1, 2, 3, 4, 4, 4)]) == 0
