"""What a Flower app's ServerApp would send first: it is run until it sends, and ends there.

No server evaluates or averages here. So a strategy that makes the next model in its own way is
refused by its name, instead of training another model than the app's author meant.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, NoReturn

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict, UserConfig
from flwr.compat.common.recorddict_compat import parameters_to_arrayrecord
from flwr.server import strategy as old
from flwr.server.client_manager import SimpleClientManager
from flwr.server.server import Server
from flwr.serverapp import server_app
from flwr.serverapp import strategy as new

from participant.errors import BadApp
from participant.flower.messages import (
    EVALUATE,
    TRAIN,
    Nodes,
    OfFirst,
    OfOldStrategy,
    OfStrategy,
    RoundMessages,
    message_type_of,
)


class _Sent(BaseException):
    """The ServerApp has sent something: no ``except Exception`` of its own takes this."""

    def __init__(self, messages: RoundMessages) -> None:
        self.messages = messages


def sent_first(app: Any, where: str, config: UserConfig) -> RoundMessages:
    """Run a ServerApp until it sends.

    where: its ``module:object``. Raises BadApp where it sends nothing to train with, or has a
    strategy that is not FedAvg's average; and whatever its own code raises.
    """
    context = Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config=config)
    try:
        with _taken_over(where):
            app(grid=_FirstMessage(where), context=context)
    except _Sent as sent:
        return sent.messages
    raise BadApp(f"serverapp {where}", "it ends without a message to train, so there is no model")


class _FirstMessage(Nodes):
    """For ServerApps that send by themselves."""

    def __init__(self, where: str) -> None:
        self._where = where

    def send_and_receive(self, messages: Iterable[Message], **_: Any) -> NoReturn:
        """Take the first message."""
        first = next(iter(messages), None)
        kind = "nothing" if first is None else message_type_of(first)
        if first is None or kind != TRAIN:
            reason = f"it sends {kind} first, and here a model is to be trained first"
            raise BadApp(f"serverapp {self._where}", reason)
        if strategy := _strategy_around(sys._getframe()):
            _check(strategy, self._where)
        raise _Sent(OfFirst(first.content))

    push_messages = send_and_receive


@contextlib.contextmanager
def _taken_over(where: str) -> Iterator[None]:
    """While the block runs, a strategy that is started says with what, and ends the ServerApp."""

    def start(
        self: Any,
        grid: object,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: object = None,
    ) -> NoReturn:
        _check(self, where)
        configs = {
            TRAIN: train_config or ConfigRecord(),
            EVALUATE: evaluate_config or ConfigRecord(),
        }
        raise _Sent(OfStrategy(self, initial_arrays, configs))

    def start_grid(*, server: Any, strategy: Any, **_: Any) -> NoReturn:
        if server is not None and type(server) is not Server:
            _refuse(f"its server {type(server).__name__}", where)
        chosen = server.strategy if server is not None else strategy or old.FedAvg()
        _check(chosen, where)
        parameters = chosen.initialize_parameters(SimpleClientManager())
        initial = None if parameters is None else parameters_to_arrayrecord(parameters, True)
        raise _Sent(OfOldStrategy(chosen, initial))

    with _replaced(new.Strategy, "start", start), _replaced(server_app, "start_grid", start_grid):
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, by: Callable[..., NoReturn]) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, by)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _strategy_around(frame: FrameType | None) -> object:
    """The strategy whose own ``start`` is under way, if one is."""
    while frame is not None:
        if isinstance(found := frame.f_locals.get("self"), new.Strategy | old.Strategy):
            return found
        frame = frame.f_back
    return None


def _check(strategy: Any, where: str) -> None:
    """Raises BadApp unless the strategy averages as FedAvg does."""
    for base, average in ((new.FedAvg, "aggregate_train"), (old.FedAvg, "aggregate_fit")):
        if isinstance(strategy, base) and _is_of(base, strategy, average):
            return
    _refuse(f"its strategy {type(strategy).__name__}", where)


def _is_of(base: type, strategy: object, function: str) -> bool:
    return getattr(type(strategy), function) is getattr(base, function)


def _refuse(what: str, where: str) -> NoReturn:
    reason = (
        f"{what} makes the next model in its own way, at a server that there is not. Hospitals get "
        "the average of their updates, as FedAvg and FedProx have it: use one of these"
    )
    raise BadApp(f"serverapp {where}", reason)
