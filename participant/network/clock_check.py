"""Whether this machine's clock and the aggregator's agree, by the times of own posts."""

import time
from collections.abc import Callable

from participant.agent import Agent

MAY_DIFFER_SECONDS = 300.0


def _wall_seconds() -> float:
    return time.time()


class ClockCheck:
    """Looks at an agent again and again: a post must have its time between made and seen."""

    def __init__(self, agent: Agent, clock: Callable[[], float] = _wall_seconds) -> None:
        self._agent, self._clock = agent, clock
        self._made_at: dict[bytes, float] = {}  # when the last posts were made, by this clock
        self._is_told = False

    def differs(self) -> float | None:
        """By how many seconds the aggregator's clock is ahead; None if it is not or was told."""
        if self._is_told:
            return None
        agent, seen, now = self._agent, self._agent.seen, self._clock()
        self._made_at.setdefault(agent.made, now)
        made_at = self._made_at.get(seen.digest) if seen else None
        if seen is None or made_at is None:
            return None
        self._made_at = {agent.made: self._made_at[agent.made], seen.digest: made_at}
        there = seen.time_ms / 1000
        ahead = max(0.0, there - now) - max(0.0, made_at - there)
        if abs(ahead) <= MAY_DIFFER_SECONDS:
            return None
        self._is_told = True
        return ahead
