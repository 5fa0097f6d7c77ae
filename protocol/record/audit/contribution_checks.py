"""Checks 4: what was opened, what was contributed to it, and why something was left out.

A reason for that is the aggregator's word, and nothing follows from it in the protocol. Whoever has
the contributions can see of some that they are false. That somebody was late, and of what size the
chunks of a vector are, no record shows.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from protocol.board import Posted, of_kind, suite_for
from protocol.messages import Omission, Opening, Statement, read_session
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import JudgedContribution, RoundEvidence
from protocol.record.audit.results import Result, check
from protocol.rounds import bounds_of, opening_for
from protocol.terms import AGGREGATOR


def remark(result: Result, found: RoundEvidence) -> Callable[[int, str, str], None]:
    """Where what is wrong with a round goes: a failure if its set was helped, else a finding."""
    return result.fail if found.is_helped else result.find


@check(
    "4.1",
    "rounds were opened as was due",
    "each opening is under the key that was the newest then, with the suite that the plan and the "
    "length give. Its model and length are those that enough members had stated alike, with "
    "the widest bounds that they stated. A statistic is opened as its plan says",
    BOARD,
)
def check_openings(evidence: Evidence, result: Result) -> None:
    aggregator = evidence.name(AGGREGATOR)
    for found in evidence.rounds:
        for posted in found.said(Opening):
            result.count += 1
            if posted is not found.view.opening:
                reason = f"it opened {found.session} again, which counts for nothing"
                result.find(posted.position, aggregator, reason)
                continue
            for reason in _faults_of_opening(evidence, found, posted):
                remark(result, found)(posted.position, aggregator, f"{found.session}: {reason}")


def _faults_of_opening(
    evidence: Evidence, found: RoundEvidence, posted: Posted[Opening]
) -> Iterator[str]:
    opening = posted.post.body
    if found.epoch is None:
        yield "it is opened under a key that was not the newest that all had"
    if found.study.is_training:
        yield from _faults_of_training(evidence, found, posted)
    elif opening != opening_for(found.study, opening.epoch):
        yield "it is not as the plan says: numbers, no model and no bounds"


def _faults_of_training(
    evidence: Evidence, found: RoundEvidence, posted: Posted[Opening]
) -> Iterator[str]:
    study, opening = found.study, posted.post.body
    if opening.suite != (due := suite_for(study, opening.length).name):
        yield f"it is opened for suite {opening.suite}, due is {due}"
    number = read_session(found.session).number
    if not 1 <= number <= study.rounds:
        yield f"the plan has rounds 1 to {study.rounds}"
    stated = dict[int, Statement]()
    for said in of_kind(evidence.session(study.round(number - 1)), Statement):
        if said.position < posted.position:
            stated[said.post.sender] = said.post.body
    from_it = opening.model, opening.length
    of_it = [body for body in stated.values() if (body.result, body.length) == from_it]
    common = Counter(body.about for body in of_it).most_common(1)
    alike = [body for body in of_it if body.about == common[0][0]]
    if len(alike) < study.least_agreeing:
        yield (
            f"{len(alike)} members had stated its model and length, "
            f"{study.least_agreeing} are needed"
        )
    elif (opening.clip, opening.max_examples) != bounds_of(alike, study):
        yield "its bounds are not the widest that were stated with its model"


@check(
    "4.2",
    "contributions are whole and not repeated",
    "each ciphertext is a unit modulo N². There are as many as are due, and none occurs twice "
    "in a round",
    BOARD,
)
def check_ciphertexts(evidence: Evidence, result: Result) -> None:
    for found, judged in _contributions(evidence):
        result.count += judged.count
        position, name = judged.position, evidence.name(judged.member)
        if not judged.answers:
            reason = f"{found.session}: it is for no opening of this round"
            _remark_on(result, found, judged)(position, name, reason)
        if not judged.is_here:
            result.not_run = f"a payload of {found.session} is missing, see 2.4"
        for reason in filter(None, (judged.form, judged.repetition)):
            _remark_on(result, found, judged)(position, name, f"{found.session}: {reason}")


@check(
    "4.3",
    "contributors know what they encrypted",
    "the proof of plaintext knowledge of each contribution, to training and to statistics",
    BOARD,
)
def check_proofs(evidence: Evidence, result: Result) -> None:
    for found, judged in _contributions(evidence):
        if not judged.answers or judged.form or not judged.is_here:
            continue
        result.count += 1
        if judged.proof:
            position, name = judged.position, evidence.name(judged.member)
            reason = f"{found.session}: {judged.proof}"
            _remark_on(result, found, judged)(position, name, reason)


def _contributions(evidence: Evidence) -> Iterator[tuple[RoundEvidence, JudgedContribution]]:
    for found in evidence.rounds:
        for judged in found.judged.contributions:
            yield found, judged


def _remark_on(
    result: Result, found: RoundEvidence, judged: JudgedContribution
) -> Callable[[int, str, str], None]:
    """A contribution that was left out of the sum did no harm."""
    closed = found.view.closed
    names = {c.contribution for c in closed.contributors} if closed else set()
    is_in = judged.digest in names
    return remark(result, found) if is_in else result.find


@check(
    "4.4",
    "nobody was left out for a reason that is none",
    "each reason that the aggregator gives for leaving a contribution out, where the record "
    "can show it to be false: another opening, unreadable, repeated, unproven, differencing",
    BOARD,
)
def check_reasons(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        result.count += 1
        judged = {one.member: one for one in found.judged.contributions}
        for posted in found.said(Omission):
            said = posted.post.body
            if found.view.omissions.get(said.member) is not said:
                continue  # the first about each contribution that was there counts
            name = evidence.name(said.member)
            if said.member in found.view.contributors:
                fault = "it is in the sum"
            else:
                fault = _fault(evidence, found, judged[said.member], said)
            if fault:
                what = f"{found.session}: it leaves out what {name} contributed ({said.reason})"
                result.find(posted.position, evidence.name(AGGREGATOR), f"{what}, but {fault}")


def _fault(
    evidence: Evidence, found: RoundEvidence, judged: JudgedContribution, said: Omission
) -> str:
    """Why a stated reason is none; empty if it is one, or if the record does not tell."""
    if said.reason == "another-opening":
        return "it is for this round's opening" if judged.answers else ""
    if said.reason == "withdrawn":
        ends = (found.view.opening, found.view.closing)
        stood = all(
            found.state.contributes(said.member, end.position if end else None) for end in ends
        )
        return "its approval stood" if stood else ""
    if said.reason == "differencing":
        return "" if evidence.sums.binds(found.view) else "no other sum of its model may be open"
    if not judged.answers or not judged.is_here or found.epoch is None:
        return ""
    if said.reason == "unreadable":
        return "" if judged.form else "they are as many units as are due"
    if said.reason == "unproven":
        return "" if judged.form or judged.proof else "its proof holds"
    if said.reason == "repeated":
        return "" if _is_repeated(found, said) else "nothing in it is repeated"
    return ""


def _is_repeated(found: RoundEvidence, said: Omission) -> bool:
    """Whether a contribution shares anything with the other's, or has it twice; or may do so.

    Whether the other's could be in a sum is not asked: only the aggregator has the sizes of chunks.
    """
    own = found.names_in(said.member)
    if own is None:
        return True
    if said.other == said.member:
        return len(set(own)) < len(own)
    others = found.names_in(said.other)
    return said.other in found.view.contributions and (
        others is None or not set(own).isdisjoint(others)
    )


CHECKS = (check_openings, check_ciphertexts, check_proofs, check_reasons)
