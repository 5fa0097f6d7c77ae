"""What a hospital is told of how exactly a round was averaged, and of the counts in its sum."""

from collections.abc import Iterator
from typing import Any

from keyshare.rounds import Marks, SlotReader
from participant.training.outcome import Outcome

Told = tuple[str, dict[str, Any]]  # an event, and its facts


def of_sum(reader: SlotReader, own: Marks | None, outcome: Outcome) -> Iterator[Told]:
    """How far rounding has changed the average, if there is one, and what is wrong with the counts.

    ``rounding``: the root mean square of what it changed, in that of the average; 1 at most.
    """
    if reader.is_outgrown:
        yield "outgrown", {}
    elif reader.is_coarse:
        yield ("unchanged" if reader.counts and reader.counts.is_still else "coarse"), {}
    elif changed := outcome.root_mean_square:
        yield "rounding", {"rounding": min(1.0, reader.rounding_error / changed)}
    if reader.counts is None:
        yield "counts-refused", {}
    elif own and not reader.counts.has(own):
        yield "uncounted", {}
