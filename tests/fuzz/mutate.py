"""Mutations that know a message's structure: a field changed, the rest spelled as it must be.

Decoders compare what they read with its one canonical spelling, so next to nothing that is changed
byte by byte gets beyond that comparison.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from tests.fuzz.codecs import MSGPACK, Codec

_INTEGERS = [-1, 0, 1, 2, 3, 16, 17, 127, 128, 255, 256, 65_535, 1 << 20, 1 << 26, 1 << 30, 1 << 32,
             (1 << 47) - 1, (1 << 48) - 1, 1 << 48, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
             -(1 << 31), -(1 << 63)]  # fmt: skip
_FLOATS = [0.0, -0.0, 1.0, -1.0, 5e-324, 1e308, float("inf"), float("-inf"), float("nan")]
_TEXTS = ["", "\0", "é" * 9, "x" * 600, "\x1b[2J", "\u202e", "0", "-1", "1e999", "nan", "round/1",
          "ceremony/1", "statistic/a", "training", "hybrid", "paillier",
          "true", "1979-05-27", "'x'", "0x" + "f" * 300, "9" * 4_500, "[" * 1_500]  # fmt: skip
_JUNK: list[Any] = [
    None,
    True,
    False,
    [],
    [[]],
    {},
    {"a": 1},
    b"",
    bytes(32),
    *_TEXTS,
    *_INTEGERS,
    *_FLOATS,
]
_MAX_ITEMS = 200

Spoil = Callable[[bytes, int], bytes]


def mutated(data: bytes, codec: Codec, limit: int, chance: random.Random, spoil: Spoil) -> bytes:
    """The message with one to three fields changed, at most ``limit`` bytes; else spoilt bytes."""
    try:
        tree = codec.decode(data)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            tree = _changed(tree, chance, spoil)
        found = codec.encode(tree)
    except Exception:  # not of the format, or changed into what it cannot say
        return spoil(data, limit)
    return found if len(found) <= limit else spoil(data, limit)


def _changed(node: Any, chance: random.Random, spoil: Spoil) -> Any:
    """A tree with something changed in it or in one of its branches."""
    if isinstance(node, list | dict) and node and chance.random() < 0.85:
        key = chance.randrange(len(node)) if isinstance(node, list) else chance.choice(list(node))
        node[key] = _changed(node[key], chance, spoil)
        return node
    if chance.random() < 0.04:
        return chance.choice(_JUNK)
    if isinstance(node, list):
        return _changed_list(node, chance)
    if isinstance(node, dict):
        return _changed_dict(node, chance)
    return _changed_leaf(node, chance, spoil)


def _changed_list(node: list[Any], chance: random.Random) -> list[Any]:
    if len(node) > _MAX_ITEMS or (node and chance.random() < 0.3):
        node.pop(chance.randrange(len(node)))
    elif node and chance.random() < 0.5:
        node.insert(chance.randrange(len(node) + 1), chance.choice(node))
    elif len(node) > 1 and chance.random() < 0.5:
        i, j = chance.randrange(len(node)), chance.randrange(len(node))
        node[i], node[j] = node[j], node[i]
    elif node and chance.random() < 0.2:
        node *= min(chance.choice((2, 17, 40)), 1 + 40 // len(node))
    else:
        node.append(chance.choice(_JUNK))
    return node


def _changed_dict(node: dict[Any, Any], chance: random.Random) -> dict[Any, Any]:
    if node and chance.random() < 0.5:
        value = node.pop(chance.choice(list(node)))
        if chance.random() < 0.5:
            node[chance.choice(_TEXTS)] = value
    else:
        node[chance.choice(_TEXTS)] = chance.choice(_JUNK)
    return node


def _changed_leaf(node: Any, chance: random.Random, spoil: Spoil) -> Any:
    if isinstance(node, bool) or node is None:
        return not node
    if isinstance(node, int):
        near = node + chance.choice((-1, 1))
        return chance.choice((near, chance.choice(_INTEGERS), chance.randrange(20)))
    if isinstance(node, float):
        return chance.choice([*_FLOATS, -node, node * 2, node + 1])
    if isinstance(node, str):
        if chance.random() < 0.3:
            return chance.choice(_TEXTS)
        return spoil(node.encode(errors="ignore"), 600).decode(errors="ignore")
    if isinstance(node, bytes):
        return _changed_bytes(node, chance, spoil)
    return chance.choice(_JUNK)


def _changed_bytes(data: bytes, chance: random.Random, spoil: Spoil) -> bytes:
    """Also a message inside the message, such as a post in an entry."""
    if 0x90 <= data[0] <= 0x9F or data[0] in (0xDC, 0xDD) if data else False:
        try:
            if chance.random() < 0.9:
                return MSGPACK.encode(_changed(MSGPACK.decode(data), chance, spoil))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            pass
    kind, n = chance.randrange(8), len(data)
    others = bytes(n), b"\xff" * n, data[: n // 2], data + bytes(1), bytes(1) + data
    if kind < len(others):
        return others[kind]
    if kind == 5:
        return chance.randbytes(n)
    found = spoil(data, max(1, len(data) + 8))
    # Many fields have one length only.
    return (found + data)[: len(data)] if chance.random() < 0.7 else found


def spoilt(data: bytes, limit: int, chance: random.Random) -> bytes:
    """Bytes with some of them changed, put in or left out: where no fuzzer lends its own."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            found[at:at] = chance.randbytes(chance.choice((1, 2, 9)))
        elif kind == 1:
            del found[at : at + chance.choice((1, 2, 9, 64))]
        elif kind == 2 and at < len(found):
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 3 and at < len(found):
            found[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        else:
            start = chance.randrange(len(found) + 1)
            found[at:at] = found[start : start + chance.choice((4, 32))]
    return bytes(found[:limit])
