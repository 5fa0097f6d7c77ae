"""Start here for data of your own: a CSV file with a header, one patient a line.

    export QUORATE_CSV=/data/patients.csv
    quorate-participant train federation.toml --study NAME \\
        --app csv_hospital/csv_hospital.py --app-env QUORATE_CSV

Copy the whole folder. ``agreement.toml`` in it says which columns the model sees and what it
predicts (agreement.py), ``scaling.json`` brings the columns to one scale (scaling.py). Both are the
same at every hospital; docs/tutorial.md makes both. Without them all columns are used as they are,
and the last one is the outcome, 0 or 1.

Every entry of the model is named by what it is: by its column, and the intercept by the outcome and
the scale. A hospital whose columns, outcome or scale are others is named before the first round.

Logistic regression in plain numpy. For another model, change this file: ``load`` gives the data.
"""

import hashlib
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agreement import Agreement, read_agreement
from csv_file import BadFile, quoted
from patients import Patients, outcomes, read_patients
from scaling import Scale, read_scale

Parameters = dict[str, NDArray[np.float64]]  # one number each
Config = dict[str, Any]

STEPS, LEARNING_RATE = 50, 0.5
FIRST = 0.01  # bound of the first weights
LARGEST = 20  # of a value that nothing scales, and of a column's mean distance from the scale's
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Data:
    """Features, shape (patients, columns), with the columns' names, and outcomes, (patients,)."""

    columns: tuple[str, ...]
    features: NDArray[np.float64] = field(repr=False)
    outcomes: NDArray[np.float64] = field(repr=False)
    intercept: str  # what its entry is called


def load() -> Data:
    """This hospital's patients; raises BadFile, which says where and what to do."""
    path = os.environ.get("QUORATE_CSV")
    if not path:
        raise ValueError("QUORATE_CSV is not set. Set it to the path of your CSV file")
    files = (Path(path).expanduser(), HERE / "agreement.toml", HERE / "scaling.json")
    return _read(*files, tuple(map(_digest, files)))


@lru_cache(maxsize=1)
def _read(path: Path, agreement_file: Path, scale_file: Path, digests: tuple[bytes, ...]) -> Data:
    """The data in files of these contents: they are read again when they change."""
    agreement = read_agreement(agreement_file)
    patients = read_patients(path, agreement)
    scale = scale_of(tuple(patients.values), scale_file)
    found = np.array(outcomes(patients.table, agreement), dtype=np.float64)
    name = intercept_name(agreement, agreement.outcome_of(patients.table), scale)
    return Data(tuple(patients.values), features_of(patients, scale), found, name)


def _digest(path: Path) -> bytes:
    """Of a file's content; nothing if it cannot be read, which reading it will say."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""


def scale_of(columns: tuple[str, ...], path: Path) -> Scale | None:
    """What brings these columns to one scale, if there is a file of it; raises BadFile."""
    return read_scale(path, columns) if path.exists() else None


def intercept_name(agreement: Agreement, outcome: str, scale: Scale | None) -> str:
    """The intercept, named by all that hospitals must have alike and no column's name tells."""
    one, zero = ("/".join(sorted(words)) for words in (agreement.one, agreement.zero))
    words = f"{outcome} is {one}, not {zero}"
    return f"intercept ({words}; {'scale ' + scale.name if scale else 'no scale'})"


def features_of(patients: Patients, scale: Scale | None) -> NDArray[np.float64]:
    """Scaled values, shape (patients, columns); raises BadFile where one needs a scale, or another.

    scale: None where all values are complete, and are used as they are.
    """
    columns = []
    for name, values in patients.values.items():
        if not scale:
            columns.append(_as_they_are(patients, name))
            continue
        columns.append([scale.scaled(name, value) for value in values])
        if (far := float(np.abs(columns[-1]).mean())) > LARGEST:
            reason = f"its values lie {far:.0f} deviations from the mean of all hospitals. Is "
            reason += "its unit another here, or are some hospital's sums wrong?"
            raise BadFile(patients.table.path, reason, column=name)
    return np.array(columns).T


def _as_they_are(patients: Patients, name: str) -> list[float]:
    """The values of a column that nothing scales; raises BadFile."""
    found = []
    for line, value in zip(patients.lines, patients.values[name], strict=True):
        if value is not None and abs(value) <= LARGEST:
            found.append(float(value))
            continue
        reason = "the value is missing, and without a scale no mean is known that it could count as"
        if value is not None:
            reason = f"{quoted(str(value))} is large for a column that is not scaled"
        remedy = "fill it in" if value is None else "scale the column"
        reason += f". Make a scaling.json as docs/tutorial.md shows, or {remedy}"
        raise BadFile(patients.table.path, reason, line, name)
    return found


def initial_parameters(config: Config) -> Parameters:
    """Small weights that follow from the seed and the column's name, everywhere the same.

    Two trainings that begin from one model would show by the difference of their first sums what
    hospitals added that were in one of them alone: every new model has another seed.
    """
    data = load()  # whatever is wrong with the file is said before anything is sent
    first = {f"weight of {name}": number(config["seed"], name) for name in data.columns}
    return first | {data.intercept: np.zeros(1)}


def number(seed: int, name: str) -> NDArray[np.float64]:
    """A number within FIRST of 0 that looks random, the same on every machine and release."""
    drawn = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4], "big")
    return np.array([FIRST * (2 * drawn / 2**32 - 1)])


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Gradient descent on this hospital's patients: parameters, their number, metrics."""
    data = load()
    weights, bias = arrays(parameters, data)
    for _ in range(STEPS):
        error = probabilities(weights, bias, data.features) - data.outcomes
        weights -= LEARNING_RATE * data.features.T @ error / len(error)
        bias -= LEARNING_RATE * error.mean()
    found = {f"weight of {name}": weights[k : k + 1] for k, name in enumerate(data.columns)}
    return found | {data.intercept: bias}, len(data.outcomes), {}


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Log loss, number of patients, and accuracy on this hospital's patients."""
    data = load()
    found = np.clip(probabilities(*arrays(parameters, data), data.features), 1e-12, 1 - 1e-12)
    loss = -np.mean(data.outcomes * np.log(found) + (1 - data.outcomes) * np.log(1 - found))
    accuracy = float(np.mean((found > 0.5) == (data.outcomes > 0.5)))
    return float(loss), len(data.outcomes), {"accuracy": accuracy}


def arrays(parameters: Parameters, data: Data) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights, shape (columns,), and the intercept, shape (1,), of a model of these data."""
    if {f"weight of {name}" for name in data.columns} | {data.intercept} != set(parameters):
        raise ValueError(
            "the columns, the outcome or the scale are no longer those that training began with. "
            "Put back the file of patients, agreement.toml and scaling.json"
        )
    weights = np.concatenate([parameters[f"weight of {name}"] for name in data.columns])
    return weights, parameters[data.intercept].copy()


def probabilities(
    weights: NDArray[np.float64], bias: NDArray[np.float64], features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(outcome = 1) for each patient."""
    logits = np.clip(features @ weights + bias, -500, 500)  # beyond that exp overflows
    return np.asarray(1 / (1 + np.exp(-logits)))
