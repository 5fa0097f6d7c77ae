# SPDX-License-Identifier: Apache-2.0
"""What a framework's server is told of a round, in place of a model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self

from quorate_client.answer import Answer

_STUDY = re.compile(r"([a-z][a-z0-9._-]{0,63})?")
_DIGEST = re.compile(r"[0-9a-f]{0,64}")
_BELOW = 1 << 32  # any number


@dataclass(frozen=True)
class ServerReceipt:
    """What one hospital says of a round.

    round: quorate's, after which the hospital has the model with this digest (hex). contributors:
    how many hospitals are in the sum. in_sum: whether this one is. outcome: applied, late (the
    round went on without this hospital) or void (it gave no result).
    """

    study: str
    round: int
    model: str
    contributors: int
    in_sum: bool
    outcome: str

    outcomes: ClassVar[frozenset[str]] = frozenset({"applied", "late", "void"})

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """What the agent's answer says."""
        if (said := answer.receipt) is None:  # before the first round
            return cls("", answer.round, "", 0, False, answer.kind)
        count = len(said.contributors)
        return cls(said.study, said.round, said.model, count, said.in_sum, answer.kind)

    @classmethod
    def from_facts(cls, facts: object) -> Self | None:
        """As a hospital has sent it, None if it is none: it is shown to the server's operator."""
        types = {field.name: field.type for field in fields(cls)}  # no text: annotations of now
        if not isinstance(facts, Mapping) or facts.keys() != types.keys():
            return None
        if not all(type(facts[name]) is types[name] for name in types):
            return None
        found = cls(**facts)
        is_text = _STUDY.fullmatch(found.study) and _DIGEST.fullmatch(found.model)
        is_number = all(0 <= number < _BELOW for number in (found.round, found.contributors))
        return found if is_text and is_number and found.outcome in cls.outcomes else None
