# SPDX-License-Identifier: Apache-2.0
"""What each hospital runs, in Flower's older API."""

import warnings
from typing import Any

from flwr.app import Context
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from digits_sklearn.task import Parameters, load_data, model_of
from quorate_flower import quorate_mod

warnings.filterwarnings("ignore", category=ConvergenceWarning)  # few epochs are enough


class Digits(NumPyClient):
    def __init__(self, data: tuple, epochs: int) -> None:
        self.images, self.labels, self.test_images, self.test_labels = data
        self.epochs = epochs

    def fit(self, parameters: Parameters, config: dict[str, Any]) -> tuple:
        model = model_of(parameters, self.epochs)
        model.fit(self.images, self.labels)
        return [model.coef_, model.intercept_], len(self.labels), {}

    def evaluate(self, parameters: Parameters, config: dict[str, Any]) -> tuple:
        model = model_of(parameters, self.epochs)
        found = model.predict_proba(self.test_images)
        loss = log_loss(self.test_labels, found, labels=model.classes_)
        accuracy = model.score(self.test_images, self.test_labels)
        return loss, len(self.test_labels), {"accuracy": accuracy}


def client_fn(context: Context) -> Client:
    node = context.node_config
    data = load_data(node["partition-id"], node["num-partitions"])
    return Digits(data, context.run_config["local-epochs"]).to_client()


app = ClientApp(client_fn=client_fn, mods=[quorate_mod])
