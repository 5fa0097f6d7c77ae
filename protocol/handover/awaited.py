"""Who is waited for in an attempt to hand the key over: a function of what counts so far."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from protocol.handover.attempt import Attempt

HandoverStep = Literal[
    "consent", "arrive", "freeze", "commit", "deal", "show", "release", "thaw", "acknowledge"
]


class HandoverAwaited(NamedTuple):
    """The step that is due, and the members who have not done it, by their numbers on the board.

    needed: so many of them are enough; more than there are where too few have a share to deal, so
    that the attempt can only be given up.
    """

    step: HandoverStep
    members: tuple[int, ...]
    needed: int


def handover_awaited(attempt: Attempt) -> HandoverAwaited | None:
    """What is waited for; None once the attempt is thawed, or settled."""
    rosters = attempt.rosters
    threshold = rosters.lock_threshold
    if attempt.outcome and not (attempt.is_released or attempt.is_thawed):
        step: HandoverStep = "release" if attempt.outcome == "held" else "thaw"
        return _of(step, rosters.old, attempt.confirmed, threshold - len(attempt.confirmed))
    if attempt.outcome:
        is_over = attempt.is_thawed or attempt.is_settled
        return None if is_over else _of("acknowledge", rosters.new, attempt.acknowledged)
    if (short := rosters.least_consents - len(attempt.consents)) > 0:
        return _of("consent", rosters.old, attempt.consents, short)
    if not attempt.is_agreed:
        return _of("arrive", rosters.new, attempt.arrived)
    if not attempt.dealers:
        lacking = threshold - len(attempt.frozen), rosters.quorum - len(attempt.offering)
        return _of("freeze", rosters.old, attempt.frozen, max(lacking))
    if not attempt.is_committed:
        return _of("commit", attempt.dealers, attempt.committed)
    if not attempt.is_dealt:
        return _of("deal", attempt.dealers, attempt.dealt)
    return _of("show", rosters.new, attempt.shown)


def _of(
    step: HandoverStep, everyone: Collection[int], done: Collection[int], needed: int | None = None
) -> HandoverAwaited:
    missing = tuple(member for member in everyone if member not in done)
    return HandoverAwaited(step, missing, len(missing) if needed is None else needed)
