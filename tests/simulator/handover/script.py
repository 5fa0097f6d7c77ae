"""What happens around the refreshes of a run: who wishes for one, who is away, mute or set back."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import NamedTuple

from protocol.handover import HandoverWord
from tests.simulator.studies.script import StudyScript, common

FOR_GOOD = 1_000  # attempts, or seconds, beyond any run
SPOKEN = (
    HandoverWord.CONSENT,
    HandoverWord.ARRIVE,
    HandoverWord.FREEZE,
    HandoverWord.COMMIT,
    HandoverWord.DEAL,
    HandoverWord.SHOW,
    HandoverWord.VOID,
    HandoverWord.RELEASE,
    HandoverWord.THAW,
    HandoverWord.ACKNOWLEDGE,
)


class Wished(NamedTuple):
    """Somebody types ``key refresh`` at a hospital, in virtual seconds."""

    at: float
    member: int


class Mute(NamedTuple):
    """A member whose program never says some words, in the first ``attempts`` attempts."""

    member: int
    words: frozenset[HandoverWord]
    attempts: int


class Away(NamedTuple):
    """A hospital that is down from a time on, for so many seconds."""

    member: int
    at: float
    seconds: float


class SetBack(NamedTuple):
    """A hospital whose machine goes back to what it was at ``taken``."""

    member: int
    taken: float
    put_back: float


@dataclass(frozen=True)
class RefreshScript:
    """All of it; who is mute counts among those who may lie."""

    wishes: tuple[Wished, ...]
    mutes: tuple[Mute, ...] = ()
    away: tuple[Away, ...] = ()
    set_back: tuple[SetBack, ...] = ()

    @property
    def liars(self) -> frozenset[int]:
        """Who does not do what its program is to do."""
        return frozenset(mute.member for mute in self.mutes)

    def wishes_of(self, member: int) -> tuple[float, ...]:
        """When somebody types it there, ascending."""
        return tuple(sorted(at for at, who in self.wishes if who == member))

    def is_mute(self, member: int, word: HandoverWord, attempt: int) -> bool:
        """Whether a member does not say a word in an attempt, from 1 on."""
        return any(
            mute.member == member and word in mute.words and attempt <= mute.attempts
            for mute in self.mutes
        )


def everybody(n_members: int, at: float = 1.0) -> RefreshScript:
    """All wish for a refresh at about the same time, and nothing else happens."""
    return RefreshScript(tuple(Wished(at + 0.1 * m, m) for m in range(1, n_members + 1)))


def drawn(draw: random.Random, n_members: int, liars: int) -> RefreshScript:
    """The refreshes of a seed: one or two, with up to so many liars."""
    members = range(1, n_members + 1)
    found = RefreshScript(
        tuple(
            wished
            for wave in range(draw.choice([1, 1, 2]))
            for wished in _wave(draw, members, draw.uniform(0, 40) + 80 * wave)
        )
    )
    if draw.random() < 0.3:
        seconds = draw.choice([30.0, 100.0, 200.0])
        found = replace(found, away=(Away(draw.choice(members), draw.uniform(0, 60), seconds),))
    if draw.random() < 0.15:
        taken = draw.uniform(0, 50)
        back = SetBack(draw.choice(members), taken, taken + draw.uniform(0.5, 40))
        found = replace(found, set_back=(back,))
    if liars and draw.random() < 0.35:
        words = frozenset(draw.sample(SPOKEN, draw.choice([1, 1, 2])))
        attempts = draw.choice([1, 1, 2, FOR_GOOD])
        mutes = tuple(Mute(m, words, attempts) for m in draw.sample(members, liars))
        found = replace(found, mutes=mutes)
    return found


def _wave(draw: random.Random, members: range, start: float) -> list[Wished]:
    """Most wish for it at about the same time; of the others the agents take part."""
    everyone = draw.random() < 0.6
    least = len(members) // 2 + 1
    chosen = members if everyone else draw.sample(members, draw.randint(least, len(members)))
    late = draw.choice([1.0, 5.0, 60.0])
    return [Wished(start + draw.uniform(0, late), member) for member in chosen]


def studied(draw: random.Random, n_members: int, suite: str) -> StudyScript:
    """A study of several rounds that all approve, to be under way when the key is refreshed."""
    rounds = draw.choice([2, 3, 4])
    found = common(n_members, rounds, "long", suite=suite, source=9)
    start = draw.uniform(0, 30)
    return replace(found, words=tuple(replace(w, at=start + w.at) for w in found.words))
