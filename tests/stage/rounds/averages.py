"""What a round's model must be, computed in the clear."""

from collections.abc import Sequence

import numpy as np

from keyshare.rounds.quantisation import SPREAD
from keyshare.rounds.slots import Slots

Given = tuple[int, np.ndarray]  # a contributor's examples, and its update


def is_next(found: np.ndarray, model: np.ndarray, given: Sequence[Given], slots: Slots) -> bool:
    """Whether a model is the one before and the average of updates, but for their rounding.

    Where an update does not fit the round's bounds, it is the one before; where all are small, may.
    """
    if not all(slots.fits(slots.tally.marks(np.abs(x).max(), n)) for n, x in given):
        return np.array_equal(found, model)
    total, q = sum(n for n, _ in given), slots.quantisation
    average = sum(n * x for n, x in given) / total
    most = q.clip * SPREAD * len(given) / q.steps(total)
    return bool(np.abs(found - model - average).max() <= most + 1e-12 * np.abs(found).max())
