"""Messages and digests have the bytes that the vectors give."""

import msgspec
import pytest

import protocol.messages as m
from protocol.encoding import decode, digest, encode
from tests.vectors import vectors

VECTORS = vectors("encoding")


@pytest.mark.parametrize("vector", VECTORS["messages"])
def test_bytes_are_those_of_the_vectors(vector):
    message = decode(bytes.fromhex(vector["bytes"]), m.Body, "vector", 1 << 20)  # type: ignore[arg-type, var-annotated]
    assert type(message).__name__ == vector["type"]
    assert message.__struct_config__.tag == vector["content"][0]
    spelled = [
        v.hex() if isinstance(v, bytes) else list(v) if isinstance(v, tuple) else v
        for v in msgspec.structs.astuple(message)
    ]
    assert spelled == vector["content"][1:]
    assert encode(message).hex() == vector["bytes"]


@pytest.mark.parametrize("vector", VECTORS["digests"])
def test_digests_are_those_of_the_vectors(vector):
    parts = [bytes.fromhex(part) for part in vector["parts"]]
    assert digest(vector["domain"], *parts).hex() == vector["digest"]
