"""What a board of many rounds costs everybody; each party's part is a module of its own."""

from typing import Any

from aggregator.store import stored_entries
from benchmarks.long_board import agent, aggregator, verify
from benchmarks.long_board.generator import long_board


def measure(rounds: int) -> dict[str, Any]:
    """All costs, by party, on a board of so many rounds; made first, unless it was before."""
    made = long_board(rounds)
    entries = stored_entries(made.stored)
    return {
        "benchmark": "long-board",
        "rounds": rounds,
        "entries": len(entries),
        "board_bytes": sum(map(len, entries)),
        "agent": agent.measure(made),
        "aggregator": aggregator.measure(made),
        "verify": verify.measure(made),
    }
