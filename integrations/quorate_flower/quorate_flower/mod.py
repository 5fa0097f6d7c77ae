# SPDX-License-Identifier: Apache-2.0
"""The mod: an app trains on its hospital's model, and its update goes to the agent alone."""

import time
import traceback
from collections.abc import Callable

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, MessageType, RecordDict
from flwr.clientapp.typing import ClientAppCallable

from quorate_client import Answer
from quorate_flower.errors import AgentBehind, AppFailed, QueryRefused, QuorateError, WrongStrategy
from quorate_flower.exchange import LOGGER, Exchange
from quorate_flower.receipt import RECORD, WHICH_STUDY, Receipt
from quorate_flower.records import (
    Arrays,
    given_arrays,
    num_examples,
    outgoing,
    record_of,
    trained_arrays,
)
from quorate_flower.settings import Settings, read_settings

PRECONDITION = 6  # Flower's code for a mod that does not let a message through
CATCH_UP = 30.0  # seconds that an agent may be behind the others
_PAUSE = 0.2
_ROUNDING = 32  # units in the last place, of the largest number in an entry


def quorate_mod(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """For ``ClientApp(mods=[quorate_mod])``. An error is answered as one, and logged here."""
    try:
        settings = read_settings(context.node_config)
        kind = message.metadata.message_type.partition(".")[0]
        if WHICH_STUDY in message.content.config_records.get(RECORD, {}):
            return _which_study(message, context, settings)
        if kind == MessageType.TRAIN:
            return _train(message, context, call_next, settings)
        if kind == MessageType.EVALUATE:
            return _evaluate(message, context, call_next, settings)
        return _query(message, context, call_next, settings)
    except QuorateError as error:
        return error_reply(error, message)


def error_reply(error: QuorateError, message: Message, who: str = "quorate: ") -> Message:
    """What the server is told; the log has more."""
    LOGGER.error("%s%s%s", who, error, f" ({error.detail})" if error.detail else "")
    # A gate lets out no more of it than the name in brackets.
    reason = f"{who}{error} [{type(error).__name__}]"
    return Message(Error(PRECONDITION, reason), reply_to=message)


def _train(
    message: Message, context: Context, call_next: ClientAppCallable, settings: Settings
) -> Message:
    name, given = given_arrays(message.content)
    said = message.content.config_records.get(RECORD)
    if said is None and not settings.reveals_average:
        raise WrongStrategy(
            "the server's strategy averages what it is sent, and this hospital sends no model: use "
            "QuorateFedAvg, or ask every hospital to set quorate-reveal to average"
        )
    with Exchange(settings, context.run_id) as agent:
        if said is None:  # a server that does not ask, and compares nothing
            _log_study(agent.hello())
        begun = _once_current(
            lambda: agent.begin(given, _turn(said)),
            lambda found: _require_round(found, given, said),
        )
        reply = ask_app(message, context, call_next, name, begun.parameters)
        _, trained = trained_arrays(reply.content)
        done = agent.update(begun.round, trained, num_examples(reply.content))
    content = outgoing(reply.content, settings.metrics)
    content[RECORD] = Receipt.of(done).record()
    if settings.reveals_average:
        answered, _ = trained_arrays(reply.content)
        content[answered] = _average(done, begun, given)
    return Message(content, reply_to=message)


def _evaluate(
    message: Message, context: Context, call_next: ClientAppCallable, settings: Settings
) -> Message:
    name, _ = given_arrays(message.content)
    with Exchange(settings, context.run_id) as agent:
        after = _after(message.content.config_records.get(RECORD))
        standing = _once_current(agent.model, lambda found: _require_stands(found, after))
    reply = ask_app(message, context, call_next, name, standing.parameters)
    content = outgoing(reply.content, settings.metrics)
    content[RECORD] = Receipt.of(standing).record()
    return Message(content, reply_to=message)


def _which_study(message: Message, context: Context, settings: Settings) -> Message:
    with Exchange(settings, context.run_id, patience=0.0) as agent:
        hello = agent.hello()
    _log_study(hello)
    return Message(RecordDict({RECORD: Receipt.of_study(hello).record()}), reply_to=message)


def _log_study(hello: Answer) -> None:
    """Let people compare what hospitals' agents train."""
    facts = hello.facts
    about = facts["study"], facts["federation"], facts["identity"]
    LOGGER.info("quorate: study %s of federation %s (%s)", *about)


def _query(
    message: Message, context: Context, call_next: ClientAppCallable, settings: Settings
) -> Message:
    kind = message.metadata.message_type
    if kind not in settings.queries:
        raise QueryRefused(
            f"this hospital answers no {kind}: it would have to list it in quorate-queries"
            + (". Or give the strategy initial_parameters" if kind == "get_parameters" else "")
        )
    reply = _answer(message, context, call_next)
    if reply.content.array_records:
        raise QueryRefused(f"the app's answer to {kind} has arrays, and no arrays may leave")
    return reply


def _once_current(ask: Callable[[], Answer], check: Callable[[Answer], None]) -> Answer:
    """The agent's answer, once it passes; it may come a moment later to a round than others.

    Raises what ``check`` raises, after ``CATCH_UP`` seconds.
    """
    end = time.monotonic() + CATCH_UP
    while True:
        answer = ask()
        try:
            check(answer)
            return answer
        except (AgentBehind, WrongStrategy):
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE)


