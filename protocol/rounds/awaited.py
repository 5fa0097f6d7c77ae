"""Who is waited for in a study, for what, and since when: a function of what the board says.

Hospitals and the aggregator tell people the same by it (``protocol.words.rounds``), and by it the
aggregator opens and closes.
"""

from collections import Counter
from typing import Literal, NamedTuple

from protocol.board import Handovers, StudyState
from protocol.rounds.view import RoundView
from protocol.terms import AGGREGATOR, Terms

Step = Literal[
    "approvals", "statements", "agreement", "opening", "contributions", "sum", "locks", "parts"
]
Members = tuple[int, ...]


class Awaited(NamedTuple):
    """What is due, and the members who have not done it; (0,) is the aggregator.

    needed: so many of them are enough; 0 where it goes on without any of them in time.
    since_ms: when the step began, until_ms: when it goes on without them (0: it does not), in ms
    since 1970 by the aggregator's clock.
    refused: who will not do it, having refused.
    """

    step: Step
    members: Members
    needed: int
    since_ms: int
    until_ms: int = 0
    refused: Members = ()

    @property
    def is_refused(self) -> bool:
        """Whether a closed sum is not opened, since all but too few have refused to help."""
        return self.step in ("locks", "parts") and len(self.members) < self.needed


def awaited_in(view: RoundView, state: StudyState) -> Awaited | None:
    """Of a round that is open; None once a quorum's parts are there, or if it can have none."""
    terms = state.study.terms
    if view.opening is None:
        return None
    if view.closing is None:
        return None if state.is_ended() else _contributions(view, state)
    if state.is_ended() and not outlasts_end(view, terms):
        return None
    lock_times = sorted(posted.time_ms for posted in view.lock_posts.values())
    refused = tuple(sorted(view.refusals))
    could_lock = _missing(_holders(state), *view.locks, *refused)
    approved = tuple(m for m in could_lock if state.opens(m))
    if (short := terms.lock_threshold - len(lock_times)) > 0:
        members = approved if len(approved) >= short else could_lock
        return Awaited("locks", members, short, view.closing.time_ms, refused=refused)
    if (short := terms.quorum - len(view.partials)) > 0:
        members = _missing(tuple(sorted(view.locks)), *view.partials, *refused)
        if len(members) < short and not state.is_ended():
            more = approved if len(members) + len(approved) >= short else could_lock
            members = tuple(sorted({*members, *more}))
        since_ms = lock_times[terms.lock_threshold - 1]
        return Awaited("parts", members, short, since_ms, refused=refused)
    return None


def is_locked(view: RoundView, terms: Terms) -> bool:
    """Whether enough holders have locked the set that the closing chose: its sum may be known."""
    return len(_locked(view, terms)) >= terms.lock_threshold


def outlasts_end(view: RoundView, terms: Terms) -> bool:
    """Whether a sum may still be opened once its study has ended, and nobody locks it any more.

    Enough have locked it, and of them a quorum has not refused to help since then.
    """
    helping = _locked(view, terms) - view.refusals.keys() | view.partials.keys()
    return is_locked(view, terms) and len(helping) >= terms.quorum


def is_lost(view: RoundView, handovers: Handovers, terms: Terms) -> bool:
    """Whether the key was handed over before a quorum had helped with a round's sum.

    For good: no part counts any more. handovers: those of the board.
    """
    if view.opening is None or not handovers.help_bar(view.opening.position):
        return False
    return len(view.partials) < terms.quorum


def _locked(view: RoundView, terms: Terms) -> set[int]:
    """Who has locked the set that the closing chose."""
    chosen = view.chosen(terms.federation)
    return {m for m, lock in view.locks.items() if chosen is not None and lock == chosen}


