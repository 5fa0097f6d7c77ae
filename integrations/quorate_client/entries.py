# SPDX-License-Identifier: Apache-2.0
"""The entries of a model, and the bytes of a safetensors file that their values are sent as."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "C64": "complex64",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "BOOL": "bool",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip  # fmt: skip
_CODES = {name: code for code, name in _TYPES.items()}
_SIZES = {"F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4,
          "F16": 2, "BF16": 2, "I16": 2, "U16": 2}  # fmt: skip  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """The values of an entry: flat little-endian bytes, a safetensors type and a shape."""

    code: str
    shape: tuple[int, ...]
    data: memoryview = field(repr=False)
    is_torch: bool = False


@dataclass(frozen=True)
class Held:
    """An entry that is no array: facts of it for the agent (docs/data-conversation.md)."""

    facts: Mapping[str, Any]


def read_tensors(body: memoryview) -> dict[str, Tensor]:
    """The tensors of a safetensors file that lies in memory; the agent's are well-formed."""
    if not len(body):
        return {}
    end = 8 + int.from_bytes(body[:8], "little")
    header = json.loads(bytes(body[8:end]))
    return {
        name: Tensor(
            one["dtype"],
            tuple(one["shape"]),
            body[end + one["data_offsets"][0] : end + one["data_offsets"][1]],
        )
        for name, one in header.items()
    }


def packed(entries: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """What is said of each entry, and the pieces of a safetensors file of those with values."""
    said: list[dict[str, Any]] = []
    tensors: dict[str, Tensor] = {}
    for name, entry in entries.items():
        if isinstance(entry, Held):
            said.append({"name": name, **entry.facts})
            continue
        tensors[name] = one = entry if isinstance(entry, Tensor) else tensor_of(name, entry)
        said.append({"name": name, "at": "body", "tensor": one.is_torch})
    at, header = 0, {}
    order = sorted(tensors, key=lambda name: (-_SIZES.get(tensors[name].code, 1), name))
    for name in order:  # the widest first, so that each lies at a multiple of its width
        one = tensors[name]
        offsets = [at, at + len(one.data)]
        header[name] = {"dtype": one.code, "shape": one.shape, "data_offsets": offsets}
        at = offsets[1]
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    start = len(encoded).to_bytes(8, "little") + encoded
    return said, [start, *(tensors[name].data for name in order)] if tensors else []


def tensor_of(name: str, entry: Any) -> Tensor:
    """The values of an array or a torch tensor; raises TypeError for anything else."""
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)  # not there while another thread imports torch
    if torch is not None and tensor is not None and isinstance(entry, tensor):
        code = _CODES.get(str(entry.dtype).removeprefix("torch."))
        if code is None or entry.layout is not torch.strided:
            raise TypeError(f"entry {name!r} is a tensor of a kind that cannot be sent")
        flat = entry.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return Tensor(code, tuple(entry.shape), flat.numpy().data, True)
    if isinstance(entry, np.ndarray | np.generic) and entry.dtype.name in _CODES:
        order = entry.dtype.newbyteorder("<")
        flat = np.ascontiguousarray(entry, dtype=order).reshape(-1).view(np.uint8)
        return Tensor(_CODES[entry.dtype.name], entry.shape, flat.data)
    raise TypeError(f"entry {name!r} is of type {type(entry).__name__}: give an array of numbers")


def value_of(found: Tensor, is_tensor: bool) -> Any:
    """An array, or a torch tensor, that lies in the bytes of the answer."""
    if not is_tensor:
        dtype = np.dtype(_TYPES[found.code]).newbyteorder("<")
        return np.frombuffer(found.data, dtype).reshape(found.shape)
    import torch

    dtype = getattr(torch, _TYPES[found.code])
    if not math.prod(found.shape):
        return torch.empty(found.shape, dtype=dtype)
    return torch.frombuffer(found.data, dtype=dtype).reshape(found.shape)
