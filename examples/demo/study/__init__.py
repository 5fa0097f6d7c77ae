"""What the consortium trains: an app, each hospital's file, and the rounds that are its own."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from examples import breast_cancer, digits
from examples.demo.study import images, patients


@dataclass(frozen=True)
class Study:
    """One model of a federation.

    variable: the environment variable that names a hospital's file. pooled: all hospitals' data
    in one file, as no federation would ever have them.
    """

    app: ModuleType
    variable: str
    rounds: range
    files: tuple[Path, ...]
    held_out: Path
    pooled: Path

    @property
    def last_round(self) -> int:
        """The round after which its model is finished."""
        return self.rounds[-1]


def tumours(folder: Path, rounds: range) -> Study:
    """Malignant or benign: some hundred weights, under packed Paillier."""
    files, held_out = patients.write_patients(folder)
    pooled = patients.pool(files, folder / "pooled.csv")
    return Study(breast_cancer, "PATIENTS", rounds, tuple(files), held_out, pooled)


def handwriting(folder: Path, rounds: range) -> Study:
    """Which digit: a convolutional network of more than 100,000 weights, under the hybrid suite."""
    files, held_out = images.write_images(folder)
    pooled = images.pool(files, folder / "pooled.npz")
    return Study(digits, "DIGITS", rounds, tuple(files), held_out, pooled)
