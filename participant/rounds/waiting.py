"""Whom a round is waiting for, as the board tells it."""

from participant.waiting import Waiting
from protocol.board import Board, StudyState
from protocol.rounds import Awaited, RoundView, awaited_after, awaited_in
from protocol.terms import AGGREGATOR


def session_waiting(session: str, state: StudyState, board: Board) -> Waiting:
    """The step that is due in a round, or before it is opened."""
    view = RoundView.of(session, board.session(session))
    if view.opening is not None:
        return round_waiting(view, state)
    before = state.study.round(view.number - 1)
    found = awaited_after(RoundView.of(before, board.session(before)), state)
    if found is None:
        return Waiting("task", (AGGREGATOR,), {"session": session})
    return step_waiting(found, session)


def round_waiting(view: RoundView, state: StudyState, abstaining: tuple[int, ...] = ()) -> Waiting:
    """The step that is due in an open round; ``abstaining``: who adds nothing to it."""
    assert view.opening is not None
    found = awaited_in(view, state)
    if found is not None and found.is_refused:
        waiting = step_waiting(found, view.session)
        return waiting._replace(facts={**waiting.facts, "votes": state.study.terms.lock_threshold})
    if found is None:  # enough parts, of which some are wrong
        everybody = range(1, state.study.terms.n_members + 1)
        members = tuple(m for m in everybody if m not in view.partials)
        found = Awaited("parts", members, 1, view.opening.time_ms)
    others = tuple(m for m in found.members if m not in abstaining) or (AGGREGATOR,)
    is_short = found.step == "contributions" and found.needed > len(set(others) - {AGGREGATOR})
    members = found.members if is_short else others
    waiting = step_waiting(found._replace(members=members), view.session)
    return waiting._replace(facts={**waiting.facts, "abstains": bool(abstaining)})


def step_waiting(found: Awaited, session: str) -> Waiting:
    """A step of a session, with the facts that the board has of it."""
    facts = {
        "session": session,
        "needed": found.needed,
        "refused": found.refused,
        "until_seconds": max(0, found.until_ms - found.since_ms) // 1000,
    }
    return Waiting(found.step, found.members, facts)


def other_rounds_waiting(view: RoundView, sessions: tuple[str, ...], board: Board) -> Waiting:
    """Rounds that must be over before this hospital contributes to one, and whom they wait for.

    sessions: theirs, at least one. The members are those whom the first of them waits for.
    """
    views = [RoundView.of(session, board.session(session)) for session in sessions]
    found = awaited_in(views[0], board.studies[views[0].study])
    facts = {"session": view.session, "rounds": [other.name for other in views]}
    return Waiting("other-rounds", found.members if found else (AGGREGATOR,), facts)
