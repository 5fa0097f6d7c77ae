"""Numbers, times and lists as the report says them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from protocol.terms import Terms
from protocol.words import shown
from protocol.words.duration import duration


def when(time_ms: int) -> str:
    """2026-11-26 18:15:32, in UTC."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "at no time"  # the aggregator's word, which nobody checks


def took(seconds: float) -> str:
    """0.4 s, 12 s, 1:09 min, 1:01 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return duration(seconds)


def between(first_ms: int, then_ms: int) -> str:
    """How long after something else."""
    return took(max(0, then_ms - first_ms) / 1000)


def names(terms: Terms, members: Iterable[int]) -> str:
    """Members' names in a list; nobody, if there are none."""
    return ", ".join(shown(terms.name_of(m)) for m in members) or "nobody"


def count(number: int, noun: str) -> str:
    """1 entry, 2,000 entries."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


def entries(positions: Sequence[int]) -> str:
    """Entry 7, or entries 7, 8, 9."""
    noun = "entry" if len(positions) == 1 else "entries"
    return f"{noun} {', '.join(map(str, positions))}"
