# SPDX-License-Identifier: Apache-2.0
"""What a hospital adds in a round."""

import numpy as np
from numpy.typing import NDArray


def added(hospital: int, number: int, count: int) -> NDArray[np.float32]:
    random = np.random.default_rng([hospital, number])
    return (random.normal(size=count) * 0.1).astype(np.float32)
