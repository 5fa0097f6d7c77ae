"""What is said when a key is handed over to other members, or to the same ones anew.

Numbers are big-endian bytes without leading zeros. Nothing here is checked but its size: what
everybody sees wrong is in ``protocol.handover``.
"""

from typing import Annotated, Literal

from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from protocol.encoding import Message
from protocol.key import MAX_EPOCH_BYTES, Number, Proof
from protocol.messages.fields import Count, Digest, Signature
from protocol.messages.inherited_sums import PartNames
from protocol.sealing import PUBLIC_BYTES

PublicKey = Annotated[bytes, Meta(min_length=PUBLIC_BYTES, max_length=PUBLIC_BYTES)]
MAX_TERMS_BYTES = 16 << 10  # of a federation's, encoded: 16 members with names of 100 letters
Sealed = Annotated[bytes, Meta(max_length=2_048)]


class HandoverProposal(Message, frozen=True, tag="handover"):
    """An old member proposes to hand the key of this epoch over.

    terms: those of the federation that takes over, encoded, or nothing where the same members take
    new shares. signatures: under these terms, of all their members in order.
    """

    epoch: Digest
    terms: Annotated[bytes, Meta(max_length=MAX_TERMS_BYTES)]
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MAX_MEMBERS)]


class Consent(Message, frozen=True, tag="consent"):
    """An old member agrees to what is handed over to whom (``Succession.subject``)."""

    subject: Digest


class Arrival(Message, frozen=True, tag="arrive"):
    """A new member's public sealing keys: one for each old member, used once; one for rounds.

    An accusation makes the private key for its dealer public. So no two of them are the same.
    """

    subject: Digest
    once: Annotated[tuple[PublicKey, ...], Meta(max_length=MAX_MEMBERS)]
    for_rounds: PublicKey


class DealingCommitment(Message, frozen=True, tag="commit"):
    """A hash of the ``HandedDealing`` that follows, of its dealer and of all that it is for."""

    digest: Digest


class HandedDealing(Message, frozen=True, tag="deal"):
    """A ``keyshare.handover.Dealing`` with its points, sealed to the new members in their order.

    nonce: hides the dealing in its commitment. difference: |e_i|, below 0 where ``is_negative``.
    """

    nonce: Digest
    mask: Number
    coefficients: Annotated[tuple[Number, ...], Meta(max_length=MAX_MEMBERS)]
    difference: Number
    is_negative: bool
    sealed: Annotated[tuple[Sealed, ...], Meta(max_length=MAX_MEMBERS)]


class ShownPart(Message, frozen=True, tag="show"):
    """A new member's partial decryption of the new epoch's hashed test value, proven."""

    part: Number
    proof: Proof


class PointAccusation(Message, frozen=True, tag="accuse"):
    """A new member got no good point from a dealer. It shows its private key for that dealer.

    seed: of ``SealingKey``. With it everybody opens what the dealer has sealed.
    """

    dealer: Annotated[int, Meta(ge=1, le=MAX_MEMBERS)]
    seed: Digest

    def __repr__(self) -> str:
        return f"PointAccusation(dealer={self.dealer}, <secret>)"


class BareWord(Message, frozen=True, tag="word"):
    """A word that says all by itself."""

    word: Literal["freeze", "freeze only", "void", "release", "thaw", "acknowledge"]


class KeyInherited(Message, frozen=True, tag="inherited"):
    """A new member has the key that its federation takes over. It says so on the new board.

    position, hash: of the entry of the old board with which the key was released. epoch: the one
    that the handover gave, encoded. sums: the names of the parts of what was opened until then
    (``InheritedSums``).
    """

    position: Count
    hash: Digest
    epoch: Annotated[bytes, Meta(max_length=MAX_EPOCH_BYTES)]
    sums: PartNames = ()


Said = Consent | Arrival | DealingCommitment | HandedDealing | ShownPart | BareWord
Content = Said | PointAccusation
