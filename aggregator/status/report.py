"""How a federation stands, for people and programs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aggregator.clock import iso
from aggregator.rounds import Reason, Rounds
from aggregator.status.card import card_report
from aggregator.status.ceremony import Report, ceremony_report, when
from aggregator.status.handover import (
    MAX_HANDOVERS,
    handover_reports,
    key_report,
    waits_for_handover,
)
from aggregator.status.inheritance import inheritance_report
from aggregator.status.studies import shown_studies, study_report
from aggregator.store import Trouble
from protocol.board import Board
from protocol.messages import read_session
from protocol.rounds import Awaited, RoundView, left_out
from protocol.terms import AddressCard, Terms

MAX_ROUNDS = 50  # shown: a report must fit in a frame
MAX_STUDIES = 50


@dataclass(frozen=True)
class AtWork:
    """What only a service at work knows, beside the board.

    reasons: why contributions are left out, by session and member, with details for the operator.
    held_back: whom rounds wait for that have enough contributions, but no sum that may be opened.
    summed: of open rounds under a hybrid suite, the chunks that are summed, and of how many.
    connected: since when each member is that is, in ISO 8601.
    trouble: why nothing can be stored, None if it can be.
    clock: how the machine's clock was set (``BoardClock.report``), None if it was not.
    card: the newest card, None if none is known.
    pruned: by study, the first round whose vectors are not given up; 1 of all others.
    """

    reasons: Mapping[str, Mapping[int, Reason]] = field(default_factory=dict)
    held_back: Mapping[str, Collection[int]] = field(default_factory=dict)
    summed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    connected: Mapping[int, str] = field(default_factory=dict)
    trouble: Trouble | None = None
    clock: Mapping[str, object] | None = None
    card: AddressCard | None = None
    pruned: Mapping[str, int] = field(default_factory=dict)


def report(
    board: Board,
    terms: Terms,
    rounds: Rounds,
    now_ms: int,
    work: AtWork = AtWork(),  # frozen, and nothing of it is changed
) -> Report:
    """Members, the key and how it came about, studies and the newest rounds.

    Times are in ISO 8601, UTC.

    now_ms: the board's time. work: but for the card nothing where no service is at work.
    """
    everyone = range(1, terms.n_members + 1)
    last = {index: found for index in everyone if (found := board.last_of(index))}
    members = [
        {
            "member": index,
            "name": member.name,
            "connected_since": work.connected.get(index),
            "last_post": when(last[index]) if index in last else None,
        }
        for index, member in enumerate(terms.members, start=1)
    ]
    return {
        "federation": terms.name,
        "fingerprint": terms.federation.hex(),
        "entries": board.head.position,
        "head": board.head.hash.hex(),
        "storage": work.trouble.report if work.trouble else None,
        "clock": work.clock,
        "members": members,
        "card": card_report(board, terms, work.card),
        "ceremony": ceremony_report(board, terms, now_ms),
        "inheritance": inheritance_report(board, terms),
        "key": key_report(board),
        "handovers": handover_reports(board, work.connected),
        "handovers_not_shown": max(0, len(board.key.handovers.all) - MAX_HANDOVERS),
        "studies": [
            study_report(state, rounds, work.pruned.get(state.study.name, 1))
            for state in shown_studies(rounds, MAX_STUDIES)
        ],
        "studies_not_shown": max(0, len(rounds.studies) - MAX_STUDIES),
        "rounds": [
            _round(view, rounds, work) | _held_back(work.held_back.get(view.session), terms)
            for view in _shown(rounds, work.held_back)
        ],
        "waiting": [
            _waiting(session, found, rounds) | {"handover": _barring(board, rounds, session, found)}
            for session, found in rounds.awaited()[:MAX_ROUNDS]
        ],
        "rounds_not_shown": max(0, rounds.count - MAX_ROUNDS),
        "too_long": rounds.too_long(board.epoch) if board.epoch else {},
    }


def fitting(report: Mapping[str, Any], limit: int) -> bytes:
    """The report as JSON, with as many of its last rounds and studies as fit into ``limit`` bytes.

    Rounds are left out first.
    """
    data = msgspec.json.encode(report)
    for what in ("rounds", "studies"):
        while len(data) > limit and report.get(what):
            cut = len(report[what]) // 2 + 1
            unsaid = report[f"{what}_not_shown"] + cut
            report = {**report, what: report[what][cut:], f"{what}_not_shown": unsaid}
            data = msgspec.json.encode(report)
    return data


def _shown(rounds: Rounds, held_back: Collection[str]) -> list[RoundView]:
    """The rounds of a report, those that matter most last.

    They are the last rounds of the studies that go on, and what is held back; before them the
    newest of all others.
    """
    states = (state for state in rounds.going_on() if not state.is_ended())
    last = {s.study.round(rounds.next_number(s.study.name) - 1) for s in states}
    return rounds.newest(MAX_ROUNDS, last.union(held_back))


def _waiting(session: str, found: Awaited, rounds: Rounds) -> Report:
    """For whom a round waits: ``needed`` of them are enough, and none ``until`` the given time.

    votes_needed: to end the study, where that is the only way on; else 0.
    """
    study, terms = rounds.studies[read_session(session).study].study, rounds.terms
    return {
        "session": session,
        "study": study.name,
        "kind": study.kind,
        "step": found.step,
        "for": [terms.name_of(m) for m in found.members],
        "needed": found.needed,
        "since": iso(found.since_ms) if found.since_ms else None,
        "until": iso(found.until_ms) if found.until_ms else None,
        "refused": [terms.name_of(m) for m in found.refused],
        "votes_needed": terms.lock_threshold if found.is_refused else 0,
    }


def _barring(board: Board, rounds: Rounds, session: str, found: Awaited) -> str | None:
    """The handover of the key that a round has to wait for besides."""
    view = rounds.views.get(session)
    is_open = view is not None and view.opening is not None
    return waits_for_handover(board, is_open, found.step)


def _held_back(waited_for: Collection[int] | None, terms: Terms) -> Report:
    return {
        "held_back": waited_for is not None,
        "held_back_for": [terms.name_of(m) for m in sorted(waited_for or ())],
        "votes_needed": terms.lock_threshold,
    }


def _round(view: RoundView, rounds: Rounds, work: AtWork) -> Report:
    closed, opening = view.closed, view.terms_of_opening
    in_all = len(closed.vector) if closed else 0
    done, chunks = work.summed.get(view.session, (in_all, in_all))
    chosen = view.contributors if closed else sorted(view.contributions)
    state, terms = rounds.state_of(view), rounds.terms
    asked = state.contributors(view.opening.position) if view.opening else ()

    return {
        "session": view.session,
        "study": view.study,
        "round": read_session(view.session).number,
        "given_up": rounds.is_given_up(view) and view.closing is None,
        "opened": when(view.opening) if view.opening else None,
        "closed": when(view.closing) if view.closing else None,
        "suite": opening.suite if opening else None,
        "chunks": chunks,
        "chunks_summed": done,
        "contributors": [terms.name_of(m) for m in chosen],
        "not_contributed": [terms.name_of(m) for m in asked if m not in view.contributions],
        "left_out": _left_out(view, terms, work.reasons.get(view.session, {})),
        "locks": len(view.locks),
        "locks_needed": terms.lock_threshold,
        "partial_decryptions": [terms.name_of(m) for m in sorted(view.partials)],
        "quorum": terms.quorum,
        "complaints": [
            {"by": terms.name_of(by), "about": terms.name_of(about), "entry": posted.position}
            for (by, about), posted in view.complaints.items()
        ],
        "refusals": {terms.name_of(m): f"{r.rule}: {r.reason}" for m, r in view.refusals.items()},
        "statements": {terms.name_of(m): s.result.hex() for m, s in view.statements.items()},
    }


def _left_out(view: RoundView, terms: Terms, known: Mapping[int, Reason]) -> Report:
    """Whose contribution is not in the sum, and why; ``detail`` where this process knows it."""
    found: Report = {}
    for member, why, other in left_out(view):
        reason = known.get(member)
        found[terms.name_of(member)] = {
            "reason": why,
            "other": terms.name_of(other) if other else None,
            "detail": reason.detail if reason else "",
        }
    return found
