# SPDX-License-Identifier: Apache-2.0
"""The job: three sites train a network, in NVFlare's simulator."""

import argparse
import tempfile

import torch
from model import Net
from nvflare.app_opt.pt.recipes import FedAvgRecipe
from nvflare.recipe import SimEnv

from quorate_nvflare import quorate_recipe


def recipe(rounds: int) -> FedAvgRecipe:
    """What is trained."""
    torch.manual_seed(1)
    return quorate_recipe(
        FedAvgRecipe,
        name="hello-pt",
        model=Net(),
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
    workspace = said.workspace or tempfile.mkdtemp(prefix="hello-pt-")
    print(f"logs and the server's model: {workspace}")
    recipe(said.rounds).execute(SimEnv(num_clients=3, workspace_root=workspace))


if __name__ == "__main__":
    main()
