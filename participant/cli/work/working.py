"""How a command does a hospital's work, and tells what is no part of its result."""

import asyncio
from pathlib import Path
from typing import TypeVar

from participant.agent import Steps
from participant.cli.views import say
from participant.cli.work.foreground import Course, Foreground
from participant.cli.work.options import Given
from participant.door import Asker, ServedHospital, reach
from participant.errors import Interrupted, NoAgent
from participant.home import Address, Membership, TermsFile, check_before_asking, federation_folder
from participant.hospital import Hospital
from participant.network import DirectStore, open_store

T = TypeVar("T")
Worker = Hospital | ServedHospital


def say_aside(text: str) -> None:
    """A line that is no part of the result."""
    say(text, err=True)


def hospital_of(
    member: Membership, keep_models: int | None = None, direct: DirectStore | None = None
) -> Hospital:
    """A hospital whose long steps are done in the main thread, while ``run`` runs."""
    return Hospital(member, Foreground(), keep_models, direct)


def worker_of(
    given: Given,
    needs_key: bool = False,
    keep_models: int | None = None,
    blobs_from: str | None = None,
) -> Worker:
    """The agent that runs, or the hospital itself, for which the passphrase is asked for.

    keep_models, blobs_from: of a hospital itself, as of ``Hospital``.
    """
    file, folder = given.terms(signed=True), given.folder()
    check_before_asking(file.terms, folder, needs_key)
    if served := _served(given, file, folder):
        return served
    direct = open_store(blobs_from)  # before the passphrase is asked for
    return hospital_of(given.member(needs_key), keep_models, direct)


def served_of(given: Given) -> ServedHospital:
    """The agent that runs; raises NoAgent."""
    file, folder = given.terms(signed=True), given.folder()
    if (found := _served(given, file, folder)) is None:
        raise NoAgent(federation_folder(folder, file.terms.federation))
    return found


def _served(given: Given, file: TermsFile, home: Path) -> ServedHospital | None:
    folder = federation_folder(home, file.terms.federation)
    if (line := reach(folder)) is None:
        return None
    context = given.context
    typed = (context.file, home if context.is_home_given else "", context.plan or "")
    address = Address(file.terms.aggregator_key, file.card, folder)
    return ServedHospital(file.terms, address, folder, Asker(*map(str, typed)), line, Foreground())


def run(course: Course[T], hospital: Worker | None = None, steps: Steps | None = None) -> T:
    """What a coroutine comes to, of a hospital's or another; raises Interrupted at a signal."""
    steps = hospital.steps if hospital else steps
    foreground = steps if isinstance(steps, Foreground) else Foreground()
    try:
        return foreground.run(course)
    except asyncio.CancelledError:
        if not foreground.caught:
            raise
        is_sending = hospital is not None and hospital.is_sending
        raise Interrupted(foreground.caught, is_sending) from None
