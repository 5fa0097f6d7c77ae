# SPDX-License-Identifier: Apache-2.0
"""What a reply says in place of a model: which round it is of, and which model came out."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, get_type_hints

from flwr.app import ConfigRecord, RecordDict

from quorate_client import Answer

RECORD = "quorate"
WHICH_STUDY = "which-study"  # in that record of a message: the mod answers, and not the app

_FORMS = {  # of what is shown to the server's operator, and comes from a hospital
    "study": r"([a-z][a-z0-9._-]{0,63})?",
    "model": r"[0-9a-f]{0,64}",
    "outcome": r"applied|late|void|model|study",
}


@dataclass(frozen=True)
class Receipt:
    """What one hospital says of a round.

    round: quorate's, after which the hospital has the model with this digest (hex). contributors:
    how many hospitals are in the sum. in_sum: whether this one is. outcome: applied, late (the
    round went on without this hospital), void (it gave no result), model, of an evaluation, or
    study, before training: then ``model`` is the study's identity, of federation, name and plan.
    """

    study: str
    round: int
    model: str
    contributors: int
    in_sum: bool
    outcome: str

    @classmethod
    def of(cls, answer: Answer) -> Receipt:
        """What the agent's answer says."""
        if (said := answer.receipt) is None:  # before the first round
            return cls("", answer.round, "", 0, False, answer.kind)
        count = len(said.contributors)
        return cls(said.study, said.round, said.model, count, said.in_sum, answer.kind)

    @classmethod
    def of_study(cls, hello: Answer) -> Receipt:
        """Which study it is, before a round."""
        facts = hello.facts
        return cls(facts["study"], hello.round, facts["identity"], 0, False, "study")

    @classmethod
    def read(cls, content: RecordDict) -> Receipt | None:
        """The receipt in a reply, None if it has none that can be read."""
        said: dict[str, Any] = dict(content.config_records.get(RECORD, {}))
        types = get_type_hints(cls)
        if said.keys() != types.keys():
            return None
        if not all(type(said[name]) is types[name] for name in types):
            return None
        is_right = all(re.fullmatch(form, said[name]) for name, form in _FORMS.items())
        return cls(**said) if is_right else None

    def record(self) -> ConfigRecord:
        """As it is sent."""
        return ConfigRecord(asdict(self))
