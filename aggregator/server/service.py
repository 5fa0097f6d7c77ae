"""The aggregator without sockets: frames in, frames out, and a folder that survives everything.

Nothing is acknowledged before it is durable, and nothing that matters is in memory alone: a new
object on the same folder goes on where the last one stopped.
"""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.board import KeptBoard, require_blobs
from aggregator.clock import BoardClock
from aggregator.errors import BadUpload, StoreFull
from aggregator.rounds import InProcess, Pruning, Summation, Summing, remove_sums
from aggregator.server.waits import Waits
from aggregator.status import AtWork
from aggregator.status.report import report
from aggregator.store import BlobStore, BoardDatabase, BoardStore, StorageHealth, WholeBlobs
from protocol.board import Entry, Post, SignedPost, sign_post
from protocol.encoding import decode
from protocol.errors import BadEntry, Fork, Malformed
from protocol.key import Epoch
from protocol.messages import MAX_POST_BYTES, MAX_REASON, Body, attachments_of, chunks_of
from protocol.terms import AGGREGATOR, AddressCard, Terms
from protocol.wire import (
    CHUNK_BYTES,
    DIRECT_BYTES,
    MAX_PAGE_BYTES,
    REQUESTED_BYTES,
    Accepted,
    BlobAbsent,
    BlobChunk,
    BlobHave,
    BlobOffer,
    BlobRequest,
    Declined,
    Entries,
    FromAggregator,
    FromMember,
    Rejected,
    StatusReport,
    StatusRequest,
    Submit,
    Subscribe,
    Ticket,
    TicketRequest,
)
from protocol.words import shown

_CLEAN_UP_EVERY_MS = 60_000


