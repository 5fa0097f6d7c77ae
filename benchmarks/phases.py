"""Where the time of a ceremony goes, by the times of the board's entries."""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.board import Posted
from protocol.messages import Certificate, Join, Step


@dataclass(frozen=True)
class BoardRound:
    """All members' posts for one step: its phase, and when the last one came (ms since 1970)."""

    phase: str
    completed_ms: int


def board_rounds(posts: Iterable[Posted]) -> list[BoardRound]:
    """The rounds of a ceremony in the order of their completion; a commitment is a round."""
    latest: dict[tuple[str, int, int], int] = {}
    for posted in posts:
        body = posted.post.body
        step: tuple[str, int, int]
        if isinstance(body, Step):
            step = body.id
        elif isinstance(body, Join | Certificate):
            step = type(body).__name__.lower(), 0, 0
        else:
            continue
        latest[step] = max(posted.time_ms, latest.get(step, 0))
    rounds = [BoardRound(name.removesuffix("-commit"), ms) for (name, _, _), ms in latest.items()]
    return sorted(rounds, key=lambda r: r.completed_ms)


def phase_seconds(rounds: Iterable[BoardRound], began: float, ended: float) -> dict[str, float]:
    """Seconds of each phase, batches added up; they add up to ended - began (s since 1970).

    A round lasts from the completion of the round before to its own. ``starting`` is what passes
    until the last member has joined, ``ending`` what passes after the last certificate.
    """
    seconds: dict[str, float] = {}
    before = began
    for done in rounds:
        phase = "starting" if done.phase == Join.__name__.lower() else done.phase
        completed = done.completed_ms / 1000
        seconds[phase] = seconds.get(phase, 0.0) + completed - before
        before = completed
    return seconds | {"ending": ended - before}
