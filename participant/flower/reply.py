"""What a ClientApp answers, in Flower's current API and in its older one."""

import math
from typing import Any

from flwr.app import Message, RecordDict

from participant.errors import BadApp
from participant.flower.messages import Arrays, Kind, arrays_of

_OLD_COUNT = "num_examples"  # of an app of the older API, whose replies have no other names


def content_of(reply: object, kind: Kind) -> RecordDict:
    """What it has in it; raises BadApp where it is an error, or no reply."""
    if not isinstance(reply, Message):
        raise BadApp(kind, f"it returns {type(reply).__name__}, and not a Message")
    if reply.has_error():
        raise BadApp(kind, f"it answers with an error: {reply.error.reason}")
    content: RecordDict = reply.content
    for name, status in content.config_records.items():
        if name.endswith("res.status") and status.get("code"):
            raise BadApp(kind, f"its status is {status['code']}: {status.get('message', '')}")
    return content


def trained_in(content: RecordDict, like: Arrays) -> Arrays:
    """The trained model, its entries in the order of those that were given; raises BadApp."""
    count = len(content.array_records)
    if count != 1:
        raise BadApp("train", f"it returns {count} records of arrays: give the model in one")
    (record,) = content.array_records.values()
    found = arrays_of(record)
    if found.keys() != like.keys():
        return found  # the agent says which entry is missing, or new
    return {name: found[name] for name in like}


def examples_in(content: RecordDict, kind: Kind, weight: str) -> int:
    """By how much the hospital is weighed; raises BadApp. weight: the metric's name."""
    for metrics in content.metric_records.values():
        for name in (weight, _OLD_COUNT):
            if name in metrics:
                return _count(metrics[name], kind, name)
    raise BadApp(kind, f"it returns no metric {weight}: hospitals are weighed by it")


def metrics_in(content: RecordDict) -> dict[str, Any]:
    """All metrics by name; those of the older API are in records of their own."""
    old = [r for name, r in content.config_records.items() if name.endswith("res.metrics")]
    return {k: v for one in (*content.metric_records.values(), *old) for k, v in one.items()}


def loss_in(metrics: dict[str, Any]) -> float:
    """The loss, or what is called so at its end; NaN if there is none."""
    names = [name for name in metrics if name.endswith("loss")]
    value = metrics["loss" if "loss" in names else names[0]] if names else math.nan
    return float(value) if isinstance(value, int | float) else math.nan


def _count(value: object, kind: Kind, name: str) -> int:
    if isinstance(value, int | float) and math.isfinite(value) and value == int(value):
        return int(value)
    raise BadApp(kind, f"its {name} is {value!r}, and not a whole number")
