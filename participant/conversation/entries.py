"""A model as it is said, and back: arrays, tensors, plain values, and what stays with the app.

An entry that has no form of its own on the way (a sparse tensor, an object of the app's) stays in
the app's process, and what becomes of it is said in its place (participant.model.Elsewhere). torch
is imported where somebody says that an entry is its tensor, and not otherwise.
"""

import base64
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import msgspec
import numpy as np

from participant.conversation.messages import EntrySaid
from participant.conversation.tensors import CODES, ONLY_IN_TORCH, TYPES, Values, written
from participant.model import AtHome, Averaged, Elsewhere, Unfit, fate_by_kind, is_plain, is_tensor
from protocol.errors import Malformed

_FORM = "message"


def parameters_in(form: str, entries: Sequence[EntrySaid], values: Mapping[str, Values]) -> Any:
    """A list or a dict of what was said; arrays and tensors are views of what was received.

    An Elsewhere stands in the place of what stays with the app. Raises Malformed.
    """
    found: dict[str, Any] = {}
    for entry in entries:
        if entry.name in found:
            raise Malformed(_FORM, f"entry {entry.name!r} is there twice")
        found[entry.name] = _entry(entry, values)
    if len(values) != sum(entry.at == "body" for entry in entries):
        raise Malformed(_FORM, "the body has other entries than the header")
    return list(found.values()) if form == "list" else found


def _entry(said: EntrySaid, values: Mapping[str, Values]) -> Any:
    if said.at == "body":
        if said.name not in values:
            raise Malformed(_FORM, f"entry {said.name!r} has no values")
        return _tensor(values[said.name]) if said.tensor else _array(values[said.name])
    if said.at == "value":
        try:
            return msgspec.msgpack.decode(base64.b64decode(said.value, validate=True))
        except (ValueError, RecursionError, msgspec.DecodeError):
            raise Malformed(_FORM, f"entry {said.name!r} has no value") from None
    fate = Unfit(said.what, said.remedy) if said.remedy else AtHome(said.what, said.why)
    return Elsewhere(fate, said.tensor)


def _array(values: Values) -> np.ndarray[Any, Any]:
    if values.code in ONLY_IN_TORCH:
        raise Malformed(_FORM, f"an array of type {values.code}")
    dtype = np.dtype(TYPES[values.code][0]).newbyteorder("<")
    return np.frombuffer(values.data, dtype).reshape(values.shape)


def _tensor(values: Values) -> Any:
    try:
        import torch
    except ImportError:
        reason = "an entry is a torch tensor, and the agent has no torch. Give numpy arrays"
        raise Malformed(_FORM, reason) from None

    dtype = getattr(torch, TYPES[values.code][0], None)
    if dtype is None:  # an older torch
        raise Malformed(_FORM, f"a tensor of type {values.code}")
    if not prod(values.shape):
        return torch.empty(values.shape, dtype=dtype)
    return torch.frombuffer(values.data, dtype=dtype).reshape(values.shape)


def parameters_said(parameters: Any) -> tuple[dict[str, Any], list[bytes | memoryview]]:
    """What is said of a list or a dict, its form and entries, and the pieces of the body."""
    is_list = isinstance(parameters, list)
    named = {f"parameter_{k}": p for k, p in enumerate(parameters)} if is_list else parameters
    said, tensors = [], {}
    for name, entry in named.items():
        facts, values = said_and_values(entry)
        said.append({"name": name, **facts})
        if values is not None:
            tensors[name] = values
    return {"form": "list" if is_list else "dict", "entries": said}, written(tensors)


def said_and_values(entry: Any) -> tuple[dict[str, Any], Values | None]:
    """The facts of an entry, and its numbers where it is an array or a tensor."""
    if isinstance(entry, Elsewhere):
        return _facts(entry.fate, entry.is_tensor), None
    if is_plain(entry):
        packed = base64.b64encode(msgspec.msgpack.encode(entry)).decode()
        return {"at": "value", "value": packed}, None
    fate = fate_by_kind(entry)
    if isinstance(fate, Averaged):
        values = _numbers(fate.values)
    else:
        values = _numbers(entry) if _is_simple(entry) else None
    if values is None:
        return _facts(fate, is_tensor(entry)), None
    return {"at": "body", "tensor": is_tensor(entry)}, values


def _facts(fate: Averaged | AtHome | Unfit, tensor: bool) -> dict[str, Any]:
    found = {"at": "app", "tensor": tensor, "what": fate.what[:1_000]}
    if isinstance(fate, AtHome):
        return {**found, "why": fate.why}
    remedy = fate.remedy if isinstance(fate, Unfit) else "make a plain array or tensor of it"
    return {**found, "remedy": remedy}


def _is_simple(entry: Any) -> bool:
    """Whether an entry of numbers that are not averaged comes back as it is."""
    if isinstance(entry, np.ndarray | np.generic):
        return type(entry) is np.ndarray or isinstance(entry, np.generic)
    if not is_tensor(entry):
        return False
    import torch

    if type(entry) not in (torch.Tensor, torch.nn.Parameter):
        return False
    simple = entry.layout is torch.strided and not entry.is_quantized and not entry.is_nested
    return bool(simple and not entry.is_meta)


def _numbers(entry: Any) -> Values | None:
    """The flat bytes of an array or a tensor, copied only where they do not lie so; else None."""
    try:
        if is_tensor(entry):
            return _of_tensor(entry)
        code = CODES.get(entry.dtype.name)
        if code is None or code in ONLY_IN_TORCH:
            return None
        flat = np.ascontiguousarray(entry, dtype=entry.dtype.newbyteorder("<"))
        return Values(code, entry.shape, flat.reshape(-1).view(np.uint8).data)
    except Exception:  # a device, or a class of somebody's own, that does not give its numbers
        return None


def _of_tensor(entry: Any) -> Values | None:
    import torch

    code = CODES.get(str(entry.dtype).removeprefix("torch."))
    if code is None:
        return None
    flat = entry.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return Values(code, tuple(map(int, entry.shape)), flat.numpy().data)
