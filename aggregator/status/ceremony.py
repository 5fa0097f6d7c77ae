"""How the ceremony that counts stands, by the board: who is waited for, and for how long.

Bodies are members' words, which nobody has checked here: no step or number in them may be relied
on to exist.
"""

import math
from collections.abc import Sequence

from aggregator.clock import iso
from keyshare.ceremony import expected_candidates
from protocol.board import Board, Posted, firsts, of_kind
from protocol.ceremony import is_searching, layout_of, mean_candidates, share_done
from protocol.key import Epoch
from protocol.messages import Abort, Certificate, Disclosure, Join, Overdue, Step
from protocol.terms import AGGREGATOR, Terms

Report = dict[str, object]
_DEALERS_STEPS = ("winner-commit", "winner")


def when(posted: Posted) -> str:
    """An entry's time in ISO 8601, UTC."""
    return iso(posted.time_ms)


def ceremony_report(board: Board, terms: Terms, now_ms: int) -> Report | None:
    """The ceremony that counts, None before the first; ``now_ms``: the time, in ms since 1970.

    The last one, which is the one that made the key where there is a key.
    """
    ceremonies = board.ceremonies
    if not ceremonies:
        return None
    made = board.key.epochs[0].epoch if board.key.epochs else None
    return session_report(ceremonies[max(ceremonies)], terms, made, now_ms)


def session_report(
    posts: Sequence[Posted], terms: Terms, epoch: Epoch | None, now_ms: int
) -> Report:
    """One ceremony, by all its entries so far, at least one; epoch: what one has made, if any."""
    session = posts[0].post.session
    is_complete = epoch is not None and session == f"ceremony/{epoch.number}"
    aborts = [] if is_complete else list(of_kind(posts, Abort))
    figures = _figures(posts, terms, now_ms, is_complete, aborts[0] if aborts else None)
    return {
        "session": session,
        "started": when(posts[0]),
        "last_post": when(next((p for p in reversed(posts) if _is_of_a_step(p)), posts[-1])),
        "step": _step(_newest(posts)),
        "joined": [terms.name_of(m) for m in sorted({p.post.sender for p in posts})],
        "waiting_for": [terms.name_of(m) for m in _waiting_for(posts, terms)],
        "given_up_at": None if is_complete else _given_up_at(posts, terms),
        "complete": is_complete,
        "aborted": [_abort(p, terms) for p in aborts],
        "public_key_bits": terms.key_bits if epoch else None,
        **figures,
    }


def _newest(posts: Sequence[Posted]) -> Posted:
    """The first post of the step that was begun last; whoever begins one has finished the others.

    An abort, and what is disclosed after it, begin nothing, nor does who says that others are late.
    """
    first: dict[tuple[object, ...], Posted] = {}
    for posted in posts:
        if not isinstance(posted.post.body, Abort | Disclosure | Overdue):
            first.setdefault(_key(posted), posted)
    return max(first.values(), key=lambda p: p.position, default=posts[0])


def _waiting_for(posts: Sequence[Posted], terms: Terms) -> list[int]:
    """The members that still have to speak in the newest step; none while all compute."""
    newest = _newest(posts)
    spoken = {p.post.sender for p in posts if _key(p) == _key(newest)}
    return [member for member in _senders(newest, terms) if member not in spoken]


def _given_up_at(posts: Sequence[Posted], terms: Terms) -> str | None:
    """When the step's time is over; None while some have not joined, and after an abort.

    The step began when the last one spoke in the step before.
    """
    newest = _newest(posts)
    began = [p.time_ms for p in posts if p.position < newest.position and _is_of_a_step(p)]
    if _joined_ms(posts, terms) is None or any(isinstance(p.post.body, Abort) for p in posts):
        return None
    if not _waiting_for(posts, terms):  # it is the next step that is under way
        began = [p.time_ms for p in posts if _is_of_a_step(p)]
    return iso(began[-1] + 1000 * terms.step_seconds)


