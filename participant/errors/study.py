"""What can be wrong with a study, or with what is asked of it."""

from __future__ import annotations

from typing import Literal

from participant.errors.base import ParticipantError


class UnknownStudy(ParticipantError, says="no study {study}"):
    """Nobody has proposed a study of this name; ``known``: those that are on the board."""

    study: str
    known: tuple[str, ...]


class OtherKind(ParticipantError, says="study {study} is a {kind}"):
    """A study is of the other kind than what was to be done in it; ``kind``: what it is."""

    study: str
    kind: Literal["training", "statistic"]


class StudyTaken(ParticipantError, says="{study} is taken, by {proposer}"):
    """Another plan has this name, by ``proposer``; names are never used again."""

    study: str
    proposer: str


class OtherPlan(ParticipantError, says="study {study}: another plan"):
    """The plan on the board is not the one that was to be approved; digests, 32 bytes each."""

    study: str
    expected: bytes
    found: bytes


class NotInStudy(ParticipantError, says="{name} is not in study {study}"):
    """A hospital that would contribute to a study is not among its members."""

    study: str
    name: str


class NotApproved(ParticipantError, says="study {study}: no approval to {what}"):
    """This hospital's approval of what it would do does not stand; ``withdrawn``: it did once."""

    study: str
    what: Literal["contribute", "open"]
    withdrawn: bool = False


class ApprovedLate(ParticipantError, says="{round_name} was opened before this hospital approved"):
    """The only round of a study was opened before this hospital had approved to contribute."""

    study: str
    round_name: str


class StudyEnded(ParticipantError, says="study {study} was ended by {by}"):
    """Enough members have voted to end a study; ``by``: their names; ``finished``: rounds here."""

    study: str
    by: tuple[str, ...]
    finished: int = 0


class LostRound(ParticipantError, says="{round_name} is lost: its key was handed over"):
    """The key was handed over before the sum of a round was opened, so that nobody opens it."""

    study: str
    round_name: str


class UnpinnedApp(ParticipantError, says="study {study} pins no app"):
    """A plan that trains leaves the app open, and its approval does not say that this is known."""

    study: str


class OtherApp(ParticipantError, says="{app} is not the app of study {study}"):
    """The app is another than the one in the plan, or the one that was approved here.

    Or the agent that runs finds another one under the path that the command has read.

    Both are SHA-256; ``found`` is empty for an app that is no file.
    """

    study: str
    app: str
    by: Literal["plan", "approval", "command"]
    expected: bytes
    found: bytes


class AppOutOfReach(ParticipantError, says="{app}: {reason}"):
    """The agent that runs cannot read the app that a command names."""

    app: str
    reason: str


class MissingApp(ParticipantError, says="study {study}: no app given or approved"):
    """A study that trains needs an app, and none was given now or with the approval."""

    study: str


class OtherTraining(ParticipantError, says="study {study}: it is trained with another app"):
    """The agent that runs trains in a study already, and not with the app that was given now."""

    study: str


class NoStart(ParticipantError, says="study {study} starts from {start}: {reason}"):
    """The model that a study starts from cannot be had here; ``start``: study and round.

    place: the name in this federation's folder under which it would be found.
    """

    study: str
    start: str
    reason: str
    place: str
