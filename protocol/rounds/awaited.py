"""Who is waited for in a round, for what, and since when: a function of what the board says.

Hospitals and the aggregator tell people the same by it (``protocol.words.rounds``).
"""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

from protocol.board import StudyState
from protocol.rounds.view import RoundView
from protocol.terms import AGGREGATOR

Step = Literal[
    "approvals", "statements", "agreement", "opening", "contributions", "sum", "locks", "parts"
]


class Awaited(NamedTuple):
    """What is due, and the members who have not done it; (0,) is the aggregator.

    needed: so many of them are enough; 0 where it goes on without any of them in time.
    since_ms: when the step began, until_ms: when it goes on without them (0: it does not), in ms
    since 1970 by the aggregator's clock.
    refused: who will not do it, having refused.
    """

    step: Step
    members: tuple[int, ...]
    needed: int
    since_ms: int
    until_ms: int = 0
    refused: tuple[int, ...] = ()


def awaited_in(view: RoundView, state: StudyState) -> Awaited | None:
    """Of a round that is open; None once a quorum's parts are there, or none can come any more."""
    if view.opening is None:
        return None
    terms = state.study.terms
    if view.closing is None:
        return None if state.is_ended() else _contributions(view, state)
    lock_times = sorted(posted.time_ms for posted in view.lock_posts.values())
    refused = tuple(sorted(view.refusals))
    may_lock = () if state.is_ended() else state.openers()
    if (short := terms.lock_threshold - len(lock_times)) > 0:
        if state.is_ended():
            return None
        members = _missing([*view.locks, *refused], may_lock)
        return Awaited("locks", members, short, view.closing.time_ms, refused=refused)
    if (short := terms.quorum - len(view.partials)) > 0:
        members = _missing([*view.partials, *refused], sorted({*view.locks, *may_lock}))
        since_ms = lock_times[terms.lock_threshold - 1]
        return Awaited("parts", members, short, since_ms, refused=refused)
    return None


def awaited_after(view: RoundView, state: StudyState) -> Awaited | None:
    """Of the round that is to follow a round which is over, or to be the first.

    view: the round before, or round 0, where the first model is stated; of a statistic any round
    that was not opened. None if the study has ended.
    """
    study = state.study
    if state.is_ended() or (view.number >= study.rounds > 0 and view.opening is not None):
        return None
    if not state.is_open():
        return _approvals(state)
    if not study.is_training:
        return Awaited("opening", (AGGREGATOR,), 1, state.time_ms)
    return _statements(view, state)


def _approvals(state: StudyState) -> Awaited:
    """Of a study of which no round may be opened yet, or not any more."""
    study, leaving = state.study, state.endings
    adds, opens = ({*found} - {*leaving} for found in (state.contributors(), state.openers()))
    short = max(0, study.least_to_open - len(adds)), study.terms.lock_threshold - len(opens)
    members = set(_missing(adds, study.members)) if short[0] > 0 else set[int]()
    if short[1] > 0:
        members |= set(_missing(opens, range(1, study.terms.n_members + 1)))
    return Awaited("approvals", tuple(sorted(members)), max(short), state.time_ms)


def _statements(view: RoundView, state: StudyState) -> Awaited:
    least, missing = state.study.least_agreeing, _missing(view.statements, state.contributors())
    began_ms = min(view.stated_ms.values(), default=0)
    if not view.agreed(least):
        counts = Counter(said.about for said in view.statements.values()).most_common()
        if missing:
            short = least - (counts[0][1] if counts else 0)
            return Awaited("statements", missing, short, began_ms)
        most = counts[0][1]
        # Who states what most do is not to change; where all are alike in number, anybody may.
        alone = {about for about, count in counts if count < most} or {about for about, _ in counts}
        differing = tuple(sorted(m for m, said in view.statements.items() if said.about in alone))
        return Awaited("agreement", differing, least - most, began_ms)
    since_ms = view.agreed_ms(least)
    if missing:
        until_ms = since_ms + 1000 * state.study.plan.seconds
        return Awaited("statements", missing, 0, since_ms, until_ms)
    return Awaited("opening", (AGGREGATOR,), 1, max(view.stated_ms.values()))


def _contributions(view: RoundView, state: StudyState) -> Awaited:
    """From those who had approved before the opening, and still do."""
    assert view.opening is not None
    study, opened_ms = state.study, view.opening.time_ms
    able = [m for m in state.contributors(view.opening.position) if state.contributes(m)]
    fit = [m for m in view.contributions if m not in view.omissions and state.contributes(m)]
    short = max(0, study.least_contributors - len(fit))
    if missing := _missing(view.contributions, able):
        until_ms = 0 if short else opened_ms + 1000 * study.plan.seconds
        return Awaited("contributions", missing, short, opened_ms, until_ms)
    last_ms = max((posted.time_ms for posted in view.contributions.values()), default=opened_ms)
    return Awaited("sum", (AGGREGATOR,), 1, last_ms)


def _missing(spoken: Collection[int], members: Iterable[int]) -> tuple[int, ...]:
    return tuple(m for m in members if m not in spoken)
