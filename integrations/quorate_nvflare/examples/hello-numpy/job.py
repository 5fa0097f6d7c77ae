# SPDX-License-Identifier: Apache-2.0
"""The job: three sites train a plane, in NVFlare's simulator."""

import argparse
import tempfile

from nvflare.app_common.np.recipes import NumpyFedAvgRecipe
from nvflare.recipe import SimEnv

from quorate_nvflare import quorate_recipe


def recipe(rounds: int) -> NumpyFedAvgRecipe:
    """What is trained."""
    return quorate_recipe(
        NumpyFedAvgRecipe,
        name="hello-numpy",
        model=[[0.0], [0.0], [0.0], [0.0]],
        min_clients=3,
        num_rounds=rounds,
        train_script="client.py",
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workspace", help="for logs and the server's model; else a new folder")
    said = parser.parse_args()
    workspace = said.workspace or tempfile.mkdtemp(prefix="hello-numpy-")
    print(f"logs and the server's model: {workspace}")
    recipe(said.rounds).execute(SimEnv(num_clients=3, workspace_root=workspace))


if __name__ == "__main__":
    main()
