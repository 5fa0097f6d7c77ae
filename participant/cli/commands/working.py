"""How a command does a hospital's work, and tells what is no part of its result."""

import asyncio
from typing import TypeVar

from participant.cli.commands.foreground import Course, Foreground
from participant.cli.views import say
from participant.errors import Interrupted
from participant.home import Membership
from participant.hospital import Hospital

T = TypeVar("T")


def say_aside(text: str) -> None:
    """A line that is no part of the result."""
    say(text, err=True)


def hospital_of(member: Membership) -> Hospital:
    """A hospital whose long steps are done in the main thread, while ``run`` runs."""
    return Hospital(member, Foreground())


def run(course: Course[T], hospital: Hospital | None = None) -> T:
    """What a coroutine comes to, of a hospital's or another; raises Interrupted at a signal."""
    steps = hospital.steps if hospital else None
    foreground = steps if isinstance(steps, Foreground) else Foreground()
    try:
        return foreground.run(course)
    except asyncio.CancelledError:
        if not foreground.caught:
            raise
        is_sending = hospital is not None and hospital.is_sending
        raise Interrupted(foreground.caught, is_sending) from None
