"""Real patients for the demo: the breast cancer data of scikit-learn, one file a hospital.

The split is uneven, in numbers and by class: one hospital sees nearly only benign cases, another
nearly only malignant ones. One fifth of all patients is held out.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

MALIGNANT, BENIGN = 0, 1
# (benign, malignant) patients of each hospital; the rest is held out.
SPLIT = ((150, 8), (75, 30), (45, 42), (12, 52), (3, 38))


def write_patients(folder: Path) -> tuple[list[Path], Path]:
    """Write each hospital's CSV file and the held-out one; the same files every time."""
    data = load_breast_cancer()
    table = np.column_stack([data.data, data.target])
    shuffled = table[np.random.default_rng(2026).permutation(len(table))]
    benign = shuffled[shuffled[:, -1] == BENIGN]
    malignant = shuffled[shuffled[:, -1] == MALIGNANT]
    header = ",".join([*(n.replace(" ", "_") for n in data.feature_names), "diagnosis"])
    files, b, m = [], 0, 0
    for number, (n_benign, n_malignant) in enumerate(SPLIT, start=1):
        rows = np.vstack([benign[b : b + n_benign], malignant[m : m + n_malignant]])
        b, m = b + n_benign, m + n_malignant
        files.append(_write(folder / f"hospital-{number}" / "patients.csv", rows, header))
    held_out = np.vstack([benign[b:], malignant[m:]])
    return files, _write(folder / "held-out.csv", held_out, header)


def pool(files: list[Path], path: Path) -> Path:
    """All hospitals' patients in one file, as no federation would ever have them."""
    rows = np.vstack([np.loadtxt(f, delimiter=",", skiprows=1) for f in files])
    return _write(path, rows, files[0].read_text().partition("\n")[0])


def _write(path: Path, rows: NDArray[np.float64], header: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%.6g")
    return path
