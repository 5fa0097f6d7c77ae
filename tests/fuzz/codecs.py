"""Formats as trees of lists, dicts, texts, bytes and numbers, and back: for mutations of fields."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True)
class Codec:
    """``decode`` raises on what is not of the format, ``encode`` on what the format cannot say."""

    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


def tree_of(data: bytes, kind: Any = Any) -> Any:
    """The MessagePack in an input; None if it holds none, or something of another kind."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _from_lines(data: bytes) -> Any:
    """Lines with a key and a value as TOML writes them, each a text, so that any may be changed."""
    return [line.split(" = ", 1) for line in data.decode().split("\n")]


def _to_lines(tree: Any) -> bytes:
    return "\n".join(" = ".join(map(str, parts)) for parts in tree).encode()


def _from_sealed(data: bytes) -> Any:
    """A sealed file: magic and version, header, ciphertext."""
    end = 23 + int.from_bytes(data[21:23], "big")
    return [data[:21], msgspec.msgpack.decode(data[23:end]), data[end:]]


def _to_sealed(tree: Any) -> bytes:
    start, header, ciphertext = tree
    encoded = msgspec.msgpack.encode(header)
    return bytes(start + len(encoded).to_bytes(2, "big") + encoded + ciphertext)


def _from_safetensors(data: bytes) -> Any:
    end = 8 + int.from_bytes(data[:8], "little")
    return [json.loads(data[8:end]), data[end:]]


def _to_safetensors(tree: Any) -> bytes:
    header, body = tree
    encoded = json.dumps(header, separators=(",", ":")).encode()
    return bytes(len(encoded).to_bytes(8, "little") + encoded + body)


MSGPACK = Codec(msgspec.msgpack.decode, msgspec.msgpack.encode)
JSON = Codec(json.loads, lambda tree: json.dumps(tree).encode())
TOML = Codec(_from_lines, _to_lines)
SEALED = Codec(_from_sealed, _to_sealed)
SAFETENSORS = Codec(_from_safetensors, _to_safetensors)
