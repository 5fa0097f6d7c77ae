"""Checks 4: what was opened, and what was contributed to it."""

from collections import Counter
from collections.abc import Callable, Iterator

from protocol.board import Opening, Posted, Statement, of_kind, read_session, suite_for
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import Result, check
from protocol.record.audit.round_evidence import JudgedContribution, RoundEvidence
from protocol.rounds import bounds_of, opening_for
from protocol.terms import AGGREGATOR


def remark(result: Result, found: RoundEvidence) -> Callable[[int, str, str], None]:
    """Where what is wrong with a round goes: a failure if its set was helped, else a finding."""
    return result.fail if found.is_helped else result.find


@check(
    "4.1",
    "rounds were opened as was due",
    "each opening is under the newest certified key, with the suite that the plan and the "
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
        yield "it is opened under a key that was not the newest that all had certified"
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
    for said in of_kind(evidence.sessions.get(study.round(number - 1), ()), Statement):
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
        position, name = judged.posted.position, evidence.name(judged.posted.post.sender)
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
            position, name = judged.posted.position, evidence.name(judged.posted.post.sender)
            reason = f"{found.session}: {judged.proof}"
            _remark_on(result, found, judged)(position, name, reason)


def _contributions(evidence: Evidence) -> Iterator[tuple[RoundEvidence, JudgedContribution]]:
    for found in evidence.rounds:
        for judged in found.contributions:
            yield found, judged


def _remark_on(
    result: Result, found: RoundEvidence, judged: JudgedContribution
) -> Callable[[int, str, str], None]:
    """A contribution that was left out of the sum did no harm."""
    closed = found.view.closed
    names = {c.contribution for c in closed.contributors} if closed else set()
    is_in = judged.posted.digest in names
    return remark(result, found) if is_in else result.find


CHECKS = (check_openings, check_ciphertexts, check_proofs)
