"""The administration conversation, version 1: what a command asks of a running agent, and hears.

A command says a Greeting and then one thing that it wants. The agent answers the greeting, and the
wish: at once, or with as many Moved and Noticed as it takes, and a Finished or Failed at the end.
Before a sum is opened it says Asked, and the command Answered. Nothing else is said on that
connection. docs/administration.md has every field.
"""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from participant.door.fields import (
    MAX_ANSWER_BYTES,
    MAX_FACTS_BYTES,
    MAX_PART_BYTES,
    MAX_REPORT_BYTES,
    MAX_WANTED_BYTES,
    Amount,
    Json,
    Name,
    Number,
    Path,
    Seconds,
    Words,
)
from participant.door.study_messages import Answered, Asked, StudyJob
from participant.waiting import Kind, Waiting
from protocol.encoding import Message, decode
from protocol.errors import Malformed
from protocol.messages import MAX_TERMS_BYTES, Signature
from protocol.words import json_text

ADMINISTRATION, VERSION = "administration", 1
AgentState = Literal["starting", "passphrase", "running", "stopping"]
NoticeKind = Literal[
    "lost", "moving", "found", "stalled", "taken", "clocks", "set back", "full", "room",
    "evidence", "training", "printed",
]  # fmt: skip

# ── what a command says ──


class Greeting(Message, frozen=True, tag="greeting"):
    """The first thing said: which conversation, and the highest version of it that is known."""

    conversation: Name
    version: Amount


class StandingWanted(Message, frozen=True, tag="standing"):
    """How do things stand, here and at the aggregator?"""


class StopWanted(Message, frozen=True, tag="stop"):
    """The agent is to end, as at a SIGTERM."""


class MakeKey(Message, frozen=True, tag="make key"):
    """``ceremony``."""

    timeout: Seconds | None


class HandKeyOver(Message, frozen=True, tag="hand key over"):
    """``handover``, and ``key refresh``: then there are no terms.

    terms: the new ones, encoded; signatures: of their members, in order.
    """

    terms: Annotated[bytes, Meta(max_length=MAX_TERMS_BYTES)]
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MAX_MEMBERS)]
    timeout: Seconds | None


class CheckKey(Message, frozen=True, tag="check key"):
    """``key check``."""

    together: bool
    timeout: Seconds | None


class JudgeCeremony(Message, frozen=True, tag="judge ceremony"):
    """``verdict``; ``session``: empty for the last one."""

    session: Name
    timeout: Seconds


class ExportRecord(Message, frozen=True, tag="export record"):
    """``export``; ``folder``: absolute, and written by the agent itself."""

    folder: Path
    timeout: Seconds | None


Job = MakeKey | HandKeyOver | CheckKey | JudgeCeremony | ExportRecord | StudyJob


class JobWanted(Message, frozen=True, tag="job"):
    """One of the commands' jobs is to be done.

    file, home, plan: the terms, the data folder and the file of a plan as they were typed, for what
    is said of an error and the commands that its remedy names; empty if none was typed.
    """

    job: Job
    file: Words
    home: Words
    plan: Words = ""


FromCommand = Greeting | StandingWanted | StopWanted | JobWanted | Answered

# ── what the agent says ──


class Greeted(Message, frozen=True, tag="greeted"):
    """The answer to a greeting: the version that is spoken, and who speaks."""

    version: Amount
    process: Amount
    state: AgentState


class Denied(Message, frozen=True, tag="denied"):
    """Nothing more is said on this connection, and why."""

    reason: Words


class Waits(Message, frozen=True):
    """A ``Waiting``; ``facts``: a JSON object. is_statistic: whether the study in them is one."""

    kind: Name
    members: tuple[Number, ...]
    facts: Json
    is_statistic: bool = False


class TaskStanding(Message, frozen=True):
    """One task of the agent, its session if it has one, and what it waits for."""

    task: Name
    session: Name
    waits: Waits


class AgentStanding(Message, frozen=True, tag="agent"):
    """How things stand.

    here: this hospital's holdings, aggregator: its report, both as ``status --json`` prints them,
    and empty where they cannot be had: ``trouble`` and ``remedy`` say why.
    """

    state: AgentState
    process: Amount
    up_seconds: Annotated[float, Meta(ge=0)]
    member: Number
    tasks: tuple[TaskStanding, ...]
    here: Annotated[bytes, Meta(max_length=MAX_FACTS_BYTES)]
    aggregator: Annotated[bytes, Meta(max_length=MAX_REPORT_BYTES)]
    trouble: Words
    remedy: Words


