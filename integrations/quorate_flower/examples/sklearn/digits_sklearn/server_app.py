# SPDX-License-Identifier: Apache-2.0
"""What the server runs, in Flower's older API."""

from flwr.app import Context
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg

from digits_sklearn.task import initial_parameters


def server_fn(context: Context) -> ServerAppComponents:
    strategy = FedAvg(
        min_available_clients=3, initial_parameters=ndarrays_to_parameters(initial_parameters())
    )
    config = ServerConfig(num_rounds=context.run_config["num-server-rounds"])
    return ServerAppComponents(strategy=strategy, config=config)


app = ServerApp(server_fn=server_fn)
