"""What happens around the handovers of a run: who wishes for one, who is away, mute or set back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
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
    """Somebody types ``key refresh`` at a hospital, in virtual seconds, or ``handover``.

    member: a new hospital has a number after the old ones', in the order of the script's guests.
    heir: the number of the new terms in the script, from 1 on; 0 for a refresh.
    """

    at: float
    member: int
    heir: int = 0


class Mute(NamedTuple):
    """A member whose program never says some words, in the first ``attempts`` attempts."""

    member: int
    words: frozenset[HandoverWord]
    attempts: int


class Away(NamedTuple):
    """A hospital that is down from a time on, for so many seconds; for ever if infinite."""

    member: int
    at: float
    seconds: float


class SetBack(NamedTuple):
    """A hospital whose machine goes back to what it was at ``taken``."""

    member: int
    taken: float
    put_back: float


@dataclass(frozen=True)
class Heir:
    """Terms that may take the key over, and what their members do with it.

    who: old members by their numbers, and new hospitals by their names, in the order of the terms.
    A new one with the name of an old one is its new machine. wishes: refreshes on the new board.
    """

    who: tuple[int | str, ...]
    quorum: int
    scripts: tuple[StudyScript, ...] = ()
    wishes: tuple[Wished, ...] = ()

    @property
    def guests(self) -> tuple[str, ...]:
        """The new hospitals' names, in their order."""
        return tuple(one for one in self.who if isinstance(one, str))


@dataclass(frozen=True)
class RefreshScript:
    """All of it; who is mute counts among those who may lie.

    heirs: all that have new hospitals have the same ones, in the same order.
    """

    wishes: tuple[Wished, ...]
    mutes: tuple[Mute, ...] = ()
    away: tuple[Away, ...] = ()
    set_back: tuple[SetBack, ...] = ()
    heirs: tuple[Heir, ...] = ()

    @property
    def guests(self) -> tuple[str, ...]:
        """The names of the new hospitals."""
        return max((heir.guests for heir in self.heirs), key=len, default=())

    def is_gone(self, member: int) -> bool:
        """Whether a hospital's machine is lost in the course of the run, with all that it has."""
        return member in self.gone

    @property
    def gone(self) -> frozenset[int]:
        """Whose machines are lost."""
        return frozenset(away.member for away in self.away if away.seconds == inf)

    @property
    def liars(self) -> frozenset[int]:
        """Who does not do what its program is to do."""
        return frozenset(mute.member for mute in self.mutes)

    def wishes_of(self, member: int) -> tuple[Wished, ...]:
        """What somebody types there, in order."""
        return tuple(sorted(wished for wished in self.wishes if wished.member == member))

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


def _wave(draw: random.Random, members: Sequence[int], start: float) -> list[Wished]:
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
