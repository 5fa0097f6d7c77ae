"""Who may speak: a member of the federation that signs the challenge; nobody else."""

from aggregator.errors import AggregatorError
from protocol.board import MAX_REASON
from protocol.errors import BadSignature, Malformed
from protocol.terms import Terms
from protocol.wire import Challenge, FromMember, Hello, Rejected, check_hello, decode_from_member
from protocol.words import shown


class NotAdmitted(AggregatorError, says="{answer.code}: {answer.reason}"):
    """Somebody who is turned away; ``answer`` is what they are told."""

    answer: Rejected


def read_frame(data: str | bytes) -> FromMember:
    """A frame as websockets hands it over; raises Malformed, for text too."""
    if isinstance(data, str):
        raise Malformed("frame", "it is text")
    return decode_from_member(data)


def identify(data: str | bytes, challenge: Challenge, terms: Terms) -> Hello:
    """The first frame as the Hello of a member that answers this challenge; raises NotAdmitted."""
    try:
        hello = read_frame(data)
    except Malformed as error:
        reason = shown(f"no hello, but {error.what}: {error.reason}", MAX_REASON)
        raise NotAdmitted(Rejected("malformed", reason)) from None
    if not isinstance(hello, Hello):
        raise NotAdmitted(Rejected("not-allowed", "the first frame must be a hello"))
    if not 1 <= hello.member <= terms.n_members:
        reason = f"there is no member number {hello.member} in this federation"
        raise NotAdmitted(Rejected("unknown-identity", reason))
    try:
        check_hello(hello, challenge, terms.key_of(hello.member))
    except BadSignature:
        # By its number: whoever is not let in yet learns no name.
        reason = f"not signed with the key that the terms have for member {hello.member}"
        raise NotAdmitted(Rejected("bad-signature", reason)) from None
    return hello
