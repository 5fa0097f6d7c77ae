"""Asks every node for replies of several kinds, and says what it got."""

import time

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Messages with a small model and a kind, one after the other."""
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(0.5)
    for sends in str(context.run_config["sends"]).split():
        model = ArrayRecord([np.arange(2000.0)])
        content = RecordDict({"arrays": model, "config": ConfigRecord({"sends": sends})})
        messages = [Message(content, node, "train") for node in nodes]
        for reply in grid.send_and_receive(messages, timeout=60):
            if reply.has_error():
                print(f"GOT {sends}: error {reply.error.code}: {reply.error.reason}", flush=True)
                continue
            records = {name: dict(record) for name, record in sorted(reply.content.items())}
            print(f"GOT {sends}: {records}", flush=True)
    print("GOT all:", flush=True)
