"""The body is a safetensors file as the library writes and reads it, and strictly so."""

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from participant.conversation.tensors import Values, read_tensors, written
from protocol.errors import Malformed

ARRAYS: dict[str, Any] = {
    "w": np.arange(6, dtype="<f8").reshape(2, 3),
    "b": np.ones(3, "<f4"),
    "one": np.array(7, "<i8"),
    "none": np.zeros((0, 4), "<f2"),
    "is": np.array([True, False]),
}


def values(array: Any, code: str) -> Values:
    return Values(code, array.shape, memoryview(array.tobytes()))


def file_of(header: Any, data: bytes = b"") -> memoryview:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return memoryview(len(encoded).to_bytes(8, "little") + encoded + data)


def test_what_the_library_writes_is_read() -> None:
    found = read_tensors(memoryview(save(ARRAYS)))
    assert {name: one.shape for name, one in found.items()} == {
        name: array.shape for name, array in ARRAYS.items()
    }
    assert all(bytes(found[name].data) == array.tobytes() for name, array in ARRAYS.items())


def test_what_is_written_the_library_reads() -> None:
    codes = ("F64", "F32", "I64", "F16", "BOOL")
    given = {n: values(a, c) for (n, a), c in zip(ARRAYS.items(), codes, strict=True)}
    found = load(b"".join(written(given)))
    for name, array in ARRAYS.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    read = read_tensors(memoryview(b"".join(written(given))))
    assert {name: one.data.tobytes() for name, one in read.items()} == {
        name: one.data.tobytes() for name, one in given.items()
    }


def test_nothing_is_an_empty_body() -> None:
    assert written({}) == []
    assert read_tensors(memoryview(b"")) == {}


PLACE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "data", "why"),
    [
        ({"w": PLACE}, bytes(9), "1 bytes of no tensor"),
        ({"w": PLACE}, bytes(7), "1 bytes of no tensor"),
        ({"w": {**PLACE, "shape": [3]}}, bytes(8), "another size"),
        ({"w": {**PLACE, "shape": [1 << 39, 1 << 39]}}, bytes(8), "of shape"),
        ({"w": {**PLACE, "shape": [1 << 39, 4, 0], "data_offsets": [0, 0]}}, b"", "of shape"),
        ({"w": {**PLACE, "shape": [-2]}}, bytes(8), ">= 0"),
        ({"w": {**PLACE, "shape": [1] * 65}}, bytes(8), "length"),
        ({"w": {**PLACE, "dtype": "F31"}}, bytes(8), "type 'F31'"),
        ({"w": {**PLACE, "data_offsets": [1, 9]}}, bytes(9), "does not follow"),
        ({"w": PLACE, "v": PLACE}, bytes(8), "does not follow"),
        ({"w": {**PLACE, "more": 1}}, bytes(8), "unknown field"),
        ({"w": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\2", "neither true"),
        ([1], b"", "object"),
        (b'{"w": 1, "w": 2}', b"", "twice"),
        (b"{", b"", "Expecting"),
    ],
)
def test_what_is_no_such_file_is_refused(header: Any, data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read_tensors(file_of(header, data))


@pytest.mark.parametrize("data", [b"\0", bytes(7), b"\xff" * 8, bytes(8)])
def test_a_header_that_is_not_there_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_tensors(memoryview(data))
