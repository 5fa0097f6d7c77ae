"""How a command starts its session, and tells what is no part of its result."""

from __future__ import annotations

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.cli.views.ceremony import set_back_line
from participant.cli.views.terminal import say
from participant.disk.storage import Storage
from participant.home.membership import Membership
from participant.network.link import Traffic
from participant.network.session import Session


def say_aside(text: str) -> None:
    """A line that is no part of the result."""
    say(text, err=True)


def new_session(
    member: Membership,
    task: Task,
    timeout: float | None,
    traffic: Traffic | None = None,
    reads_all: bool = False,
    storage: Storage | None = None,
) -> Session:
    """A session of this member on its data folder, whose lock is held.

    storage: instead of the folder's own.
    """
    key = member.identity.signing_key
    told = lambda found: say_aside(set_back_line(found))  # noqa: E731
    kept = storage or member.storage
    agent = Agent(member.terms, member.index, key, kept, task, reads_all, told)
    return Session(agent, key, time_limit=timeout, traffic=traffic or Traffic())
