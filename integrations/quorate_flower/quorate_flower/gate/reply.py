# SPDX-License-Identifier: Apache-2.0
"""What of a SuperNode's reply may leave the hospital.

A reply arrives as objects. Each is a head (class name, the ids of its children, the length of its
body), a zero byte and a body, and its id is its SHA-256. A reply is read whole, and what may leave
is built anew. So there is no place in it for what nobody has asked for: fields that the decoder
does not know, an order of the names, the digits of a number beyond the sixth.
"""

import hashlib
import json
import math
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord, MetricRecord, RecordDict
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.recorddict_pb2 import ConfigRecord as ProtoConfigRecord
from flwr.proto.recorddict_pb2 import MetricRecord as ProtoMetricRecord
from google.protobuf.message import DecodeError

from quorate_flower.gate.errors import Refused

MOST_OBJECTS = 8  # the message, its dict of records, and the records
MOST_OBJECT_BYTES = 16 << 10
MOST_ROUND = 1 << 31
MOST_HOSPITALS = 255
# quorate's form of a study's name, which the gate lets no reply of a run change; empty before.
_STUDY = r"([a-z][a-z0-9._-]{0,63})?"
DIGITS = 6  # significant, of a metric
MOD_REFUSED = 6  # Flower's code for what may not go through
CODES = range(9)  # Flower's codes of errors
NO_ARRAYS = "no arrays may leave, so the app must use quorate_mod, and the server QuorateFedAvg"
ARRAYS = frozenset({"ArrayRecord", "Array", "ArrayChunk"})
MAY_LEAVE = frozenset({"Message", "RecordDict", "MetricRecord", "ConfigRecord"})
COUNTS = frozenset({"num-examples", "num_examples"})
RECEIPT = "quorate"
# Records of Flower's current API, and of the older one, by name. An app may not choose others.
METRICS = frozenset(
    {"metrics", "fitres.num_examples", "evaluateres.num_examples", "evaluateres.loss"}
)
_ONLY: Mapping[str, frozenset[str]] = {
    "fitres.num_examples": frozenset(),
    "evaluateres.num_examples": frozenset(),
    "evaluateres.loss": frozenset({"loss"}),
}
OLD_METRICS = frozenset({"fitres.metrics", "evaluateres.metrics"})
OLD_STATUS = frozenset({"fitres.status", "evaluateres.status"})


@dataclass(frozen=True)
class Head:
    """What an object says of itself."""

    kind: str
    children: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """A reply that is an error. What else the app says of it stays at the hospital.

    text: a fixed sentence.
    """

    code: int
    text: str


def object_ids(tree: ObjectTree) -> frozenset[str]:
    """The ids in a reply's tree; raises Refused if they are too many, or no ids."""
    found = set(_ids(tree))
    if len(found) > MOST_OBJECTS:
        raise _refused(
            f"a reply has {len(found)} objects, and one without arrays has at most {MOST_OBJECTS}: "
            f"{NO_ARRAYS}"
        )
    if not all(map(is_object_id, found)):
        raise _refused("a reply names an object by what is no SHA-256")
    return frozenset(found)


