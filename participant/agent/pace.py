"""How many bytes of an upload may be on their way without an answer.

They are what is sent again when the connection breaks, and what a ping waits behind. A wide line
that holds needs many, or else it idles between two answers. So there may be more the longer the
connection has held and the faster it is; and once it broke in an upload, few, and slowly more.
"""

import time
from collections import deque
from collections.abc import Callable

from protocol.wire import CHUNK_BYTES

FIRST_BYTES = 8 * CHUNK_BYTES
LEAST_BYTES = CHUNK_BYTES // 2
MOST_BYTES = 96 * CHUNK_BYTES  # 1 Gbit/s over 100 ms
# Such a part of what a connection brought over may be on its way besides the least.
FIRST_SHARE, LATER_SHARE = 2, 16
_RECENT_SECONDS = 1.0


class Pace:
    """The room for bytes on their way, in one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._least, self._share = FIRST_BYTES, FIRST_SHARE
        self._brought = 0  # by this connection
        self._recent = deque[tuple[float, int]]()  # when, and how many bytes
        self._recent_bytes = 0

    @property
    def room(self) -> int:
        """Bytes that may be on their way.

        No more than the least and what the last second brought, so that a slow line has no queue
        of minutes.
        """
        since = self._clock() - _RECENT_SECONDS
        while self._recent and self._recent[0][0] < since:
            self._recent_bytes -= self._recent.popleft()[1]
        grown = min(self._brought // self._share, self._recent_bytes)
        return min(MOST_BYTES, self._least + grown)

    def brought(self, size: int) -> None:
        """So many bytes have arrived."""
        self._brought += size
        self._recent.append((self._clock(), size))
        self._recent_bytes += size

    def broke(self) -> None:
        """A connection was lost in the middle of an upload: it goes on with the least at a time."""
        self._least, self._share, self._brought = LEAST_BYTES, LATER_SHARE, 0
        self._recent.clear()
        self._recent_bytes = 0

    def ended(self) -> None:
        """An upload is complete: the next may begin as the first did."""
        self._least, self._share = FIRST_BYTES, FIRST_SHARE
