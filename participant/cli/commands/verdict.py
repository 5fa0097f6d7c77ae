"""``verdict``, and how a ceremony that was aborted ends: who broke the rules, on what evidence."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from participant.ceremony import Accusation, CeremonyTask, VerdictTask
from participant.cli.sentences import ABORTED, Context, describe
from participant.cli.views import say, say_json
from participant.cli.work import (
    PATIENCE_SECONDS,
    Given,
    Json,
    Worker,
    run,
    say_aside,
    seconds,
    telling,
    worker_of,
)
from participant.door import Judgement, ServedHospital
from participant.errors import CeremonyAborted, OutOfTime, SaidByAgent
from participant.hospital import Hospital
from participant.words import in_names
from protocol.ceremony import Verdict
from protocol.errors import CeremonyFailed
from protocol.terms import Terms

_READING = "That is what was said. Reading the evidence, and waiting for all seeds …"
_SESSION = re.compile(r"ceremony/[1-9][0-9]{0,8}")
Evidence = VerdictTask | Judgement


def verdict(
    given: Given,
    name: Annotated[
        str,
        typer.Option("--session", metavar="ceremony/N", help="Which ceremony, else the last one."),
    ] = "",
    timeout: Annotated[float, seconds("How long to wait for seeds.")] = PATIENCE_SECONDS,
    as_json: Json = False,
) -> None:
    """Show who broke the rules in a ceremony that was aborted, and the evidence for it."""
    if name and not _SESSION.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is not ceremony/N", param_hint="--session")
    hospital = worker_of(given)
    task, found = _evidence(hospital, name, timeout, given.context)
    if as_json:
        say_json(_facts(hospital.terms, task, found))
        return
    _show(hospital.terms, task, found)
    say(f"Next: {describe(_aborted(found), given.context).remedy}")


def _evidence(
    hospital: Worker, name: str, seconds: float, context: Context
) -> tuple[Evidence, Verdict]:
    """What the board shows of a ceremony that was aborted, and the verdict on it."""
    if isinstance(hospital, Hospital):
        task = _gather(hospital, name, seconds, context)
        return task, _judge(hospital.terms, task, context.here)

    def known(session: str, count: int) -> None:
        _say_replay(hospital.terms, session, count, context.here)

    notices = telling(hospital, context)
    course = partial(hospital.judge, name, timeout=seconds, notices=notices, known=known)
    found = run(course, hospital)
    return found, found.verdict


def judged_there(
    hospital: ServedHospital, failure: SaidByAgent, context: Context, as_json: bool
) -> CeremonyAborted | SaidByAgent:
    """As ``judged``, where the agent that runs has said what became of the ceremony."""
    if failure.exit_code != ABORTED:
        return failure
    say_aside(failure.what)
    say_aside(_READING)
    try:
        evidence, found = _evidence(hospital, "", PATIENCE_SECONDS, context)
    except SaidByAgent:
        return failure
    if as_json:
        say_json(_facts(hospital.terms, evidence, found))
    else:
        _show(hospital.terms, evidence, found)
    return _aborted(found)


def judged(
    hospital: Hospital, failure: CeremonyFailed, context: Context, as_json: bool
) -> CeremonyAborted | CeremonyFailed:
    """A failed ceremony as CeremonyAborted, once the verdict is there and has been shown.

    The failure as it was where the evidence cannot be had in time.
    """
    assert isinstance(hospital.task, CeremonyTask)
    terms, session = hospital.terms, hospital.task.session
    who = _cause(terms, failure.culprit, failure.silent)
    said = f"{session} was aborted in step {failure.step}, {who}: {failure.reason}"
    say_aside(in_names(said, terms))
    say_aside(_READING)
    try:
        evidence = _gather(hospital, session, PATIENCE_SECONDS, context)
    except OutOfTime:
        if as_json:
            say_json(_unjudged(terms, session, failure))
        return failure
    found = _judge(terms, evidence, context.here)
    if as_json:
        say_json(_facts(terms, evidence, found))
    else:
        _show(terms, evidence, found)
    return _aborted(found)


def _gather(hospital: Hospital, session: str, seconds: float, context: Context) -> VerdictTask:
    notices = telling(hospital, context)
    return run(partial(hospital.evidence, session, timeout=seconds, notices=notices), hospital)


def _judge(terms: Terms, task: VerdictTask, here: str) -> Verdict:
    _say_replay(terms, task.session, len(task.disclosed), here)
    return task.verdict()


def _say_replay(terms: Terms, session: str, n_known: int, here: str) -> None:
    say_aside(
        f"Replaying the machines of {n_known} of {terms.n_members} hospitals, which takes "
        f"{n_known} times the computing that the ceremony took here. Ctrl-C ends it. Later again:"
    )
    say_aside(f"quorate-participant verdict {here} --session {session}")


def _aborted(found: Verdict) -> CeremonyAborted:
    given_up: tuple[tuple[int, ...], str] = (), ""
    if (silence := found.given_up) is not None:
        given_up = silence.silent, f"in step {silence.step}, {silence.reason}"
    return CeremonyAborted(
        found.session, dict(found.culprits), dict(found.evidence), found.silent, given_up
    )


def _show(terms: Terms, task: Evidence, found: Verdict) -> None:
    say(f"{found.session} was aborted.")
    for said in task.accusations:
        say(in_names(f"  entry {said.position}: {_accusation(terms, said)}", terms))
    if task.certified:
        say(f"  certified, and so keep their seeds: {_names(terms, task.certified)}")
    say(f"Verdict, from the seeds of {_names(terms, task.disclosed)}:")
    for culprit, reason in found.culprits.items():
        name, position = terms.name_of(culprit), found.evidence[culprit]
        say(in_names(f"  {name} broke the rules at entry {position}: {reason}", terms))
    if not found.culprits:
        say("  nobody of them broke the rules")
    if (silence := found.given_up) is not None:
        given_up = f"given up in step {silence.step}, rightly (entry {silence.position})"
        say(in_names(f"  {given_up}: {silence.reason}", terms))
        say("  those times are the aggregator's, so silence alone makes nobody a culprit")
    for member in found.silent:
        name = terms.name_of(member)
        say(f"  {name} is silent: its seed is not there, so nothing is known about it")


def _accusation(terms: Terms, said: Accusation) -> str:
    who = _cause(terms, said.culprit, said.silent)
    return f"aborted by {terms.name_of(said.by)} in step {said.step}, {who}: {said.reason}"


def _cause(terms: Terms, culprit: int, silent: Sequence[int]) -> str:
    if silent and not culprit:
        return f"for the silence of {_names(terms, silent)}"
    return f"because of {terms.name_of(culprit)}" if culprit else "accusing nobody"


def _facts(terms: Terms, task: Evidence, found: Verdict) -> dict[str, Any]:
    def names(members: Sequence[int]) -> list[str]:
        return [terms.name_of(m) for m in members]

    return {
        "event": "aborted",
        "session": found.session,
        "accusations": [
            {
                "by": terms.name_of(said.by),
                "culprit": terms.name_of(said.culprit) if said.culprit else None,
                "step": said.step,
                "reason": in_names(said.reason, terms),
                "entry": said.position,
                "silent": names(said.silent),
            }
            for said in task.accusations
        ],
        "culprits": [
            {
                "name": terms.name_of(c),
                "reason": in_names(reason, terms),
                "entry": found.evidence[c],
            }
            for c, reason in found.culprits.items()
        ],
        "given_up": _silence(terms, found),
        "silent": names(found.silent),
        "disclosed": names(task.disclosed),
        "certified": names(task.certified),
    }


def _silence(terms: Terms, found: Verdict) -> dict[str, Any] | None:
    """Whose silence ended the ceremony, as the board bears it out; None if nobody's."""
    if (silence := found.given_up) is None:
        return None
    return {
        "entry": silence.position,
        "step": silence.step,
        "silent": [terms.name_of(m) for m in silence.silent],
        "reason": in_names(silence.reason, terms),
    }


def _unjudged(terms: Terms, session: str, failure: CeremonyFailed) -> dict[str, Any]:
    """The event where there is no verdict: what was said, and nulls for what is not known."""
    culprit = terms.name_of(failure.culprit) if failure.culprit else None
    reason = in_names(failure.reason, terms)
    silent = [terms.name_of(m) for m in failure.silent]
    said = {
        "by": None, "culprit": culprit, "step": failure.step, "reason": reason, "silent": silent
    }  # fmt: skip
    unknown = dict.fromkeys(("culprits", "given_up", "silent", "disclosed", "certified"))
    return {"event": "aborted", "session": session, "accusations": [said], **unknown}


def _names(terms: Terms, members: Sequence[int]) -> str:
    return ", ".join(terms.name_of(m) for m in members) or "nobody"
