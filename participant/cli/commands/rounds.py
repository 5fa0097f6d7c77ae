"""``decrypt``, ``public-key``, ``contribute`` and ``status``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from participant.cli.sentences import FAILED, Context, complaint_line, left_out_line
from participant.cli.views import (
    agent_facts,
    agrees,
    say,
    say_json,
    show_agent,
    show_loss,
    show_standing,
)
from participant.cli.work import (
    Given,
    GivenByOption,
    Json,
    StudyOption,
    Timeout,
    Worker,
    Yes,
    run,
    say_aside,
    telling,
    worker_of,
)
from participant.disk import check_new, write_new
from participant.door import LAST_ROUND, ServedHospital, read_facts
from participant.errors import SaidByAgent
from participant.hospital import Decrypted
from participant.network import entries_seen
from participant.rounds import Question
from participant.statistic import joint_key_jwk
from participant.words.fingerprint import fingerprint
from protocol.words import shown
from protocol.words.counted import counted

_STATUS, _DECRYPT = "quorate-participant status", "quorate-participant decrypt"


def decrypt(
    given: Given,
    study: StudyOption,
    number: Annotated[
        int | None,
        typer.Option("--round", help="Which round of it, else the last.", min=1, max=LAST_ROUND),
    ] = None,
    yes: Yes = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Help to decrypt the sum of one round, after a look at it. Exit code 3 on a refusal."""
    worker = worker_of(given, needs_key=True)
    here, approve = given.context.here, _approval(yes, as_json)
    unopened = _unopened(worker, study, number or 1, here)
    notices = telling(worker, given.context, as_json, unopened)
    if not as_json:
        name = f"{study}/{number}" if number else f"the last round of {study}"
        say(f"Waiting until {name} is closed and the others agree to its sum …")
    course = partial(
        worker.study(study).decrypt, number, approve=approve, timeout=timeout, notices=notices
    )
    _show_sums(run(course, worker), study, here, as_json)


def _unopened(worker: Worker, study: str, number: int, here: str) -> Callable[[], None]:
    """Says once, when the board is known, that there is no such round on it."""
    is_looked_up = False

    def moved() -> None:
        nonlocal is_looked_up
        if is_looked_up or (is_open := worker.round_is_open) is None:
            return
        is_looked_up = True
        if not is_open:
            say_aside(
                f"{study}/{number} is not open yet. If that is not what you meant, see which are:"
            )
            say_aside(f"quorate-participant status {here}")

    return moved


def _description(request: Question) -> Iterator[str]:
    """All that is known of the sum: whoever agrees has seen every label."""
    yield f"About to be decrypted: the sum of {request.round_name}"
    yield f"  kind          {request.kind}"
    yield f"  contributors  {', '.join(request.contributors)}"
    yield f"  ciphertexts   {request.ciphertexts}"
    if request.agreed:
        yield f"  agreed        {', '.join(request.agreed)}. They may be waiting for this answer"
    for label in request.labels:
        yield f"  sum of        {shown(label)}"
    if request.kind == "statistic" and not request.warning:
        yield "  differencing  not checked: only you know what other sums of these data"
        yield "                were decrypted, and who was in them"


def _approval(yes: bool, as_json: bool) -> Callable[[Question], bool]:
    """Shows what is about to be decrypted and asks."""

    def approve(request: Question) -> bool:
        if not (yes and as_json):
            for line in _description(request):
                say(line, err=as_json)
        if request.warning:
            say(f"Warning: {request.warning}", err=as_json)
        return yes or agrees("Help to decrypt this sum?", err=as_json)

    return approve


def _show_sums(found: Decrypted, study: str, here: str, as_json: bool) -> None:
    if as_json:
        sums = found.sums and [f"{value:f}" for value in found.sums]
        say_json({"event": "decrypted", **asdict(found), "sums": sums})
        return
    say(f"{found.round} is decrypted: the sum of {', '.join(found.contributors)}")
    for one in found.complaints:
        say(f"  {complaint_line(**one)}")
    for one in found.left_out:
        say(f"  {left_out_line(one, found.kind)}")
    for value, label in zip(found.sums or (), found.labels or repeat(""), strict=False):
        say(f"  {value:f}  {shown(label)}".rstrip())
    if not found.is_reader:
        say(f"  this hospital helped to open it. It is no member of {study}, and learns nothing")
    elif found.sums is None:
        say(f"  the model is updated with it by: quorate-participant train {here} --study {study}")


