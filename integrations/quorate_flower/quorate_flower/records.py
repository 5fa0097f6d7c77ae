# SPDX-License-Identifier: Apache-2.0
"""Flower's records as a model, and back.

Apps of Flower's current API and of its older one (``NumPyClient``) name their records differently.
In the older one a record without arrays has one entry that says so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from numpy.typing import NDArray

from quorate_client import AgentError
from quorate_flower.errors import AppFailed, WrongStrategy

Arrays: TypeAlias = dict[str, NDArray[Any]]
Number: TypeAlias = int | float
_EMPTY = "_empty"
_OLD = ("fit", "evaluate")  # before "ins" and "res" in the names of the older API's records
_COUNTS = ("num-examples", "num_examples")


@dataclass(frozen=True)
class InOrder:
    """A ``quorate_client.Form``: arrays by name, in the order of the record."""

    def entries(self, parameters: Arrays) -> tuple[str, Mapping[str, Any]]:
        """Every hospital has the order of the server's record."""
        return "dict", parameters

    def held(self, name: str, facts: Mapping[str, Any]) -> Any:
        """A record has arrays alone."""
        raise AgentError("form", f"entry {name!r} has no values")


def given_arrays(content: RecordDict) -> tuple[str, Arrays]:
    """The name of a message's one record of arrays, and what is in it; raises WrongStrategy."""
    if len(content.array_records) != 1:
        raise WrongStrategy(
            f"the server's message has {len(content.array_records)} records of arrays: a strategy "
            "that sends more than the model cannot be used with quorate"
        )
    ((name, record),) = content.array_records.items()
    try:
        return name, _arrays(record)
    except (ValueError, TypeError, EOFError) as error:
        raise WrongStrategy("the server's arrays cannot be read", str(error)) from None


def trained_arrays(content: RecordDict) -> tuple[str, Arrays]:
    """The name of a reply's one record of arrays, and what is in it; raises AppFailed."""
    if len(content.array_records) != 1:
        raise AppFailed(
            f"the app's reply has {len(content.array_records)} records of arrays: give the trained "
            "model in one"
        )
    ((name, record),) = content.array_records.items()
    try:
        return name, _arrays(record)
    except (ValueError, TypeError, EOFError) as error:
        raise AppFailed("the app's arrays cannot be read", str(error)) from None


def record_of(arrays: Mapping[str, NDArray[Any]]) -> ArrayRecord:
    """The same as a record, in the same order."""
    return ArrayRecord({name: Array(np.asarray(values)) for name, values in arrays.items()})


def num_examples(content: RecordDict) -> int:
    """How many examples the app says that it used; raises AppFailed."""
    for record in content.metric_records.values():
        for name in _COUNTS:
            if name in record:
                return _count(name, record[name])
    raise AppFailed("the app's reply has no metric num-examples: quorate weighs hospitals by it")


def _count(name: str, value: object) -> int:
    if isinstance(value, Number) and math.isfinite(value) and value == int(value) >= 0:
        return int(value)
    raise AppFailed(f"the app's {name} is no whole number of examples", f"it is {value!r}")


def _arrays(record: ArrayRecord) -> Arrays:
    return {name: array.numpy() for name, array in record.items() if name != _EMPTY}


def outgoing(content: RecordDict, allowed: frozenset[str]) -> RecordDict:
    """What of an app's reply may leave: the metrics that are allowed, and 1 in place of a count.

    Without arrays. Records keep their names, so that each kind of server finds what it looks for.
    Raises AppFailed for a metric that is allowed and is no number.
    """
    kept = RecordDict()
    for name, metrics in content.metric_records.items():
        kept[name] = MetricRecord(_numbers(metrics, allowed))
        if name == "evaluateres.loss" and not kept[name]:  # the older API has none without a loss
            kept[name] = MetricRecord({"loss": math.nan})
    for name, config in content.config_records.items():
        if name in {f"{kind}res.metrics" for kind in _OLD}:
            kept[name] = ConfigRecord(_numbers(config, allowed))
        elif name in {f"{kind}res.status" for kind in _OLD}:
            kept[name] = ConfigRecord({"code": 0, "message": ""})
    return kept


def _numbers(found: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {name: 1 for name in _COUNTS if name in found}
    for name in allowed & found.keys() - kept.keys():
        if not isinstance(found[name], Number):
            raise AppFailed(f"the app's metric {name} is no number, and numbers alone may leave")
        kept[name] = found[name]
    return kept
