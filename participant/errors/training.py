"""What can be wrong with what a hospital gives, and with models."""

from __future__ import annotations

from typing import Literal

from participant.errors.base import ParticipantError


class BadApp(ParticipantError):
    """The user's training code returned or raised what cannot be used."""

    function: str
    reason: str


class NoAppUser(ParticipantError):
    """An app cannot be run as this user; ``reason`` says what is in the way. Nothing was begun."""

    user: str
    reason: str


class UnfitNumbers(ParticipantError, says="{path}: {reason}"):
    """Numbers that cannot be contributed; ``remedy`` where it is the study that does not take them.

    No number was sent.
    """

    path: str
    reason: str
    remedy: str = ""


OpenedWith = Literal["plan", "model", "length", "key", "bounds", "suite", "run"]


class ModelMismatch(ParticipantError, says="round {round_name}: another {what}"):
    """The round is opened otherwise than this hospital's model is due; bounds: clip, examples."""

    round_name: str
    what: OpenedWith
    found: object
    due: object


class ModelsDiffer(ParticipantError, says="{round_name}: hospitals state different models"):
    """Too few hospitals state one model after this round; ``facts`` of the event disagreement."""

    round_name: str
    facts: dict[str, object]


HeldUpBy = Literal["held-back", "other-rounds", "weighed-otherwise"]


class RoundHeldUp(ParticipantError, says="{round_name}: {event}"):
    """Why a round gets no further; ``facts`` of the event of training that has that name."""

    round_name: str
    event: HeldUpBy
    facts: dict[str, object]


class VectorsGone(ParticipantError, says="round {round_name}: its vectors are gone"):
    """The aggregator has a round's vectors no more, of which this hospital makes its next model.

    kept: of how many rounds it keeps them by the plan, at least. is_due: whether it was to have
    these. place: the study's models in this federation's folder.
    """

    round_name: str
    kept: int
    is_due: bool
    place: str


class ModelLetGo(ParticipantError, says="round {round_name}: its model is here no more"):
    """The model after this round was let go of, as this hospital's people have said.

    newest: the round of the same study after which there is one.
    """

    round_name: str
    newest: int


class NotStated(ParticipantError, says="round {round_name}: not the model that was stated"):
    """A model was put here, and it is none that enough members have stated after that round.

    place: its name in this federation's folder. needed: how many members are enough.
    """

    round_name: str
    place: str
    needed: int


class ForeignModel(ParticipantError, says="round {round_name}: {reason}"):
    """The model that this hospital has after a round is one of another app."""

    round_name: str
    reason: str