def is_object_id(text: str) -> bool:
    """Whether this is a SHA-256 in hex."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def check_object(object_id: str, content: bytes) -> None:
    """Raise Refused for an object that may not leave, whatever else the reply has."""
    head, _ = _split(content)
    if head.kind in ARRAYS:
        raise _refused(f"a reply has an {head.kind}: {NO_ARRAYS}")
    if head.kind not in MAY_LEAVE:
        raise _refused("a reply has an object of a class that is unknown to the gate")
    if len(content) > MOST_OBJECT_BYTES:
        raise _refused(f"a reply has a {head.kind} of more than {MOST_OBJECT_BYTES} bytes")
    if hashlib.sha256(content).hexdigest() != object_id:
        raise _refused("an object of a reply does not have the SHA-256 that names it")


def judge(root: str, contents: Mapping[str, bytes], listed: frozenset[str]) -> RecordDict | Failure:
    """What may leave of the reply whose message is ``root``, in records made here.

    contents: every object, by id. listed: names of metrics. Raises Refused.
    """
    for object_id, content in contents.items():
        check_object(object_id, content)
    head, body = _object(contents, root, "Message")
    message = _parsed(ProtoMessage, body)
    if message.HasField("error"):
        _require_all(contents, {root})
        return _failure(message.error.code, message.error.reason)
    if len(head.children) != 1:
        raise _refused("a reply has neither records nor an error")
    inner, body = _object(contents, head.children[0], "RecordDict")
    names = _names(body)
    if set(names.values()) != set(inner.children):
        raise _refused("a reply's records are not those that it names")
    _require_all(contents, {root, head.children[0], *names.values()})
    made = RecordDict(
        {name: _record(name, contents[names[name]], listed) for name in sorted(names)}
    )
    _require_one_value(made)
    return made


def _require_one_value(made: RecordDict) -> None:
    """Raise Refused where a metric would say more than one number, in records of their own."""
    if len({name.partition("res.")[0] for name in made.keys() - {RECEIPT}}) > 1:
        raise _refused("a reply has records of more than one kind of reply")
    places: tuple[Mapping[str, Any], ...] = (
        made.metric_records.get("evaluateres.loss", {}),
        made.config_records.get("evaluateres.metrics", {}),
    )
    if len({repr(one["loss"]) for one in places if "loss" in one}) > 1:  # NaN is NaN
        raise _refused("a metric has two values in one reply")


def _failure(code: int, reason: str) -> Failure:
    _, _, kind = reason.removesuffix("]").rpartition("[")
    text = _OF_THE_MOD.get(kind, "the app fails")
    return Failure(code if code in CODES else 0, f"{text}. The log of its SuperNode says more")


def _record(name: str, content: bytes, listed: frozenset[str]) -> MetricRecord | ConfigRecord:
    head, body = _split(content)
    if head.children:
        raise _refused("a record of a reply has children")
    if head.kind == "MetricRecord" and name in METRICS:
        found = _items(_parsed(ProtoMetricRecord, body).items)
        may_leave = listed & _ONLY.get(name, listed)
        return MetricRecord(_metrics(found, may_leave, name == "evaluateres.loss"))
    if head.kind == "ConfigRecord":
        found = _items(_parsed(ProtoConfigRecord, body).items)
        if name == RECEIPT:
            return ConfigRecord(_receipt(found))
        if name in OLD_METRICS:
            return ConfigRecord(_metrics(found, listed))
        if name in OLD_STATUS and found.keys() == {"code", "message"} and found["code"] == 0:
            return ConfigRecord({"code": 0, "message": ""})
    raise _refused(f"a {head.kind} of a reply has a name that the gate does not know")


def _metrics(
    found: Mapping[str, Any], listed: frozenset[str], is_old_loss: bool = False
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in sorted(found):
        value = found[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refused("a metric is no number: lists, texts and bytes do not leave")
        if name in COUNTS:
            if value != 1:
                raise _refused(f"{name} is not 1: a number of examples tells of the patients")
            made[name] = 1
        elif is_old_loss and name == "loss" and math.isnan(value):
            made[name] = math.nan  # the older API has no reply without a loss
        elif name in listed:
            made[name] = rounded(value)
        else:
            raise _refused(
                "a metric is not listed: a hospital lists what may leave, with --metrics at its "
                "gate and quorate-metrics at its SuperNode"
            )
    return made


def rounded(value: float) -> float:
    """To six significant digits, so that a metric tells less than four bytes."""
    if not math.isfinite(value):
        return math.nan if math.isnan(value) else math.copysign(math.inf, value)
    short = float(f"{value:.{DIGITS}g}")
    return short or 0.0  # the sign of a zero would be one bit more


def _hex(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 64 and set(value) <= set(string.hexdigits[:16])


def _name(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(_STUDY, value))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_ROUND


_OF_THE_MOD = {  # errors of quorate_mod, by their class
    "BadSettings": "the hospital's settings for quorate_mod are missing or wrong",
    "NoAgent": "nobody listens at the socket of the hospital's agent",
    "AgentRefused": "the hospital's agent refuses",
    "AppFailed": "the app fails, or its reply is none that quorate_mod can use",
    "WrongStrategy": "the server's strategy cannot be had with quorate: take QuorateFedAvg",
    "AgentBehind": "the hospital's agent has not come to the round of the others",
    "QueryRefused": "the hospital does not answer this query",
}

_OF_A_RECEIPT: Mapping[str, Callable[[Any], bool]] = {
    "study": _name,
    "round": _count,
    "model": _hex,
    "contributors": lambda value: _count(value) and value <= MOST_HOSPITALS,
    "in_sum": lambda value: isinstance(value, bool),
    "outcome": lambda value: value in ("applied", "late", "void", "model", "study"),
}


def _receipt(found: Mapping[str, Any]) -> dict[str, Any]:
    if found.keys() != _OF_A_RECEIPT.keys():
        raise _refused("a receipt has other fields than quorate's")
    for name, is_right in _OF_A_RECEIPT.items():
        if not is_right(found[name]):
            raise _refused(f"{name} of a receipt is not what quorate_mod writes")
    return {name: found[name] for name in sorted(found)}


def _items(items: Iterable[Any]) -> dict[str, Any]:
    """Values by name; a list is None. Raises Refused for a name that comes twice."""
    found: dict[str, Any] = {}
    for item in items:
        kind = item.value.WhichOneof("value") or "list"
        if item.key in found:
            raise _refused("a record of a reply has a name twice")
        found[item.key] = None if kind.endswith("list") else getattr(item.value, kind)
    return found


def _names(body: bytes) -> dict[str, str]:
    """Object ids by name of the record."""

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    try:
        found = json.loads(body, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise _refused("the names of a reply's records cannot be read") from None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise _refused("the names of a reply's records cannot be read")
    return found


def _object(contents: Mapping[str, bytes], object_id: str, kind: str) -> tuple[Head, bytes]:
    if object_id not in contents:
        raise _refused("a reply names an object that it does not have")
    head, body = _split(contents[object_id])
    if head.kind != kind:
        raise _refused(f"a reply has a {head.kind} where its {kind} must be")
    return head, body


def _split(content: bytes) -> tuple[Head, bytes]:
    """Head and body of an object; raises Refused."""
    start, zero, body = content.partition(b"\0")
    parts = start.decode("ascii", errors="replace").split(" ")
    if not zero or len(parts) != 3 or parts[2] != str(len(body)):
        raise _refused("an object of a reply cannot be read")
    children = tuple(parts[1].split(",")) if parts[1] else ()
    if not all(map(is_object_id, children)):
        raise _refused("an object of a reply names a child by what is no SHA-256")
    return Head(parts[0], children), body


def _parsed(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise _refused("an object of a reply cannot be read") from None


def _require_all(contents: Mapping[str, bytes], reached: set[str]) -> None:
    if not reached >= contents.keys() or not contents.keys() >= reached:
        raise _refused("a reply has other objects than those that its records name")


def _ids(tree: ObjectTree) -> Iterable[str]:
    yield tree.object_id
    for child in tree.children:
        yield from _ids(child)


def _refused(text: str) -> Refused:
    return Refused(text, MOD_REFUSED)
