"""One canonical encoding for everything that is signed, hashed, sent or stored.

Structs are msgpack arrays of their fields in order, after a tag where a union needs one. There are
no maps and no optional forms, so equal values have equal bytes; decoding re-encodes and compares,
which refuses every other spelling.
"""

import base64
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import msgspec
from gmpy2 import mpz

from keyshare.digest import digest as digest
from protocol.errors import Malformed
from protocol.words import shown

T = TypeVar("T")
_reading = threading.Lock()


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of everything that is said: immutable, positional, no unknown fields.

    What a long board has most of is ``gc=False``: no message refers back to what holds it, and the
    search for such circles would go through all of them again and again.
    """


def encode(message: Any) -> bytes:
    """Canonical bytes of a message."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[T], what: str, limit: int) -> T:
    """The message in ``data``; raises Malformed if longer than ``limit`` bytes or not canonical."""
    if len(data) > limit:
        raise Malformed(what, f"{len(data)} bytes, at most {limit} are allowed")
    try:
        message: T = decoder_of(kind).decode(data)  # type: ignore[arg-type]  # a type has a hash
    except (msgspec.DecodeError, RecursionError, OverflowError, UnicodeDecodeError) as error:
        raise Malformed(what, shown(str(error))) from None  # it may quote the sender's words
    if encode(message) != data:
        raise Malformed(what, "not in canonical form")
    return message


@cache
def decoder_of(kind: Any) -> Any:
    """What reads a kind of message; ``kind`` is a type, or a union of types.

    msgspec learns what a class consists of when it is first read, and crashes where two threads
    begin with that at once. So one after the other does.
    """
    with _reading:
        return msgspec.msgpack.Decoder(kind, strict=True)


def pack_numbers(values: Iterable[mpz], width: int) -> bytes:
    """Numbers of at most ``width`` bytes each, big-endian, one after the other."""
    return b"".join([value.to_bytes(width, "big") for value in values])


def unpack_numbers(data: bytes, width: int, count: int, bound: mpz, what: str) -> list[mpz]:
    """``count`` numbers in [0, bound); raises Malformed on another length or a larger number."""
    check_length(data, width, count, what)
    numbers = [mpz.from_bytes(data[k : k + width], "big") for k in range(0, len(data), width)]
    if any(number >= bound for number in numbers):
        raise Malformed(what, "a number is out of range")
    return numbers


def check_length(data: bytes, width: int, count: int, what: str) -> None:
    """Raises Malformed unless ``data`` has as many bytes as so many numbers."""
    if len(data) != width * count:
        raise Malformed(what, f"{len(data)} bytes instead of {count} numbers of {width} bytes")


def width_of(bound: mpz) -> int:
    """Bytes that hold every number below ``bound``."""
    return (int(bound - 1).bit_length() + 7) // 8


def encode_binary(data: bytes) -> str:
    """Base64, URL-safe and without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
