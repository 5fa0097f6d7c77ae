"""What an auditor asks about why contributions were left out: is the stated reason one?

A reason is the aggregator's word, and nothing follows from it in the protocol. Whoever has the
contributions can see of some that they are false. That somebody was late, and of what size the
chunks of a vector are, no record shows.
"""

from protocol.board import Omission
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import Result, check
from protocol.record.audit.round_evidence import JudgedContribution, RoundEvidence
from protocol.rounds import OpenedSets
from protocol.terms import AGGREGATOR


@check(
    "4.4",
    "nobody was left out for a reason that is none",
    "each reason that the aggregator gives for leaving a contribution out, where the record "
    "can show it to be false: another opening, unreadable, repeated, unproven, differencing",
    BOARD,
)
def check_reasons(evidence: Evidence, result: Result) -> None:
    history = evidence.history(len(evidence.entries))
    for found in evidence.rounds:
        result.count += 1
        judged = {j.posted.post.sender: j for j in found.contributions}
        for posted in found.said(Omission):
            said = posted.post.body
            if found.view.omissions.get(said.member) is not said:
                continue  # the first about each contribution that was there counts
            name = evidence.name(said.member)
            if said.member in found.view.contributors:
                fault = "it is in the sum"
            else:
                fault = _fault(found, judged[said.member], said, history)
            if fault:
                what = f"{found.session}: it leaves out what {name} contributed ({said.reason})"
                result.find(posted.position, evidence.name(AGGREGATOR), f"{what}, but {fault}")


def _fault(
    found: RoundEvidence, judged: JudgedContribution, said: Omission, history: OpenedSets
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
        return "" if history.binds(found.view) else "no other sum of its model may be open"
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


CHECKS = (check_reasons,)
