"""Since when something has been waited for, and when people are to be told of it (again)."""

import time
from collections.abc import Callable, Hashable

_FIRST_SECONDS = 15.0  # what is over sooner is told by nobody
_GROWS = 4
_LONGEST_SECONDS = 3_600.0


class Vigil:
    """By this process's own clock; told after 15 s, a minute, 4 and 16 minutes, then each hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Hashable, float] = {}
        self._next: dict[Hashable, float] = {}  # seconds of waiting, when it is told next
        self._told: dict[Hashable, Hashable] = {}  # for whom, as it was told last

    def look(self, what: Hashable, whom: Hashable, is_passing: bool = False) -> tuple[float, bool]:
        """Seconds since ``what`` is waited for, and whether it is time to tell so.

        It is also told at once when others are waited for than were told of last. While something
        ``is_passing`` (a link that is lost, say), what was waited for before still counts.
        """
        now = self._clock()
        if not is_passing:
            for known in (self._since, self._next, self._told):
                for other in [one for one in known if one != what]:
                    del known[other]
        seconds = now - self._since.setdefault(what, now)
        is_news = what in self._told and self._told[what] != whom
        if seconds < self._next.setdefault(what, _FIRST_SECONDS) and not is_news:
            return seconds, False
        self._told[what] = whom
        self._next[what] = min(
            max(_GROWS * seconds, _GROWS * _FIRST_SECONDS), seconds + _LONGEST_SECONDS
        )
        return seconds, True
