# SPDX-License-Identifier: Apache-2.0
"""What the server runs."""

import torch
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp

from digits_pytorch.task import Net
from quorate_flower import QuorateFedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    run = context.run_config
    torch.manual_seed(0)
    strategy = QuorateFedAvg(fraction_evaluate=run["fraction-evaluate"])
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(Net().state_dict()),
        num_rounds=run["num-server-rounds"],
    )
