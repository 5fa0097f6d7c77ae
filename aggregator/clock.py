"""The board's time: it follows the machine's clock at the start, and from then on its own pace.

The machine's clock may be set while a service runs, a day ahead or back: that closes nothing early
and lets nothing wait for ever. It is noticed, logged and shown in the status.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

log = logging.getLogger("quorate.aggregator")

STEP_MS = 10_000  # of the machine's clock, between two looks at it; less is its keeper's care
_KEPT_STEPS = 3


@dataclass(frozen=True)
class Step:
    """The machine's clock was set: when, by the board's time, and by how much."""

    at_ms: int
    by_ms: int


def iso(time_ms: int) -> str:
    """A time in ISO 8601, UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


class BoardClock:
    """Milliseconds since 1970 that go on from the latest time known, at a steady pace."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        latest_ms: int = 0,
        steady_ms: Callable[[], int] | None = None,
    ) -> None:
        """now_ms: the machine's clock; steady_ms: one that nobody sets; else the first for both."""
        self._now_ms, self._steady_ms, self._latest_ms = now_ms, steady_ms, latest_ms
        self._last: tuple[int, int] | None = None  # what both showed at the last look
        self.steps: list[Step] = []  # the last ones

    def now_ms(self) -> int:
        """The time, at least that of any call before."""
        now = self._now_ms()
        steady = self._steady_ms() if self._steady_ms else now
        if self._last is None:
            if now < self._latest_ms - STEP_MS:
                self._note(now - self._latest_ms)
            self._latest_ms = max(self._latest_ms, now)
        else:
            passed = max(0, steady - self._last[1])
            self._latest_ms += passed
            if abs(by := now - self._last[0] - passed) >= STEP_MS:
                self._note(by)
        self._last = now, steady
        return self._latest_ms

    @property
    def report(self) -> dict[str, object] | None:
        """For people and programs: how far ahead the machine's clock is; None if it was not set."""
        if not self.steps or self._last is None:
            return None
        steps = [{"at": iso(step.at_ms), "seconds": step.by_ms / 1000} for step in self.steps]
        return {"ahead_seconds": (self._last[0] - self._latest_ms) / 1000, "steps": steps}

    def _note(self, by_ms: int) -> None:
        self.steps = [*self.steps, Step(self._latest_ms, by_ms)][-_KEPT_STEPS:]
        log.warning(
            "this machine's clock was set %s by %d s. The board's times go on from %s, and nothing "
            "is closed or kept open for that",
            "forward" if by_ms > 0 else "back", abs(by_ms) // 1000, iso(self._latest_ms),
        )  # fmt: skip
