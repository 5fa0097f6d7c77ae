"""What a command asks of a running agent about studies: one message for each command.

docs/administration.md has every field.
"""

from typing import Annotated

from msgspec import Meta

from participant.door.fields import Amount, Path, Seconds, Words
from participant.statistic import FILE_LIMIT
from protocol.encoding import Message
from protocol.messages import Digest, Plan, StudyName


class ProposeStudy(Message, frozen=True, tag="propose study"):
    """``study propose``: a plan, which the command has read in its file."""

    name: StudyName
    plan: Plan
    timeout: Seconds | None


class ListStudies(Message, frozen=True, tag="list studies"):
    """``study list``."""

    timeout: Seconds | None


class ShowStudy(Message, frozen=True, tag="show study"):
    """``study show``, and the look that comes before ``study approve``."""

    name: StudyName
    timeout: Seconds | None


class ApproveStudy(Message, frozen=True, tag="approve study"):
    """``study approve``, of the plan with this digest and no other.

    contribute: None for whether this hospital is among the plan's members. app: what is run here,
    an absolute path that the agent reads itself, and app_digest what the command has read there;
    both are empty where none was given.
    """

    name: StudyName
    plan: Digest
    contribute: bool | None
    opens: bool
    app: Words
    app_digest: Annotated[bytes, Meta(max_length=32)]
    unpinned: bool
    timeout: Seconds | None


class WithdrawStudy(Message, frozen=True, tag="withdraw study"):
    """``study withdraw``."""

    name: StudyName
    timeout: Seconds | None


class EndStudy(Message, frozen=True, tag="end study"):
    """``study end``: this hospital's vote."""

    name: StudyName
    timeout: Seconds | None


class ContributeNumbers(Message, frozen=True, tag="contribute numbers"):
    """``contribute``: what is in a file, which the command has read.

    file: as it was typed, for what is said of an error.
    """

    name: StudyName
    file: Path
    data: Annotated[bytes, Meta(max_length=FILE_LIMIT)]
    timeout: Seconds | None

    def __repr__(self) -> str:
        return f"<numbers for {self.name}>"


LAST_ROUND = 999_999_999  # that a session's name can hold


class DecryptRound(Message, frozen=True, tag="decrypt round"):
    """``decrypt``; ``number``: of the round, None for the last that was opened."""

    name: StudyName
    number: Annotated[int, Meta(ge=1, le=LAST_ROUND)] | None
    timeout: Seconds | None


class TrainStudy(Message, frozen=True, tag="train study"):
    """``train``: follows what the agent trains, or has it train where it does not.

    app, app_digest: as of ``ApproveStudy``; empty for what was approved. variables: of the
    environment, for the app alone. user: as whom it runs, empty for the agent's own.
    """

    name: StudyName
    app: Words
    app_digest: Annotated[bytes, Meta(max_length=32)]
    variables: Annotated[tuple[tuple[Words, Words], ...], Meta(max_length=256)]
    user: Words
    timeout: Seconds | None

    def __repr__(self) -> str:
        return f"<training of {self.name}>"


StudyJob = (
    ProposeStudy
    | ListStudies
    | ShowStudy
    | ApproveStudy
    | WithdrawStudy
    | EndStudy
    | ContributeNumbers
    | DecryptRound
    | TrainStudy
)


class Asked(Message, frozen=True, tag="asked"):
    """The agent wants to know whether a sum may be opened; all that ``Question`` has."""

    round_name: str
    kind: str
    contributors: tuple[str, ...]
    ciphertexts: Amount
    warning: str
    labels: tuple[str, ...]
    agreed: tuple[str, ...]


class Answered(Message, frozen=True, tag="answered"):
    """The command's answer to the last ``Asked``."""

    agrees: bool
