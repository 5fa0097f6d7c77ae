"""Real images for the demo's second part: the handwritten digits of scikit-learn, by hospital.

The split is uneven, in numbers and by class: each hospital sees mostly some of the ten digits. One
fifth of all images is held out.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED = 2026
# Of 20 images of a digit, so many are each hospital's; four in 20 are held out.
SHARES = {
    0: (10, 2, 2, 1, 1), 1: (9, 4, 1, 1, 1), 2: (8, 5, 1, 1, 1), 3: (4, 9, 1, 1, 1),
    4: (1, 9, 4, 1, 1), 5: (1, 4, 9, 1, 1), 6: (1, 1, 9, 4, 1), 7: (2, 1, 4, 8, 1),
    8: (1, 1, 1, 8, 5), 9: (1, 1, 1, 4, 9),
}  # fmt: skip


def write_images(folder: Path) -> tuple[list[Path], Path]:
    """Write each hospital's file and the held-out one; the same files every time."""
    from sklearn.datasets import load_digits  # slow to import, and only this needs it

    data = load_digits()
    order = np.random.default_rng(SEED).permutation(len(data.target))
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(6)]
    for digit, shares in SHARES.items():
        of_digit = order[data.target[order] == digit]
        ends = np.cumsum(shares) * len(of_digit) // 20
        for part, rows in zip(parts, np.split(of_digit, ends), strict=True):
            part.append(rows)
    names = [*(f"hospital-{k}/digits.npz" for k in range(1, 6)), "held-out.npz"]
    files = []
    for name, part in zip(names, parts, strict=True):
        rows = np.sort(np.concatenate(part))
        files.append(_write(folder / name, data.images[rows], data.target[rows]))
    return files[:-1], files[-1]


def pool(files: Sequence[Path], path: Path) -> Path:
    """All hospitals' images in one file, as no federation would ever have them."""
    found = [np.load(file) for file in files]
    images, digits = (np.concatenate([f[key] for f in found]) for key in ("images", "digits"))
    return _write(path, images, digits)


def _write(path: Path, images: NDArray[np.float64], digits: NDArray[np.int64]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, images=images.astype(np.uint8), digits=digits.astype(np.int64))
    return path
