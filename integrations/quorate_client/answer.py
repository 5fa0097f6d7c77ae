# SPDX-License-Identifier: Apache-2.0
"""What an agent answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Receipt:
    """What a round came to, without anything of the model but its hash.

    round: after which the hospital stands at the model with that digest. contributors: whose
    updates are in the sum, by name. in_sum: whether this hospital's is. sum: digest of the word
    that closed the round, and named them. All but in_sum is the same at every hospital.
    """

    study: str
    run: str
    round: int
    model: str
    contributors: tuple[str, ...]
    in_sum: bool
    sum: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Receipt:
        """As an agent has said it."""
        return cls(**{**facts, "contributors": tuple(facts["contributors"])})


@dataclass(frozen=True)
class Answer:
    """What the agent answers.

    kind: of a ``begin`` ``train`` or ``evaluate``; of an ``update`` ``applied``, ``late`` (the
    round went on without it) or ``void`` (it gave no result); of ``model`` ``model``; of any
    ``end``, when there is no more. round: that it is about. parameters: the model that belongs to
    it, in the form in which the program gave it. config: what an app's functions are given.
    receipt: where the hospital stands. reason: why a round is void.
    """

    kind: str
    round: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    parameters: Any = field(default=None, repr=False)
    receipt: Receipt | None = None
    reason: str = ""
