"""Which other terms take a key over in a seed, who asks for it, and what goes wrong meanwhile."""

import random
from collections.abc import Collection
from dataclasses import replace
from math import inf
from typing import Literal

from tests.simulator.handover.script import (
    FOR_GOOD,
    SPOKEN,
    Away,
    Heir,
    Mute,
    RefreshScript,
    Wished,
)
from tests.simulator.studies.script import StudyScript, Word, common, drawn

Suite = Literal["auto", "hybrid"]
LEAST, MOST = 3, 5  # members of a federation
OWN_SOURCE = 8  # of a study that no other one is near to
REFRESH_SECONDS = 40.0  # so long at least after a refresh people ask for other terms


def liars_of(n_members: int) -> int:
    """How many members may lie."""
    return (n_members - 1) // 3


def drawn_handovers(draw: random.Random, n_members: int, suite: Suite) -> RefreshScript:
    """A handover to other terms; before or beside it perhaps a refresh, or to yet other terms."""
    heirs = [_heir(draw, n_members, suite)]
    if draw.random() < 0.2:
        rival = _rival(draw, n_members, heirs[0], suite)
        heirs += [rival] * ((rival.who, rival.quorum) != (heirs[0].who, heirs[0].quorum))
    numbers = range(1, n_members + len(heirs[0].guests) + 1)
    start, wishes = draw.uniform(0, 40), list[Wished]()
    if draw.random() < 0.15:
        wishes += (Wished(start + draw.uniform(0, 2), m) for m in range(1, n_members + 1))
        start += REFRESH_SECONDS
    everyone, late = draw.random() < 0.7, draw.choice([1.0, 5.0, 60.0])
    for number in numbers:
        is_asked = everyone or number > n_members or draw.random() < 0.7
        heir = draw.randint(1, len(heirs)) if number <= n_members else 1
        if is_asked:
            wishes.append(Wished(start + draw.uniform(0, late), number, heir))
    found = RefreshScript(tuple(wishes), heirs=tuple(heirs))
    return _disturbed(draw, found, n_members)


def proposed_by_others(
    scripts: tuple[StudyScript, ...], gone: Collection[int]
) -> tuple[StudyScript, ...]:
    """The same studies, none proposed by a member whose machine is lost: nobody else would."""

    def said(word: Word, members: tuple[int, ...]) -> Word:
        if word.what != "propose" or word.member not in gone:
            return word
        return replace(word, member=next(m for m in members if m not in gone))

    return tuple(
        replace(one, words=tuple(said(word, one.members) for word in one.words)) for one in scripts
    )


def _disturbed(draw: random.Random, script: RefreshScript, n_members: int) -> RefreshScript:
    """Some are away, lost or mute."""
    first, found = script.heirs[0], script
    everybody = range(1, n_members + len(script.guests) + 1)
    if draw.random() < 0.25:
        away = Away(draw.choice(everybody), draw.uniform(0, 100), draw.choice([30.0, 100.0]))
        found = replace(found, away=(away,))
    leaving = [m for m in range(1, n_members + 1) if m not in first.who]
    if leaving and draw.random() < 0.2:
        lost = Away(draw.choice(leaving), draw.uniform(0, 60), inf)
        wishes = tuple(w for w in found.wishes if w.member != lost.member)
        found = replace(found, away=(lost,), wishes=wishes)
    liars = liars_of(n_members)
    if liars and draw.random() < 0.3:
        words = frozenset(draw.sample(SPOKEN, draw.choice([1, 1, 2])))
        attempts = draw.choice([1, 1, 2, FOR_GOOD])
        mutes = tuple(Mute(m, words, attempts) for m in draw.sample(everybody, liars))
        found = replace(found, mutes=mutes)
    return found


def _heir(draw: random.Random, n_members: int, suite: Suite) -> Heir:
    """Some stay, some leave, some are new; in another order, with another quorum."""
    staying = draw.sample(range(1, n_members + 1), draw.randint(0, n_members))
    least = max(0, LEAST - len(staying))
    n_new = draw.randint(least, max(least, min(3, MOST - len(staying))))
    names = [f"newcomer {k}" for k in range(1, n_new + 1)]
    leaving = [m for m in range(1, n_members + 1) if m not in staying]
    if leaving and names and draw.random() < 0.3:
        names[draw.randrange(n_new)] = f"hospital {draw.choice(leaving)}"  # has a new machine
    return _with_work(draw, _in_any_order(draw, staying, names), suite)


def _rival(draw: random.Random, n_members: int, heir: Heir, suite: Suite) -> Heir:
    """Other terms with the same new hospitals, or with none; no others have their numbers."""
    names = list(heir.guests) if len(heir.guests) < MOST and draw.random() < 0.5 else []
    able = [m for m in range(1, n_members + 1) if f"hospital {m}" not in names]
    least, most = max(0, LEAST - len(names)), min(len(able), MOST - len(names))
    staying = draw.sample(able, draw.randint(least, most))
    return _with_work(draw, _in_any_order(draw, staying, names), suite)


def _in_any_order(
    draw: random.Random, staying: list[int], names: list[str]
) -> tuple[int | str, ...]:
    """The new ones in their own order, among the others anywhere."""
    places = set(draw.sample(range(len(staying) + len(names)), len(names)))
    old, new = iter(staying), iter(names)
    return tuple(next(new) if k in places else next(old) for k in range(len(staying) + len(names)))


def _with_work(draw: random.Random, who: tuple[int | str, ...], suite: Suite) -> Heir:
    n_members = len(who)
    quorum = draw.randint(2, n_members - liars_of(n_members))
    own = common(n_members, draw.choice([1, 2]), "after", suite=suite, source=OWN_SOURCE)
    scripts = (*drawn(draw, n_members, suite)[:1], own)
    wishes = tuple[Wished, ...]()
    if draw.random() < 0.15:
        start = draw.uniform(60, 200)
        wishes = tuple(Wished(start + draw.uniform(0, 5), m) for m in range(1, n_members + 1))
    return Heir(who, quorum, scripts, wishes)
