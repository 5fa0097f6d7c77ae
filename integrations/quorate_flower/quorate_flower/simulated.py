# SPDX-License-Identifier: Apache-2.0
"""What a plan's precision does to a model, under ``flwr run`` in simulation. In clear.

There are no hospitals, no agent and no key in a simulation. Updates are rounded as the bounds of
the plan have it in the first round; later rounds have narrower bounds, and are more precise.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Context, Message, MessageType, RecordDict
from flwr.clientapp.typing import ClientAppCallable, Mod
from numpy.typing import NDArray

from quorate_flower.errors import AppFailed, BadSettings, QuorateError
from quorate_flower.mod import error_reply
from quorate_flower.records import Arrays, given_arrays, num_examples, record_of, trained_arrays
from quorate_flower.settings import has_socket

LOGGER = logging.getLogger("flwr")
CLEAR = "quorate, SIMULATED: updates are sent in clear, nothing is encrypted: "
_SPREAD = 16  # steps that rounding may add
_DEVIATION = 1.07  # steps


@dataclass(frozen=True)
class Plan:
    """``training.clip``, ``training.bits`` and ``training.max_examples`` of a study's plan."""

    clip: float
    bits: int
    max_examples: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.clip) and self.clip > 0):
            raise BadSettings("simulated_mod: clip has to be a finite number above 0")
        if not 8 <= self.bits <= 40:
            raise BadSettings("simulated_mod: bits has to be 8 to 40")
        if not 1 <= self.max_examples <= 10**9:
            raise BadSettings("simulated_mod: max_examples has to be 1 to 1000000000")

    def step(self, examples: int) -> float:
        """How far apart the numbers are that a hospital of so many examples can contribute."""
        return self.clip * self.max_examples / ((1 << (self.bits - 1)) - 1 - _SPREAD) / examples


def simulated_mod(clip: float, bits: int, max_examples: int) -> Mod:
    """A mod for ``ClientApp(mods=[simulated_mod(1.0, 32, 100_000)])``, with the plan's numbers.

    An update beyond the clip is answered with an error: an agent would not contribute it. Where a
    hospital has set a socket, the mod answers with an error, and nothing is trained.
    """
    plan = Plan(clip, bits, max_examples)

    def mod(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        try:
            if has_socket(context.node_config):
                raise BadSettings(
                    "this app has simulated_mod, which sends updates in clear, and this hospital "
                    "has an agent (quorate-socket is set): use quorate_mod"
                )
            if message.metadata.message_type.partition(".")[0] != MessageType.TRAIN:
                return call_next(message, context)
            return _train(message, context, call_next, plan)
        except QuorateError as error:
            return error_reply(error, message, CLEAR)

    return mod


def _train(message: Message, context: Context, call_next: ClientAppCallable, plan: Plan) -> Message:
    _, given = given_arrays(message.content)
    reply = call_next(message, context)
    if reply.has_error():
        return reply
    name, trained = trained_arrays(reply.content)
    examples = num_examples(reply.content)
    rounded = rounded_update(given, trained, examples, plan)
    LOGGER.warning(
        "%san update of %s examples is rounded to %.3g", CLEAR, examples, plan.step(examples)
    )
    reply.content = RecordDict({**reply.content, name: record_of(rounded)})
    return reply


def rounded_update(
    given: Mapping[str, NDArray[Any]], trained: Arrays, examples: int, plan: Plan
) -> Arrays:
    """The trained model with its change rounded; raises AppFailed for one that no plan allows."""
    if given.keys() != trained.keys():
        raise AppFailed("the app returned other entries than it was given")
    if not 1 <= examples <= plan.max_examples:
        raise AppFailed(
            f"the app has {examples} examples, and the plan allows 1 to {plan.max_examples}"
        )
    step, random = plan.step(examples), np.random.default_rng()
    rounded: Arrays = {}
    for name, before in given.items():
        after = trained[name]
        if after.dtype.kind != "f":
            rounded[name] = after
            continue
        change = after.astype(np.float64) - before.astype(np.float64)
        if not (np.abs(change) <= plan.clip).all():
            raise AppFailed(
                f"entry {name} changed by {np.abs(change).max():g}, and the plan's clip is "
                f"{plan.clip:g}: an agent would not contribute this update"
            )
        noise = random.normal(0.0, _DEVIATION, change.shape)
        rounded[name] = (before + step * np.floor(change / step + noise + 0.5)).astype(after.dtype)
    return rounded
