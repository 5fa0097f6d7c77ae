"""What a board of many rounds costs everybody; each party's part is a module of its own."""

from typing import Any

from benchmarks.long_board import agent, aggregator, export, floor, vectors, verify
from benchmarks.long_board.generator import copied, long_board
from examples.demo.stored import stored_entries


def measure(rounds: int) -> dict[str, Any]:
    """All costs, by party, on a board of so many rounds; made first, unless it was before."""
    made = long_board(rounds)
    entries = stored_entries(made.stored)
    with copied(made) as copy:
        pruned, started = vectors.measure(copy), aggregator.measure(copy)
        record = made.folder / "record"
        written = export.measure(copy, record)
    return {
        "benchmark": "long-board",
        "rounds": rounds,
        "entries": len(entries),
        "board_bytes": sum(map(len, entries)),
        "agent": agent.measure(made),
        "vectors": pruned,
        "aggregator": started,
        "record": written | verify.measure(record),
        "alone": floor.measure(record),
    }