def awaited_after(view: RoundView, state: StudyState) -> Awaited | None:
    """Of the round that is to follow a round which is over, or to be the first.

    view: the round before, or round 0, where the first model is stated. None if the study has
    ended, or has no more rounds.
    """
    study = state.study
    if state.is_ended() or view.number >= study.rounds:
        return None
    if not state.is_open():
        return _approvals(state)
    if not study.is_training:
        return _last(state, view, state.turned_ms) or Awaited(
            "opening", (AGGREGATOR,), 1, state.turned_ms
        )
    return _statements(view, state)


def _approvals(state: StudyState) -> Awaited:
    """Of a study that too few have approved: ``refused`` are those who have said something else."""
    left, (add, open_) = state.leaving(), state.lacking()
    could_add = {m for m in state.study.members if m in left or not state.contributes(m)}
    could_open = {m for m in _holders(state) if m in left or not state.opens(m)}
    missing = (could_add if add else set[int]()) | (could_open if open_ else set[int]())
    refused = {m for m in missing if m in left or state.word_of(m) is not None}
    names, others = tuple(sorted(missing - refused)), tuple(sorted(refused))
    return Awaited("approvals", names, max(add, open_), state.turned_ms, refused=others)


def _last(state: StudyState, before: RoundView, since_ms: int) -> Awaited | None:
    """Before the first round whoever has not answered is waited for, so that it can be in it."""
    study, left = state.study, state.leaving()
    unheard = tuple(m for m in study.members if state.word_of(m) is None and m not in left)
    if before.number or not unheard:
        return None
    return Awaited("approvals", unheard, 0, since_ms, since_ms + 1000 * study.plan.seconds)


def _statements(view: RoundView, state: StudyState) -> Awaited:
    """Who is to say at which model it stands.

    Only members count whose approval to contribute stands, and who do not vote to end the study.
    """
    least, left = state.study.least_agreeing, state.leaving()
    present = tuple(m for m in state.contributors() if m not in left)
    missing = _missing(present, *view.statements)
    began_ms = min(view.stated_ms.values(), default=0)
    alike = [m for m in view.agreed(least) if m in present]
    if len(alike) >= least:
        since_ms = max(state.turned_ms, sorted(view.stated_ms[m] for m in alike)[least - 1])
        if missing:
            until_ms = since_ms + 1000 * state.study.plan.seconds
            return Awaited("statements", missing, 0, since_ms, until_ms)
        last_ms = max(view.stated_ms.values())
        return _last(state, view, since_ms) or Awaited("opening", (AGGREGATOR,), 1, last_ms)
    stated = {m: view.statements[m].about for m in present if m in view.statements}
    counts = Counter(stated.values()).most_common()
    most = counts[0][1] if counts else 0
    if missing or not counts:
        return Awaited("statements", missing, least - most, began_ms)
    # Who states what most do is not to change; where all are alike in number, anybody may.
    alone = {about for about, count in counts if count < most} or set(stated.values())
    differing = tuple(sorted(m for m, about in stated.items() if about in alone))
    return Awaited("agreement", differing, least - most, began_ms)


def _contributions(view: RoundView, state: StudyState) -> Awaited:
    """Whoever withdrew since the opening is waited for only where the others are too few."""
    assert view.opening is not None
    opened_ms, study = view.opening.time_ms, state.study
    asked = state.contributors(view.opening.position)
    approved = tuple(m for m in asked if state.contributes(m))
    fit = view.contributions.keys() & set(approved) - view.omissions.keys()
    short = max(0, study.least_contributors - len(fit))
    if missing := _missing(approved, *view.contributions):
        until_ms = 0 if short else opened_ms + 1000 * study.plan.seconds
        return Awaited("contributions", missing, short, opened_ms, until_ms)
    if short:
        return Awaited("contributions", _missing(asked, *approved), short, opened_ms)
    last_ms = max(posted.time_ms for posted in view.contributions.values())
    return Awaited("sum", (AGGREGATOR,), 1, last_ms)


def _holders(state: StudyState) -> Members:
    return tuple(range(1, state.study.terms.n_members + 1))


def _missing(members: Members, *spoken: int) -> Members:
    return tuple(m for m in members if m not in spoken)
