"""Whether the service can store what members send: since when it cannot, and why."""

from collections.abc import Callable
from dataclasses import dataclass

from aggregator.clock import iso
from aggregator.errors import StoreAway, StoreFull


@dataclass(frozen=True)
class Trouble:
    """The system refuses to store anything; times in ms since 1970.

    reason: in its own words, without a path, since members are told.
    """

    since_ms: int
    last_ms: int
    reason: str

    @property
    def since(self) -> str:
        """In ISO 8601, UTC."""
        return iso(self.since_ms)

    @property
    def report(self) -> dict[str, str]:
        """For people and programs."""
        return {"since": self.since, "last_tried": iso(self.last_ms), "reason": self.reason}


class StorageHealth:
    """Follows what is refused and what is stored."""

    def __init__(
        self, now_ms: Callable[[], int], is_away: Callable[[], bool] = lambda: False
    ) -> None:
        """now_ms: the wall clock. is_away: whether the place of blobs still does not answer."""
        self._now_ms, self._is_away = now_ms, is_away
        self._full: Trouble | None = None
        self._away: Trouble | None = None

    @property
    def trouble(self) -> Trouble | None:
        """What goes on; None if all can be stored."""
        if not self._is_away():
            self._away = None
        return self._away or self._full

    def refused(self, error: StoreFull) -> Trouble:
        """Something could not be stored; it is tried again whenever a member asks."""
        is_away = isinstance(error, StoreAway)
        now, before = self._now_ms(), self._away if is_away else self._full
        found = Trouble(before.since_ms if before else now, now, error.reason)
        if is_away:
            self._away = found
        else:
            self._full = found
        return found

    def stored(self) -> None:
        """Something could be stored, so there is room again on the disk."""
        self._full = None
