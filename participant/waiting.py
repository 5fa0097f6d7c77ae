"""What a hospital is waiting for, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from protocol.rounds.awaited import Step

Kind = (
    Step
    | Literal["link", "stalled", "board", "upload", "vector", "join", "ceremony", "seeds"]
    | Literal["request", "held-back", "checksums", "check", "task"]
)


class Waiting(NamedTuple):
    """A step, and the numbers of those who have not done it; 0 is the aggregator.

    kind: what the step is, for whoever says why, and what is to be done.
    facts: as far as they are known: ``needed`` (so many members are enough; 0: it goes on without
    any in time), ``refused`` (numbers), ``until_seconds`` (of the whole wait, after which it goes
    on by itself), ``session``, ``remedy`` (of a lost link), and for "agreement" those of the event
    "disagreement".
    """

    step: str
    members: tuple[int, ...]
    kind: Kind = "task"
    facts: Mapping[str, Any] = MappingProxyType({})
