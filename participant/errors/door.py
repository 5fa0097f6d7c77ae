"""What can go wrong between a command and the agent that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from participant.errors.base import ParticipantError


class PathTooLong(ParticipantError, says="{path}: more than {limit} bytes"):
    """A path that no socket can have."""

    path: Path
    limit: int


class UnsafeFolder(ParticipantError, says="{path}: owner {owner}, mode {mode}"):
    """A folder that is not this user's own (``owner`` says whose), or that others can enter."""

    path: Path
    owner: str
    mode: int


class ForeignPeer(ParticipantError, says="{path}: user {user} is at the other end"):
    """A process of another user is at the other end of a socket in this user's folder."""

    path: Path
    user: int


class AgentWaits(ParticipantError):
    """The agent that runs does nothing yet, or nothing any more."""

    path: Path
    state: Literal["starting", "passphrase", "stopping"]


class AgentDenies(ParticipantError, says="{path}: {reason}"):
    """The agent that runs did not take what it was told; ``reason`` in its words."""

    path: Path
    reason: str


class DoorClosed(ParticipantError, says="{path}: the agent has hung up"):
    """The agent ended, or was ended, before it had answered."""

    path: Path


class NoAgent(ParticipantError, says="{path}: nobody listens"):
    """No agent runs for this federation."""

    path: Path


class SaidByAgent(ParticipantError, says="{what}"):
    """What a running agent could not do for a command, in the words that the command uses."""

    what: str
    remedy: str
    exit_code: int
