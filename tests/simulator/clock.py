"""Virtual time: events in order, whatever they stand for."""

import heapq
import itertools
from collections.abc import Callable


class Clock:
    """Seconds that pass only when an event happens."""

    def __init__(self) -> None:
        self.now = 0.0
        self.happened = 0  # events so far
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def after(self, delay: float, event: Callable[[], None]) -> None:
        """Let something happen ``delay`` seconds from now."""
        heapq.heappush(self._events, (self.now + delay, next(self._order), event))

    def run(self, until: Callable[[], bool], limit: float) -> bool:
        """Let events happen until a condition holds; False if time or events ran out first."""
        while not until():
            if not self._events or self._events[0][0] > limit:
                return False
            self.now, _, event = heapq.heappop(self._events)
            self.happened += 1
            event()
        return True
