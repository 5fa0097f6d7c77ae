# SPDX-License-Identifier: Apache-2.0
"""The server; it writes down when each round ended, and all that it receives."""

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message
from flwr.serverapp import Grid, ServerApp

from quorate_flower import QuorateFedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    run = context.run_config
    strategy = QuorateFedAvg(
        fraction_evaluate=run["fraction-evaluate"],
        min_available_nodes=run["hospitals"],
        min_train_nodes=3,
    )
    log, send = Path(run["log"]), grid.send_and_receive

    def noted(messages: list[Message], *, timeout: float | None = None) -> list[Message]:
        started = time.monotonic()
        replies = list(send(messages, timeout=timeout))
        with log.open("a") as output:
            for reply in replies:
                said = {"seconds": time.monotonic() - started, **_said(reply)}
                output.write(json.dumps(said) + "\n")
        return replies

    grid.send_and_receive = noted
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord({"w": Array(np.zeros(run["weights"], np.float32))}),
        num_rounds=run["num-server-rounds"],
    )


def _said(reply: Message) -> dict:
    """Everything in a reply, arrays by their names and sizes."""
    if reply.has_error():
        return {"type": reply.metadata.message_type, "error": reply.error.reason}
    content = reply.content
    return {
        "type": reply.metadata.message_type,
        "arrays": {
            name: {n: len(array.data) for n, array in record.items()}
            for name, record in content.array_records.items()
        },
        "metrics": {name: dict(record) for name, record in content.metric_records.items()},
        "configs": {name: dict(record) for name, record in content.config_records.items()},
    }
