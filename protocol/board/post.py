"""A post, its signature and its place on the board."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Generic, NamedTuple, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta
from typing_extensions import TypeVar

from protocol.encoding import Message, decode, digest, encode
from protocol.messages import (
    MAX_POST_BYTES,
    Attachment,
    Body,
    CheckPart,
    Closing,
    Complaint,
    Contribution,
    Count,
    Digest,
    Omission,
    Partial,
    Sender,
    Session,
    Signature,
    attachments_of,
    blob_name,
)
from protocol.signing import sign

POST_SIGNATURE = "quorate/post signature"  # what it is a signature of
MAX_ENTRY_BYTES = MAX_POST_BYTES + 1_024
_FOUR_FIELDS = b"\x94"  # so begins a message of as many, as msgpack has it
MIN_ENTRY_BYTES = 160  # three hashes and a signature, without what stands around them


Milliseconds = Annotated[int, Meta(ge=0, lt=1 << 47)]  # since 1970; to the year 6429


B = TypeVar("B", bound=Body, default=Body, covariant=True)


class Head(NamedTuple):
    """Position of the last entry (0: none yet) and its hash."""

    position: int
    hash: bytes


class Post(Message, Generic[B], frozen=True, gc=False):
    """One statement by one sender, number ``sequence`` of its posts in the session."""

    federation: Digest
    session: Session
    sender: Sender
    sequence: Count
    seen_position: Count
    seen: Digest
    body: B


class SignedPost(Message, frozen=True):
    """An encoded Post and its Ed25519 signature."""

    post: Annotated[bytes, Meta(max_length=MAX_POST_BYTES)]
    signature: Signature

    @property
    def digest(self) -> bytes:
        """The name of the post: a hash of what was signed."""
        return digest("quorate/post", self.post)


class Entry(Message, frozen=True):
    """A post with its place on the board; ``time_ms`` is the aggregator's clock, for people."""

    position: Count
    previous: Digest
    time_ms: Milliseconds
    post: SignedPost

    @property
    def hash(self) -> bytes:
        """The head of the board after this entry."""
        return entry_hash(encode(self))


class Posted(NamedTuple, Generic[B]):
    """A verified entry, opened; ``Posted[Closing]`` is one whose body is a closing."""

    position: int
    hash: bytes
    time_ms: int
    post: Post[B]
    digest: bytes

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All attachments of the post."""
        return attachments_of(self.post.body)


class OpenedEntry(NamedTuple):
    """An entry of which all was verified that needs no board, by whoever gives it to one.

    Its hash; who has signed its post, a member or the aggregator; that attachments fit. What is
    sealed in it to members may be left out.
    """

    position: int
    previous: bytes
    hash: bytes
    time_ms: int
    post: Post
    digest: bytes


def of_kind(entries: Iterable[Posted], kind: type[B]) -> Iterator[Posted[B]]:
    """Those entries whose bodies are of a kind, in order."""
    return (cast(Posted[B], posted) for posted in entries if isinstance(posted.post.body, kind))


def firsts(entries: Iterable[Posted], kind: type[B]) -> dict[int, Posted[B]]:
    """The first of these from each sender, in order."""
    found = dict[int, Posted[B]]()
    for posted in of_kind(entries, kind):
        found.setdefault(posted.post.sender, posted)
    return found


def genesis(federation: bytes) -> bytes:
    """The head of a board without entries."""
    return digest("quorate/genesis", federation)


def sign_post(post: Post, key: Ed25519PrivateKey) -> SignedPost:
    """The post, signed by its sender."""
    data = encode(post)
    return SignedPost(data, sign(key, POST_SIGNATURE, data))


def entry_hash(data: bytes) -> bytes:
    """The hash of an encoded entry."""
    return digest("quorate/entry", data)


def begins_entry(data: bytes, before: Head) -> bool:
    """Whether bytes begin as an encoded entry does that stands behind a head."""
    fields = encode((before.position + 1, before.hash))[1:]
    return data.startswith(_FOUR_FIELDS + fields)


def decode_entry(data: bytes) -> Entry:
    """An entry from its bytes; raises Malformed."""
    return decode(data, Entry, "entry", MAX_ENTRY_BYTES)


def attachments_fit(body: Body) -> bool:
    """Whether each attachment is as it describes itself; blobs are checked by name."""
    return all(
        not a.data if a.is_blob else len(a.data) == a.size and blob_name(a.data) == a.digest
        for a in attachments_of(body)
    )


def addresses(body: Body, recipients: set[int], n_members: int, readers: Sequence[int]) -> bool:
    """Whether a body speaks to members there are, and of them.

    Contributions, sums and parts of a check are for all: whoever could not read one would judge
    otherwise than the others.
    A partial decryption is for all, with a key for each reader of the study.
    """
    if isinstance(body, Contribution | Closing | CheckPart):
        return recipients == {0}
    if isinstance(body, Partial):
        return recipients == {0, *readers}
    if isinstance(body, Omission):
        return 1 <= body.member <= n_members and body.other <= n_members
    if isinstance(body, Complaint):
        return 1 <= body.member <= n_members and len(body.key) in (0, 32)
    return all(to <= n_members for to in recipients)
