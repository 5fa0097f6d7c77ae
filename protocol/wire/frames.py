"""Frames between a member and the aggregator, inside one websocket session.

Every frame is one message. The aggregator speaks first (Challenge), the member answers (Hello);
nothing else is accepted before a Welcome. A lost or repeated frame does no harm: requests name
what they want, and answers say how far it got.
"""

from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from protocol.board import (
    MAX_BLOB_BYTES,
    MAX_ENTRY_BYTES,
    MIN_ENTRY_BYTES,
    Count,
    Digest,
    Index,
    Signature,
    SignedPost,
    Text,
)
from protocol.encoding import Message, decode, encode
from protocol.signing import sign, verify

CHUNK_BYTES = 128 << 10  # of a blob: what a connection that breaks leaves half sent, at most
REQUESTED_BYTES = 8 * CHUNK_BYTES  # that one request for a blob brings, in chunks
MAX_FRAME_BYTES = 1 << 20  # an entry, or a list of entries
MAX_PAGE_BYTES = MAX_FRAME_BYTES - 4_096

Nonce = Annotated[bytes, Meta(min_length=32, max_length=32)]
Size = Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
EncodedEntry = Annotated[bytes, Meta(min_length=MIN_ENTRY_BYTES, max_length=MAX_ENTRY_BYTES)]


class Challenge(Message, frozen=True, tag="challenge"):
    """Aggregator: prove who you are, over this nonce."""

    federation: Digest
    nonce: Nonce


class Hello(Message, frozen=True, tag="hello"):
    """Member: who I am; ``instance`` tells a reconnecting process from a second one.

    ``purpose`` "member" takes part; "status" only asks how things stand.
    """

    member: Index
    instance: Annotated[bytes, Meta(min_length=16, max_length=16)]
    purpose: Literal["member", "status"]
    signature: Signature


class Welcome(Message, frozen=True, tag="welcome"):
    """Aggregator: you are in; the board's head."""

    position: Count
    head: Digest


class Rejected(Message, frozen=True, tag="rejected"):
    """Aggregator: no. ``code`` for programs, ``reason`` for people."""

    code: Literal[
        "unknown-identity",
        "bad-signature",
        "identity-in-use",
        "busy",
        "bad-post",
        "fork",
        "missing-blob",
        "awaited-blob",
        "too-large",
        "malformed",
        "not-allowed",
    ]
    reason: Text


class Subscribe(Message, frozen=True, tag="subscribe"):
    """Member: send me the entries after this position, and all later ones as they come."""

    after: Count


class Entries(Message, frozen=True, tag="entries"):
    """Aggregator: consecutive encoded entries, and the position of the head."""

    entries: tuple[EncodedEntry, ...]
    head: Count


class Submit(Message, frozen=True, tag="submit"):
    """Member: put this on the board; its blobs have been uploaded."""

    post: SignedPost


class Accepted(Message, frozen=True, tag="accepted"):
    """Aggregator: the post with this digest is on the board, durably, at this position."""

    post: Digest
    position: Count


class Declined(Message, frozen=True, tag="declined"):
    """Aggregator: the post with this digest is beyond its sender's budget; it was not stored."""

    post: Digest
    reason: Text


class BlobOffer(Message, frozen=True, tag="offer"):
    """Member: I have a blob of this name and size for you; how much of it do you hold?"""

    digest: Digest
    size: Size


class BlobHave(Message, frozen=True, tag="have"):
    """Aggregator: I hold the first ``offset`` bytes of the blob.

    When whole, that is ``size``, they are durable and have its name. A part outlives the process;
    what a power cut takes of it is asked for again. ``to_offer``: it answers an offer, not a chunk,
    so that it tells what became of all chunks sent before.
    """

    digest: Digest
    offset: Size
    size: Size
    to_offer: bool


class BlobChunk(Message, frozen=True, tag="chunk"):
    """Bytes of a blob from ``offset`` on, in either direction; ``size`` is of the whole blob."""

    digest: Digest
    size: Size
    offset: Size
    data: Annotated[bytes, Meta(max_length=CHUNK_BYTES)]


class BlobRequest(Message, frozen=True, tag="fetch"):
    """Member: send me the blob from ``offset`` on, up to ``REQUESTED_BYTES`` in chunks."""

    digest: Digest
    offset: Size


class StatusRequest(Message, frozen=True, tag="status?"):
    """Member: how do things stand?"""


class StatusReport(Message, frozen=True, tag="status"):
    """Aggregator: how things stand, as JSON."""

    report: bytes


FromMember = Hello | Subscribe | Submit | BlobOffer | BlobChunk | BlobRequest | StatusRequest
FromAggregator = (
    Challenge
    | Welcome
    | Rejected
    | Entries
    | Accepted
    | Declined
    | BlobHave
    | BlobChunk
    | StatusReport
)


def decode_from_member(data: bytes) -> FromMember:
    """A member's frame; raises Malformed."""
    return decode(data, FromMember, "frame", MAX_FRAME_BYTES)  # type: ignore[arg-type]


def decode_from_aggregator(data: bytes) -> FromAggregator:
    """The aggregator's frame; raises Malformed."""
    return decode(data, FromAggregator, "frame", MAX_FRAME_BYTES)  # type: ignore[arg-type]


def hello(
    challenge: Challenge,
    member: int,
    instance: bytes,
    purpose: Literal["member", "status"],
    key: Ed25519PrivateKey,
) -> Hello:
    """The answer to a challenge."""
    parts = _hello_parts(challenge, member, instance, purpose)
    return Hello(member, instance, purpose, sign(key, "quorate/hello", *parts))


def check_hello(answer: Hello, challenge: Challenge, public_key: bytes) -> None:
    """Raises BadSignature naming the member unless the answer fits the challenge."""
    parts = _hello_parts(challenge, answer.member, answer.instance, answer.purpose)
    verify(public_key, answer.signature, answer.member, "quorate/hello", *parts)


def _hello_parts(
    challenge: Challenge, member: int, instance: bytes, purpose: str
) -> tuple[bytes, ...]:
    return challenge.federation, challenge.nonce, encode((member, instance, purpose))
