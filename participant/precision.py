"""What a hospital is told of its own update's bounds, and of how exactly a round was averaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keyshare.slots import SlotReader, SlotWriter
from keyshare.tally import Marks
from participant.outcome import Outcome
from protocol.messages import Opening
from protocol.terms import Terms

Told = tuple[str, dict[str, Any]]  # an event, and its facts


def of_update(writer: SlotWriter, examples: int, opening: Opening, terms: Terms) -> Iterator[Told]:
    """What the bounds of a round did to this hospital's update."""
    if writer.halvings:
        is_terms = opening.clip == terms.clip
        yield "scaled", {"to": 2.0**-writer.halvings, "clip": opening.clip, "is_terms": is_terms}
    if writer.weighed_as != examples:
        yield "weighed-as", {"examples": examples, "weight": writer.weighed_as}


def of_sum(reader: SlotReader, own: Marks | None, outcome: Outcome, terms: Terms) -> Iterator[Told]:
    """How far rounding has changed the average, and what is wrong with the round's counts.

    ``rounding``: the root mean square of what it changed, in that of the average; 1 at most.
    """
    changed = outcome.root_mean_square
    error = reader.rounding_error(terms.stochastic_rounding)
    if changed or (reader.counts and not reader.counts.is_still):
        yield "rounding", {"rounding": min(1.0, error / changed) if changed else 1.0}
    if reader.counts is None:
        yield "counts-refused", {}
    elif own and not reader.counts.has(own):
        yield "uncounted", {}
