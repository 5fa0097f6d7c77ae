# SPDX-License-Identifier: Apache-2.0
"""Training adds numbers that follow from hospital and round, and takes ``train-seconds``."""

import logging
import time

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from plus_app.added import added
from quorate_flower import quorate_mod

app = ClientApp(mods=[quorate_mod])


@app.train()
def train(message: Message, context: Context) -> Message:
    hospital = context.node_config["partition-id"]
    number = message.content["config"]["server-round"]
    logging.getLogger("flwr").info("plus: training in round %s", number)
    time.sleep(context.node_config.get("train-seconds", 0))
    given = message.content["arrays"]["w"].numpy()
    arrays = ArrayRecord({"w": Array(given + added(hospital, number, len(given)))})
    metrics = MetricRecord({"num-examples": 100 * (hospital + 1), "loss": float(hospital)})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    mean = float(np.abs(message.content["arrays"]["w"].numpy()).mean())
    metrics = MetricRecord({"num-examples": 7, "mean": mean})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
