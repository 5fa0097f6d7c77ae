"""What a command asks of a running agent about studies: one message for each command.

docs/administration.md has every field.
"""

from typing import Annotated

from msgspec import Meta

from participant.door.fields import Seconds, Words
from protocol.board import Digest, Plan, StudyName
from protocol.encoding import Message


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


StudyJob = ProposeStudy | ListStudies | ShowStudy | ApproveStudy | WithdrawStudy | EndStudy
