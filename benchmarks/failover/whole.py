"""Three hospitals train while their aggregator's leaders are killed or frozen, one by one."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.failover import appends
from tests.stage.boards.killing import PROCESSES, ROUNDS, Site
from tests.stage.boards.server import running

_AS_IN_EARNEST = {"fsync": "on", "full_page_writes": "on"}


def measure(kills: int, freezes: int) -> dict[str, Any]:
    """Seconds from a leader's end until the next one answers over TLS, and what became of a board.

    kills, freezes: of leaders, together at least 1.
    """
    with tempfile.TemporaryDirectory() as made, running(_AS_IN_EARNEST) as server:
        folder = Path(made)
        result: dict[str, Any] = {"benchmark": "failover", "postgresql": server.version}
        result |= {"append": appends.measure(folder, server)}
        with Site.at_work(folder, server) as site:
            killed, frozen = site.train(kills, freezes)
            posts = [posted.digest for posted in site.board().entries]
        return result | {
            "processes": PROCESSES,
            "rounds": ROUNDS,
            "entries": len(posts),
            "entries_twice": len(posts) - len(set(posts)),
            "seconds_killed": _spread(killed),
            "seconds_frozen": _spread(frozen),
        }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    """None of them: all are 0."""
    found = seconds or [0.0]
    spread = {"min": min(found), "median": statistics.median(found), "max": max(found)}
    return {"runs": len(seconds)} | spread
