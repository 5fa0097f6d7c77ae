"""The board: an append-only chain of signed posts, the same for everyone or visibly forked.

A post names the head that its sender had seen; the aggregator gives it a position. Entry hash =
H(position, previous entry hash, time, signed post). Two boards that differ in one entry have
different heads from there on, and part for good at the first post that crosses.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Generic, NamedTuple, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta
from msgspec.structs import replace
from typing_extensions import TypeVar

from protocol.board.budget import Budget, Surplus
from protocol.board.certification import Certification
from protocol.board.fields import MAX_POST_BYTES, Count, Digest, Index, Signature
from protocol.board.messages import (
    Attachment,
    Body,
    CardSeen,
    CheckPart,
    Closing,
    Complaint,
    Contribution,
    Omission,
    Partial,
    attachments_of,
    belongs,
    blob_name,
    chunks_of,
)
from protocol.board.session import Session, read_session
from protocol.board.study import Studies
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import BadEntry, BadSignature, BadTerms, Fork, Malformed
from protocol.signing import sign, verify
from protocol.terms import AddressCard, Terms, check_card

MAX_ENTRY_BYTES = MAX_POST_BYTES + 1_024
MIN_ENTRY_BYTES = 160  # three hashes and a signature, without what stands around them


Milliseconds = Annotated[int, Meta(ge=0, lt=1 << 47)]  # since 1970; to the year 6429


B = TypeVar("B", bound=Body, default=Body, covariant=True)


class Head(NamedTuple):
    """Position of the last entry (0: none yet) and its hash."""

    position: int
    hash: bytes


class Post(Message, Generic[B], frozen=True):
    """One statement by one sender, number ``sequence`` of its posts in the session."""

    federation: Digest
    session: Session
    sender: Index
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
        return digest("quorate/entry", encode(self))


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


def is_aborted(posts: Iterable[Post], n_members: int) -> bool:
    """Whether a ceremony was aborted before all had certified the same; afterwards it is void."""
    found = Certification(n_members)
    for post in posts:
        found.take(post.sender, post.body)
    return found.is_aborted


def sign_post(post: Post, key: Ed25519PrivateKey) -> SignedPost:
    """The post, signed by its sender."""
    data = encode(post)
    return SignedPost(data, sign(key, "quorate/post signature", data))


class Board:
    """What one party has seen of the board; every entry is verified before it counts."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._federation = terms.federation
        self._hashes = [genesis(self._federation)]
        self._counts: dict[tuple[str, int], int] = {}
        self._last_seen: dict[int, int] = {}
        self._sessions: dict[str, list[Posted]] = {}
        self._last: dict[int, Posted] = {}
        self.studies = Studies(terms)  # proposed by entries that count, and what is said of them
        self._budget = Budget(terms, self.studies)
        self.entries: list[Posted] = []

    @property
    def upload_bytes(self) -> int:
        """What one honest post may need beside the board, at most."""
        return self._budget.upload_bytes

    def excess(self, post: Post, time_ms: int) -> str:
        """Why a post would be beyond its sender's budget at that time, empty if it is not."""
        return self._budget.excess(post.session, post.sender, post.body, time_ms)

    def chunk_excess(self, post: Post, size_of: Callable[[bytes], int | None]) -> str:
        """Why a post would be beyond its sender's budget for the chunks that it names.

        size_of: the bytes of a blob of that name, None if it is not here.
        """
        sizes = [size for name in chunks_of(post.body) if (size := size_of(name)) is not None]
        return self._budget.chunk_excess(post.session, sizes)

    @property
    def head(self) -> Head:
        """The last entry."""
        return Head(len(self.entries), self._hashes[-1])

    def hash_at(self, position: int) -> bytes | None:
        """The hash of the entry at a position, None beyond the head; 0 is the empty board."""
        return self._hashes[position] if 0 <= position < len(self._hashes) else None

    def count(self, session: str, sender: int) -> int:
        """How many posts a sender has made in a session: its next sequence number."""
        return self._counts.get((session, sender), 0)

    def open(self, signed: SignedPost) -> Post:
        """The post inside; raises BadEntry, naming the sender, unless it may come next."""
        position = len(self.entries) + 1
        try:
            post = decode(signed.post, Post, "post", MAX_POST_BYTES)
        except Malformed as error:
            raise BadEntry(position, 0, error.reason) from None
        if post.federation != self._federation:
            raise BadEntry(position, post.sender, "it belongs to another federation")
        try:
            key = self.terms.key_of(post.sender)
            verify(key, signed.signature, post.sender, "quorate/post signature", signed.post)
        except BadTerms:
            raise BadEntry(position, post.sender, "its sender is not a member") from None
        except BadSignature:
            raise BadEntry(position, post.sender, "its signature does not fit") from None
        if not belongs(post.session, post.sender, post.body):
            raise BadEntry(position, post.sender, "its sender may not say this here")
        if not self._fits(post):
            raise BadEntry(position, post.sender, "an attachment does not fit its description")
        if isinstance(post.body, CardSeen) and not _is_card_of(post.body.card, self.terms):
            raise BadEntry(position, post.sender, "its card is not one of the aggregator's")
        self._check_order(post, position)
        return post

    def _fits(self, post: Post) -> bool:
        """One attachment for a recipient, as it describes itself; blobs are checked by name."""
        attachments = attachments_of(post.body)
        state = self.studies.get(read_session(post.session).study)
        recipients = [a.to for a in attachments]
        readers = state.study.members if state else ()
        return (
            len(set(recipients)) == len(recipients)
            and _addresses(post.body, set(recipients), self.terms.n_members, readers)
            and all(
                not a.data if a.is_blob else len(a.data) == a.size and blob_name(a.data) == a.digest
                for a in attachments
            )
        )

    def _check_order(self, post: Post, position: int) -> None:
        expected = self.count(post.session, post.sender)
        if post.sequence != expected:
            raise BadEntry(
                position,
                post.sender,
                f"number {post.sequence} of its sender in {post.session}, due is {expected}",
            )
        if self.hash_at(post.seen_position) != post.seen:
            raise Fork(post.seen_position, f"sender {post.sender} saw another entry there")
        if post.seen_position < self._last_seen.get(post.sender, 0):
            raise BadEntry(position, post.sender, "it saw less than its sender's last post")

    def extend(self, signed: SignedPost, time_ms: int) -> Entry:
        """The entry that would put a post on the board; raises as ``open`` does."""
        self.open(signed)
        return Entry(len(self.entries) + 1, self._hashes[-1], time_ms, signed)

    def append(self, entry: Entry) -> Posted:
        """Verify and keep the next entry. Raises Fork or BadEntry, and keeps nothing then.

        What is beyond its sender's budget has its place on the board, and a Surplus for its body.
        """
        posted = self._verified(entry)
        self._keep(posted)
        return posted

    def _verified(self, entry: Entry) -> Posted:
        """The next entry, opened, as it counts; raises as ``append``, and nothing is kept."""
        if entry.position != len(self.entries) + 1:
            raise Fork(entry.position, f"the next entry is number {len(self.entries) + 1}")
        if entry.previous != self._hashes[-1]:
            raise Fork(entry.position, "it does not follow the entries seen before")
        post = self.open(entry.post)
        if reason := self.excess(post, entry.time_ms):
            post = replace(post, body=Surplus(reason))  # it says nothing
        return Posted(entry.position, entry.hash, entry.time_ms, post, entry.post.digest)

    def _keep(self, posted: Posted) -> None:
        """Count an entry that was verified."""
        position, post, time_ms = posted.position, posted.post, posted.time_ms
        sender, session, body = post.sender, post.session, post.body
        self.entries.append(posted)
        self._hashes.append(posted.hash)
        self._counts[session, sender] = post.sequence + 1
        self._last_seen[sender] = post.seen_position
        self._last[sender] = posted
        if isinstance(body, Surplus):
            return
        self._budget.take(position, session, sender, body, time_ms)
        self._sessions.setdefault(session, []).append(posted)
        named = read_session(session)
        if named.kind == "study":
            self.studies.take(named.study, position, time_ms, sender, body)

    def session(self, name: str) -> list[Posted]:
        """The entries of one session that count, in order."""
        return list(self._sessions.get(name, ()))

    @property
    def ceremonies(self) -> dict[int, list[Posted]]:
        """The entries of each ceremony that count, by its number."""
        named = ((read_session(name), posts) for name, posts in self._sessions.items())
        return {s.number: list(posts) for s, posts in named if s.kind == "ceremony"}

    def last_of(self, sender: int) -> Posted | None:
        """The last entry of a sender."""
        return self._last.get(sender)


def _is_card_of(card: AddressCard, terms: Terms) -> bool:
    """Whether the aggregator of the terms has signed a card that can be used."""
    try:
        check_card(card)
    except BadTerms:
        return False
    return card.key == terms.aggregator_key


def _addresses(body: Body, recipients: set[int], n_members: int, readers: Sequence[int]) -> bool:
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


def decode_entry(data: bytes) -> Entry:
    """An entry from its bytes; raises Malformed."""
    return decode(data, Entry, "entry", MAX_ENTRY_BYTES)
