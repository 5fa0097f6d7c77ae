"""The bodies of posts: everything that is ever said on the board."""

from collections.abc import Hashable
from typing import Annotated, Literal, get_args

from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from protocol.encoding import Message, digest
from protocol.key import MAX_EPOCH_BYTES
from protocol.messages.fields import (
    MAX_ATTACHMENTS,
    MAX_BLOB_BYTES,
    MAX_INLINE_BYTES,
    MAX_LENGTH,
    MAX_NEAR,
    MAX_SEALING_KEY_BYTES,
    ONE_LINE,
    Chunks,
    Clip,
    Count,
    Digest,
    Index,
    RunName,
    SuiteName,
    Text,
    Word,
)
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
from protocol.messages.session import Session, StepId, read_session
from protocol.terms import AddressCard
from protocol.words import FIELD


class Attachment(Message, frozen=True):
    """A payload: in the post itself, or named by hash. ``to`` is 0 for all, or one member."""

    to: Index
    size: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
    digest: Digest
    data: Annotated[bytes, Meta(max_length=MAX_INLINE_BYTES)]

    @property
    def is_blob(self) -> bool:
        """Whether the payload lies in the blob store instead of in the post."""
        return self.size > MAX_INLINE_BYTES


def attach(payload: bytes, to: int = 0) -> Attachment:
    """The attachment of a payload; its blob, if it needs one, is the payload itself."""
    inline = payload if len(payload) <= MAX_INLINE_BYTES else b""
    return Attachment(to, len(payload), blob_name(payload), inline)


def blob_name(payload: bytes) -> bytes:
    """The name of a blob: its SHA-256 with a domain."""
    return digest("quorate/blob", payload)


Attachments = Annotated[tuple[Attachment, ...], Meta(max_length=MAX_ATTACHMENTS)]


class Join(Message, frozen=True, tag="join"):
    """Ceremony: I am here; payloads for me are sealed to this key, all I draw is from this seed."""

    sealing_key: Annotated[bytes, Meta(max_length=MAX_SEALING_KEY_BYTES)]
    seed_digest: Digest


class AtStep(Message, frozen=True):
    """Ceremony: about one step."""

    step: Word
    batch: Count
    candidate: Count

    @property
    def id(self) -> StepId:
        """The step."""
        return StepId(self.step, self.batch, self.candidate)


class Step(AtStep, frozen=True, tag="step"):
    """Ceremony: one step's values, for all (``to`` 0) or sealed to one member each."""

    attachments: Attachments


class Certificate(Message, frozen=True, tag="certificate"):
    """Ceremony: I saw this transcript and hold a checked share of this key (an encoded Epoch)."""

    transcript: Digest
    epoch: Annotated[bytes, Meta(max_length=MAX_EPOCH_BYTES)]


class Overdue(AtStep, frozen=True, tag="overdue"):
    """Ceremony: by my own clock this step has lasted longer than the terms allow.

    The aggregator's time of this entry shows whether it has by the board's, too.
    """


class Abort(Message, frozen=True, tag="abort"):
    """Ceremony: I stop here, because of ``culprit`` (0: nobody in particular).

    ``silent``: who had not spoken in a step that was overdue, where that is the cause; nobody is a
    culprit for it.
    """

    culprit: Index
    step: Word
    reason: Text
    silent: Annotated[tuple[Index, ...], Meta(max_length=MAX_MEMBERS)] = ()


class Disclosure(Message, frozen=True, tag="disclosure"):
    """Ceremony, after an abort: my seed, so that all can see that I did as I should."""

    seed: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Opening(Message, frozen=True, tag="opening"):
    """The aggregator opens a round of a study: plan, model to start from, and length.

    ``plan``: the plan's digest (``plan_digest``). In training, ``model`` is what members have
    stated, ``suite`` follows from plan and length, and ``clip``, the bound of a weight's change,
    and ``max_examples``, the most examples of a hospital, are the largest that members have stated
    with this model. For a statistic the model is 32 zeros, the length is the plan's, the suite is
    packed Paillier's name, and the bounds are 0. Every member checks all of them.
    """

    plan: Digest
    epoch: Digest
    model: Digest
    length: Annotated[int, Meta(ge=1, le=MAX_LENGTH)]
    suite: SuiteName = "paillier"
    clip: Clip = 0.0
    max_examples: Count = 0


class Near(Message, frozen=True):
    """To what a member has added the same before, or nearly, as it adds now; MAX_NEAR in all.

    rounds: sessions of earlier rounds of other studies. before: what members added from in the
    federations before, by its place in the list of starts that were taken over with the key. Both
    in ascending order.
    """

    rounds: Annotated[tuple[Session, ...], Meta(max_length=MAX_NEAR)] = ()
    before: Annotated[tuple[Count, ...], Meta(max_length=MAX_NEAR)] = ()

    @property
    def is_full(self) -> bool:
        """Whether there may be more that it had no room for."""
        return len(self.rounds) + len(self.before) >= MAX_NEAR


NEAR_TO_NOTHING = Near()


