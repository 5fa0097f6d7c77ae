"""A connection to a training process, from the agent's side: whole frames in and out.

It waits without end for a frame to begin, since training takes as long as it takes. A frame that
has begun must go on: who sends half of one, or does not read, is given up.
"""

import contextlib
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from participant.conversation.frames import Frames, Limits
from participant.conversation.messages import FromApp, read_message
from protocol.errors import Malformed

STALL_SECONDS = 120.0


class Channel:
    """Reads and writes frames; for one thread at a time, but ``close`` is for any."""

    def __init__(self, connection: socket.socket, stall_seconds: float = STALL_SECONDS) -> None:
        self._socket, self._stall = connection, stall_seconds
        self._frames = Frames()

    def limit(self, body: int) -> None:
        """From now on no body may have more bytes."""
        self._frames.limits = Limits(body=body)

    def receive(self) -> tuple[FromApp, memoryview]:
        """The next message and its body, as soon as it is there.

        Raises Malformed, and EOFError where the other side has gone.
        """
        while True:
            try:  # closed in another thread, any of the two fails
                self._socket.settimeout(self._stall if self._frames.is_within else None)
                count = self._socket.recv_into(self._frames.room())
            except TimeoutError:
                raise Malformed(
                    "frame", f"half of one, and nothing for {self._stall:g} s"
                ) from None
            except OSError:
                count = 0
            if not count:
                raise EOFError
            if frame := self._frames.filled(count):
                return read_message(frame[0]), frame[1]

    def send(self, header: Mapping[str, Any], pieces: Sequence[bytes | memoryview] = ()) -> None:
        """Answer. Raises EOFError where the other side has gone, Malformed where it reads nothing.

        Without a value in it that JSON has no form for.
        """
        encoded, size = json.dumps(header).encode(), sum(map(len, pieces))
        start = len(encoded).to_bytes(4, "big") + encoded + size.to_bytes(8, "big")
        try:
            self._socket.settimeout(self._stall)
            for piece in (start, *pieces):
                self._socket.sendall(piece)
        except TimeoutError:
            raise Malformed("frame", f"it reads nothing for {self._stall:g} s") from None
        except OSError:
            raise EOFError from None

    def close(self) -> None:
        """End the conversation, in whatever thread it is being waited for."""
        with contextlib.suppress(OSError):  # the other side has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
