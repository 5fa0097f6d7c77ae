"""What a reply of quorate_mod looks like, or of an app that does not use it."""

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """``sends`` in the run's config chooses the reply."""
    metrics = MetricRecord({"num-examples": 1, "train_loss": 0.123456789})
    receipt = ConfigRecord({"round": 3, "model": "ab" * 32, "outcome": "applied"})
    if context.run_config["sends"] == "text":
        receipt["note"] = "what a patient has"
    content = RecordDict({"metrics": metrics, "quorate": receipt})
    sends = context.run_config["sends"]
    if sends == "arrays":
        content["arrays"] = ArrayRecord([np.arange(6.0)])
    if sends == "large":
        content["arrays"] = ArrayRecord([np.arange(1e6)])
    if sends == "error":
        raise RuntimeError("what a patient has")
    return Message(content, reply_to=message)