class CeremonyAt(Message, frozen=True):
    """How far a ceremony is, as ``CeremonyProgress`` says it."""

    step: Name
    waiting_for: tuple[Number, ...]
    candidates: Amount
    expected_candidates: float
    tests: Amount
    expected_tests: float


class ReadingAt(Message, frozen=True):
    """How much of a board is read, whether that is all, and bytes of its payloads."""

    entries: Amount
    is_all: bool
    done: Amount
    total: Amount


class Moved(Message, frozen=True, tag="moved"):
    """Where a job is now; sent when it is somewhere else, and never more often than it is read.

    round_is_open: of a decryption, whether its round is open; None if that is not known.
    """

    member: Number
    waits: Waits | None
    at_work_seconds: Annotated[float, Meta(ge=0)]
    ceremony: CeremonyAt | None = None
    reading: ReadingAt | None = None
    round_is_open: bool | None = None


class Noticed(Message, frozen=True, tag="noticed"):
    """Something that a command tells people while it waits; ``facts``: a JSON object."""

    kind: NoticeKind
    facts: Json


class Part(Message, frozen=True, tag="part"):
    """A piece of a result that one frame does not hold: the next one."""

    data: Annotated[bytes, Meta(max_length=MAX_PART_BYTES)]


class Finished(Message, frozen=True, tag="finished"):
    """A job is done; ``result``: as the job's kind says, encoded, or the last piece of it."""

    result: Annotated[bytes, Meta(max_length=MAX_ANSWER_BYTES - 1_024)]
    bytes_up: Amount
    bytes_down: Amount


class Failed(Message, frozen=True, tag="failed"):
    """A job has ended without a result: in words, with what to do, and the command's exit code."""

    what: Words
    remedy: Words
    exit_code: Annotated[int, Meta(ge=1, le=255)]


class Stopping(Message, frozen=True, tag="stopping"):
    """The agent ends."""


FromAgent = (
    Greeted | Denied | AgentStanding | Moved | Noticed | Asked | Part | Finished | Failed | Stopping
)


class KeyChecked(Message, frozen=True):
    """The result of ``CheckKey``: the epoch, and of a check together what ``Checked`` has."""

    epoch: bytes
    session: Name
    good: tuple[Number, ...]
    wrong: tuple[tuple[Number, Words], ...]
    missing: tuple[Number, ...]
    decrypts: bool


def read_wanted(data: bytes) -> FromCommand:
    """What a command says; raises Malformed."""
    return decode(data, FromCommand, "wish", MAX_WANTED_BYTES)  # type: ignore[arg-type]


def read_answer(data: bytes) -> FromAgent:
    """What the agent says; raises Malformed, also for facts that are none."""
    found: FromAgent = decode(data, FromAgent, "answer", MAX_ANSWER_BYTES)  # type: ignore[arg-type]
    if isinstance(found, Noticed):
        read_facts(found.facts)
    elif isinstance(found, Moved) and found.waits:
        waiting_of(found.waits)
    elif isinstance(found, AgentStanding):
        for facts in filter(None, (found.here, found.aggregator)):
            read_facts(facts)
        for task in found.tasks:
            waiting_of(task.waits)
    return found


def facts_of(
    facts: Mapping[str, Any],
    limit: int = MAX_FACTS_BYTES,
    default: Callable[[object], object] = str,
) -> bytes:
    """Facts as JSON; what is too long to be shown is left out. default: for what JSON has not."""
    data = json_text(facts, default=default).encode()
    return data if len(data) <= limit else b"{}"


def read_facts(data: bytes) -> dict[str, Any]:
    """The object in JSON; raises Malformed."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Malformed("facts", "they are no JSON object")
    return found


_KINDS = frozenset(word for part in get_args(Kind) for word in (get_args(part) or (part,)))


def waits_of(waiting: Waiting, is_statistic: Callable[[str], bool]) -> Waits:
    """What is waited for, as it is sent; is_statistic: said of a study by its name."""
    study = waiting.study
    of_statistic = bool(study) and is_statistic(study)
    return Waits(waiting.kind, waiting.members, facts_of(waiting.facts), of_statistic)


def waiting_of(waits: Waits) -> Waiting:
    """What is waited for, as it was sent; raises Malformed for a kind that nobody knows."""
    if waits.kind not in _KINDS:
        raise Malformed("answer", "what is waited for is of no kind that is known")
    found = Waiting(waits.kind, waits.members, read_facts(waits.facts))  # type: ignore[arg-type]
    try:
        _ = found.study
    except (AttributeError, ValueError):
        raise Malformed("answer", "what is waited for is in no session") from None
    return found