class Aggregator:
    """The service's core.

    now_ms: the machine's clock; steady_ms: one that nobody sets, for the pace of all waits.
    database: the board's, by default a file in the folder; it is closed with the service.
    summation: where vectors are added, by default here. whole: where blobs lie that are whole, by
    default in the folder.
    """

    def __init__(
        self,
        terms: Terms,
        key: Ed25519PrivateKey,
        folder: Path,
        now_ms: Callable[[], int],
        steady_ms: Callable[[], int] | None = None,
        database: BoardDatabase | None = None,
        summation: Summation | None = None,
        whole: WholeBlobs | None = None,
    ) -> None:
        self.terms, self._key, self._folder = terms, key, folder
        self._store = BoardStore(folder, database)
        pace_ms = steady_ms or now_ms
        self._blobs = BlobStore(
            folder, self._store, lambda: self.board.upload_bytes, pace_ms, whole
        )
        self.storage = StorageHealth(now_ms, lambda: self._blobs.is_away)
        self._cleaned_ms = 0
        try:
            self._kept = KeptBoard(terms, self._store)
            self.board, self.rounds = self._kept.board, self._kept.rounds
            epochs = self.board.key.by_digest
            self._pruning = Pruning(self.rounds.stated, self._blobs)
            self.summing = Summing(
                self.rounds, epochs, self._blobs, folder, self._say, summation or InProcess()
            )
            self._look_for_blobs()
            remove_sums(folder, frozenset(view.session for view in self.rounds.open_hybrid()))
        except BaseException:
            self._store.close()
            raise
        entries = self.board.entries
        self._waits = Waits(folder, entries[-1].time_ms if entries else 0)
        self._clock = BoardClock(now_ms, self._waits.last_ms, steady_ms)
        self._waits.begin(self._clock.now_ms())

    def _look_for_blobs(self) -> None:
        require_blobs(self.board, self.rounds, self._blobs, self._store.pruned)
        self._blobs.look_for_unnamed()

    @property
    def epoch(self) -> Epoch | None:
        """The key that all members have now, None before there is one."""
        return self.board.epoch

    def close(self) -> None:
        """Let go of the folder."""
        self._store.close()

    def receive(self, member: int, frame: FromMember) -> list[FromAggregator]:
        """The answers to an authenticated member's frame, or a guest's.

        Raises StoreFull or StoreDamaged.
        """
        if isinstance(frame, Subscribe):
            if frame.after > (held := self.board.head.position):
                reason = f"{frame.after} entries were seen, but this board has only {held}"
                return [Rejected("fork", reason)]
            return [self.entries_after(frame.after)]
        if isinstance(frame, Submit):
            return [self._submit(member, frame.post)]
        if isinstance(frame, BlobOffer | BlobChunk):
            return [self._upload(member, frame)]
        if isinstance(frame, BlobRequest):
            return self._download(frame)
        if isinstance(frame, TicketRequest):
            return self._ticket(member, frame)
        if isinstance(frame, StatusRequest):
            return [StatusReport(msgspec.json.encode(self.status({})))]
        return [Rejected("not-allowed", "the session is open already")]

    def entries_after(self, position: int) -> Entries:
        """As many entries after a position as fit into a frame; in any thread.

        Raises StoreDamaged for what is not as it was stored, and StoreFull.
        """
        last = self._kept.position
        chosen = self._store.entries_after(position, last, MAX_PAGE_BYTES)
        return Entries(tuple(chosen), last)

    def status(
        self, connected: Mapping[int, str], card: AddressCard | None = None
    ) -> dict[str, object]:
        """How things stand; ``connected`` says since when each present member is.

        card: the newest.
        """
        now_ms = self._clock.now_ms()
        work = AtWork(
            self.summing.left_out,
            self.summing.waited_for,
            self.summing.chunks,
            connected,
            self.storage.trouble,
            self._clock.report,
            card,
            self._store.pruned,
        )
        return report(self.board, self.terms, self.rounds, now_ms, work)

    def tick(self) -> bool:
        """Open and close what is due, and add a little of what has come; whether it did anything.

        True: call again at once, since more may wait.
        """
        before, now_ms = self.board.head.position, self._clock.now_ms()
        self._waits.keep(now_ms)
        self._kept.look()
        waited = partial(self._waits.since, now_ms=now_ms)
        if not self._cleaned_ms <= now_ms < self._cleaned_ms + _CLEAN_UP_EVERY_MS:
            self._cleaned_ms = now_ms
            self._blobs.clean_up()
        if self.epoch is not None and not self.board.key.handovers.opening_bar:
            for session, opening in self.rounds.to_open(self.epoch, waited):
                self._say(session, opening)
        is_at_work = self.summing.step(self.rounds.to_close(waited))
        is_at_work = self._pruning.step(waited) or is_at_work
        is_at_work = is_at_work or self.board.head.position > before
        if not is_at_work:
            with contextlib.suppress(StoreFull):  # then the next start reads more
                self._kept.sum_up()
        return is_at_work

    # ── the board ──

    def _submit(self, member: int, signed: SignedPost) -> FromAggregator:
        try:
            post = decode(signed.post, Post, "post", MAX_POST_BYTES)
        except Malformed as error:
            return Rejected("malformed", shown(str(error), MAX_REASON))
        if reason := self._why_not_its_own(member, post):
            return Rejected("not-allowed", reason)
        if post.sequence < self.board.count(post.session, post.sender):
            return self._repeated(post, signed)
        over = self.board.excess(post, self._clock.now_ms())
        if reason := over or self.board.chunk_excess(post, self._blobs.size):
            return Declined(signed.digest, shown(f"{post.session}: {reason}", MAX_REASON))
        for attachment in attachments_of(post.body):
            if attachment.is_blob and self._blobs.size(attachment.digest) != attachment.size:
                return Rejected("awaited-blob", f"blob {attachment.digest.hex()} is not here")
        for name in chunks_of(post.body):
            if self._blobs.size(name) is None:
                return Rejected("awaited-blob", f"blob {name.hex()} is not here")
        try:
            self._append(signed)
        except Fork as error:
            return Rejected("fork", shown(str(error), MAX_REASON))
        except BadEntry as error:
            return Rejected("bad-post", shown(error.reason, MAX_REASON))
        return Accepted(signed.digest, self.board.head.position)

    def _repeated(self, post: Post, signed: SignedPost) -> FromAggregator:
        """The answer to a post in the place of one that is on the board: the same as then."""
        there = (p for p in self.board.session(post.session) if p.digest == signed.digest)
        if (same := next(there, None)) is not None:
            return Accepted(signed.digest, same.position)
        return Rejected("bad-post", f"another post is number {post.sequence} in {post.session}")

    def _why_not_its_own(self, member: int, post: Post) -> str:
        """Why a connection may not put a post on the board, empty if it may.

        A guest speaks in the last handover alone: its number may have been another's in others.
        """
        if post.sender != member:
            return f"this session is not member {post.sender}'s"
        last = self.board.key.handovers.last
        if self._is_guest(member) and (last is None or post.session != last.about.session):
            return "a guest speaks in its handover alone"
        return ""

    def _is_guest(self, member: int) -> bool:
        return member > self.terms.n_members

    def _append(self, signed: SignedPost) -> None:
        self._put(self.board.extend(signed, self._clock.now_ms()))

    def _put(self, entry: Entry) -> None:
        """Store the board's next entry, which may come next, and take note of it."""
        names = self._kept.put(entry)
        self.storage.stored()
        self.summing.let_go()
        for name in names:
            self._blobs.name(name)

    def _say(self, session: str, body: Body) -> None:
        head = self.board.head
        sequence = self.board.count(session, AGGREGATOR)
        federation = self.terms.federation
        post = Post(federation, session, AGGREGATOR, sequence, head.position, head.hash, body)
        self._append(sign_post(post, self._key))

    # ── blobs ──

    def _upload(self, member: int, frame: BlobOffer | BlobChunk) -> FromAggregator:
        if self._is_guest(member):  # no word of a handover has blobs
            return Rejected("not-allowed", "a guest of a handover uploads nothing")
        try:
            if isinstance(frame, BlobOffer):
                offset = self._blobs.have(member, frame.digest, frame.size)
            else:
                before = self._blobs.appended
                offset = self._blobs.add(member, frame.digest, frame.size, frame.offset, frame.data)
                if self._blobs.appended > before:
                    self.storage.stored()
        except BadUpload as error:
            return Rejected(error.code, shown(str(error), MAX_REASON))
        return BlobHave(frame.digest, offset, frame.size, isinstance(frame, BlobOffer))

    def _ticket(self, member: int, frame: TicketRequest) -> list[FromAggregator]:
        """A ticket, or what the member asks for instead."""
        if frame.way == "get":
            size = self._blobs.size(frame.digest) or 0
            query = self._blobs.ticket_to_get(frame.digest) if size >= DIRECT_BYTES else ""
            if not query:
                return self._download(BlobRequest(frame.digest, 0))
            return [Ticket("get", frame.digest, size, query)]
        offer = BlobOffer(frame.digest, frame.size)
        if not self._is_guest(member):
            try:
                query = self._blobs.ticket_to_put(member, frame.digest, frame.size)
            except BadUpload as error:
                return [Rejected(error.code, shown(str(error), MAX_REASON))]
            if query:
                return [Ticket("put", frame.digest, frame.size, query)]
        return [self._upload(member, offer)]

    def _download(self, frame: BlobRequest) -> list[FromAggregator]:
        size = self._blobs.size(frame.digest)
        if size is None:
            return [BlobAbsent(frame.digest)]
        if frame.offset > size:
            return [Rejected("malformed", f"blob {frame.digest.hex()} has only {size} bytes")]
        data = self._blobs.part(frame.digest, frame.offset, REQUESTED_BYTES)
        return [
            BlobChunk(frame.digest, size, frame.offset + k, data[k : k + CHUNK_BYTES])
            for k in range(0, max(1, len(data)), CHUNK_BYTES)
        ]
