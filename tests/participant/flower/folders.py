"""Flower apps that tests write: a folder each, whose package has a name that no other has."""

from itertools import count
from pathlib import Path
from textwrap import dedent

_numbers = count(1)
TASK = """
    import numpy as np
    from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp
    from flwr.serverapp.strategy import FedAdam, FedAvg, FedProx, Krum

    def record(**arrays):
        return ArrayRecord({k: Array(np.asarray(a, np.float32)) for k, a in arrays.items()})
"""
CLIENT = """
    app = ClientApp()

    @app.train()
    def train(message, context):
        plus = context.node_config["plus"] + message.content["config"].get("plus", 0)
        arrays = {k: a.numpy() + plus for k, a in message.content["arrays"].items()}
        content = {
            "arrays": record(**arrays),
            "metrics": MetricRecord({"num-examples": 10, "train_loss": 0.25}),
        }
        return Message(RecordDict(content), reply_to=message)

    @app.evaluate()
    def evaluate(message, context):
        number = message.content["config"]["server-round"]
        metrics = {"eval_loss": 0.5, "num-examples": 5, "round": number}
        return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
"""
SERVER = """
    app = ServerApp()

    @app.main()
    def main(grid, context):
        model = np.random.rand(2, 3)
        FedAvg(min_available_nodes=5).start(
            grid=grid,
            initial_arrays=record(w=model, b=np.zeros(2)),
            train_config=ConfigRecord({"plus": context.run_config["plus"]}),
            evaluate_fn=lambda number, arrays: 1 / 0,
        )
"""
CONFIG = "plus = 0.5"


def flower_app(
    folder: Path, client: str = CLIENT, server: str = SERVER, config: str = CONFIG
) -> Path:
    """A folder in ``folder``; of both components only the code below TASK is given."""
    name = f"flower_app_{next(_numbers)}"
    package = folder / name / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for kind, code in (("client", client), ("server", server)):
        (package / f"{kind}_app.py").write_text(dedent(TASK) + dedent(code))
    (folder / name / "pyproject.toml").write_text(
        f"""[project]
name = "{name}"

[tool.flwr.app.components]
serverapp = "{name}.server_app:app"
clientapp = "{name}.client_app:app"

[tool.flwr.app.config]
{config}
"""
    )
    return folder / name
