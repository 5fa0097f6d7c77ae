"""A clock for the board: it follows the machine's, but never goes back."""

from __future__ import annotations

from collections.abc import Callable


class BoardClock:
    """Milliseconds that go on from the latest time known, whatever happens to the machine's clock.

    Set back by a day, a machine would otherwise let every open round wait for a day.
    """

    def __init__(self, now_ms: Callable[[], int], latest_ms: int = 0) -> None:
        self._now_ms, self._latest_ms, self._ahead_ms = now_ms, latest_ms, 0

    def now_ms(self) -> int:
        """The time, at least that of any call before."""
        now = self._now_ms()
        self._ahead_ms = max(self._ahead_ms, self._latest_ms - now)
        self._latest_ms = now + self._ahead_ms
        return self._latest_ms
