"""What a reply of quorate_mod looks like, or of an app that does not use it."""

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """The message says what kind of a reply it wants."""
    sends = message.content.config_records["config"]["sends"]
    if sends == "error":
        raise RuntimeError("what a patient has")
    metrics = MetricRecord({"num-examples": 1, "train_loss": 0.123456789})
    receipt = ConfigRecord(
        {
            "study": "cardio",
            "round": 3,
            "model": "ab" * 32,
            "contributors": 3,
            "in_sum": True,
            "outcome": "applied",
        }
    )
    if sends == "text":
        receipt["note"] = "what a patient has"
    content = RecordDict({"metrics": metrics, "quorate": receipt})
    if sends == "arrays":
        content["arrays"] = ArrayRecord([np.arange(6.0)])
    if sends == "large":
        content["arrays"] = ArrayRecord([np.arange(1e6)])
    return Message(content, reply_to=message)
