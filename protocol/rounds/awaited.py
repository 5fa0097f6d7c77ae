"""Who is waited for in a round, for what, and since when: a function of what the board says.

Hospitals and the aggregator tell people the same by it (``protocol.words.rounds``).
"""

from collections import Counter
from collections.abc import Collection
from typing import Literal, NamedTuple

from protocol.board import read_session
from protocol.rounds.view import RoundView
from protocol.terms import AGGREGATOR, Terms

Step = Literal["statements", "agreement", "opening", "contributions", "sum", "locks", "parts"]


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


def awaited_in(view: RoundView, terms: Terms) -> Awaited | None:
    """Of a round that is open; None once a quorum's parts are there."""
    if view.opening is None:
        return None
    if view.closing is None:
        return _contributions(view, terms)
    lock_times = sorted(posted.time_ms for posted in view.lock_posts.values())
    refused = tuple(sorted(view.refusals))
    if (short := terms.lock_threshold - len(lock_times)) > 0:
        members = _missing([*view.locks, *refused], terms)
        return Awaited("locks", members, short, view.closing.time_ms, refused=refused)
    if (short := terms.quorum - len(view.partials)) > 0:
        members = _missing([*view.partials, *refused], terms)
        since_ms = lock_times[terms.lock_threshold - 1]
        return Awaited("parts", members, short, since_ms, refused=refused)
    return None


def awaited_after(view: RoundView, terms: Terms) -> Awaited:
    """Of the training round that is to follow a round which is over, or the initial model."""
    least, missing = terms.least_agreeing, _missing(view.statements, terms)
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
        until_ms = since_ms + 1000 * terms.rounds.seconds
        return Awaited("statements", missing, 0, since_ms, until_ms)
    return Awaited("opening", (AGGREGATOR,), 1, max(view.stated_ms.values()))


def _contributions(view: RoundView, terms: Terms) -> Awaited:
    assert view.opening is not None
    opened_ms, is_statistic = view.opening.time_ms, read_session(view.session).kind == "statistic"
    seconds = terms.rounds.statistic_seconds if is_statistic else terms.rounds.seconds
    fit = view.contributions.keys() - view.omissions.keys()
    short = max(0, terms.least_contributors - len(fit))
    if missing := _missing(view.contributions, terms):
        until_ms = 0 if short else opened_ms + 1000 * seconds
        return Awaited("contributions", missing, short, opened_ms, until_ms)
    last_ms = max(posted.time_ms for posted in view.contributions.values())
    return Awaited("sum", (AGGREGATOR,), 1, last_ms)


def _missing(spoken: Collection[int], terms: Terms) -> tuple[int, ...]:
    return tuple(m for m in range(1, terms.n_members + 1) if m not in spoken)
