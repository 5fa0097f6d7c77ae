# SPDX-License-Identifier: Apache-2.0
"""Why a question has no answer."""

import os


def in_sentences(reason: str, remedy: str) -> str:
    """What is wrong, and what to do about it if anything is known."""
    return f"{reason}. {remedy}".rstrip(". ") if remedy else reason


class AgentError(Exception):
    """The agent refused. ``rule``: which one; ``member``: of which hospital, 0 of none."""

    def __init__(self, rule: str, reason: str, member: int = 0, remedy: str = "") -> None:
        super().__init__(in_sentences(reason, remedy))
        self.rule, self.reason, self.member, self.remedy = rule, reason, member, remedy


class Closed(AgentError):
    """The agent has closed the connection."""

    def __init__(self, reason: str) -> None:
        super().__init__("connection", reason)


class ForeignAgent(AgentError):
    """Another user of the machine listens at the socket: it is told nothing."""

    def __init__(self, path: str, user: int) -> None:
        super().__init__(
            "user",
            f"user {user} of this machine listens at {path}, and this program runs as user "
            f"{os.geteuid()}",
            remedy="run it as the user for which the agent listens, at a path in a folder of that "
            "user's own",
        )


class NoAgent(AgentError):
    """Nobody listens at the socket: no agent, or no study that was approved with this path."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            "agent",
            f"no agent listens at {path} ({reason})",
            remedy="start quorate-participant serve as this user, and approve the study with "
            f"quorate-participant study approve STUDY --app unix:{path}",
        )
