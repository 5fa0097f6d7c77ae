"""How a federation stands, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from aggregator.rounds import Rounds
from keyshare.modulus import candidate_shape
from protocol.board import Board, Posted
from protocol.epoch import Epoch
from protocol.messages import Abort, Certificate, Join, Step
from protocol.round import RoundView
from protocol.terms import AGGREGATOR, Terms

Report = dict[str, object]
MAX_ROUNDS = 50  # shown, the newest ones: a report must fit in a frame


def report(
    board: Board,
    terms: Terms,
    rounds: Rounds,
    epoch: Epoch | None,
    left_out: Mapping[str, Mapping[int, str]],
    connected: Mapping[int, str],
) -> Report:
    """Members, the newest ceremony and the newest rounds; times in ISO 8601, UTC."""
    last = {posted.post.sender: posted for posted in board.entries}
    members = [
        {
            "member": index,
            "name": member.name,
            "connected_since": connected.get(index),
            "last_post": _when(last[index]) if index in last else None,
        }
        for index, member in enumerate(terms.members, start=1)
    ]
    return {
        "federation": terms.name,
        "fingerprint": terms.federation.hex(),
        "entries": board.head.position,
        "head": board.head.hash.hex(),
        "members": members,
        "ceremony": _ceremony(board, terms, epoch),
        "rounds": [
            _round(view, terms, left_out.get(view.session, {}))
            for view in list(rounds.views.values())[-MAX_ROUNDS:]
        ],
        "rounds_before": max(0, len(rounds.views) - MAX_ROUNDS),
        "too_long": rounds.too_long(epoch) if epoch else {},
        "disagreement": {terms.name_of(m): d.hex() for m, d in rounds.disagreement().items()},
    }


def _ceremony(board: Board, terms: Terms, epoch: Epoch | None) -> Report | None:
    ceremonies = [p for p in board.entries if p.post.session.startswith("ceremony/")]
    if not ceremonies:
        return None
    session = ceremonies[-1].post.session
    posts = [p for p in ceremonies if p.post.session == session]
    reached = {p.post.sender: _step(p) for p in posts}
    aborts = [p for p in posts if isinstance(p.post.body, Abort)]
    return {
        "session": session,
        "started": _when(posts[0]),
        "last_post": _when(posts[-1]),
        "step": _step(_newest(posts)),
        "joined": [terms.name_of(m) for m in sorted(reached)],
        "waiting_for": [terms.name_of(m) for m in _waiting_for(posts, terms)],
        "complete": epoch is not None and session == f"ceremony/{epoch.number}",
        "aborted": [_abort(p, terms) for p in aborts],
        "public_key_bits": terms.key_bits if epoch else None,
    }


def _newest(posts: list[Posted]) -> Posted:
    """The first post of the step that was begun last; whoever begins one has finished the others.

    An abort begins nothing: it says at which step the ceremony ended.
    """
    first: dict[tuple[object, ...], Posted] = {}
    for posted in posts:
        if not isinstance(posted.post.body, Abort):
            first.setdefault(_key(posted), posted)
    return max(first.values(), key=lambda p: p.position, default=posts[0])


def _waiting_for(posts: list[Posted], terms: Terms) -> list[int]:
    """The members that still have to speak in the newest step; none while all compute."""
    newest = _newest(posts)
    spoken = {p.post.sender for p in posts if _key(p) == _key(newest)}
    body, last = newest.post.body, terms.n_members
    if isinstance(body, Step) and body.step == "units":
        last = candidate_shape(terms.key_bits, terms.n_members).degree + 1
    return [member for member in range(1, last + 1) if member not in spoken]


def _key(posted: Posted) -> tuple[object, ...]:
    body = posted.post.body
    if isinstance(body, Step):
        return body.step, body.batch, body.part
    return (type(body),)


def _step(posted: Posted) -> str:
    body = posted.post.body
    if isinstance(body, Step):
        return f"{body.step} (batch {body.batch + 1})"
    return {Join: "join", Certificate: "certificate", Abort: "abort"}.get(type(body), "?")


def _abort(posted: Posted, terms: Terms) -> Report:
    body = posted.post.body
    assert isinstance(body, Abort)
    culprit = terms.name_of(body.culprit) if body.culprit != AGGREGATOR else None
    by = terms.name_of(posted.post.sender)
    return {"by": by, "culprit": culprit, "step": body.step, "reason": body.reason}


def _round(view: RoundView, terms: Terms, left_out: Mapping[int, str]) -> Report:
    closed = view.closed
    everyone = range(1, terms.n_members + 1)
    chosen = [c.member for c in closed.contributors] if closed else sorted(view.contributions)

    def missing(spoken: Mapping[int, object]) -> list[str]:
        return [terms.name_of(m) for m in everyone if m not in spoken]

    return {
        "session": view.session,
        "opened": _when(view.opening) if view.opening else None,
        "closed": _when(view.closing) if view.closing else None,
        "contributors": [terms.name_of(m) for m in chosen],
        "not_contributed": missing(view.contributions) if view.opening else [],
        "left_out": {terms.name_of(m): reason for m, reason in left_out.items()},
        "locks": len(view.locks),
        "locks_needed": terms.lock_threshold,
        "partial_decryptions": [terms.name_of(m) for m in sorted(view.partials)],
        "quorum": terms.quorum,
        "refusals": {terms.name_of(m): f"{r.rule}: {r.reason}" for m, r in view.refusals.items()},
        "statements": {terms.name_of(m): s.result.hex() for m, s in view.statements.items()},
    }


def _when(posted: Posted) -> str:
    return datetime.fromtimestamp(posted.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
