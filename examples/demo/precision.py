"""How far an encrypted average may be from the one in the clear, by the round's own precision."""

from __future__ import annotations

import numpy as np

from participant.weights import Vector
from protocol.messages import Opening
from protocol.suite import suite_of
from protocol.terms import Terms

_FLOAT32_HALF_STEP = 2.0**-24  # relative; a model is kept in float32


def error_bound(opening: Opening, terms: Terms, examples: Vector, model: Vector) -> float:
    """The largest difference that quantisation and the stored model's float32 explain.

    With W_j = round(w_j·S) and n contributors, whose updates are scaled to within ±clip:

        |error| <= clip · n · (r + 1) / Σ W_j  +  2^-24 · max |model|

    r: half a step for rounding each value, a whole one where rounding is stochastic; rounding the
    W_j themselves moves an average by at most half a step for each, twice over.
    """
    q = suite_of(opening.suite, terms).slots(opening).quantisation
    weights = np.rint(np.minimum(examples, q.max_examples) / q.max_examples * q.scale)
    step = 1.0 if terms.stochastic_rounding else 0.5
    quantised = q.clip * len(examples) * (step + 1) / weights.sum()
    return float(quantised + _FLOAT32_HALF_STEP * np.abs(model).max())
