"""What a report tells, without a word of how it looks; times are ms since 1970, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from participant.ceremony import Accusation
from protocol.board import Head, Posted
from protocol.messages import Plan
from protocol.record.audit import Result, Status
from protocol.terms import Terms

# A round's phases in their order, in the words of the status.
PHASES = ("contributions", "closing", "locks", "partial decryptions", "statements")


@dataclass(frozen=True)
class Deed:
    """Something that was said: at which entry of the board, and when."""

    entry: int
    time_ms: int

    @classmethod
    def of(cls, posted: Posted) -> Deed:
        """What an entry says, as a deed."""
        return cls(posted.position, posted.time_ms)


@dataclass(frozen=True)
class MemberFacts:
    """A member. fingerprint: its card's, in words.

    signed: up to which entry it has signed the history, with its posts or a countersignature;
    countersigned: up to which one with the latter.
    """

    number: int
    name: str
    fingerprint: str
    posts: int
    last: Deed | None
    signed: int
    countersigned: int | None


@dataclass(frozen=True)
class Culprit:
    """A member that broke the rules, and the entry that shows it."""

    member: int
    entry: int
    reason: str


@dataclass(frozen=True)
class VerdictFacts:
    """Who broke the rules of an aborted ceremony; ``silent``: whose seeds are not there.

    ``given_up``: what the board bears out about a silence that ended it, and the abort's entry.
    ``missing`` says why there is no verdict, if there is none.
    """

    culprits: tuple[Culprit, ...] = ()
    silent: tuple[int, ...] = ()
    missing: str = ""
    given_up: tuple[int, str] | None = None


@dataclass(frozen=True)
class CeremonyFacts:
    """A key ceremony. ``ended``: with the last certificate or the first abort, if it has ended.

    fingerprint: of the joint key in words, once all have certified it. candidates: moduli tried.
    """

    session: str
    began: Deed
    all_joined: Deed | None
    ended: Deed | None
    joined: tuple[int, ...]
    certified: tuple[int, ...]
    candidates: int
    fingerprint: str
    aborts: tuple[Accusation, ...]
    disclosed: tuple[int, ...]
    verdict: VerdictFacts | None

    @property
    def outcome(self) -> str:
        """In one word."""
        if self.aborts:
            return "aborted"
        return "complete" if self.fingerprint else "not finished"


@dataclass(frozen=True)
class RefusalFacts:
    """Who refused to help, by which rule, on whose account (0: nobody's), and why."""

    by: int
    rule: str
    member: int
    reason: str
    entry: int


@dataclass(frozen=True)
class ComplaintFacts:
    """Who called whose partial decryptions wrong; ``has_key``: so that anyone can check it."""

    by: int
    member: int
    has_key: bool
    entry: int


@dataclass(frozen=True)
class RoundFacts:
    """A round, by members' numbers what each did; locks and partials for the closed set only.

    ``decimals`` and ``labels``: of a statistic's numbers; labels as they can be shown.
    """

    session: str
    name: str
    study: str
    kind: str
    suite: str
    length: int
    clip: float
    opened: Deed | None
    closed: Deed | None
    contributed: Mapping[int, Deed] = field(default_factory=dict)
    chosen: tuple[int, ...] = ()
    locked: Mapping[int, Deed] = field(default_factory=dict)
    decrypted: Mapping[int, Deed] = field(default_factory=dict)
    stated: Mapping[int, Deed] = field(default_factory=dict)
    results: Mapping[int, bytes] = field(default_factory=dict)
    refusals: tuple[RefusalFacts, ...] = ()
    complaints: tuple[ComplaintFacts, ...] = ()
    phases: Mapping[str, float] = field(default_factory=dict)  # seconds, of those that have ended
    decimals: int = 0
    labels: tuple[str, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)  # why members are left out, as a code

    @property
    def is_training(self) -> bool:
        return self.kind == "training"

    @property
    def left_out(self) -> tuple[int, ...]:
        """Who contributed and is not in the sum."""
        return tuple(m for m in sorted(self.contributed) if self.closed and m not in self.chosen)


@dataclass(frozen=True)
class WordFacts:
    """What a member said of a study: "approved to contribute and open", "withdrew" and so on."""

    by: int
    said: str
    at: Deed


@dataclass(frozen=True)
class StudyFacts:
    """A study: its plan, who proposed it, and what members said of it, in the board's order.

    ended: by enough votes, if it was. rounds: how many have been opened, of how many.
    """

    name: str
    digest: bytes
    plan: Plan
    proposer: int
    proposed: Deed
    words: tuple[WordFacts, ...]
    ended: Deed | None
    opened: int
    rounds: int


@dataclass(frozen=True)
class CardFacts:
    """A card of the aggregator: where it was reached. seen: by whom, and when each said so.

    pin: the SHA-256 of its TLS key, empty where the public certificate authorities vouch for it.
    """

    number: int
    url: str
    pin: bytes
    seen: Mapping[int, Deed]


@dataclass(frozen=True)
class OtherSession:
    """A session that is no ceremony, no study, no round and about no card."""

    session: str
    entries: int
    first: Deed
    last: Deed


@dataclass(frozen=True)
class Metric:
    """A figure that this hospital has measured after rounds, by their number."""

    name: str
    values: Mapping[int, float]


@dataclass(frozen=True)
class Diary:
    """A hospital's own account of its training."""

    source: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class InheritanceFacts:
    """The key that the terms take over, and which members said so.

    position: the entry from which on it counts; released: the entry of the old board that released
    it; epoch, fingerprint: its own. All None, or empty, before it counts. said: who said what
    counts, or anything before that; said_another: who said something else.
    """

    position: int | None
    released: int | None
    epoch: int | None
    fingerprint: str
    said: tuple[int, ...]
    said_another: tuple[int, ...]


@dataclass(frozen=True)
class RecordBefore:
    """An older record of the chain that was given; ``failed``: its checks that failed."""

    name: str
    fingerprint: str
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """What the record tells, as far as it could be verified."""

    terms: Terms
    fingerprint: str
    head: Head
    first: Deed | None
    last: Deed | None
    members: tuple[MemberFacts, ...]
    ceremonies: tuple[CeremonyFacts, ...]
    studies: tuple[StudyFacts, ...]
    rounds: tuple[RoundFacts, ...]
    cards: tuple[CardFacts, ...]
    others: tuple[OtherSession, ...]
    inheritance: InheritanceFacts | None = None
    before: tuple[RecordBefore, ...] = ()  # the newest first


@dataclass(frozen=True)
class Report:
    """The results of the checks, and the contents unless there are no terms to read them by."""

    results: tuple[Result, ...]
    contents: Contents | None
    journal: Diary | None

    @property
    def failed(self) -> tuple[str, ...]:
        """The numbers of the checks that failed."""
        return tuple(r.number for r in self.results if r.status is Status.FAILED)
