"""Checks 5: what was closed, locked, released, complained of and refused."""

from protocol.board import Posted
from protocol.messages import Closing, Complaint, Partial, Refusal, SetLock
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.contribution_checks import remark
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import Differences, RoundEvidence
from protocol.record.audit.results import Result, check
from protocol.rounds import claims_of, judge_complaint
from protocol.terms import AGGREGATOR

# The rules of protocol.rounds.set_rules by the check that tells of them.
_OF_CLOSING = {"known-round", "suite", "contributors", "min-contributors", "vector-shape"}
_OF_SUM = {"recomputed-sum"}
_OF_CONTRIBUTION = {"valid-ciphertexts", "repeated-ciphertext", "proof-of-plaintext"}
_OF_STUDY = {"plan", "approved", "withdrawn", "ended", "statistic"}  # 4.1 and 7 tell of them
_RECOMPUTED = _OF_CLOSING | _OF_SUM | _OF_CONTRIBUTION | _OF_STUDY


@check(
    "5.1",
    "closings keep the rules",
    "round, suite, contributors (distinct, in order, at least as many as the plan asks for, "
    "each with the contribution on the board) and vector of each closing",
    BOARD,
)
def check_closings(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        for posted in found.said(Closing):
            result.count += 1
            if posted is not found.view.closing:
                reason = f"{found.session}: it closed the round again, which counts for nothing"
                result.find(posted.position, evidence.name(AGGREGATOR), reason)
        _remark_on_rule(evidence, result, found, _OF_CLOSING)


@check(
    "5.2",
    "sums are those of the contributions",
    "the product of the contributions' ciphertexts is recomputed. Under a hybrid suite it is "
    "that of the one-time keys, since the vectors are not in the record",
    BOARD,
)
def check_sums(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        if found.view.closing is None:
            continue
        refused = found.judged.refused
        if not found.judged.is_whole:
            result.not_run = f"payloads of {found.session} are missing, see 2.4"
        elif refused is None or refused.rule in _OF_SUM:
            result.count += 1
        else:
            result.notes.append(f"{found.session}: no sum to compare, rule {refused.rule}")
        _remark_on_rule(evidence, result, found, _OF_SUM)


def _remark_on_rule(
    evidence: Evidence, result: Result, found: RoundEvidence, rules: set[str]
) -> None:
    closing = found.view.closing
    if closing is None or (refused := found.judged.refused) is None:
        return
    if refused.rule in rules:
        about = f" (about {evidence.name(refused.member)})" if refused.member else ""
        reason = f"{found.session}: rule {refused.rule}{about}: {refused.reason}"
        remark(result, found)(closing.position, evidence.name(AGGREGATOR), reason)


@check(
    "5.3",
    "each member locked one set",
    "no member locked two sets of a round. The first of its locks counts, so that no two "
    "sets can be locked by enough. Under a hybrid suite the locks hold the checksums of "
    "vectors",
    BOARD,
)
def check_locks(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        for posted in found.said(SetLock):
            result.count += 1
            body, name = posted.post.body, evidence.name(posted.post.sender)
            first = found.view.lock_posts[posted.post.sender].post.body
            if body != first:
                reason = f"{found.session}: it locked another set too, which counts for nothing"
                result.find(posted.position, name, reason)
            elif body.chosen != found.chosen:
                reason = f"{found.session}: it locked a set that is not the closing's"
                result.find(posted.position, name, reason)
        _look_at_checksums(evidence, result, found)


def _look_at_checksums(evidence: Evidence, result: Result, found: RoundEvidence) -> None:
    """Who has said the checksum of its vector; the vectors are not here to compare them with."""
    closing, terms = found.view.closed, evidence.terms
    if closing is None or not closing.vector:
        return
    claims = claims_of(found.view, terms.federation, terms.quorum)
    for member in claims.missing:
        if (lock := found.view.lock_posts.get(member)) is not None:
            reason = f"{found.session}: the checksum of its vector is missing or came too late"
            result.find(lock.position, evidence.name(member), reason)
    result.notes.append(
        f"{found.session}: {len(claims.said)} of {len(closing.contributors)} contributors said the "
        "checksums of their vectors. That the sum has theirs is the members' to compare"
    )


@check(
    "5.4",
    "parts were released of locked sets only",
    "each partial decryption is of a set that its sender and, before it spoke, enough members "
    "had locked, and the only one of its sender. Another is a finding, unless a quorum, and "
    "more than may be lying, opened a set that was not locked. Complaints are judged",
    BOARD,
)
def check_releases(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        for posted in found.said(Partial):
            result.count += 1
            if reason := _fault_of_release(evidence, found, posted):
                _remark_on_release(evidence, result, found, posted, reason)
        _judge_complaints(evidence, result, found)
    result.notes.append(
        f"the parts are encrypted: of their proofs, {result.count} in all, only those that "
        "somebody complained of can be seen here"
    )


def _fault_of_release(evidence: Evidence, found: RoundEvidence, posted: Posted[Partial]) -> str:
    body, sender = posted.post.body, posted.post.sender
    if found.view.partials[sender] is not posted:
        return "it released a part twice"
    lockers = found.lockers(body.chosen, posted.post.seen_position)
    least = evidence.terms.lock_threshold
    if len(lockers) < least:
        return f"it released its part when {len(lockers)} had locked the set, {least} are needed"
    if sender not in found.lockers(body.chosen, posted.position):
        return "it released its part of a set that it had not locked"
    return ""


def _remark_on_release(
    evidence: Evidence, result: Result, found: RoundEvidence, posted: Posted[Partial], reason: str
) -> None:
    """Alone a part opens nothing: what a quorum gives away against the rule is a failure.

    That is told, and no more, where they are so few that all of them may be lying.
    """
    body = posted.post.body
    surely = _is_too_early(found, body.chosen, found.surely_opened_at(body.chosen))
    if surely or _is_too_early(found, body.chosen, found.opened_at(body.chosen)):
        reason += "; a quorum released parts of it before enough had locked it"
    said = result.fail if surely else result.find
    said(posted.position, evidence.name(posted.post.sender), f"{found.session}: {reason}")


def _is_too_early(found: RoundEvidence, chosen: bytes, opened_at: int | None) -> bool:
    """Whether a set was open by an entry, if it was, before enough had locked it."""
    if opened_at is None:
        return False
    return len(found.lockers(chosen, opened_at)) < found.terms.lock_threshold


def _judge_complaints(evidence: Evidence, result: Result, found: RoundEvidence) -> None:
    complaints = list(found.said(Complaint))
    locked = found.locked_sum() if complaints else None
    for posted in complaints:
        body = posted.post.body
        accused, sender = evidence.name(body.member), evidence.name(posted.post.sender)
        if locked is None:
            reason = f"{found.session}: its complaint is about a set that breaks a rule"
            result.find(posted.position, sender, reason)
            continue
        payload = found.payload_of_partial(body)
        verdict = judge_complaint(posted, found.view, payload, locked)
        if verdict == "proven":
            about = found.view.partials[body.member].position
            reason = f"its part is proven wrong, by the key in entry {posted.position}"
            result.find(about, accused, f"{found.session}: {reason}")
        elif verdict == "false":
            reason = f"its complaint about {accused} is false: that part is right"
            result.find(posted.position, sender, f"{found.session}: {reason}")
        else:
            reason = f"it says that {accused}'s part did not open for it; one of the two is wrong"
            result.find(posted.position, sender, f"{found.session}: {reason}")


@check(
    "5.5",
    "refusals",
    "who refused to help and by which rule, and whether it was broken, where that can be "
    "recomputed",
    BOARD,
)
def check_refusals(evidence: Evidence, result: Result) -> None:
    refusals = [
        (found, posted)
        for found in evidence.rounds
        for posted in found.said(Refusal)
        if posted.position > evidence.known
    ]
    shown = evidence.open_sums.differences(
        ((p.position - 1, found) for found, p in refusals if p.post.body.rule == "differencing")
    )
    for found, posted in refusals:
        result.count += 1
        body = posted.post.body
        about = f" (about {evidence.name(body.member)})" if body.member else ""
        truth = _truth(found, posted, shown)
        reason = f"{found.session}: it refused, rule {body.rule}{about}; {truth}"
        result.find(posted.position, evidence.name(posted.post.sender), reason)


def _truth(found: RoundEvidence, posted: Posted[Refusal], shown: Differences) -> str:
    """What the record shows about a refusal's reason; ``shown``: by the sums at these."""
    said, refused = posted.post.body, found.judged.refused
    if said.rule in _RECOMPUTED and found.judged.is_whole:
        is_so = refused is not None and (refused.rule, refused.member) == (said.rule, said.member)
    elif said.rule == "differencing":
        is_so = shown[posted.position - 1, found.session] is not None
    else:
        return "this record cannot show whether it holds"
    return "that is so" if is_so else "that is not so by this record"


CHECKS = (check_closings, check_sums, check_locks, check_releases, check_refusals)
