"""What can be wrong with what was said; every error carries who and what as fields."""

from keyshare.errors import FactualError


class ProtocolError(FactualError):
    """Base of all errors of this package."""


class Malformed(ProtocolError):
    """Bytes that do not decode to the expected message."""

    what: str
    reason: str


class BadTerms(ProtocolError):
    """Terms that no federation can have; ``field`` as written in the file."""

    field: str
    reason: str


class BadPlan(ProtocolError):
    """A plan that no study of the federation can have; ``field`` as written in the file."""

    field: str
    reason: str


class ForeignCard(ProtocolError, says="card {number} is signed by another key"):
    """An aggregator's card that is signed by another key than the terms name."""

    number: int
    key: bytes


class BrokenChannel(ProtocolError, says="frame {number} is not the one that was sent"):
    """What came over a sealed channel was changed, repeated, cut or left out on the way."""

    number: int


class OlderCard(ProtocolError, says="card {number} is older than card {held}"):
    """An aggregator's card that is older than the one that is held; nothing was changed."""

    number: int
    held: int


class CardConflict(ProtocolError, says="two cards have the number {number}"):
    """Two cards of one number that say different things: the aggregator's key signed both."""

    number: int


class WrongKind(ProtocolError, says="{path} is {found}, not {wanted}"):
    """A file, or a folder, of another kind than was to be given at ``path``.

    found: what it looks like (``file_kind.Kind``); wanted: what it should be.
    """

    path: str
    found: str
    wanted: str


class UnsignedTerms(ProtocolError, says="missing: {missing}, wrong: {wrong}"):
    """Members whose signature under the terms is missing or does not fit them."""

    missing: list[str]
    wrong: list[str]


class BadSignature(ProtocolError, says="signature of sender {sender} under {what} does not fit"):
    """A signature that does not fit; ``sender`` is who should have made it."""

    sender: int
    what: str


class BadSeal(ProtocolError, says="{what} sealed by sender {sender} does not open"):
    """A sealed payload that this member cannot open."""

    sender: int
    what: str


class Fork(ProtocolError, says="entry {position}: {reason}"):
    """Two boards: what the aggregator shows now contradicts what was seen before."""

    position: int
    reason: str


class BadEntry(ProtocolError, says="entry {position} by sender {sender}: {reason}"):
    """An entry that breaks a rule of the board; ``sender`` wrote the post inside."""

    position: int
    sender: int
    reason: str


class CeremonyFailed(ProtocolError, says="step {step}, member {culprit}: {reason}"):
    """A ceremony that must not go on; ``culprit`` is a member, 0 if nobody in particular.

    ``silent``: the members for whose silence it was given up.
    """

    culprit: int
    step: str
    reason: str
    silent: tuple[int, ...] = ()


class Refused(ProtocolError, says="round {round_name}, rule {rule}, member {member}: {reason}"):
    """A decryption that this hospital does not help with."""

    round_name: str
    rule: str
    member: int
    reason: str


class UnfitRecord(ProtocolError, says="{path}: {reason}"):
    """A file in the way of a record that is to be written; ``path`` is its path in the folder.

    member: whose countersignature it should be, 0 if it is to be none.
    """

    path: str
    reason: str
    member: int = 0


class Uncombinable(
    ProtocolError, says="round {round_name}: verified parts of members {members} do not fit"
):
    """Verified partial decryptions that give no sum: the joint key's modulus may be factored."""

    round_name: str
    members: list[int]
