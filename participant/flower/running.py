"""A Flower app's folder as the functions that training calls."""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, Context, RecordDict
from flwr.clientapp import ClientApp
from flwr.common import GetParametersIns
from flwr.common.constant import MessageTypeLegacy
from flwr.compat.common.recorddict_compat import getparametersins_to_recorddict
from flwr.serverapp import ServerApp
from flwr.supercore.task_identity import TaskIdentity

from participant.errors import BadApp
from participant.flower.beginning import sent_first
from participant.flower.component import load_component
from participant.flower.messages import (
    EVALUATE,
    TRAIN,
    Arrays,
    Kind,
    RoundMessages,
    arrays_of,
    key_of,
    message_of,
    record_of,
)
from participant.flower.project import NODE_CONFIG, node_config_in, read_project
from participant.flower.reply import content_of, examples_in, loss_in, metrics_in, trained_in
from protocol.errors import Malformed

Config = dict[str, Any]
_SEEDED = {"random": "seed", "numpy.random": "seed", "torch": "manual_seed"}


class FlowerApp:
    """The app of one process. What a ClientApp keeps in its context lasts as long as that."""

    def __init__(self, folder: Path, around: Mapping[str, str] = os.environ) -> None:
        """Import the ClientApp. Raises BadApp, and whatever its own code raises."""
        self._folder, self._project = folder, read_project(folder)
        try:
            node_config = node_config_in(around.get(NODE_CONFIG, ""))
        except Malformed as error:
            raise BadApp("--node-config", str(error)) from None
        # Flower makes no Message and reads none outside a task: here is one, of one node.
        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
        run_config = dict(self._project.config)
        self._context = Context(
            run_id=1, node_id=1, node_config=node_config, state=RecordDict(), run_config=run_config
        )
        _seed(0)  # for what it draws as it is imported: the same at each hospital
        self._client = load_component(folder, "clientapp", self._project.clientapp, ClientApp)
        self._messages: RoundMessages | None = None

    def initial_parameters(self, config: Config) -> Arrays:
        """The model that the app's ServerApp would send first; of a client, if it would ask one."""
        where = self._project.serverapp
        server = load_component(self._folder, "serverapp", where, ServerApp)
        _seed(config["seed"])
        self._messages = sent_first(server, where, dict(self._project.config))
        if (initial := self._messages.initial) is None:
            initial = self._own_parameters(config["seed"])
        if not (arrays := arrays_of(initial)):
            raise BadApp(f"serverapp {where}", "its initial model has no arrays")
        return arrays

    def _own_parameters(self, seed: int) -> ArrayRecord:
        """What the ClientApp gives as its own model, in the older API."""
        _seed(seed)
        content = getparametersins_to_recorddict(GetParametersIns({}))
        message = message_of(content, MessageTypeLegacy.GET_PARAMETERS, 0)
        said = content_of(self._client(message, self._context), TRAIN)
        return said.array_records[key_of(said)]

    def fit(self, parameters: Arrays, config: Config) -> tuple[Arrays, int, Config]:
        """The ClientApp's answer to ``train``."""
        content = self._answer(TRAIN, parameters, config)
        if content is None:
            where = self._project.serverapp
            raise BadApp(f"serverapp {where}", f"it has nobody train in round {config['round']}")
        count = examples_in(content, TRAIN, self._sent.weight)
        return trained_in(content, parameters), count, metrics_in(content)

    def evaluate(self, parameters: Arrays, config: Config) -> tuple[float, int, Config]:
        """The ClientApp's answer to ``evaluate``; NaN where the ServerApp asks nobody."""
        content = self._answer(EVALUATE, parameters, config)
        if content is None:
            return float("nan"), 0, {}
        metrics = metrics_in(content)
        return loss_in(metrics), examples_in(content, EVALUATE, self._sent.weight), metrics

    def _answer(self, kind: Kind, parameters: Arrays, config: Config) -> RecordDict | None:
        """What the ClientApp makes of this round's message; None if there is no message."""
        arrays, number = record_of(parameters), config["round"]
        content = self._sent.content(kind, number, arrays)
        if content is None:
            return None
        content[key_of(content)] = arrays  # a strategy may have put another model in
        return content_of(self._client(message_of(content, kind, number), self._context), kind)

    @property
    def _sent(self) -> RoundMessages:
        assert self._messages is not None, "initial_parameters comes first"
        return self._messages


def _seed(number: int) -> None:
    """Seed what apps draw from; nothing else in this process draws."""
    for name, function in _SEEDED.items():
        if name.partition(".")[0] in sys.modules:  # numpy imports its own at the first use
            getattr(importlib.import_module(name), function)(number)
