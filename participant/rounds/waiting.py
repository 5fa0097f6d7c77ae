"""Whom a round is waiting for, as the board tells it."""

from participant.waiting import Waiting
from protocol.board import read_session
from protocol.rounds import Awaited, RoundView, awaited_in
from protocol.terms import AGGREGATOR, Terms


def round_waiting(view: RoundView, terms: Terms, abstaining: tuple[int, ...] = ()) -> Waiting:
    """The step that is due in a round; ``abstaining``: who adds nothing to it."""
    session = view.session
    if view.opening is None and not (view.requests or read_session(session).opens == "training"):
        return Waiting("request", (), {"session": session})
    if view.opening is None:
        return Waiting("opening", (AGGREGATOR,), {"session": session})
    found = awaited_in(view, terms)
    if found is None:  # enough parts, of which some are wrong
        members = tuple(m for m in range(1, terms.n_members + 1) if m not in view.partials)
        found = Awaited("parts", members, 1, view.opening.time_ms)
    others = tuple(m for m in found.members if m not in abstaining) or (AGGREGATOR,)
    is_short = found.step == "contributions" and found.needed > len(set(others) - {AGGREGATOR})
    members = found.members if is_short else others
    waiting = step_waiting(found._replace(members=members), session)
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
