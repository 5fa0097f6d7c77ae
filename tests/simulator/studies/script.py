"""Studies of a run: their plans, and which hospital says what of them, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from protocol.board.study import Study
from protocol.messages.plan import Plan, Statistic, Training
from protocol.terms.terms import Terms

WAIT_SECONDS = 20  # how long a round waits for the last contributors
FAR = 1_000.0  # between first models that are not near each other
Saying = Literal["propose", "approve", "contribute", "open", "withdraw", "end"]


@dataclass(frozen=True)
class Word:
    """A hospital says something of a study at a time, in virtual seconds from the key on.

    "contribute" and "open" approve one of the two, "approve" both.
    """

    at: float
    member: int
    what: Saying


@dataclass(frozen=True)
class StudyScript:
    """One study; ``variant`` tells its plan from that of a rival of the same name.

    source: what it is made from. Training studies with the same one begin with the same model, and
    statistics with the same one are over the same numbers. data: what the plan calls those.
    after: a study and a round of it, whose model the first is. before: whether that is one of the
    federation that this one took its key over from. keep: of how many rounds vectors stay.
    """

    name: str
    kind: Literal["training", "statistic"]
    members: tuple[int, ...]
    words: tuple[Word, ...]
    rounds: int = 1
    suite: Literal["auto", "hybrid"] = "auto"
    source: int = 0
    data: str = "patients"
    after: tuple[str, int] = ("", 0)
    before: bool = False
    variant: int = 0
    keep: int = 10

    def study(self, terms: Terms) -> Study:
        """The study as it is proposed."""
        work: Training | Statistic
        if self.kind == "training":
            before = terms.predecessor.federation if self.before and terms.predecessor else b""
            start = *self.after, before
            work = Training(
                self.rounds, 1.0, 32, 1000, self.suite, "examples", *start, keep_vectors=self.keep
            )
        else:
            work = Statistic(2, 0, self.data)
        purpose = f"Variant {self.variant}." if self.variant else "A run."
        least = terms.least_contributors
        return Study(terms, self.name, Plan(purpose, self.members, least, WAIT_SECONDS, work))

    def says(self, member: int) -> tuple[Word, ...]:
        """What one hospital says of it, in order."""
        return self._said.get(member, ())

    @cached_property
    def _said(self) -> dict[int, tuple[Word, ...]]:
        words = sorted(self.words, key=lambda w: w.at)
        return {m: tuple(w for w in words if w.member == m) for m in {w.member for w in words}}


def common(n_members: int, rounds: int = 1, name: str = "cardio", **changes: object) -> StudyScript:
    """A study that trains, which all approve at once."""
    members = tuple(range(1, n_members + 1))
    words = (Word(0.0, 1, "propose"), *(Word(0.0, m, "approve") for m in members))
    found = StudyScript(name, "training", members, words, rounds)
    return replace(found, **changes)  # type: ignore[arg-type]


def drawn(
    draw: random.Random, n_members: int, suite: Literal["auto", "hybrid"]
) -> list[StudyScript]:
    """The studies of a seed: one to four, side by side, from the same or from other starts."""
    found = [
        _drawn(draw, n_members, suite, number) for number in range(draw.choice([1, 1, 2, 2, 3]))
    ]
    first = found[0]
    if first.kind == "training" and draw.random() < 0.3:
        later = common(n_members, 1, "later", after=(first.name, first.rounds), suite=suite)
        words = tuple(replace(word, at=60.0 + word.at) for word in later.words)
        found.append(replace(later, words=words))
    if draw.random() < 0.1:
        words = (Word(0.0, n_members, "propose"),)
        found.append(replace(first, words=words, variant=1))
    return found


def _drawn(
    draw: random.Random, n: int, suite: Literal["auto", "hybrid"], number: int
) -> StudyScript:
    everybody = range(1, n + 1)
    is_subset = n > 3 and draw.random() < 0.3
    members = tuple(sorted(draw.sample(everybody, draw.randint(3, n - 1) if is_subset else n)))
    start = draw.uniform(0, 30)
    words = [Word(start, draw.choice(everybody), "propose")]
    for member in everybody:
        words += _words(draw, member, start, member in members)
    kind: Literal["training", "statistic"] = draw.choice(["training", "statistic"])
    source = draw.choice([0, 0, number + 1])
    data = "patients" if draw.random() < 0.7 else f"data-{number}"
    rounds = draw.choice([1, 1, 2]) if kind == "training" else 1
    return StudyScript(
        f"study-{number}", kind, members, tuple(words), rounds, suite, source, data
    )  # fmt: skip


def _words(draw: random.Random, member: int, start: float, is_member: bool) -> list[Word]:
    """What a hospital says: most approve, some late, in part, or take it back."""
    at = start + (draw.uniform(0, 60) if draw.random() < 0.2 else draw.uniform(0, 3))
    chance = draw.random()
    if not is_member:
        return [Word(at, member, "open")] if chance < 0.8 else []
    if chance < 0.72:
        return [Word(at, member, "approve")]
    if chance < 0.78:
        return [Word(at, member, "contribute")]
    if chance < 0.82:
        return [Word(at, member, "open")]
    if chance < 0.86:
        return []
    found = [Word(at, member, "approve"), Word(at + draw.uniform(0.1, 25), member, "withdraw")]
    if chance < 0.93:
        found.append(Word(found[-1].at + draw.uniform(1, 20), member, "approve"))
    elif chance > 0.97:
        found.append(Word(found[-1].at + 1, member, "end"))
    return found
