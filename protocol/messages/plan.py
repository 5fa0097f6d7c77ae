"""A study's plan, and what members say of it: approvals, withdrawals, votes to end it.

A plan is one post. Who approves it, approves its digest, which no later word can change.
"""

from typing import Annotated, Literal

from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from protocol.encoding import Message, digest, encode
from protocol.messages.fields import (
    MAX_NUMBERS,
    NAME,
    Clip,
    Count,
    Decimals,
    Digest,
    Index,
    Label,
    RunName,
    StudyName,
    Text,
)

Members = Annotated[tuple[Index, ...], Meta(max_length=MAX_MEMBERS)]


class Training(Message, frozen=True, tag="training"):
    """What a study trains: so many rounds, and how updates become whole numbers.

    ``clip``: the most that a weight changes. ``bits``: of a value. ``max_examples``: the most
    examples of a hospital. ``weights``: whether a hospital counts by its examples, or all count the
    same; then ``max_examples`` is 1. ``start_study``, ``start_round``: whose model after which
    round is the first one; the app's initial parameters where there is no such study.
    ``start_federation``: the digest of the terms that this study was under, if they are terms
    before these. ``app``: SHA-256 of the app (participant/app), or nothing where each hospital
    chooses its own. ``run``: the run of a framework that it is trained for; empty where the first
    program names it. ``keep_vectors``: of so many rounds the aggregator keeps the vectors though
    all have stated the model that came of them; more for who has not (aggregator/rounds/stated.py).
    """

    rounds: Annotated[int, Meta(ge=1, le=1_000_000)]
    clip: Clip
    bits: Annotated[int, Meta(ge=1, le=64)]
    max_examples: Annotated[int, Meta(ge=1, lt=1 << 48)]
    suite: Literal["auto", "paillier", "hybrid", "hybrid-s2"] = "auto"
    weights: Literal["examples", "equal"] = "examples"
    start_study: Annotated[str, Meta(pattern=rf"^({NAME})?\Z")] = ""
    start_round: Count = 0
    start_federation: Annotated[bytes, Meta(max_length=32)] = b""
    app: Annotated[bytes, Meta(max_length=32)] = b""
    run: RunName = ""
    keep_vectors: Annotated[int, Meta(ge=1, le=1_000_000)] = 10


class Statistic(Message, frozen=True, tag="statistic"):
    """What a study adds once: ``length`` numbers, each a whole multiple of 10^-decimals.

    ``labels`` say in clear what each of them is, or are none. ``data`` names the data that they are
    computed from: sums of two statistics over the same data are compared.
    """

    length: Annotated[int, Meta(ge=1, le=MAX_NUMBERS)]
    decimals: Decimals
    data: StudyName
    labels: Annotated[tuple[Label, ...], Meta(max_length=MAX_NUMBERS)] = ()


class Plan(Message, frozen=True, tag="plan"):
    """A member proposes a study: the session's name is the study's.

    ``purpose``: in words, for whoever approves. ``members``: who may contribute, in ascending
    order; they read what comes out. ``seconds``: how long a round waits for the last of them.
    """

    purpose: Text
    members: Members
    least_contributors: Index
    seconds: Annotated[int, Meta(ge=1, le=365 * 24 * 3600)]
    work: Training | Statistic


def plan_digest(federation: bytes, name: str, plan: Plan) -> bytes:
    """The identity of a study, 32 bytes: federation, name and plan."""
    return digest("quorate/plan", federation, name.encode(), encode(plan))


class Approval(Message, frozen=True, tag="approval"):
    """A member approves a plan, by its digest: to contribute, to help to open its sums, or both.

    A member's last word counts; it acts from the next opening on.
    """

    plan: Digest
    contribute: bool
    open: bool


class Withdrawal(Message, frozen=True, tag="withdrawal"):
    """A member takes its approval back, from the next opening on.

    A closing after it leaves the member out; whoever has locked a set still releases its part.
    """

    plan: Digest


class Ending(Message, frozen=True, tag="ending"):
    """A member votes to end a study; it ends with the votes of lock_threshold members."""

    plan: Digest
