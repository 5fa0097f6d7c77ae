"""Checks 6: what came out of the rounds."""

from collections import Counter
from collections.abc import Callable, Iterator

from protocol.messages import Partial, Statement
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import RoundEvidence
from protocol.record.audit.results import NOBODY, Result, check
from protocol.terms import AGGREGATOR


@check(
    "6.1",
    "one set of each round was opened",
    "a quorum released parts of one set of each round at most. It is a finding where those of "
    "one set are no more than may be lying",
    BOARD,
)
def check_one_set(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        opened, surely = _opened(found, found.opened_at), _opened(found, found.surely_opened_at)
        result.count += bool(opened)
        second = sorted(surely, key=surely.__getitem__)[1:]
        for chosen in second:
            reason = f"{found.session}: with this, enough parts of a second set were released"
            result.fail(surely[chosen], evidence.name(AGGREGATOR), reason)
        others = sorted(opened.keys() - set(second), key=opened.__getitem__)[1:]
        for chosen in others:
            reason = (
                f"{found.session}: with this, a quorum has released parts of each of two sets. "
                "Those of one may all be lying, and may have opened it"
            )
            result.find(opened[chosen], NOBODY, reason)


def _opened(found: RoundEvidence, opened_at: Callable[[bytes], int | None]) -> dict[bytes, int]:
    """The sets of a round of which enough parts were released, and the entry that made them so."""
    names = {posted.post.body.chosen for posted in found.said(Partial)}
    return {chosen: at for chosen in names if (at := opened_at(chosen)) is not None}


@check(
    "6.2",
    "results agree",
    "the results that members state of each round are the same. Who differs is a finding, "
    "unless more than may be lying do and there is no majority",
    BOARD,
)
def check_results(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        last = {p.post.sender: p for p in found.said(Statement)}
        if not last:
            continue
        result.count += 1
        stated = {member: posted.post.body.about for member, posted in last.items()}
        (most, agreeing), *_ = Counter(stated.values()).most_common(1)
        if 2 * agreeing <= len(stated) and len(stated) > 1:
            position = max(posted.position for posted in last.values())
            reason = f"{found.session}: no result is that of most who stated one"
            # As many as are assumed to lie, and one in any case, may do so before others speak.
            lies = len(stated) - agreeing <= max(evidence.terms.faults, 1)
            (result.find if lies else result.fail)(position, NOBODY, reason)
            continue
        for member, posted in last.items():
            if stated[member] != most:
                reason = f"{found.session}: it states another result than {agreeing} others"
                result.find(posted.position, evidence.name(member), reason)


@check(
    "6.3",
    "sums do not single members out",
    "no combination of sums of any studies, of which any lock may have opened one, shows fewer "
    "members than the terms ask for (rule differencing). It is a finding where the terms say "
    "warn, or where at most as many as may be lying could know when they locked",
    BOARD,
)
def check_differences(evidence: Evidence, result: Result) -> None:
    terms, locked = evidence.terms, list(_locked(evidence))
    result.count += len(locked)
    shown = evidence.open_sums.differences(locked)
    broken = [(at, found) for at, found in locked if shown[at, found.session]]
    # What was locked elsewhere meanwhile, nobody who locked this could know.
    seen = {found.session: _seen_by_lockers(found, at) for at, found in broken}
    known = evidence.open_sums.differences(
        ((k, found) for _, found in broken for k in seen[found.session])
    )
    for at, found in broken:
        difference, closing = shown[at, found.session], found.view.closing
        assert difference is not None and closing is not None
        knew = sum(known[k, found.session] is not None for k in seen[found.session])
        is_refused = terms.floors.differencing == "refuse" and knew > terms.faults
        said = result.fail if is_refused else result.find
        reason = f"{found.session}: it was locked though {difference.reason(terms)}"
        said(closing.position, evidence.name(AGGREGATOR), reason)


def _locked(evidence: Evidence) -> Iterator[tuple[int, RoundEvidence]]:
    """The rounds whose sets enough members had locked, with the entry that made them enough."""
    for found in evidence.rounds:
        locked_at = found.locked_at
        if found.opening is not None and locked_at is not None and locked_at > evidence.known:
            yield locked_at, found


def _seen_by_lockers(found: RoundEvidence, locked_at: int) -> list[int]:
    """How far each of those had read the board who had locked a round's set by an entry."""
    assert found.chosen is not None
    lockers = found.lockers(found.chosen, locked_at)
    return [found.view.lock_posts[member].post.seen_position for member in lockers]


CHECKS = (check_one_set, check_results, check_differences)
