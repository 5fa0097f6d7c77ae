"""What a post is, for the log."""

from protocol.messages import (
    Arrival,
    BareWord,
    Body,
    Complaint,
    DealingCommitment,
    HandedDealing,
    HandoverProposal,
    KeyInherited,
    PointAccusation,
    ShownPart,
    Step,
)
from protocol.terms import Terms

# As docs/how-it-works/handover.md has them; all others are called as their classes are.
_OF_HANDOVERS: dict[type, str] = {
    HandoverProposal: "proposal",
    Arrival: "arrive",
    DealingCommitment: "commit",
    HandedDealing: "deal",
    ShownPart: "show",
    KeyInherited: "inherited",
}


def kind_of(body: Body, terms: Terms) -> str:
    """What a post is, for the log."""
    if isinstance(body, Complaint):
        return f"complaint about {terms.name_of(body.member)}"
    if isinstance(body, PointAccusation):
        return f"accusation of {terms.name_of(body.dealer)}"
    if isinstance(body, BareWord):
        return body.word
    if isinstance(body, Step):
        return body.step
    return _OF_HANDOVERS.get(type(body)) or type(body).__name__.lower()
