"""What a trained model says of patients: their line in the file, and the probability of a 1.

    python predict.py model-10.safetensors new-patients.csv

The file needs the model's columns; the outcome may be missing. agreement.toml and scaling.json are
the ones that the model was trained with.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from agreement import read_agreement
from csv_file import BadFile, run, say
from csv_hospital import HERE, features_of, probabilities, scale_of
from patients import read_patients

_WEIGHT, _INTERCEPT = "weight of ", "intercept "


def predictions(model: Path, source: Path) -> Iterator[tuple[int, float]]:
    """Line and probability of each patient; raises BadFile."""
    entries = _entries(model)
    columns = tuple(sorted(n.removeprefix(_WEIGHT) for n in entries if n.startswith(_WEIGHT)))
    intercepts = [name for name in entries if name.startswith(_INTERCEPT)]
    if not columns or len(intercepts) != 1 or len(entries) != len(columns) + 1:
        raise BadFile(model, "it is not a model of this app")
    scale = scale_of(columns, HERE / "scaling.json")
    name = f"scale {scale.name})" if scale else "no scale)"
    if not intercepts[0].endswith(name):
        reason = f"it was trained with another scaling.json: its intercept is {intercepts[0]!r}"
        raise BadFile(model, f"{reason}. Put back the file of that training")
    patients = read_patients(source, read_agreement(HERE / "agreement.toml"), columns)
    weights = np.concatenate([entries[_WEIGHT + column] for column in columns])
    found = probabilities(weights, entries[intercepts[0]], features_of(patients, scale))
    yield from zip(patients.lines, map(float, found), strict=True)


def _entries(model: Path) -> dict[str, NDArray[np.float64]]:
    try:
        return load_file(model)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or "it is not a whole safetensors file"
        raise BadFile(model, f"the model cannot be read ({reason})") from None


def main(arguments: list[str]) -> int:
    """The command line; 0 if all patients were read."""
    if len(arguments) != 2:
        say("usage: python predict.py model.safetensors patients.csv", sys.stderr)
        return 2
    try:
        found = list(predictions(*map(Path, arguments)))
    except BadFile as error:
        say(f"error: {error}", sys.stderr)
        return 1
    say("line,probability")
    for line, probability in found:
        say(f"{line},{probability:.3f}")
    return 0


if __name__ == "__main__":
    run(main)
