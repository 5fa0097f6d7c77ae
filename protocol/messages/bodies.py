"""The bodies of posts: everything that is ever said on the board."""

from collections.abc import Hashable
from typing import get_args

from protocol.encoding import Message
from protocol.messages.attachment import Attachment
from protocol.messages.ceremony import Abort, AtStep, Certificate, Disclosure, Join, Overdue, Step
from protocol.messages.check import CheckPart, CheckRequest
from protocol.messages.handover import (
    Arrival,
    BareWord,
    Consent,
    Content,
    DealingCommitment,
    HandedDealing,
    HandoverProposal,
    KeyInherited,
    PointAccusation,
    ShownPart,
)
from protocol.messages.inherited_sums import InheritedPart
from protocol.messages.plan import Approval, Ending, Plan, Withdrawal
from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contribution,
    ModelEntries,
    Omission,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from protocol.messages.session import read_session
from protocol.terms import AddressCard


class CardSeen(Message, frozen=True, tag="card seen"):
    """A member has this card of the aggregator: where the aggregator is, by its own signature.

    Each member says it once for each number, so that two cards of one number come to light.
    """

    card: AddressCard


Body = (
    Join
    | Step
    | Certificate
    | Overdue
    | Abort
    | Disclosure
    | Plan
    | Approval
    | Withdrawal
    | Ending
    | Opening
    | Contribution
    | Closing
    | Omission
    | SetLock
    | Partial
    | Complaint
    | Refusal
    | Statement
    | ModelEntries
    | CheckRequest
    | CheckPart
    | CardSeen
    | HandoverProposal
    | Consent
    | Arrival
    | DealingCommitment
    | HandedDealing
    | ShownPart
    | PointAccusation
    | BareWord
    | KeyInherited
    | InheritedPart
)

_BY_AGGREGATOR = (Opening, Closing, Omission)
_ONLY_IN: dict[type, str] = {  # one kind of session; the rest in rounds
    **dict.fromkeys((Join, Step, Certificate, Overdue, Abort, Disclosure), "ceremony"),
    **dict.fromkeys((CheckRequest, CheckPart), "check"),
    **dict.fromkeys((Plan, Approval, Withdrawal, Ending), "study"),
    CardSeen: "address",
    **dict.fromkeys(
        (HandoverProposal, KeyInherited, InheritedPart, *get_args(Content)), "handover"
    ),
}


def belongs(session: str, sender: int, body: Body) -> bool:
    """Whether this sender may say this in that session.

    Numbers begin with 1; in round 0 nothing is added, and members state the model that they have.
    In handover 0 they say what they took over from another federation.
    """
    named = read_session(session)
    if isinstance(body, CardSeen) and named.number != body.card.number:
        return False
    if isinstance(body, _BY_AGGREGATOR) != (sender == 0):
        return False
    if named.kind != _ONLY_IN.get(type(body), "round"):
        return False
    if isinstance(body, KeyInherited | InheritedPart):
        return named.number == 0
    is_of_model = isinstance(body, Statement | ModelEntries)
    return named.number > 0 or named.kind == "study" or (named.kind == "round" and is_of_model)


def attachments_of(body: Body) -> tuple[Attachment, ...]:
    """All attachments of a body."""
    if isinstance(body, Step | Partial):
        return body.attachments
    if isinstance(body, Contribution):
        return (body.ciphertexts,)
    if isinstance(body, CheckPart):
        return (body.payload,)
    return (body.total,) if isinstance(body, Closing) else ()


def chunks_of(body: Body) -> tuple[bytes, ...]:
    """The names of the blobs of a body's vector; no reader of the post needs them to read it."""
    return body.vector if isinstance(body, Contribution | Closing) else ()


def purpose_of(body: Body) -> Hashable:
    """What a body is for; an honest sender says it once in a session, but for a Statement."""
    if isinstance(body, AtStep):
        return type(body), body.id
    if isinstance(body, BareWord):
        return type(body), body.word
    if isinstance(body, InheritedPart):
        return type(body), body.number
    return (type(body), body.member) if isinstance(body, Complaint | Omission) else type(body)
