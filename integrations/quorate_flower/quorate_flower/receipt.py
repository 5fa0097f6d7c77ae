# SPDX-License-Identifier: Apache-2.0
"""A receipt as Flower carries it: a record of a reply, in place of a model."""

from __future__ import annotations

from dataclasses import asdict

from flwr.app import ConfigRecord, RecordDict

from quorate_client import Answer
from quorate_client.server_receipt import ServerReceipt

RECORD = "quorate"
WHICH_STUDY = "which-study"  # in that record of a message: the mod answers, and not the app


class Receipt(ServerReceipt):
    """What one hospital says of a round.

    Two more outcomes: ``model``, of an evaluation, and ``study``, before training: then ``model``
    is the study's identity, of federation, name and plan.
    """

    outcomes = ServerReceipt.outcomes | {"model", "study"}

    @classmethod
    def of_study(cls, hello: Answer) -> Receipt:
        """Which study it is, before a round."""
        facts = hello.facts
        return cls(facts["study"], hello.round, facts["identity"], 0, False, "study")

    @classmethod
    def read(cls, content: RecordDict) -> Receipt | None:
        """The receipt in a reply, None if it has none that can be read."""
        return cls.from_facts(content.config_records.get(RECORD))

    def record(self) -> ConfigRecord:
        """As it is sent."""
        return ConfigRecord(asdict(self))
