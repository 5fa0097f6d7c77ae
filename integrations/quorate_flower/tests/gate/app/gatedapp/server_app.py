"""Asks every node once, and says what it got."""

import time

import numpy as np
from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """One message with a small model, and one with chunks of it, to each node."""
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(0.5)
    content = RecordDict({"arrays": ArrayRecord([np.arange(2000.0)])})
    messages = [Message(content, node, "train") for node in nodes]
    for reply in grid.send_and_receive(messages, timeout=60):
        if reply.has_error():
            print(f"GOT error {reply.error.code}: {reply.error.reason}", flush=True)
            continue
        for name, record in sorted(reply.content.items()):
            print(f"GOT {type(record).__name__} {name} {dict(record)}", flush=True)
    print("GOT all", flush=True)
