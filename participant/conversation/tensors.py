"""The body of a frame: a safetensors file in memory, read strictly and written without copies."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from participant.conversation.strict_json import read_json
from protocol.encoding import decoder_of
from protocol.errors import Malformed

# numpy's and torch's name, and bytes a number, by the code of the format.
TYPES = {
    "F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2),
    "I64": ("int64", 8), "I32": ("int32", 4), "I16": ("int16", 2), "I8": ("int8", 1),
    "U64": ("uint64", 8), "U32": ("uint32", 4), "U16": ("uint16", 2), "U8": ("uint8", 1),
    "BOOL": ("bool", 1), "C64": ("complex64", 8),
    "F8_E4M3": ("float8_e4m3fn", 1), "F8_E5M2": ("float8_e5m2", 1),
}  # fmt: skip
CODES = {name: code for code, (name, _) in TYPES.items()}
ONLY_IN_TORCH = ("BF16", "F8_E4M3", "F8_E5M2")
_MAX_HEADER = 8 << 20  # bytes
_MAX_DIMENSIONS = 64
_MAX_NUMBER = 1 << 40


@dataclass(frozen=True)
class Values:
    """The numbers of one entry: a code, a shape, and flat little-endian bytes."""

    code: str
    shape: tuple[int, ...]
    data: memoryview = field(repr=False)


_Number = Annotated[int, Meta(ge=0, le=_MAX_NUMBER)]


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: Annotated[tuple[_Number, ...], Meta(max_length=_MAX_DIMENSIONS)]
    data_offsets: tuple[_Number, _Number]


decoder_of(_Place)  # each app is read in a thread of its own


def read_tensors(body: memoryview) -> dict[str, Values]:
    """The tensors by name, views of the body; none of an empty one. Raises Malformed.

    Each byte after the header belongs to one tensor.
    """
    if not len(body):
        return {}
    size = int.from_bytes(body[:8], "little")
    if size > min(_MAX_HEADER, len(body) - 8):
        raise Malformed("body", f"a header of {size} bytes in {len(body)}")
    data = body[8 + size :]
    places = _places(bytes(body[8 : 8 + size]))
    found, at = {}, 0
    for name, place in sorted(places.items(), key=lambda item: item[1].data_offsets):
        if place.dtype not in TYPES:
            raise Malformed("body", f"a tensor of type {place.dtype!r}")
        if prod(max(1, n) for n in place.shape) > _MAX_NUMBER:  # also of one that is empty
            raise Malformed("body", f"a tensor of shape {place.shape}")
        begin, end = place.data_offsets
        if begin != at or end - begin != prod(place.shape) * TYPES[place.dtype][1]:
            raise Malformed("body", "a tensor does not follow the one before, or has another size")
        values = data[begin:end]
        if place.dtype == "BOOL" and np.any(np.frombuffer(values, np.uint8) > 1):
            raise Malformed("body", "a boolean that is neither true nor false")
        found[name] = Values(place.dtype, place.shape, values)
        at = end
    if at != len(data):
        raise Malformed("body", f"{len(data) - at} bytes of no tensor")
    return {name: found[name] for name in places}


def _places(header: bytes) -> dict[str, _Place]:
    found = read_json(header, "body")
    try:
        places = msgspec.convert(found, dict[str, Any])
        places.pop("__metadata__", None)
        return {name: msgspec.convert(one, _Place) for name, one in places.items()}
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed("body", str(error)) from None


def written(tensors: Mapping[str, Values]) -> list[bytes | memoryview]:
    """The pieces of a safetensors file; none of no tensors.

    The widest type comes first, so that each value lies at a multiple of its width.
    """
    if not tensors:
        return []
    order = sorted(tensors, key=lambda name: (-TYPES[tensors[name].code][1], name))
    at, header = 0, {}
    for name in order:
        one = tensors[name]
        header[name] = {
            "dtype": one.code, "shape": one.shape, "data_offsets": [at, at + len(one.data)]
        }  # fmt: skip
        at += len(one.data)
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    start = len(encoded).to_bytes(8, "little") + encoded
    return [start, *(tensors[name].data for name in order)]