def _is_of_a_step(posted: Posted) -> bool:
    return isinstance(posted.post.body, Join | Step | Certificate)


def _senders(posted: Posted, terms: Terms) -> list[int]:
    """Who speaks in the step that a post belongs to."""
    body, layout = posted.post.body, layout_of(terms)
    if isinstance(body, Step) and body.step in _DEALERS_STEPS:
        return sorted(layout.dealers(layout.class_of(body.candidate)))
    return list(range(1, terms.n_members + 1))


def _key(posted: Posted) -> tuple[object, ...]:
    body = posted.post.body
    if isinstance(body, Step):
        return body.id
    return (type(body),)


def _step(posted: Posted) -> str:
    body = posted.post.body
    if isinstance(body, Step):
        return f"{body.step} (batch {body.batch + 1})"
    return {Join: "join", Certificate: "certificate", Abort: "abort"}.get(type(body), "?")


def _abort(posted: Posted[Abort], terms: Terms) -> Report:
    body = posted.post.body
    culprit = terms.name_of(body.culprit) if body.culprit != AGGREGATOR else None
    by = terms.name_of(posted.post.sender)
    silent = [terms.name_of(m) for m in body.silent]
    return {
        "by": by, "culprit": culprit, "step": body.step, "reason": body.reason, "silent": silent
    }  # fmt: skip


# ── how far, and for how long: the same figures as at the hospitals ──


def _figures(
    posts: Sequence[Posted], terms: Terms, now_ms: int, is_complete: bool, abort: Posted | None
) -> Report:
    """Candidates tried and expected, elapsed since the last joining, remaining in the mean.

    Nothing remains to be told after an abort, nor at a pace that is not known before a batch has
    been tried.
    """
    batch, is_found = _search(posts)
    tried = (batch + is_found) * layout_of(terms).batch_size
    joined_ms = _joined_ms(posts, terms)
    if abort:
        now_ms = abort.time_ms
    elif is_complete:
        now_ms = posts[-1].time_ms
    expected = _expected_seconds(posts, terms, batch, joined_ms)
    remaining = expected if not (is_found or abort) else None
    return {
        "candidates": tried,
        "expected_candidates": math.ceil(expected_candidates(terms.key_bits, terms.n_members)),
        "share_done_by_now": round(share_done(tried, terms), 3),
        "is_found": is_found,
        "elapsed_seconds": None if joined_ms is None else max(0, now_ms - joined_ms) / 1000,
        "expected_seconds": expected,
        "remaining_seconds": 0.0 if is_complete else remaining,
    }


def _search(posts: Sequence[Posted]) -> tuple[int, bool]:
    """The batch in work, from 0; whether a good candidate is found in it."""
    steps = [p for p in posts if isinstance(p.post.body, Step)]
    if not steps:
        return 0, False
    body = _newest(steps).post.body
    assert isinstance(body, Step)
    return body.batch, not is_searching(body.step)


def _joined_ms(posts: Sequence[Posted], terms: Terms) -> int | None:
    """When the last member joined, None before it has."""
    joins = firsts(posts, Join).values()
    return max(p.time_ms for p in joins) if len(joins) == terms.n_members else None


def _expected_seconds(
    posts: Sequence[Posted], terms: Terms, batch: int, joined_ms: int | None
) -> float | None:
    """The mean of the search at the pace of the batches before; None in the first one."""
    # A batch is tried when the next deal begins, and checked when it ends.
    begun = _first(posts, "moduli-commit", batch) or _first(posts, "deal", batch)
    if joined_ms is None or begun is None or not batch:
        return None
    per_candidate = (begun.time_ms - joined_ms) / 1000 / (batch * layout_of(terms).batch_size)
    return round(per_candidate * mean_candidates(terms), 3)


def _first(posts: Sequence[Posted], step: str, batch: int) -> Posted | None:
    for posted in posts:
        body = posted.post.body
        if isinstance(body, Step) and (body.step, body.batch) == (step, batch):
            return posted
    return None
