"""What can be wrong with a model: with the one of a round, or with what is stored of one here."""

from __future__ import annotations

from participant.errors import ParticipantError


class ModelMismatch(ParticipantError):
    """The round starts from a model that this hospital does not hold."""

    def __init__(self, round_name: str, reason: str) -> None:
        super().__init__(f"round {round_name}: {reason}")
        self.round_name, self.reason = round_name, reason


class ForeignModel(ParticipantError):
    """The model that this hospital has after a round is one of another app."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"round {number}: {reason}")
        self.number, self.reason = number, reason


class DamagedModel(ParticipantError):
    """A stored model, or what is stored beside it, that does not read; ``name``: its file."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason
