# SPDX-License-Identifier: Apache-2.0
"""Messages as a server sends them, and apps of numpy alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict, UserConfig
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod
from quorate_flower.records import Arrays, record_of

from quorate_flower import quorate_mod

EXAMPLES = 150


def context_of(run_config: dict[str, Any] | None = None, **node_config: Any) -> Context:
    """A hospital's; ``quorate_socket`` is its setting quorate-socket."""
    settings: UserConfig = {k.replace("_", "-"): str(v) for k, v in node_config.items()}
    return Context(
        run_id=7, node_id=1, node_config=settings, state=RecordDict(), run_config=run_config or {}
    )


def message_of(kind: str, arrays: Arrays, **config: Any) -> Message:
    """As QuorateFedAvg sends it, in a round after the first."""
    message = stock_message(kind, arrays, **config)
    message.content["quorate"] = ConfigRecord({"initial": False})
    return message


def stock_message(kind: str, arrays: Arrays, **config: Any) -> Message:
    """As FedAvg sends it."""
    settings = ConfigRecord({"server-round": 1, **config})
    content = RecordDict({"arrays": record_of(arrays), "config": settings})
    return Message(content, dst_node_id=1, message_type=kind)


def old_message(kind: str, arrays: Arrays) -> Message:
    """As a server of the older API sends it."""
    ins = {"train": "fitins", "evaluate": "evaluateins"}[kind]
    content = RecordDict(
        {f"{ins}.parameters": record_of(arrays), f"{ins}.config": ConfigRecord({"lr": 0.1})}
    )
    return Message(content, dst_node_id=1, message_type=kind)


def adding_app(
    plus: float = 0.25,
    metrics: dict[str, Any] | None = None,
    seen: list[Arrays] | None = None,
    mod: Mod = quorate_mod,
) -> ClientApp:
    """An app whose training adds ``plus`` to each float. seen: the arrays that it was given."""
    app = ClientApp(mods=[mod])
    told: dict[str, Any] = metrics or {"num-examples": EXAMPLES, "loss": 0.7133}

    def arrays_in(message: Message) -> Arrays:
        found = {k: v.numpy() for k, v in message.content.array_records["arrays"].items()}
        if seen is not None:
            seen.append(found)
        return found

    @app.train()
    def train(message: Message, context: Context) -> Message:
        arrays = arrays_in(message)
        new = {
            k: v + v.dtype.type(plus) if v.dtype.kind == "f" else v + 1 for k, v in arrays.items()
        }
        return Message(
            RecordDict({"arrays": record_of(new), "metrics": MetricRecord(told)}), reply_to=message
        )

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        arrays_in(message)
        return Message(RecordDict({"metrics": MetricRecord(told)}), reply_to=message)

    return app


def app_that(does: Callable[[Message], Message]) -> ClientApp:
    """An app that does this in training, and in the query ``query.sizes``."""
    app = ClientApp(mods=[quorate_mod])
    for register in (app.train(), app.query("sizes")):
        register(lambda message, context: does(message))
    return app


class Old(NumPyClient):
    """An app of the older API; ``seen``: the arrays that it was given."""

    def __init__(self, seen: list[Any]) -> None:
        self._seen = seen

    def fit(self, parameters: list[Any], config: dict[str, Any]) -> Any:
        self._seen.append(parameters)
        return [p + np.float32(0.25) for p in parameters], EXAMPLES, {"loss": 0.5, "acc": 0.7133}

    def evaluate(self, parameters: list[Any], config: dict[str, Any]) -> Any:
        self._seen.append(parameters)
        return 0.5, EXAMPLES, {"acc": 0.7133}


def old_app(seen: list[Any]) -> ClientApp:
    return ClientApp(client_fn=lambda context: Old(seen).to_client(), mods=[quorate_mod])


def refused(reply: Message) -> str:
    """Why the mod has let nothing through."""
    assert reply.has_error(), reply.content
    assert reply.error.code == 6
    return str(reply.error.reason)
