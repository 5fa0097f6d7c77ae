"""How far an encrypted average may be from the one in the clear, by the round's own precision."""

import numpy as np

from keyshare.rounds import Averager
from participant.model import Vector
from protocol.board import Study, suite_of
from protocol.messages import Opening

_FLOAT32_HALF_STEP = 2.0**-24  # relative; a model is kept in float32


def error_bound(opening: Opening, study: Study, examples: Vector, model: Vector) -> float:
    """The largest difference that quantisation and the stored model's float32 explain.

    Ten standard deviations of the rounding:

        |error| <= 10 · rounding error  +  2^-24 · max |model|
    """
    q = suite_of(opening.suite, study).slots(opening).quantisation
    averager = Averager(int(examples.sum()), len(examples), q)
    return float(10 * averager.rounding_error + _FLOAT32_HALF_STEP * np.abs(model).max())
