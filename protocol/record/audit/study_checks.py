"""Checks 7: studies, who approved them, and that nothing was done without approval."""

from collections.abc import Iterator

from protocol.board import Inheritance, Posted, StudyState
from protocol.messages import Closing, Opening
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.contribution_checks import remark
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import RoundEvidence
from protocol.record.audit.results import Result, check
from protocol.terms import AGGREGATOR


@check(
    "7.1",
    "rounds belong to studies that members proposed",
    "each study has one plan under the terms, the first that was proposed under its name. It is "
    "said who approved it, by its digest, to contribute or to open, who took that back, and who "
    "voted to end it. The aggregator opened no round of a study that nobody had proposed",
    BOARD,
)
def check_plans(evidence: Evidence, result: Result) -> None:
    for name, state in evidence.replay.board.studies.items():
        result.count += 1
        proposer = evidence.name(state.proposer)
        result.notes.append(f"{name} ({state.study.kind}): {proposer}, entry {state.position}")
        _note_words(evidence, result, state)
    for posted in evidence.orphans:
        reason = f"{posted.post.session}: nobody has proposed this study"
        result.find(posted.position, evidence.name(AGGREGATOR), reason)


def _note_words(evidence: Evidence, result: Result, state: StudyState) -> None:
    """Who approved a study when, withdrew, or voted to end it."""
    name = state.study.name
    for member, words in sorted(state.words.items()):
        said = (f"{_approval(w.contribute, w.open)} (entry {w.position})" for w in words)
        result.notes.append(f"{name}: {evidence.name(member)} {', '.join(said)}")
    for member, position in sorted(state.endings.items()):
        result.notes.append(f"{name}: {evidence.name(member)} voted to end it, entry {position}")
    if state.ended_at is not None:
        result.notes.append(f"{name}: it ended with entry {state.ended_at}")


def _approval(contribute: bool, opens: bool) -> str:
    if not (contribute or opens):
        return "withdrew"
    what = [*(["contribute"] if contribute else []), *(["open"] if opens else [])]
    return f"approved to {' and '.join(what)}"


@check(
    "7.2",
    "rounds were opened of approved studies",
    "each opening names the plan of its study. Enough members had approved to contribute and to "
    "open before it, and the study had not ended. A study that goes on from a federation before "
    "begins with the model that was taken over",
    BOARD,
)
def check_opened(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        opening = found.view.opening
        if opening is not None:
            result.count += 1
            inheritance = evidence.replay.board.key.inheritance
            for reason in _faults_of_opening(found, opening, inheritance):
                said = f"{found.session}: {reason}"
                remark(result, found)(opening.position, evidence.name(AGGREGATOR), said)


def _faults_of_opening(
    found: RoundEvidence, opening: Posted[Opening], inheritance: Inheritance
) -> Iterator[str]:
    if opening.post.body.plan != found.study.digest:
        yield "it is opened under another plan"
    if found.state.is_ended(opening.position):
        yield "it is opened though the study had ended"
    elif not found.state.is_open(opening.position):
        yield "it is opened though too few members approved of that then"
    if found.session == found.study.round(1) and found.study.is_training:
        work = found.study.training
        if work.start_federation and opening.post.body.model != inheritance.model_of(work):
            yield "it begins with another model than the plan names"


@check(
    "7.3",
    "those in a sum had approved to contribute",
    "each contributor of a closing had approved before the opening, and had not taken it back "
    "before the closing",
    BOARD,
)
def check_contributors(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        opening, closing = found.view.opening, found.view.closing
        if opening is None or closing is None:
            continue
        for member in found.view.contributors:
            result.count += 1
            name = evidence.name(member)
            if not found.state.contributes(member, opening.position):
                reason = f"{found.session}: {name} is in the sum, and had not approved"
            elif not found.state.contributes(member, closing.position):
                reason = f"{found.session}: {name} is in the sum, and had withdrawn"
            else:
                continue
            remark(result, found)(closing.position, evidence.name(AGGREGATOR), reason)


@check(
    "7.4",
    "nothing was closed after a study's end",
    "no closing of a round stands after the votes that ended its study",
    BOARD,
)
def check_ends(evidence: Evidence, result: Result) -> None:
    for found in evidence.rounds:
        for posted in found.said(Closing):
            result.count += 1
            if posted is found.view.closing and found.state.is_ended(posted.position):
                reason = f"{found.session}: it is closed though the study had ended"
                remark(result, found)(posted.position, evidence.name(AGGREGATOR), reason)


CHECKS = (check_plans, check_opened, check_contributors, check_ends)
