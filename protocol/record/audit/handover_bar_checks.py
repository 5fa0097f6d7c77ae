"""Check 3.14: what was locked, opened or begun while a handover barred it."""

from collections import defaultdict

from protocol.board import Posted
from protocol.messages import Partial, SetLock
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.contribution_checks import remark
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import help_bar, lock_bar, opening_bar
from protocol.record.audit.results import Result, check
from protocol.terms import AGGREGATOR

Key = tuple[str, bytes, type]  # session, set, lock or part


@check(
    "3.14",
    "nothing was opened against a handover",
    "no set was locked by who had frozen or had seen enough freeze, and no part was given of a "
    "key after it was given up, by who had seen that. One that was is a finding, unless more "
    "than may be lying helped to lock or open a set so. No round was opened meanwhile",
    BOARD,
)
def check_bars(evidence: Evidence, result: Result) -> None:
    if not evidence.handovers:
        return
    _check_openings(evidence, result)
    opened = {r.session: r.view.opening.position for r in evidence.rounds if r.view.opening}
    helping, barred = defaultdict[Key, set[int]](set), defaultdict[Key, set[int]](set)
    for posted in evidence.entries:
        post = evidence.as_said(posted)
        body, sender = post.body, post.sender
        if not isinstance(body, SetLock | Partial):
            continue
        result.count += 1
        key = post.session, body.chosen, type(body)
        helping[key].add(sender)
        if bar := _bar(evidence, posted, body, opened.get(post.session, 0)):
            barred[key].add(sender)
            least = _least(evidence, body)
            is_done = len(helping[key]) >= least and len(barred[key]) > evidence.terms.faults
            said = result.fail if is_done else result.find
            what = "locked a set" if isinstance(body, SetLock) else "gave a part"
            reason = f"{post.session}: it {what} against the handover: {bar}"
            said(posted.position, evidence.name(sender), reason)


def _bar(evidence: Evidence, posted: Posted, body: SetLock | Partial, opened_at: int) -> str:
    if isinstance(body, SetLock):
        return lock_bar(evidence.handovers, posted, opened_at)
    return help_bar(evidence.handovers, opened_at, posted.post.seen_position)


def _least(evidence: Evidence, body: SetLock | Partial) -> int:
    """How many lock a set, or open it."""
    terms = evidence.terms
    return terms.lock_threshold if isinstance(body, SetLock) else terms.quorum


def _check_openings(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        opening = found.view.opening
        if opening is None:
            continue
        result.count += 1
        if bar := opening_bar(evidence.handovers, opening.position):
            reason = f"it opened {found.session}, though {bar}"
            remark(result, found)(opening.position, evidence.name(AGGREGATOR), reason)


CHECKS = (check_bars,)
