# SPDX-License-Identifier: Apache-2.0
"""Each site fits a plane to its own points, by gradient descent with numpy."""

import zlib

import numpy as np
import nvflare.client as flare
from numpy.typing import NDArray

KEY = "numpy_key"  # NVFlare's name of the one array
Array = NDArray[np.float32]
STEPS = 20


def points(site: str) -> tuple[Array, Array]:
    """What this site has: 40 to 99 points, another number at each."""
    rng = np.random.default_rng(zlib.crc32(site.encode()))
    x = rng.normal(size=(int(rng.integers(40, 100)), 4)).astype(np.float32)
    x[:, 3] = 1
    y = x @ np.array([[1.0], [-0.5], [0.25], [2.0]], np.float32)
    return x, y + rng.normal(scale=0.1, size=y.shape).astype(np.float32)


def error(weights: Array, site: str) -> float:
    """The mean square of the model's error on this site's points."""
    x, y = points(site)
    return float(np.mean((x @ weights - y) ** 2))


def train(weights: Array, site: str) -> tuple[Array, int]:
    """The model after some steps on this site's points, and how many points there are."""
    x, y = points(site)
    for _ in range(STEPS):
        weights = weights - np.float32(0.05) * (2 * x.T @ (x @ weights - y) / len(x))
    return weights, len(x)


def main() -> None:
    """Train for as long as the server has rounds."""
    flare.init()
    site = flare.get_site_name()
    while flare.is_running():
        given = flare.receive()
        before = given.params[KEY]
        after, count = train(before, site)
        print(f"{site}: error {error(before, site):.3f} before, {error(after, site):.3f} after")
        flare.send(
            flare.FLModel(
                params={KEY: after},
                metrics={"error": error(before, site)},
                meta={"NUM_STEPS_CURRENT_ROUND": count},
            )
        )


if __name__ == "__main__":
    main()
