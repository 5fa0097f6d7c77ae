"""Frames of the data conversation: bytes in, frames out, and no socket.

A frame is a header and a body: 4 bytes of length and JSON, 8 bytes of length and a safetensors
file, or nothing. Lengths are big-endian. Who sends too much is refused before there is room for it.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from protocol.errors import Malformed

MAX_HEADER = 8 << 20  # bytes: names, shapes, metrics
MAX_BODY = 1 << 36  # bytes: more than 2^30 weights in float64, and entries that stay at home


@dataclass(frozen=True)
class Limits:
    """How many bytes a frame may have."""

    header: int = MAX_HEADER
    body: int = MAX_BODY


HELLO = Limits(header=1 << 20, body=0)  # of a program that nobody knows yet


class Frames:
    """Takes bytes in pieces of any size; says where the next ones go, so that none is copied."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._parts = self._sizes()
        self._buffer, self._done = memoryview(bytearray(next(self._parts))), 0
        self._frame: tuple[bytes, memoryview] | None = None

    @property
    def is_within(self) -> bool:
        """Whether a frame has begun and has not ended."""
        return self._done > 0 or not self._is_at_start

    def room(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._buffer[self._done :]

    def filled(self, count: int) -> tuple[bytes, memoryview] | None:
        """So many bytes have come; the frame that they complete. Raises Malformed.

        0 < count <= len(room()).
        """
        assert 0 < count <= len(self._buffer) - self._done
        self._done += count
        while self._done == len(self._buffer):
            size = self._parts.send(self._buffer)
            self._buffer, self._done = _room_of(size), 0
            if frame := self._frame:
                self._frame = None
                return frame
        return None

    def _sizes(self) -> Generator[int, memoryview, None]:
        """The length of each part, given the one before it."""
        while True:
            self._is_at_start = True
            length = yield 4
            self._is_at_start = False
            header = yield _within(length, self.limits.header, "header")
            length = yield 8
            size = _within(length, self.limits.body, "body")
            body = (yield size) if size else memoryview(b"")
            self._frame = bytes(header), body


def _within(length: memoryview, limit: int, what: str) -> int:
    size = int.from_bytes(length, "big")
    if size > limit:
        raise Malformed("frame", f"a {what} of {size} bytes, and {limit} are the most")
    return size


def _room_of(size: int) -> memoryview:
    """Bytes that take memory as they are written, where there are many."""
    try:
        return memoryview(bytearray(size)) if size < 4_096 else np.empty(size, np.uint8).data
    except MemoryError:
        raise Malformed("frame", f"a body of {size} bytes, for which there is no memory") from None