def public_key(
    given: Given,
    phe: Annotated[bool, typer.Option("--phe", help="As JSON that pheutil and phe read.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write it to a new file.")] = None,
) -> None:
    """Show the joint public key, checked against this hospital's own key share."""
    if out is not None:
        check_new(out)
    member = given.member(needs_key=True)
    epoch, _ = member.held_key()
    if phe:
        text = joint_key_jwk(epoch, member.terms.name)
    else:
        text = f"epoch {epoch.number}\nfingerprint {fingerprint(epoch.digest)}\nn {epoch.n.hex()}"
    if out is None:
        for row in text.splitlines():
            say(row)
        return
    write_new(out, (text + "\n").encode())
    out.chmod(0o644)  # public
    say(f"Joint public key of {member.terms.name}, epoch {epoch.number}: {out}")
    say(f"  fingerprint  {fingerprint(epoch.digest)}")


def contribute(
    given: GivenByOption,
    numbers: Annotated[
        Path, typer.Argument(help="Numbers as CSV or JSON, or encrypted with phe and a known r.")
    ],
    study: StudyOption,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Contribute numbers to a statistic that is approved here; the sums alone are decrypted.

    The numbers leave encrypted. Labels must be those of the plan, which everybody can read.
    """
    worker = worker_of(given, needs_key=True)
    notices = telling(worker, given.context, as_json)
    course = partial(worker.study(study).contribute, numbers, timeout=timeout, notices=notices)
    found = run(course, worker)
    count, scale = found.numbers, found.decimals
    if as_json:
        event = "contributed" if found.is_new else "contributed before"
        facts = {"event": event, "study": study, "numbers": count, "decimals": scale}
        say_json({**facts, "left_out": found.left_out})
        return
    if found.is_new:
        say(f"Contributed {_amount(count, scale)} to {study}.")
    else:
        say(f"{study} holds what this hospital contributed before. That stays, and")
        say(f"{numbers} was not sent now.")
    _say_what_follows(study, found.left_out, given.context)


def _say_what_follows(study: str, omitted: Sequence[Mapping[str, Any]], context: Context) -> None:
    """What becomes of the contribution: ``omitted``, this hospital's own where it is in no sum."""
    for one in omitted:
        say(left_out_line(one, "statistic"))
    if not omitted:
        say(f"Whether it is in the sum is known once the round is closed: {_STATUS} {context.here}")
        say(f"Next, a quorum of members: {_DECRYPT} {context.pasted} --study {study}")


def _amount(count: int, decimals: int) -> str:
    if decimals == 0:
        return counted(count, "whole number")
    return f"{counted(count, 'number')} with {counted(decimals, 'decimal')}"


def status(given: Given, as_json: Json = False) -> None:
    """Show who is missing, since when, and which round it is. Asks the running aggregator."""
    worker = worker_of(given)
    if isinstance(worker, ServedHospital):
        _agents_status(worker, given.context, as_json)
        return
    hospital, member, here = worker, worker.member, worker.holdings()
    if not as_json:
        show_standing(here, None, member.identity.name, given.context)
    there = run(hospital.status, hospital)
    if as_json:
        say_json({"here": here, "aggregator": there, "agent": None})
    else:
        show_standing(None, there, member.identity.name, given.context)
        show_loss(there, entries_seen(hospital.folder))


def _agents_status(worker: ServedHospital, context: Context, as_json: bool) -> None:
    """The same, as the agent that runs says it, and what it is at."""
    found = run(worker.standing, worker)
    here = read_facts(found.here) if found.here else None
    there = read_facts(found.aggregator) if found.aggregator else None
    if as_json:
        say_json({"here": here, "aggregator": there, "agent": agent_facts(found, context)})
    else:
        name = worker.terms.name_of(found.member) if found.member else ""
        show_standing(here, None, name, context)
        show_agent(found, context)
        show_standing(None, there, name, context)
        if there:
            show_loss(there, entries_seen(worker.folder))
    if found.trouble:
        raise SaidByAgent(found.trouble, found.remedy, FAILED)
