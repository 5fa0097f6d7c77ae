"""The aggregator without sockets: frames in, frames out, and a folder that survives everything.

Nothing is acknowledged before it is durable, and nothing that matters is in memory alone: a new
object on the same folder goes on where the last one stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.blobs import BlobStore
from aggregator.clock import BoardClock
from aggregator.errors import BadUpload, StoreDamaged
from aggregator.hybrid_round import HybridRound
from aggregator.omission import Reason
from aggregator.packed_round import PackedRound
from aggregator.rounds import Rounds, is_hybrid
from aggregator.status import AtWork, report
from aggregator.storage_health import StorageHealth
from aggregator.store import BoardStore
from aggregator.vector_sum import remove_sums
from aggregator.waits import Waits
from protocol.board import Board, Head, Post, SignedPost, decode_entry, sign_post
from protocol.encoding import decode, encode
from protocol.epoch import Epoch, epoch_of
from protocol.errors import BadEntry, Fork, Malformed
from protocol.foreign import shown
from protocol.messages import (
    MAX_POST_BYTES,
    MAX_REASON,
    Body,
    Certificate,
    attachments_of,
    chunks_of,
    kind_of,
)
from protocol.round import RoundView
from protocol.terms import AGGREGATOR, Terms
from protocol.wire import (
    CHUNK_BYTES,
    MAX_ENTRIES_BYTES,
    REQUESTED_BYTES,
    Accepted,
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
)

# Of the vectors' sums at one tick: members' frames wait meanwhile.
_TICK_STEPS = 8
_TICK_SECONDS = 0.2
_CLEAN_UP_EVERY_MS = 60_000


class Aggregator:
    """The service's core.

    now_ms: the machine's clock; steady_ms: one that nobody sets, for the pace of all waits.
    """

    def __init__(
        self,
        terms: Terms,
        key: Ed25519PrivateKey,
        folder: Path,
        now_ms: Callable[[], int],
        steady_ms: Callable[[], int] | None = None,
    ) -> None:
        self.terms, self._key, self._folder = terms, key, folder
        self._store = BoardStore(folder)
        self.storage = StorageHealth(now_ms)
        self.board = Board(terms)
        self._blobs = BlobStore(folder, self._store, lambda: self.board.upload_bytes, now_ms)
        self._encoded: list[bytes] = []
        self._accepted: dict[tuple[str, int, int], tuple[bytes, int]] = {}
        self.rounds = Rounds(terms)
        self.epoch: Epoch | None = None
        self._epochs: dict[bytes, Epoch] = {}
        self.left_out: dict[str, dict[int, Reason]] = {}
        self.held_back: dict[str, frozenset[int]] = {}  # who is waited for, by session
        self._packed: dict[str, PackedRound] = {}  # those that are due
        self._hybrid: dict[str, HybridRound] = {}
        self._cleaned_ms = 0
        try:
            self._read_store()
            remove_sums(folder, frozenset(view.session for view in self.rounds.open_hybrid()))
        except BaseException:
            self._store.close()
            raise
        entries = self.board.entries
        self._waits = Waits(folder, entries[-1].time_ms if entries else 0)
        self._clock = BoardClock(now_ms, self._waits.last_ms, steady_ms)
        self._waits.begin(self._clock.now_ms())

    def _read_store(self) -> None:
        for data in self._store.entries():
            try:
                self._take(data)
            except (Fork, BadEntry, Malformed) as error:
                position = self.board.head.position + 1
                reason = error.reason if not self._is_foreign(data) else "of another federation"
                raise StoreDamaged(f"entry {position}", reason, position) from None
        noted = self._store.last_noted
        if noted is not None:
            self._store.check_end(self.board.head, self.board.hash_at(noted.position))
        for posted in self.board.entries:
            for attachment in posted.attachments:
                if attachment.is_blob:
                    self._blobs.require(attachment.digest, attachment.size)
            for name in chunks_of(posted.post.body):
                self._blobs.require(name)
        self._blobs.look_for_unnamed()

    def _is_foreign(self, data: bytes) -> bool:
        try:
            post = decode(decode_entry(data).post.post, Post, "post", MAX_POST_BYTES)
        except Malformed:
            return False
        return post.federation != self.terms.federation

    def close(self) -> None:
        """Let go of the folder."""
        self._store.close()

    def receive(self, member: int, frame: FromMember) -> list[FromAggregator]:
        """The answers to an authenticated member's frame; raises StoreFull or StoreDamaged."""
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
        now_ms = self._clock.now_ms()
        work = AtWork(
            self.left_out,
            {s: who for s, who in self.held_back.items() if self._is_open(s)},
            {s: (found.chunks_summed, found.chunks) for s, found in self._hybrid.items()},
            connected,
            self.storage.trouble,
            self._clock.report,
        )
        return report(self.board, self.terms, self.rounds, self.epoch, now_ms, work)

    def tick(self) -> bool:
        """Open and close what is due, and add a little of what has come; whether it did anything.

        True: call again at once, since more may wait.
        """
        before, now_ms = self.board.head.position, self._clock.now_ms()
        self._waits.keep(now_ms)
        waited = partial(self._waits.since, now_ms=now_ms)
        if not self._cleaned_ms <= now_ms < self._cleaned_ms + _CLEAN_UP_EVERY_MS:
            self._cleaned_ms = now_ms
            self._blobs.clean_up()
        if self.epoch is not None:
            for session, opening in self.rounds.to_open(self.epoch, waited):
                self._say(session, opening)
        due = self.rounds.to_close(waited)
        is_at_work = self._advance_packed([view for view in due if not is_hybrid(view)])
        is_at_work |= self._advance_sums({view.session for view in due})
        return is_at_work or self.board.head.position > before

    # ── the board ──

    def _submit(self, member: int, signed: SignedPost) -> FromAggregator:
        try:
            post = decode(signed.post, Post, "post", MAX_POST_BYTES)
        except Malformed as error:
            return Rejected("malformed", shown(str(error), MAX_REASON))
        if post.sender != member:
            return Rejected("not-allowed", f"this session is not member {post.sender}'s")
        known = self._accepted.get((post.session, post.sender, post.sequence))
        if known is not None:
            if known[0] == signed.digest:
                return Accepted(signed.digest, known[1])
            return Rejected("bad-post", f"another post is number {post.sequence} in {post.session}")
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

    def _append(self, signed: SignedPost) -> None:
        entry = self.board.extend(signed, self._clock.now_ms())
        data = encode(entry)
        self._store.append(Head(entry.position, entry.hash), data)
        self.storage.stored()
        self._take(data)

    def _take(self, data: bytes) -> None:
        posted = self.board.append(decode_entry(data))
        self._encoded.append(data)
        post = posted.post
        key = (post.session, post.sender, post.sequence)
        self._accepted[key] = (posted.digest, posted.position)
        for attachment in posted.attachments:
            if attachment.is_blob:
                self._blobs.name(attachment.digest)
        for name in chunks_of(post.body):
            self._blobs.name(name)
        self.rounds.receive(posted)
        if isinstance(post.body, Certificate):
            self._find_epoch()

    def _find_epoch(self) -> None:
        try:
            self.epoch = epoch_of(self.board.entries, self.terms)
        except Malformed:
            return  # all members signed what is no epoch; nothing can be opened under it
        if self.epoch is not None:
            self._epochs[self.epoch.digest] = self.epoch

    def _say(self, session: str, body: Body) -> None:
        head = self.board.head
        sequence = self.board.count(session, AGGREGATOR)
        federation = self.terms.federation
        post = Post(federation, session, AGGREGATOR, sequence, head.position, head.hash, body)
        self._append(sign_post(post, self._key))

    # ── blobs ──

    def _upload(self, member: int, frame: BlobOffer | BlobChunk) -> FromAggregator:
        try:
            if isinstance(frame, BlobOffer):
                offset = self._blobs.have(member, frame.digest, frame.size)
            else:
                offset = self._blobs.add(member, frame.digest, frame.size, frame.offset, frame.data)
                if offset > frame.offset:
                    self.storage.stored()
        except BadUpload as error:
            return Rejected(error.code, shown(str(error), MAX_REASON))
        return BlobHave(frame.digest, offset, frame.size, isinstance(frame, BlobOffer))

    def _download(self, frame: BlobRequest) -> list[FromAggregator]:
        size = self._blobs.size(frame.digest)
        if size is None or frame.offset > size:
            return [Rejected("missing-blob", f"blob {frame.digest.hex()} is not here")]
        data = self._blobs.part(frame.digest, frame.offset, REQUESTED_BYTES)
        return [
            BlobChunk(frame.digest, size, frame.offset + k, data[k : k + CHUNK_BYTES])
            for k in range(0, max(1, len(data)), CHUNK_BYTES)
        ]

    # ── sums ──

    def _advance_packed(self, due: list[RoundView]) -> bool:
        """Judge and add for a while; whether there is more to do.

        A statistic and a training round get on side by side, so that a long statistic keeps no
        training waiting. One of each at a time is in memory: the shortest that waits is the next.
        """
        sessions = {view.session for view in due}
        self._packed = {s: found for s, found in self._packed.items() if s in sessions}
        statistics = [view for view in due if kind_of(view.session) == "statistic"]
        training = [view for view in due if kind_of(view.session) == "training"]
        waits = [self._advance_shortest(views) for views in (training, statistics)]
        return any(waits)

    def _advance_shortest(self, due: list[RoundView]) -> bool:
        until = time.monotonic() + _TICK_SECONDS
        for view in sorted(due, key=self._turn):
            found = self._packed_round(view)
            if not found.is_waiting:
                continue
            while found.step():
                if found.is_decided:
                    self.held_back.pop(view.session, None)
                if time.monotonic() >= until:
                    return True
            self._tell_left_out(view, found.unfit)
            if found.closing is None:
                self.left_out[view.session] = found.left_out
                self._hold_back(view, found.fit)
                continue
            self.held_back.pop(view.session, None)
            self._say(view.session, found.closing)
            self._tell_left_out(view, found.left_out)
            del self._packed[view.session]
        return False

    def _tell_left_out(self, view: RoundView, reasons: Mapping[int, Reason]) -> None:
        """Say on the board, once each, whose contribution is left out for good, and why.

        What is unfit is said as soon as it is known, all else when the round is closed: the reasons
        for it can change until then.
        """
        self.left_out[view.session] = dict(reasons)
        for member, reason in sorted(reasons.items()):
            if member not in view.omissions:
                self._say(view.session, reason.about(view.contributions[member]))

    def _turn(self, view: RoundView) -> tuple[bool, int]:
        """What is begun comes first, then what is shorter."""
        opening, found = view.terms_of_opening, self._packed.get(view.session)
        assert opening is not None
        return found is None or not found.is_at_work, opening.length

    def _packed_round(self, view: RoundView) -> PackedRound:
        opening = view.terms_of_opening
        assert opening is not None
        if view.session not in self._packed:
            epoch, history = self._epochs[opening.epoch], self.rounds.history
            found = PackedRound(view, self.terms, epoch, self._blobs, history)
            self._packed[view.session] = found
        return self._packed[view.session]

    def _hold_back(self, view: RoundView, fit: frozenset[int]) -> None:
        """Note for whom a round waits that has enough contributions, and no sum of them to open."""
        if len(fit) >= self.rounds.min_contributors:
            self.held_back[view.session] = self.rounds.history.awaited(view, fit)

    def _is_open(self, session: str) -> bool:
        """Whether hospitals may still contribute to a round to some purpose."""
        view = self.rounds.views[session]
        return view.closing is None and not self.rounds.is_given_up(view)

    def _advance_sums(self, due: set[str]) -> bool:
        """Some steps of the hybrid rounds, closing those that are done; whether any was taken."""
        steps, until = 0, time.monotonic() + _TICK_SECONDS
        self._let_go_of_given_up()
        for view in self.rounds.open_hybrid():
            found, is_at_work = self._hybrid_round(view), True
            while not steps or (steps < _TICK_STEPS and time.monotonic() < until):
                if not (is_at_work := found.step(view.session in due)):
                    break
                steps += 1
            if found.is_decided:
                self.held_back.pop(view.session, None)
            elif view.session in due and not is_at_work:  # all that came is judged
                self._hold_back(view, found.fit)
            self._tell_left_out(view, found.unfit)
            if closing := found.closing():
                self._say(view.session, closing)
                self._tell_left_out(view, found.left_out)
                self.held_back.pop(view.session, None)
                del self._hybrid[view.session]
                found.remove()
        return steps > 0

    def _let_go_of_given_up(self) -> None:
        """Keep no sum of rounds that nobody will close, and wait for nobody there."""
        views = self.rounds.views
        for session in [s for s in self._hybrid if self.rounds.is_given_up(views[s])]:
            self._hybrid.pop(session).remove()
        self.held_back = {s: who for s, who in self.held_back.items() if self._is_open(s)}

    def _hybrid_round(self, view: RoundView) -> HybridRound:
        opening = view.terms_of_opening
        assert opening is not None
        if view.session not in self._hybrid:
            epoch = self._epochs[opening.epoch]
            history = self.rounds.history
            found = HybridRound(view, self.terms, epoch, self._blobs, self._folder, history)
            self._hybrid[view.session] = found
        return self._hybrid[view.session]
