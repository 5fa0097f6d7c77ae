"""What is said in the rounds of a study."""

from typing import Annotated, Literal

from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from protocol.encoding import Message
from protocol.messages.attachment import Attachment, Attachments
from protocol.messages.fields import (
    MAX_LENGTH,
    MAX_NEAR,
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
from protocol.messages.session import Session
from protocol.words import FIELD


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


class Contribution(Message, frozen=True, gc=False, tag="contribution"):
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


class SetLock(Message, frozen=True, gc=False, tag="lock"):
    """A member would help to decrypt this set, and no other one, in this round.

    ``checksum``: of the member's own vector, where it contributed one to the set, else nothing.
    A lock counts whatever this holds: what is no checksum is a missing one.
    """

    chosen: Digest
    checksum: Annotated[bytes, Meta(max_length=16)] = b""


class Partial(Message, frozen=True, gc=False, tag="partial"):
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


class Statement(Message, frozen=True, gc=False, tag="statement"):
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
