"""A study: its plan under the terms of the federation, and what the board has said of it.

Everything here is a function of the terms and of the entries that count, in their order. What acts
"from the next opening on" is asked with ``before``: the position of an entry, or None for now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Literal

from keyshare.errors import BadParameters
from keyshare.rounds import Quantisation
from protocol.errors import BadPlan
from protocol.messages import (
    Approval,
    Ending,
    Plan,
    Statistic,
    Training,
    Withdrawal,
    plan_digest,
    round_session,
    study_session,
)
from protocol.terms import Terms

MIN_CLIP, MAX_CLIP = 1e-9, 1e9
# Vectors are kept for a hospital that is away: of so many times keep_vectors rounds at most, and
# for so many days after a study's end.
AWAY, DAYS_AFTER_END = 10, 30


@dataclass(frozen=True)
class Study:
    """A plan under the terms: what its rounds are held to."""

    terms: Terms
    name: str
    plan: Plan

    @cached_property
    def digest(self) -> bytes:
        """Its identity: 32 bytes, of federation, name and plan."""
        return plan_digest(self.terms.federation, self.name, self.plan)

    @property
    def session(self) -> str:
        return study_session(self.name)

    def round(self, number: int) -> str:
        """The session of a round; 0 is where the first model is stated."""
        return round_session(self.name, number)

    @property
    def members(self) -> tuple[int, ...]:
        """Who may contribute, and reads what comes out."""
        return self.plan.members

    @property
    def rounds(self) -> int:
        """How many there are; a statistic is one."""
        return self.plan.work.rounds if isinstance(self.plan.work, Training) else 1

    @property
    def training(self) -> Training:
        """What it trains; only of a study that trains."""
        assert isinstance(self.plan.work, Training)
        return self.plan.work

    @property
    def statistic(self) -> Statistic:
        """What it adds; only of a statistic."""
        assert isinstance(self.plan.work, Statistic)
        return self.plan.work

    @property
    def is_training(self) -> bool:
        return isinstance(self.plan.work, Training)

    @property
    def weights(self) -> Literal["", "examples", "equal"]:
        """By what hospitals count in training; nothing for a statistic."""
        return self.training.weights if self.is_training else ""

    @property
    def kind(self) -> str:
        """ "training" or "statistic"."""
        return "training" if self.is_training else "statistic"

    @property
    def least_contributors(self) -> int:
        """Fewest members of a sum; never below the federation's, whether or not it was checked."""
        return max(self.plan.least_contributors, self.terms.least_contributors)

    @property
    def least_agreeing(self) -> int:
        """So many must state one model before a round from it opens.

        Enough to add, and more than half of its members: no two groups are as many at a time.
        """
        return max(self.least_contributors, len(self.members) // 2 + 1)

    @property
    def least_to_open(self) -> int:
        """So many must have approved to contribute before a round of it opens."""
        return max(self.least_contributors, self.least_agreeing if self.is_training else 0)

    @property
    def quantisation(self) -> Quantisation:
        """How updates become whole numbers, at the widest bounds."""
        work = self.training
        return Quantisation(work.clip, work.bits, work.max_examples)


@dataclass(frozen=True)
class Word:
    """What a member said of its approval at a position; a withdrawal is neither."""

    position: int
    contribute: bool
    open: bool


class StudyState:
    """A study that was proposed, and what members have said of it."""

    def __init__(self, study: Study, proposer: int, position: int, time_ms: int) -> None:
        """position, time_ms: of the entry that proposed it."""
        self.study, self.proposer = study, proposer
        self.position, self.time_ms = position, time_ms
        self.turned_ms = time_ms  # when enough had approved, or since when too few have
        self.words: defaultdict[int, list[Word]] = defaultdict(list)  # by member
        self.endings: dict[int, int] = {}  # by member: where it voted to end it
        self.ended_at: int | None = None  # the position at which the votes were enough
        self._lacking_now: tuple[int, int] | None = None  # as ``lacking`` found it last

    def take(
        self, position: int, time_ms: int, sender: int, body: Approval | Withdrawal | Ending
    ) -> None:
        """Take note of a word that is about this plan, and of the time of its entry."""
        was_open = self.is_open()
        self._take(position, sender, body)
        self._lacking_now = None
        if self.is_open() != was_open:
            self.turned_ms = time_ms

    def _take(self, position: int, sender: int, body: Approval | Withdrawal | Ending) -> None:
        if isinstance(body, Ending):
            self.endings.setdefault(sender, position)
            if len(self.endings) >= self.study.terms.lock_threshold and self.ended_at is None:
                self.ended_at = position
            return
        contribute = isinstance(body, Approval) and body.contribute
        opens = isinstance(body, Approval) and body.open
        is_member = sender in self.study.members
        self.words[sender].append(Word(position, contribute and is_member, opens))

    def word_of(self, member: int, before: int | None = None) -> Word | None:
        """A member's last word before a position; None if it has said nothing by then."""
        words = self.words.get(member)
        if not words or before is None:
            return words[-1] if words else None
        return next((word for word in reversed(words) if word.position < before), None)

    def contributes(self, member: int, before: int | None = None) -> bool:
        """Whether a member has approved to contribute, and not taken it back."""
        word = self.word_of(member, before)
        return word is not None and word.contribute

    def opens(self, member: int, before: int | None = None) -> bool:
        """Whether a member has approved to help open its sums, and not taken it back."""
        word = self.word_of(member, before)
        return word is not None and word.open

    def has_approved(self, member: int) -> bool:
        """Whether a member has ever approved anything, whatever it has said since."""
        return any(word.contribute or word.open for word in self.words.get(member, ()))

    def contributors(self, before: int | None = None) -> tuple[int, ...]:
        """The members that have approved to contribute."""
        return tuple(m for m in self.study.members if self.contributes(m, before))

    def openers(self, before: int | None = None) -> tuple[int, ...]:
        """The members that have approved to open, whether or not they contribute."""
        return tuple(m for m in range(1, self.study.terms.n_members + 1) if self.opens(m, before))

    def is_ended(self, before: int | None = None) -> bool:
        """Whether enough members had voted to end it."""
        return self.ended_at is not None and (before is None or self.ended_at < before)

    def leaving(self, before: int | None = None) -> frozenset[int]:
        """The members that had voted to end it."""
        return frozenset(m for m, p in self.endings.items() if before is None or p < before)

    def lacking(self, before: int | None = None) -> tuple[int, int]:
        """How many more must approve to contribute, and to open, before a round may be opened.

        Whoever votes to end it counts for neither.
        """
        if before is None and self._lacking_now is not None:
            return self._lacking_now
        found = self._find_lacking(before)
        if before is None:  # asked at every tick of a service
            self._lacking_now = found
        return found

    def _find_lacking(self, before: int | None) -> tuple[int, int]:
        leaving = self.leaving(before)
        n_add = len(set(self.contributors(before)) - leaving)
        n_open = len(set(self.openers(before)) - leaving)
        study = self.study
        return max(0, study.least_to_open - n_add), max(0, study.terms.lock_threshold - n_open)

    def is_open(self, before: int | None = None) -> bool:
        """Whether a round of it may be opened: enough approve to add, enough to open the sum.

        Never after its end: of those who have not voted for it, too few are left to open.
        """
        return self.lacking(before) == (0, 0)


class Studies(Mapping[str, StudyState]):
    """All studies of a board, by name, in the order in which they were proposed."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._found: dict[str, StudyState] = {}

    def __getitem__(self, name: str) -> StudyState:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        """As they are now: another thread may look while the board goes on."""
        return iter(tuple(self._found))

    def __len__(self) -> int:
        return len(self._found)

    def newest_first(self) -> Iterator[StudyState]:
        """From the one that was proposed last."""
        return reversed(tuple(self._found.values()))

    def take(self, name: str, position: int, time_ms: int, sender: int, body: object) -> None:
        """Take note of an entry that counts (``budget``), in the session of a study."""
        found = self._found.get(name)
        if isinstance(body, Plan):
            if found is None:
                study = Study(self._terms, name, body)
                self._found[name] = StudyState(study, sender, position, time_ms)
        elif isinstance(body, Approval | Withdrawal | Ending) and found is not None:
            found.take(position, time_ms, sender, body)


def check_plan(plan: Plan, terms: Terms) -> None:
    """Raises BadPlan, naming the field, on a plan that no study of this federation can have.

    Whether the study that it starts from is there, is asked where the board is known.
    """
    n, least = terms.n_members, terms.least_contributors
    members = plan.members
    if list(members) != sorted({m for m in members if 1 <= m <= n}):
        raise BadPlan("members", "they must be members of the federation, each once")
    if len(members) < least:
        reason = f"{len(members)}, and the federation asks for {least} or more in every sum"
        raise BadPlan("members", reason)
    if not least <= plan.least_contributors <= len(members):
        allowed = f"it must be {_span(least, len(members))}"
        reason = (
            f"{allowed}: the federation's floor is {least}, the study has {len(members)} members"
        )
        raise BadPlan("least_contributors", f"{plan.least_contributors}, and {reason}")
    if isinstance(plan.work, Training):
        _check_training(plan.work, len(members))
    else:
        _check_statistic(plan.work)


def _check_training(work: Training, n_members: int) -> None:
    if not (isfinite(work.clip) and MIN_CLIP <= work.clip <= MAX_CLIP):
        allowed = f"it must be {MIN_CLIP:g} to {MAX_CLIP:g}"
        raise BadPlan("clip", f"{work.clip:g}, and {allowed}")
    if work.weights == "equal" and work.max_examples != 1:
        reason = f"{work.max_examples}, and it must be 1 where all hospitals weigh the same"
        raise BadPlan("max_examples", reason)
    try:
        most = Quantisation(work.clip, work.bits, work.max_examples).max_members
    except BadParameters as error:
        raise BadPlan(error.field, f"{error.value}, and it must be {error.allowed}") from None
    if n_members > most:
        raise BadPlan("bits", f"sums of {n_members} members would not be exact")
    if bool(work.start_study) != bool(work.start_round):
        raise BadPlan("start", "it must be a study and one of its rounds, or nothing")
    if work.start_federation and not (work.start_study and len(work.start_federation) == 32):
        reason = "it must be the 32 bytes of terms before these, with a start, or nothing"
        raise BadPlan("start_federation", reason)
    if work.app and len(work.app) != 32:
        raise BadPlan("app", "it must be a SHA-256, 32 bytes, or nothing")


def _check_statistic(work: Statistic) -> None:
    labels = work.labels
    if labels and not len(labels) == work.length == len(set(labels)):
        raise BadPlan("labels", "there must be one for each number, all different, or none")


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
