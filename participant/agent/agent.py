"""One hospital's agent, without sockets: frames in, frames out, and its own durable storage.

The agent keeps its own verified copy of the board, feeds the entries to its tasks, and says what
they have due: signed, durable in the outbox, uploaded, submitted, until it is seen on the board.
Whatever is lost on the way is asked for again; whatever comes twice is ignored.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.agent.checkpoint import load_checkpoint, save_checkpoint
from participant.agent.decline import bears_out
from participant.agent.outbox import Outbox
from participant.agent.set_back import SetBack, check_forgettable, found_set_back, is_passed
from participant.agent.set_ledger import SetLedger
from participant.agent.task import Task
from participant.agent.transfer import Downloads, TransferBytes, Uploads
from participant.disk import Storage
from participant.errors import IdentityInUse, RejectedByAggregator
from protocol.board import (
    Attachment,
    Board,
    Draft,
    Head,
    Post,
    Posted,
    Surplus,
    decode_entry,
    purpose_of,
    sign_post,
)
from protocol.errors import Fork
from protocol.terms import Terms
from protocol.wire import (
    Accepted,
    BlobChunk,
    BlobHave,
    Declined,
    Entries,
    FromAggregator,
    FromMember,
    Rejected,
    Submit,
    Subscribe,
    Welcome,
)
from protocol.words import shown

_PREFETCH = 64  # entries whose blobs are asked for at a time


class Agent:
    """A member's side of the link to the aggregator."""

    def __init__(
        self,
        terms: Terms,
        index: int,
        key: Ed25519PrivateKey,
        storage: Storage,
        task: Task,
        reads_all: bool = False,
        tell: Callable[[SetBack], None] = lambda found: None,
    ) -> None:
        """``reads_all``: the task gets every payload, also those sealed to others.

        ``tell``: called, in the thread of ``step``, if the storage turns out to be set back.
        """
        self.terms, self.index, self.task = terms, index, task
        self._reads_all, self._tell = reads_all, tell
        self.board = Board(terms)
        self._key, self._storage = key, storage
        self._outbox = Outbox(storage)
        self._uploads, self._downloads = Uploads(self._outbox.blob), Downloads()
        self._uploads.resume(self._outbox.sizes)  # offered when the link comes up
        self._streamed: set[bytes] = set()  # asked for as the task's wanted blobs
        self._submitted = False  # the pending post, since it was last begun to be sent
        self._doubted = b""  # the post that was declined once for what this board does not show
        self._outgoing: deque[FromMember] = deque()
        self._unread: deque[Posted] = deque()
        self._target: Head | None = None  # the aggregator's head when the link came up
        self.begun = False  # whether the board is known here up to that head
        self._offered = False  # the pending post, since the link came up
        self.made = b""  # the digest of the last post that this object has made
        self.seen: Posted | None = None  # the last own one that was settled
        self.stalled = ""  # why the aggregator does not take what is sent to it; empty if it does
        self._checkpoint = load_checkpoint(storage)

    @property
    def done(self) -> bool:
        """Whether the task is done and nothing of ours is on its way."""
        return self.begun and self.task.done and not self.is_sending

    @property
    def is_sending(self) -> bool:
        """Whether a post is on its way: whatever the next command is, it sends it first."""
        return self._outbox.pending is not None

    @property
    def transfer(self) -> TransferBytes:
        """How far the blobs have got; may be asked for while a step is at work."""
        return TransferBytes(*self._uploads.sent, *self._downloads.received_bytes)

    def connected(self, welcome: Welcome) -> None:
        """The link is up. Raises Fork if the board is not the one seen before."""
        last = max(self.board.head.position, self._checkpoint.position if self._checkpoint else 0)
        if welcome.position < last:
            raise Fork(welcome.position, f"the board had {last} entries before")
        self._target = Head(welcome.position, welcome.head)
        self._offered = False
        self.nudge()

    def disconnected(self) -> None:
        """The link is down; what was on its way is sent again later."""
        self._target = None
        self._outgoing.clear()
        self._uploads.broke()

    def remember_head(self) -> None:
        """Note the board's head, so that a board without it counts as a fork from now on."""
        self._save_checkpoint(self.board.head)

    def nudge(self) -> None:
        """Ask again for everything that is waited for."""
        self._outgoing.append(Subscribe(self.board.head.position))
        self._outgoing.extend(self._downloads.requests())
        if self._offered:
            self._offer()

    def outgoing(self) -> list[FromMember]:
        """The frames to send now."""
        frames = list(self._outgoing)
        self._outgoing.clear()
        return frames

    def receive(self, frame: FromAggregator) -> None:
        """Take a frame; raises Fork, BadEntry, DamagedBlob or RejectedByAggregator."""
        if isinstance(frame, Entries):
            self._receive_entries(frame)
        elif isinstance(frame, BlobHave):
            held = self._uploads.sent[0]
            self._outgoing.extend(self._uploads.acknowledged(frame))
            if self._uploads.sent[0] > held:
                self.stalled = ""
            if self._uploads.complete and not self._submitted:
                self._submitted = True
                self._submit()
        elif isinstance(frame, BlobChunk):
            if request := self._downloads.received(frame):
                self._outgoing.append(request)
        elif isinstance(frame, Rejected):
            self._rejected(frame)
        elif isinstance(frame, Declined):
            self._declined(frame)
        elif isinstance(frame, Accepted):
            self.stalled = ""  # what counts is to see it on the board

    def step(self) -> None:
        """Read what has arrived and prepare what is due; may take as long as a training round."""
        if self._target is None or self.board.head.position < self._target.position:
            return
        if self.board.hash_at(self._target.position) != self._target.hash:
            raise Fork(self._target.position, "it is not the one that the aggregator announced")
        if not self.begun:
            self._check_checkpoint()
            self._notice_set_back()
            if position := SetLedger(self._storage).seen_since:
                self.task.restored(position)
            self.task.begin(self.board)
            self.begun = True
        if not self._offered:  # now that the board tells whether it is there already
            self._offered = True
            self._offer()
        self._read()
        self._stream()
        if self._unread or self._outbox.pending is not None:
            return
        # A task may find out here that it needs a blob, which may be here already.
        if (draft := self.task.due()) or (self._stream() and (draft := self.task.due())):
            self._say(draft)

    def _receive_entries(self, frame: Entries) -> None:
        for data in frame.entries:
            entry = decode_entry(data)
            known = self.board.head.position
            if entry.position <= known:
                if self.board.hash_at(entry.position) != entry.hash:
                    raise Fork(entry.position, "it was another one before")
            elif entry.position == known + 1:
                self._check_own(posted := self.board.append(entry))
                self.task.verified(entry)
                self._unread.append(posted)
            else:
                self._outgoing.append(Subscribe(known))
                return

    def _check_own(self, posted: Posted) -> None:
        """Once the board is read, own posts appear on it only from the outbox."""
        if posted.post.sender != self.index or not self.begun:
            return
        pending = self._outbox.pending
        if pending is None or pending.signed.digest != posted.digest:
            raise IdentityInUse(posted.position, posted.post.session)

    def _check_checkpoint(self) -> None:
        saved = self._checkpoint
        if saved and self.board.hash_at(saved.position) != saved.hash:
            raise Fork(saved.position, "it was another one when this hospital last spoke")

    def _notice_set_back(self) -> None:
        """If this storage is older than what the hospital has said, go on as after a restore.

        A pending post that was passed by is let go of in any case: `key restore` marks the storage,
        and notes the board's head, with the post still in it.
        """
        known, pending = self._checkpoint, self._outbox.pending
        found = found_set_back(self.board, self.index, known.position if known else 0, pending)
        if found:
            SetLedger(self._storage).mark_restored(self.board.head)
        if pending and is_passed(self.board, self.index, pending):
            check_forgettable(self.board, self.index, pending)
            self._uploads.stop()
            self._outbox.discard()
        if found:
            self._save_checkpoint(self.board.head)  # last: until then it is found again
            self._tell(found)

    def _read(self) -> None:
        while self._unread:
            posted = self._unread[0]
            needed = self._needed(posted)
            payloads = {a.to: self._blob(a) for a in needed}
            found = {to: data for to, data in payloads.items() if data is not None}
            if len(found) < len(payloads):
                self._ask_ahead()
                return
            counts = not isinstance(posted.post.body, Surplus)
            if counts and self.task.wants(posted.post.session):
                self.task.receive(posted, found)
            self._unread.popleft()
            self._let_go(posted)
            pending = self._outbox.pending
            if pending and pending.signed.digest == posted.digest:
                # Or else a board without this post, shown after a restart, would go unnoticed.
                self._advance_checkpoint(Head(posted.position, posted.hash))
                self._uploads.stop()
                self._outbox.settle()
                self.seen = posted

    def _needed(self, posted: Posted) -> list[Attachment]:
        if not self.task.wants(posted.post.session) or not self.task.needs(posted):
            return []
        return [a for a in posted.attachments if self._reads_all or a.to in (0, self.index)]

    def _ask_ahead(self) -> None:
        """Ask for what the next entries need, as far as the task can tell now.

        Of what a sender says twice, only the first can matter: whoever names a blob in many posts
        makes nobody fetch more than one.
        """
        said: set[object] = set()
        for posted in islice(self._unread, _PREFETCH):
            purpose = posted.post.session, posted.post.sender, purpose_of(posted.post.body)
            if purpose not in said:
                said.add(purpose)
                for attachment in self._needed(posted):
                    if attachment.is_blob:
                        self._want(attachment.digest, attachment.size)

    def _let_go(self, posted: Posted) -> None:
        """Forget the blobs of an entry that was received, but for those that the next ones need."""
        if names := {a.digest for a in posted.attachments if a.is_blob}:
            following = islice(self._unread, _PREFETCH)
            for name in names - {a.digest for later in following for a in self._needed(later)}:
                self._downloads.drop(name)

    def _stream(self) -> bool:
        """Hand over the wanted blobs that are here, in their order, and ask for the others.

        Whether any was handed over.
        """
        any_here = False
        while wanted := self.task.wanted_blobs():
            name, _ = wanted[0]
            if (data := self._stored(name)) is None:
                break
            self._downloads.drop(name)  # before it is worked on: it is in memory only once
            self.task.receive_blob(name, data)
            any_here = True
        names = {name for name, _ in wanted}
        for name in self._streamed - names:
            self._downloads.drop(name)  # an entry that needs it as well asks for it again
        self._streamed = names
        for name, size in wanted:
            self._want(name, size)
        return any_here

    def _want(self, name: bytes, size: int) -> None:
        if not self._outbox.holds(name) and (request := self._downloads.want(name, size)):
            self._outgoing.append(request)

    def _blob(self, attachment: Attachment) -> bytes | None:
        return self._stored(attachment.digest) if attachment.is_blob else attachment.data

    def _stored(self, name: bytes) -> bytes | None:
        """A blob that is here: this hospital's own, or one that has arrived."""
        return self._outbox.blob(name) or self._downloads.take(name)

    def _say(self, draft: Draft) -> None:
        head = self.board.head
        post = Post(
            self.terms.federation,
            draft.session,
            self.index,
            self.board.count(draft.session, self.index),
            head.position,
            head.hash,
            draft.body,
        )
        self._save_checkpoint(head)
        signed = sign_post(post, self._key)
        self._outbox.put(signed, draft.blobs, draft.stored)
        self.made = signed.digest
        self._outgoing.extend(self._uploads.start(self._outbox.sizes))
        # Frames keep their order, so that a post may follow its blobs without an answer, if all of
        # them have left; if one of them did not arrive, the aggregator says so.
        self._submitted = self._uploads.all_sent
        if self._submitted:
            self._submit()

    def _advance_checkpoint(self, head: Head) -> None:
        """Never back: own later entries would be unknown again, as if the disk had gone back."""
        if self._checkpoint is None or self._checkpoint.position < head.position:
            self._save_checkpoint(head)

    def _save_checkpoint(self, head: Head) -> None:
        self._checkpoint = head
        save_checkpoint(self._storage, head)

    def _send_after(self, frames: Iterable[FromMember]) -> None:
        """Send frames about the blobs; the post at once if all of them are there."""
        self._outgoing.extend(frames)
        self._submitted = self._uploads.complete
        if self._submitted:
            self._submit()

    def _offer(self) -> None:
        """Send what is pending on its way again."""
        if self._outbox.pending:
            self._send_after(self._uploads.offers())

    def _submit(self) -> None:
        if self._outbox.pending:
            self._outgoing.append(Submit(self._outbox.pending.signed))

    def _rejected(self, frame: Rejected) -> None:
        if frame.code == "awaited-blob":
            if self._outbox.pending:
                self._send_after(self._uploads.resume(self._outbox.sizes))
        elif frame.code == "busy":
            self.stalled = shown(frame.reason)  # what is pending is offered again by ``nudge``
            self._uploads.pause()
        else:
            raise RejectedByAggregator(frame.code, shown(frame.reason))

    def _declined(self, frame: Declined) -> None:
        """Forget the post: waiting for it would hold up all later ones for ever.

        Should it stand on the board after all, it stops this agent, as any post that it did not
        expect of itself. Raises RejectedByAggregator if the task is about it, and where this
        hospital's own board does not bear it out: then the post stays in the outbox.
        """
        pending = self._outbox.pending
        if pending is None or pending.signed.digest != frame.post:
            return
        if not bears_out(self.board, pending.post, self._outbox.sizes):
            if self._doubted == frame.post:
                raise RejectedByAggregator("false-decline", shown(frame.reason))
            # Once more, behind the entries that it may have been declined for.
            self._doubted = frame.post
            self._outgoing.append(Subscribe(self.board.head.position))
            self._submit()
            return
        self._uploads.stop()
        self._outbox.discard()
        if self.task.wants(pending.post.session):
            raise RejectedByAggregator("over-budget", shown(frame.reason))
