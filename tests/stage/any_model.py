"""Parameters of any model that numpy has, and their master copy."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from participant.model.layout import Layout
from participant.model.master import Model
from participant.model.weights import checked

FLOATS = st.sampled_from([np.float16, np.float32, np.float64])
ARRAY = FLOATS.flatmap(
    lambda dtype: arrays(
        dtype,
        array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
PARAMETERS = st.lists(ARRAY, min_size=1, max_size=5).filter(lambda ps: any(p.size for p in ps))


def model_of(parameters: Any) -> Model:
    return Model.of(checked(parameters, Layout.of(parameters), "initial_parameters"))
