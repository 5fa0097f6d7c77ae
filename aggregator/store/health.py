"""Whether the service can store what members send: since when it cannot, and why."""

from collections.abc import Callable
from dataclasses import dataclass

from aggregator.clock import iso
from aggregator.errors import StoreFull


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
    """Follows what is refused and what is stored; ``now_ms`` is the wall clock."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.trouble: Trouble | None = None

    def refused(self, error: StoreFull) -> Trouble:
        """Something could not be stored; it is tried again whenever a member asks."""
        now, before = self._now_ms(), self.trouble
        since = before.since_ms if before else now
        self.trouble = found = Trouble(since, now, error.reason)
        return found

    def stored(self) -> None:
        """Something could be stored, so there is room again."""
        self.trouble = None