class Contribution(Message, frozen=True, tag="contribution"):
    """A member's encrypted values (an encoded Ciphertexts), bound to the round's opening.

    Under a hybrid suite the ciphertexts are those of the one-time key, and ``vector`` has the names
    of the blobs that the encrypted vector consists of, in order.
    ``near``: sums of this round and of those are compared as if they were from one model or over
    one data (protocol/rounds/history.py). Empty where the member knows of none.
    """

    opening: Digest
    ciphertexts: Attachment
    vector: Chunks = ()
    near: Near = NEAR_TO_NOTHING


class Ciphertexts(Message, frozen=True):
    """Payload of a contribution or a sum: fixed-width numbers below N².

    ``proof``: a PlaintextProof as three numbers in a contribution, nothing in a sum.
    """

    numbers: bytes
    proof: Annotated[tuple[bytes, ...], Meta(max_length=3)] = ()


class Contributor(Message, frozen=True):
    """A member, and the digest of the post that holds its contribution."""

    member: Index
    contribution: Digest


class Closing(Message, frozen=True, tag="closing"):
    """The aggregator closes a round: whose contributions are in the sum, and the sum.

    ``vector``: the blobs of the summed vectors under a hybrid suite.
    """

    contributors: Annotated[tuple[Contributor, ...], Meta(max_length=MAX_MEMBERS)]
    total: Attachment
    vector: Chunks = ()


OmissionReason = Literal[
    "late",  # it came while the sum was being completed
    "another-opening",
    "differencing",  # with it, the sum would show with others what too few have added
    "unreadable",  # not the ciphertexts that the round asks for
    "repeated",  # of ``other``, or of its own
    "unproven",  # no fitting proof that its plaintexts are known
    "withdrawn",  # its sender's approval did not stand from the opening to the closing
    "vector",  # another number or size of chunks
]


class Omission(Message, frozen=True, tag="omission"):
    """The aggregator says why a member's contribution is not in the round's sum, or can be in none.

    For people alone: nothing follows from it. All but "late" can be seen by whoever has the
    contributions, so that it tells nobody more than the board does.
    ``other``: whose ciphertext or chunk is repeated, the member's own number included; else 0.
    """

    member: Index
    contribution: Digest
    reason: OmissionReason
    other: Index = 0


class SetLock(Message, frozen=True, tag="lock"):
    """A member would help to decrypt this set, and no other one, in this round.

    ``checksum``: of the member's own vector, where it contributed one to the set, else nothing.
    A lock counts whatever this holds: what is no checksum is a missing one.
    """

    chosen: Digest
    checksum: Annotated[bytes, Meta(max_length=16)] = b""


class Partial(Message, frozen=True, tag="partial"):
    """A member's partial decryptions of a locked set, with their proof.

    They are encrypted once, for all (``to`` 0), under a content key that is made for them alone
    and sealed to each member; ``commitment`` fixes that key, so that all read the same.
    """

    chosen: Digest
    commitment: Digest
    attachments: Attachments


class Complaint(Message, frozen=True, tag="complaint"):
    """``member``'s partial decryptions are wrong, as whoever opens them with ``key`` sees.

    key: their content key, 32 bytes; or none, if what was sealed to this sender is not the key
    that ``member`` committed to. Nobody can check that, and it proves nothing.
    """

    chosen: Digest
    member: Index
    key: Annotated[bytes, Meta(max_length=32)]


class Refusal(Message, frozen=True, tag="refusal"):
    """A member does not help with this round's decryption, and why."""

    rule: Word
    member: Index
    reason: Text


class Statement(Message, frozen=True, tag="statement"):
    """The digest and length of what a member holds after this round; all must agree.

    ``clip``, ``max_examples``: the bound that the next round's updates must have, as far as this
    member knows, and the most examples that a hospital may have in it; 0 for a statistic.
    ``entries``: digest of the model's names, shapes and dtypes, none for a statistic. ``run``: the
    run of a framework for which this member trains, empty for none.
    """

    result: Digest
    length: Count
    clip: Clip = 0.0
    max_examples: Count = 0
    entries: Annotated[bytes, Meta(max_length=32)] = b""
    run: RunName = ""

    @property
    def about(self) -> tuple[bytes, int, bytes, str]:
        """What members must agree on: the model, and the run. Of bounds the widest hold."""
        return self.result, self.length, self.entries, self.run


class ModelEntry(Message, frozen=True):
    """An entry of a model that is averaged; ``name`` as people may see it."""

    name: Annotated[str, Meta(max_length=FIELD, pattern=ONE_LINE)]
    shape: Annotated[tuple[Count, ...], Meta(max_length=64)]
    dtype: Literal["float64", "float32", "float16", "bfloat16"]


class ModelEntries(Message, frozen=True, tag="entries"):
    """What the model is made of that a member states with this digest of its entries.

    For people alone, so that they see in what models differ: nothing follows from it. ``entries``
    are the first of ``count``, as many as fit in MAX_ENTRIES_BYTES.
    """

    digest: Digest
    count: Count
    entries: Annotated[tuple[ModelEntry, ...], Meta(max_length=8_192)]


class CheckRequest(Message, frozen=True, tag="check"):
    """A member asks for a test decryption under this epoch; its post fixes what is decrypted."""

    epoch: Digest
    nonce: Annotated[bytes, Meta(min_length=32, max_length=32)]


class CheckPart(Message, frozen=True, tag="check part"):
    """A member's partial decryption of the test value with its proof (a ProvenPart), for all."""

    request: Digest
    payload: Attachment


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
