"""The aggregator without sockets: frames in, frames out, and a folder that survives everything.

Nothing is acknowledged before it is durable, and nothing that matters is in memory alone: a new
object on the same folder goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.blobs import BlobStore, TooManyUploads, WrongBlob
from aggregator.errors import StoreDamaged
from aggregator.rounds import Rounds
from aggregator.status import report
from aggregator.store import BoardStore
from protocol.board import Board, Post, SignedPost, decode_entry, sign_post
from protocol.ciphertexts import add_encrypted, read_ciphertexts, write_ciphertexts
from protocol.encoding import decode, encode
from protocol.epoch import Epoch, epoch_of, to_number
from protocol.errors import BadEntry, Fork, Malformed
from protocol.messages import (
    MAX_BLOB_BYTES,
    MAX_POST_BYTES,
    Attachment,
    Body,
    Certificate,
    Closing,
    Contribution,
    Contributor,
    attach,
    attachments_of,
)
from protocol.round import RoundView
from protocol.terms import AGGREGATOR, Terms
from protocol.wire import (
    CHUNK_BYTES,
    MAX_ENTRIES_BYTES,
    Accepted,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Entries,
    FromAggregator,
    FromMember,
    Rejected,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
)


class Aggregator:
    """The service's core; ``now_ms`` is the wall clock, for entries' times and rounds' waits."""

    def __init__(
        self, terms: Terms, key: Ed25519PrivateKey, folder: Path, now_ms: Callable[[], int]
    ) -> None:
        self.terms, self._key, self._now_ms = terms, key, now_ms
        self._store = BoardStore(folder)
        self._blobs = BlobStore(folder, self._store)
        self.board = Board(terms)
        self._encoded: list[bytes] = []
        self._accepted: dict[tuple[str, int, int], tuple[bytes, int]] = {}
        self.rounds = Rounds(terms)
        self.epoch: Epoch | None = None
        self.left_out: dict[str, dict[int, str]] = {}
        for data in self._store.entries():
            try:
                self._take(data)
            except (Fork, BadEntry, Malformed) as error:
                raise StoreDamaged(f"entry {self.board.head.position + 1}", str(error)) from None

    def close(self) -> None:
        """Let go of the folder."""
        self._store.close()

    def receive(self, member: int, frame: FromMember) -> list[FromAggregator]:
        """The answers to an authenticated member's frame; raises StoreFull or StoreDamaged."""
        if isinstance(frame, Subscribe):
            return [self.entries_after(frame.after)]
        if isinstance(frame, Submit):
            return [self._submit(member, frame.post)]
        if isinstance(frame, BlobOffer | BlobChunk):
            return [self._upload(member, frame)]
        if isinstance(frame, BlobRequest):
            return [self._download(frame)]
        if isinstance(frame, StatusRequest):
            return [StatusReport(msgspec.json.encode(self.status({})))]
        return [Rejected("not-allowed", "the session is open already")]

    def entries_after(self, position: int) -> Entries:
        """As many entries after a position as fit into a frame."""
        chosen: list[bytes] = []
        size = 0
        for data in self._encoded[position:]:
            size += len(data) + 8
            if chosen and size > MAX_ENTRIES_BYTES:
                break
            chosen.append(data)
        return Entries(tuple(chosen), self.board.head.position)

    def status(self, connected: Mapping[int, str]) -> dict[str, object]:
        """How things stand; ``connected`` says since when each present member is."""
        return report(self.board, self.terms, self.rounds, self.epoch, self.left_out, connected)

    def tick(self) -> bool:
        """Open and close the rounds that are due; whether anything was said."""
        before = self.board.head.position
        if self.epoch is not None:
            for session, opening in self.rounds.to_open(self.epoch, self._now_ms()):
                self._say(session, opening)
        for view in self.rounds.to_close(self._now_ms()):
            self._close(view)
        return self.board.head.position > before

    # ── the board ──

    def _submit(self, member: int, signed: SignedPost) -> FromAggregator:
        try:
            post = decode(signed.post, Post, "post", MAX_POST_BYTES)
        except Malformed as error:
            return Rejected("malformed", str(error)[:500])
        if post.sender != member:
            return Rejected("not-allowed", f"this session is not member {post.sender}'s")
        known = self._accepted.get((post.session, post.sender, post.sequence))
        if known is not None:
            if known[0] == signed.digest:
                return Accepted(signed.digest, known[1])
            return Rejected("bad-post", f"another post is number {post.sequence} in {post.session}")
        for attachment in attachments_of(post.body):
            if attachment.is_blob and self._blobs.size(attachment.digest) != attachment.size:
                return Rejected("missing-blob", f"blob {attachment.digest.hex()} is not here")
        try:
            self._append(signed)
        except Fork as error:
            return Rejected("fork", str(error)[:500])
        except BadEntry as error:
            return Rejected("bad-post", error.reason[:500])
        return Accepted(signed.digest, self.board.head.position)

    def _append(self, signed: SignedPost) -> None:
        data = encode(self.board.extend(signed, self._now_ms()))
        self._store.append(self.board.head.position + 1, data)
        self._take(data)

    def _take(self, data: bytes) -> None:
        posted = self.board.append(decode_entry(data))
        self._encoded.append(data)
        post = posted.post
        key = (post.session, post.sender, post.sequence)
        self._accepted[key] = (posted.digest, posted.position)
        self.rounds.receive(posted)
        if isinstance(post.body, Certificate):
            self.epoch = epoch_of(self.board.entries, self.terms)

    def _say(self, session: str, body: Body) -> None:
        head = self.board.head
        sequence = self.board.count(session, AGGREGATOR)
        federation = self.terms.federation
        post = Post(federation, session, AGGREGATOR, sequence, head.position, head.hash, body)
        self._append(sign_post(post, self._key))

    # ── blobs ──

    def _upload(self, member: int, frame: BlobOffer | BlobChunk) -> FromAggregator:
        if frame.size > MAX_BLOB_BYTES:
            return Rejected("too-large", f"a blob has at most {MAX_BLOB_BYTES} bytes")
        try:
            if isinstance(frame, BlobOffer):
                offset = self._blobs.have(member, frame.digest, frame.size)
            else:
                offset = self._blobs.add(member, frame.digest, frame.size, frame.offset, frame.data)
        except WrongBlob:
            return Rejected("malformed", f"blob {frame.digest.hex()} has other bytes")
        except TooManyUploads:
            return Rejected("too-large", "too many incomplete uploads")
        return BlobHave(frame.digest, offset, frame.size)

    def _download(self, frame: BlobRequest) -> FromAggregator:
        size = self._blobs.size(frame.digest)
        if size is None or frame.offset > size:
            return Rejected("missing-blob", f"blob {frame.digest.hex()} is not here")
        data = self._blobs.read(frame.digest)[frame.offset : frame.offset + CHUNK_BYTES]
        return BlobChunk(frame.digest, size, frame.offset, data)

    def _payload(self, attachment: Attachment) -> bytes:
        return self._blobs.read(attachment.digest) if attachment.is_blob else attachment.data

    # ── sums ──

    def _close(self, view: RoundView) -> None:
        """Add what decodes; wait on if too few contributions do."""
        opening = view.terms_of_opening
        assert opening is not None and self.epoch is not None
        n = to_number(self.epoch.n)
        found, left_out = {}, {}
        for member in sorted(view.contributions):
            posted = view.contributions[member]
            body = posted.post.body
            assert isinstance(body, Contribution) and view.opening is not None
            try:
                if body.opening != view.opening.digest:
                    raise Malformed("contribution", "it is for another opening")
                payload = self._payload(body.ciphertexts)
                found[member] = read_ciphertexts(payload, opening, self.terms, n)
            except Malformed as error:
                left_out[member] = str(error)
        self.left_out[view.session] = left_out
        if len(found) < self.rounds.min_contributors:
            return
        payload = write_ciphertexts(add_encrypted(list(found.values()), n), n)
        total = attach(payload)
        if total.is_blob:
            self._blobs.put(payload)
        chosen = tuple(Contributor(m, view.contributions[m].digest) for m in found)
        self._say(view.session, Closing(chosen, total))
