"""What the consortium computes: apps, each hospital's files, and the rounds of each study."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from examples import breast_cancer, digits
from examples.demo.study import images, patients


@dataclass(frozen=True)
class Training:
    """A study that trains a model.

    variable: the environment variable that names a hospital's file. pooled: all hospitals' data
    in one file, as no federation would ever have them.
    """

    name: str
    purpose: str
    rounds: int
    app: ModuleType
    variable: str
    files: tuple[Path, ...]
    held_out: Path
    pooled: Path

    @property
    def numbers(self) -> range:
        """Those of its rounds."""
        return range(1, self.rounds + 1)


def tumours(folder: Path) -> Training:
    """Malignant or benign: some hundred weights, under packed Paillier."""
    files, held_out = patients.write_patients(folder)
    pooled = patients.pool(files, folder / "pooled.csv")
    return Training(
        "tumours", "Which tumours are malignant, by 30 measurements of their cells", 5,
        breast_cancer, "PATIENTS", tuple(files), held_out, pooled,
    )  # fmt: skip


def handwriting(folder: Path) -> Training:
    """Which digit: a convolutional network of more than 100,000 weights, under the hybrid suite."""
    files, held_out = images.write_images(folder)
    pooled = images.pool(files, folder / "pooled.npz")
    return Training(
        "digits", "Which digit is written, to try a larger model", 3,
        digits, "DIGITS", tuple(files), held_out, pooled,
    )  # fmt: skip
