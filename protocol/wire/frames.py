"""Frames between a member and the aggregator, inside one websocket session.

Every frame is one message. The aggregator speaks first (Challenge), and the member answers (Hello).
Both are in clear; all others are sealed (``channel``). The first of them is a Confirmation, and the
second a Welcome. What a connection that breaks has lost does no harm: requests name what they want,
and answers say how far it got.
"""

from typing import Annotated, Literal

from msgspec import Meta

from protocol.board import MAX_ENTRY_BYTES, MIN_ENTRY_BYTES, SignedPost
from protocol.encoding import Message, decode, encode
from protocol.messages import MAX_BLOB_BYTES, Count, Digest, Sender, Signature, Text
from protocol.terms import AddressCard, CardNumber, Url

CHUNK_BYTES = 128 << 10  # of a blob: what a connection that breaks leaves half sent, at most
DIRECT_BYTES = 2 * CHUNK_BYTES  # of a blob, from which on a ticket is worth its way
REQUESTED_BYTES = 8 * CHUNK_BYTES  # that one request for a blob brings, in chunks
MAX_FRAME_BYTES = 1 << 20  # an entry, or a list of entries
MAX_PAGE_BYTES = MAX_FRAME_BYTES - 4_096
MAX_INTRODUCTION_BYTES = 1_024  # its URL has up to 267
MAX_HELLO_BYTES = MAX_INTRODUCTION_BYTES + 128

# What RFC 3986 has for a query, without the signs that end one or begin another part.
QUERY = r"\A[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{1,4096}\Z"

Nonce = Annotated[bytes, Meta(min_length=32, max_length=32)]
Size = Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
EncodedEntry = Annotated[bytes, Meta(min_length=MIN_ENTRY_BYTES, max_length=MAX_ENTRY_BYTES)]


class Challenge(Message, frozen=True):
    """Aggregator, first of all and in clear: show who you are, over this nonce and this key.

    key: X25519, made for this connection. signature: the aggregator's, over both.
    """

    nonce: Nonce
    key: Nonce
    signature: Signature


class Hello(Message, frozen=True):
    """Member, in clear: a key made for this connection, and an Introduction sealed under both."""

    key: Nonce
    sealed: Annotated[bytes, Meta(max_length=MAX_INTRODUCTION_BYTES)]


class Introduction(Message, frozen=True):
    """Member: who I am, and by which card I came; ``instance`` tells one process from another.

    federation: whose board it is; a guest of a handover names the federation that hands over.
    ``purpose`` "member" takes part; "status" only asks how things stand.
    """

    federation: Digest
    member: Sender
    instance: Annotated[bytes, Meta(min_length=16, max_length=16)]
    purpose: Literal["member", "status"]
    card: CardNumber
    url: Url
    signature: Signature


class Confirmation(Message, frozen=True, tag="confirmation"):
    """Aggregator, the first sealed frame: my signature over all that was sent before."""

    signature: Signature


class Welcome(Message, frozen=True, tag="welcome"):
    """Aggregator: you are in; the board's head."""

    position: Count
    head: Digest


class NewerCard(Message, frozen=True, tag="card"):
    """Aggregator: there is a newer card than the one you came by; the old one may end any day."""

    card: AddressCard


_NEWER_CARD = b"\x92" + encode("card")  # an array of two


class Rejected(Message, frozen=True, tag="rejected"):
    """Aggregator: no. ``code`` for programs, ``reason`` for people."""

    code: Literal[
        "other-federation",
        "unknown-identity",
        "bad-signature",
        "wrong-address",
        "identity-in-use",
        "busy",
        "bad-post",
        "fork",
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


class BlobAbsent(Message, frozen=True, tag="absent"):
    """Aggregator: I have no blob of that name, or no more: vectors of old rounds are pruned."""

    digest: Digest


class TicketRequest(Message, frozen=True, tag="ticket?"):
    """Member: by which query may I "get" or "put" this blob at your object store, by myself?

    Without one the answer is that to a BlobRequest from the first byte, or to a BlobOffer.
    size: of a blob that is put; 0 for one that is got.
    """

    way: Literal["get", "put"]
    digest: Digest
    size: Size


class Ticket(Message, frozen=True, tag="ticket"):
    """Aggregator: the query of a URL that is signed for this blob, and good for some minutes.

    It says nothing of scheme, host and path: whoever uses it knows where the store is.
    """

    way: Literal["get", "put"]
    digest: Digest
    size: Size
    query: Annotated[str, Meta(pattern=QUERY)]


class StatusRequest(Message, frozen=True, tag="status?"):
    """Member: how do things stand?"""


class StatusReport(Message, frozen=True, tag="status"):
    """Aggregator: how things stand, as JSON."""

    report: bytes


FromMember = (
    Subscribe | Submit | BlobOffer | BlobChunk | BlobRequest | TicketRequest | StatusRequest
)
FromAggregator = (
    Welcome
    | NewerCard
    | Rejected
    | Entries
    | Accepted
    | Declined
    | BlobHave
    | BlobChunk
    | BlobAbsent
    | Ticket
    | StatusReport
)


def decode_from_member(data: bytes) -> FromMember:
    """A member's frame; raises Malformed."""
    return decode(data, FromMember, "frame", MAX_FRAME_BYTES)  # type: ignore[arg-type]


def decode_from_aggregator(data: bytes) -> FromAggregator:
    """The aggregator's frame; raises Malformed."""
    return decode(data, FromAggregator, "frame", MAX_FRAME_BYTES)  # type: ignore[arg-type]


def begins_newer_card(data: bytes) -> bool:
    """Whether the aggregator's frame is a NewerCard, if it is well-formed."""
    return data.startswith(_NEWER_CARD)


def decode_confirmation(data: bytes) -> Confirmation | Rejected:
    """The aggregator's first sealed frame; raises Malformed."""
    kinds = Confirmation | Rejected
    return decode(data, kinds, "confirmation", MAX_FRAME_BYTES)  # type: ignore[arg-type]


def decode_challenge(data: bytes) -> Challenge:
    """The aggregator's first frame; raises Malformed."""
    return decode(data, Challenge, "challenge", MAX_HELLO_BYTES)