def _require_round(begun: Answer, given: Arrays, said: ConfigRecord | None) -> None:
    if begun.round <= _after(said):
        raise AgentBehind(f"this hospital's agent is at round {begun.round}, and others are beyond")
    if said is None or said.get("initial") is not True:
        require_same(given, begun.parameters)


def _require_stands(standing: Answer, after: int) -> None:
    number = standing.receipt.round if standing.receipt else standing.round
    if number < after:
        raise AgentBehind(f"this hospital's agent has the model of round {number} only")


def _after(said: ConfigRecord | None) -> int:
    """The last round that QuorateFedAvg has a receipt of."""
    found = said.get("after") if said is not None else 0
    return found if isinstance(found, int) else 0


def _turn(said: ConfigRecord | None) -> str:
    found = said.get("turn") if said is not None else ""
    return found if isinstance(found, str) else ""


def ask_app(
    message: Message, context: Context, call_next: ClientAppCallable, name: str, arrays: Arrays
) -> Message:
    """The app's reply to the message with these arrays in place of the server's."""
    message.content = RecordDict({**message.content, name: record_of(arrays)})
    return _answer(message, context, call_next)


def _answer(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """The app's reply; what it raises may tell of patients, and stays in the log."""
    try:
        reply = call_next(message, context)
    except Exception as error:
        raise AppFailed(
            f"the app raised {type(error).__name__}: see the log of this hospital's SuperNode",
            traceback.format_exc(),
        ) from None
    if reply.has_error():
        reason = str(reply.error.reason)
        raise AppFailed("the app answered with an error: see the SuperNode's log", reason)
    return reply


def require_same(given: Arrays, standing: Arrays) -> None:
    """Raise WrongStrategy if the server's arrays are not the agent's model, but for rounding.

    A server that averages equal models once more changes the last bits of a number. What is no
    float is not averaged, and is not compared.
    """
    if not given:
        return
    if given.keys() != standing.keys():
        raise WrongStrategy(
            "the server's model has other entries than the hospitals' model",
            f"only in one of them: {', '.join(sorted(given.keys() ^ standing.keys()))}",
        )
    for name, ours in standing.items():
        theirs = given[name]
        if theirs.shape != ours.shape:
            raise WrongStrategy(
                f"the server's entry {name} has shape {theirs.shape}, and {ours.shape} in the "
                "hospitals' model"
            )
        if ours.dtype.kind == "f" and not _is_close(theirs, ours):
            raise WrongStrategy(
                f"the server's entry {name} is not the hospitals' average: this strategy changes "
                "the model at the server, as FedAdam, FedYogi, FedAdagrad and FedAvgM do, or is "
                "no average of updates, as Krum, the median and the trimmed mean are. Use FedAvg, "
                "FedProx or QuorateFedAvg"
            )


def _is_close(theirs: np.ndarray, ours: np.ndarray) -> bool:
    if not ours.size:
        return True
    largest = float(np.abs(ours).max())
    allowed = _ROUNDING * float(np.finfo(ours.dtype).eps) * largest
    return bool(np.abs(theirs.astype(ours.dtype) - ours).max() <= allowed)


def _average(done: Answer, begun: Answer, given: Arrays) -> ArrayRecord:
    """The average; entries that have none, such as counts of batches, as the server sent them."""
    model: Arrays = begun.parameters if done.parameters is None else done.parameters
    floats = {name for name, values in model.items() if values.dtype.kind == "f"}
    kept = [name for name in model if name in floats or name in given]
    return record_of({name: (model if name in floats else given)[name] for name in kept})
