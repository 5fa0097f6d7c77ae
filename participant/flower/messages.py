"""What a ServerApp would send in a round: the contents of Flower's messages, made as it makes them.

The model in them is the agent's. What a server adds to it is what the app's strategy says for this
round, such as a learning rate that falls.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal, Protocol

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.common import EvaluateIns, FitIns, Parameters
from flwr.compat.common.recorddict_compat import (
    arrayrecord_to_parameters,
    evaluateins_to_recorddict,
    fitins_to_recorddict,
)
from flwr.server.client_manager import SimpleClientManager
from numpy import asarray
from numpy.typing import NDArray

from participant.errors import BadApp

Arrays = dict[str, NDArray[Any]]
Kind = Literal["train", "evaluate"]
NODES = 1_000  # that a strategy is told of, so that it waits for none; the study has its own rules
_EMPTY = "_empty"  # the entry of a record without arrays, in the older API
_ROUND = "server-round"


class RoundMessages(Protocol):
    """A ServerApp as its strategy, or its first message, shows it.

    weight: the metric by which hospitals are weighed. initial: the model before the first round, or
    None where the server would ask a client for its own.
    """

    @property
    def weight(self) -> str: ...

    @property
    def initial(self) -> ArrayRecord | None: ...

    def content(self, kind: Kind, number: int, arrays: ArrayRecord) -> RecordDict | None:
        """What is sent in a round; None if nothing is."""


class Nodes:
    """In the place of Flower's Grid: nodes that are there, and no way to them."""

    def get_node_ids(self) -> list[int]:
        """Numbers from 1."""
        return list(range(1, NODES + 1))

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, **more: Any
    ) -> Message:
        """As Flower's own."""
        return Message(content, dst_node_id, message_type, group_id=group_id, **more)


@dataclass
class OfStrategy:
    """By a strategy, from what ``start`` was called with."""

    strategy: Any
    initial: ArrayRecord | None
    configs: Mapping[Kind, ConfigRecord]

    @property
    def weight(self) -> str:
        """Of FedAvg and what derives from it."""
        return str(self.strategy.weighted_by_key)

    def content(self, kind: Kind, number: int, arrays: ArrayRecord) -> RecordDict | None:
        """As the strategy configures the round."""
        configure = getattr(self.strategy, f"configure_{kind}")
        config = ConfigRecord(dict(self.configs[kind]))
        with _no_talk_of_nodes():
            return next((m.content for m in configure(number, arrays, config, Nodes())), None)


@dataclass
class OfOldStrategy:
    """By a strategy of Flower's older API."""

    strategy: Any
    initial: ArrayRecord | None
    weight: str = "num_examples"

    def content(self, kind: Kind, number: int, arrays: ArrayRecord) -> RecordDict | None:
        """As the strategy configures the round."""
        clients = SimpleClientManager()
        for k in range(1, NODES + 1):
            clients.register(SimpleNamespace(cid=str(k)))
        configure = getattr(self.strategy, f"configure_{'fit' if kind == 'train' else kind}")
        parameters: Parameters = arrayrecord_to_parameters(arrays, keep_input=True)
        with _no_talk_of_nodes():
            said: FitIns | EvaluateIns | None = next(
                (one for _, one in configure(number, parameters, clients)), None
            )
        if said is None:
            return None
        as_records = fitins_to_recorddict if kind == "train" else evaluateins_to_recorddict
        return as_records(said, keep_input=True)


@dataclass
class OfFirst:
    """By the first message of a ServerApp that sends by itself; later ones have its config."""

    first: RecordDict
    weight: str = "num-examples"

    @property
    def initial(self) -> ArrayRecord:
        """The model in it."""
        return self.first.array_records[key_of(self.first)]

    def content(self, kind: Kind, number: int, arrays: ArrayRecord) -> RecordDict:
        """The same with the round's number."""
        records: dict[str, Any] = {key_of(self.first): arrays}
        for name, config in self.first.config_records.items():
            now = {_ROUND: number} if _ROUND in config else {}
            records[name] = ConfigRecord({**config, **now})
        return RecordDict(records)


@contextlib.contextmanager
def _no_talk_of_nodes() -> Iterator[None]:
    """A strategy logs how many it has chosen, and there are none."""
    log = logging.getLogger("flwr")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)


def key_of(content: RecordDict) -> str:
    """The name of the one record of arrays in what a server sends; raises BadApp."""
    names = list(content.array_records)
    if len(names) != 1:
        reason = f"it sends {len(names)} records of arrays, and a round is about one model"
        raise BadApp("serverapp", reason)
    return str(names[0])


def record_of(arrays: Mapping[str, NDArray[Any]]) -> ArrayRecord:
    """Arrays as Flower has them, in the same order."""
    return ArrayRecord({name: Array(asarray(values)) for name, values in arrays.items()})


def arrays_of(record: ArrayRecord) -> Arrays:
    """And back."""
    return {name: array.numpy() for name, array in record.items() if name != _EMPTY}


def message_of(content: RecordDict, kind: str, number: int) -> Message:
    """A message to this hospital's node."""
    return Message(content, 1, kind, group_id=str(number))


def message_type_of(message: Message) -> str:
    """``train`` of every message that trains."""
    return str(message.metadata.message_type).partition(".")[0]


TRAIN: Kind = MessageType.TRAIN
EVALUATE: Kind = MessageType.EVALUATE
