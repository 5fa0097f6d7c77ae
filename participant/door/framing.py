"""Frames on a socket that is a stream: four bytes of length, then so many bytes."""

from protocol.encoding import Message, encode
from protocol.errors import Malformed

_LENGTH_BYTES = 4


def framed(message: Message) -> bytes:
    """A message as it goes onto the wire."""
    data = encode(message)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


class Unframer:
    """Takes bytes as they come, gives whole frames; ``limit``: bytes of one.

    It holds no more than one frame that is not whole.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._have = bytearray()

    @property
    def is_between(self) -> bool:
        """Whether no part of a frame is here."""
        return not self._have

    @property
    def due(self) -> int:
        """How long the frame is, of which a part is here; 0 where that is not known."""
        if len(self._have) < _LENGTH_BYTES:
            return 0
        return int.from_bytes(self._have[:_LENGTH_BYTES], "big")

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole now; raises Malformed for an empty one, or one too long."""
        self._have += data
        frames = []
        while len(self._have) >= _LENGTH_BYTES:
            size = int.from_bytes(self._have[:_LENGTH_BYTES], "big")
            if not 0 < size <= self.limit:
                raise Malformed("frame", f"{size} bytes, from 1 to {self.limit} are allowed")
            if len(self._have) < _LENGTH_BYTES + size:
                break
            frames.append(bytes(self._have[_LENGTH_BYTES : _LENGTH_BYTES + size]))
            del self._have[: _LENGTH_BYTES + size]
        return frames
