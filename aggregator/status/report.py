"""How a federation stands, for people and programs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aggregator.clock import iso
from aggregator.rounds import Reason, Rounds
from aggregator.status.ceremony import Report, ceremony_report, when
from aggregator.store import Trouble
from protocol.board import Board
from protocol.key import Epoch
from protocol.rounds import Awaited, RoundView, left_out, round_session
from protocol.terms import Terms

MAX_ROUNDS = 50  # shown: a report must fit in a frame
_TRAINING_ROUNDS = 25  # of them, the newest ones, whatever else members ask for


@dataclass(frozen=True)
class AtWork:
    """What only a service at work knows, beside the board.

    reasons: why contributions are left out, by session and member, with details for the operator.
    held_back: whom rounds wait for that have enough contributions, but no sum that may be opened.
    summed: of open rounds under a hybrid suite, the chunks that are summed, and of how many.
    connected: since when each member is that is, in ISO 8601.
    trouble: why nothing can be stored, None if it can be.
    clock: how the machine's clock was set (``BoardClock.report``), None if it was not.
    """

    reasons: Mapping[str, Mapping[int, Reason]] = field(default_factory=dict)
    held_back: Mapping[str, Collection[int]] = field(default_factory=dict)
    summed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    connected: Mapping[int, str] = field(default_factory=dict)
    trouble: Trouble | None = None
    clock: Mapping[str, object] | None = None


def report(
    board: Board,
    terms: Terms,
    rounds: Rounds,
    epoch: Epoch | None,
    now_ms: int,
    work: AtWork = AtWork(),  # frozen, and nothing of it is changed
) -> Report:
    """Members, the ceremony that counts and the newest rounds; times in ISO 8601, UTC.

    now_ms: the board's time. work: nothing where no service is at work.
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
        "ceremony": ceremony_report(board, terms, epoch, now_ms),
        "rounds": [
            _round(view, terms, work) | _held_back(work.held_back.get(view.session), view, terms)
            for view in _shown(rounds, work.held_back)
        ],
        "waiting": [_waiting(s, found, terms) for s, found in rounds.awaited()][:MAX_ROUNDS],
        "rounds_not_shown": max(0, len(rounds.views) - MAX_ROUNDS),
        "too_long": rounds.too_long(epoch) if epoch else {},
        "disagreement": {terms.name_of(m): d.hex() for m, d in rounds.disagreement().items()},
    }


def fitting(report: Mapping[str, Any], limit: int) -> bytes:
    """The report as JSON, with as many of the last of its rounds as fit into ``limit`` bytes."""
    data = msgspec.json.encode(report)
    while len(data) > limit and report.get("rounds"):
        cut = len(report["rounds"]) // 2 + 1
        shown, left_out = report["rounds"][cut:], report["rounds_not_shown"] + cut
        report = {**report, "rounds": shown, "rounds_not_shown": left_out}
        data = msgspec.json.encode(report)
    return data


def _shown(rounds: Rounds, held_back: Collection[str]) -> list[RoundView]:
    """The rounds of a report, those that matter most last.

    They are the newest training rounds that were opened, before them those that are held back, and
    before these the newest of all others. A member that asks for many statistics hides only these.
    """
    opened = [round_session(str(number)) for number in range(rounds.next_number)]
    training = [session for session in opened if session in rounds.views][-_TRAINING_ROUNDS:]
    rest = [session for session in rounds.views if session not in training]
    waiting = [session for session in rest if session in held_back]
    others = [session for session in rest if session not in held_back]
    return [rounds.views[s] for s in [*others, *waiting, *training][-MAX_ROUNDS:]]


def _waiting(session: str, found: Awaited, terms: Terms) -> Report:
    """For whom a round waits: ``needed`` of them are enough, and none ``until`` the given time."""
    return {
        "session": session,
        "step": found.step,
        "for": [terms.name_of(m) for m in found.members],
        "needed": found.needed,
        "since": iso(found.since_ms) if found.since_ms else None,
        "until": iso(found.until_ms) if found.until_ms else None,
        "refused": [terms.name_of(m) for m in found.refused],
    }


def _held_back(waited_for: Collection[int] | None, view: RoundView, terms: Terms) -> Report:
    """``needed``: of so many hospitals another model goes on; 0 where no round is left for it."""
    is_last = view.session == round_session(str(terms.rounds.count))
    return {
        "held_back": waited_for is not None,
        "held_back_for": [terms.name_of(m) for m in sorted(waited_for or ())],
        "needed_for_another_model": 0 if is_last else terms.least_agreeing,
    }


def _round(view: RoundView, terms: Terms, work: AtWork) -> Report:
    closed, opening = view.closed, view.terms_of_opening
    in_all = len(closed.vector) if closed else 0
    done, chunks = work.summed.get(view.session, (in_all, in_all))
    everyone = range(1, terms.n_members + 1)
    chosen = view.contributors if closed else sorted(view.contributions)

    def missing(spoken: Mapping[int, object]) -> list[str]:
        return [terms.name_of(m) for m in everyone if m not in spoken]

    return {
        "session": view.session,
        "opened": when(view.opening) if view.opening else None,
        "closed": when(view.closing) if view.closing else None,
        "suite": opening.suite if opening else None,
        "chunks": chunks,
        "chunks_summed": done,
        "contributors": [terms.name_of(m) for m in chosen],
        "not_contributed": missing(view.contributions) if view.opening else [],
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
