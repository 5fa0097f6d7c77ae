"""What the board says of a study: its plan, and who said what of it when."""

from participant.report.facts.facts import Deed, StudyFacts, WordFacts
from protocol.board import Board, Posted, StudyState, of_kind
from protocol.messages import Approval, Ending, Opening, Withdrawal


def study_facts(state: StudyState, board: Board) -> StudyFacts:
    """A study from its entries."""
    study = state.study
    words = [word for p in board.session(study.session) if (word := _word(p, study.digest))]
    numbers = range(1, study.rounds + 1)
    opened = sum(any(of_kind(board.session(study.round(n)), Opening)) for n in numbers)
    at = next((w.at for w in words if w.at.entry == state.ended_at), None)
    proposed = Deed(state.position, state.time_ms)
    return StudyFacts(
        study.name,
        study.digest,
        study.plan,
        state.proposer,
        proposed,
        tuple(words),
        at,
        opened,
        study.rounds,
    )


def _word(posted: Posted, digest: bytes) -> WordFacts | None:
    """What an entry says of the plan with this digest; None if nothing."""
    body = posted.post.body
    if not isinstance(body, Approval | Withdrawal | Ending) or body.plan != digest:
        return None
    return WordFacts(posted.post.sender, _said(body), Deed.of(posted))


def _said(body: Approval | Withdrawal | Ending) -> str:
    if isinstance(body, Withdrawal):
        return "withdrew"
    if isinstance(body, Ending):
        return "voted to end it"
    parts = [
        word for word, is_so in (("contribute", body.contribute), ("open", body.open)) if is_so
    ]
    return f"approved to {' and '.join(parts)}" if parts else "approved nothing"
