"""One hospital's agent, without sockets: frames in, frames out, and its own durable storage.

The agent keeps its own verified copy of the board, feeds the entries to its tasks, and says what
they have due, in turn: signed, durable in the outbox, uploaded, submitted, until it is seen on the
board. Whatever is lost on the way is asked for again; whatever comes twice is ignored.
"""

from collections import deque
from collections.abc import Callable, Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.agent.checkpoint import load_checkpoint, save_checkpoint
from participant.agent.decline import bears_out
from participant.agent.outbox import Outbox
from participant.agent.payloads import Payloads
from participant.agent.set_back import SetBack, check_forgettable, found_set_back, is_passed
from participant.agent.set_ledger import SetLedger
from participant.agent.task import Task
from participant.agent.tasks import Reader, Tasks
from participant.agent.transfer import Downloads, TransferBytes, Uploads
from participant.board import SELDOM, BoardCopy, often
from participant.disk import Storage
from participant.errors import DamagedFile, IdentityInUse, RejectedByAggregator
from protocol.board import Board, Draft, Entry, Head, Post, Posted, Surplus, decode_entry, sign_post
from protocol.errors import Fork, Malformed
from protocol.signing import public_bytes
from protocol.terms import Terms
from protocol.wire import (
    Accepted,
    BlobAbsent,
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


class Agent:
    """A member's side of the link to the aggregator, or a guest's of a handover."""

    def __init__(
        self,
        terms: Terms,
        index: int,
        key: Ed25519PrivateKey,
        storage: Storage,
        task: Task | Tasks,
        tell: Callable[[SetBack], None] = lambda found: None,
        copy: BoardCopy | None = None,
    ) -> None:
        """terms: of the federation whose board it is. index: of ``key`` there, a guest's included.

        ``task``: what it is there for, or all of it, to which more can be added.

        ``tell``: called, in the thread of ``step``, if the storage turns out to be set back.

        copy: what was read of the board before, and where more of it is kept.
        """
        self.terms, self.index, self._tell = terms, index, tell
        self.tasks = task if isinstance(task, Tasks) else Tasks.lone(task)
        self.board = copy.board(terms) if copy else Board(terms)
        self._key, self._storage, self._public = key, storage, public_bytes(key)
        self._outbox = Outbox(storage)
        self._uploads, self._downloads = Uploads(self._outbox.blob), Downloads()
        self._uploads.resume(self._outbox.sizes)  # offered when the link comes up
        self._outgoing: deque[FromMember] = deque()
        ask = self._outgoing.append
        self._payloads = Payloads(index, self._outbox, self._downloads, ask)
        self._submitted = False  # the pending post, since it was last begun to be sent
        self._doubt: Declined | None = None  # a decline to be judged once this board has caught up
        self._doubted = b""  # the post that was declined once for what this board does not show
        self._landed: Posted | None = None  # the pending post, as it stands on the board
        self._target: Head | None = None  # the aggregator's head when the link came up
        self.begun = False  # whether the board is known here up to that head
        self._offered = False  # the pending post, since the link came up
        self.made = b""  # the digest of the last post that this object has made
        self.seen: Posted | None = None  # the last own one that was settled
        self.stalled = ""  # why the aggregator does not take what is sent to it; empty if it does
        self._checkpoint = load_checkpoint(storage)
        self.copy = copy
        self._look_back()

    def _look_back(self) -> None:
        """See what the board shows already that was read before."""
        if pending := self._outbox.pending:
            for posted in self.board.entries[pending.post.seen_position :]:
                self._check_own(posted)
        for reader in self.tasks.readers:
            self._show_copied(reader)

    @property
    def task(self) -> Task:
        """The only task of an agent that was made for it."""
        assert self.tasks.main is not None
        return self.tasks.main

    @property
    def done(self) -> bool:
        """Whether the only task is done and nothing of ours is on its way."""
        return self.begun and self.tasks.done and not self.is_sending

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
        self._target = self._doubt = None  # the post is offered again, and declined again
        self._outgoing.clear()
        self._uploads.broke()

    def remember_head(self) -> None:
        """Note the board's head, so that a board without it counts as a fork from now on."""
        self._save_checkpoint(self.board.head)

    def nudge(self) -> None:
        """Ask again for everything that is waited for."""
        self._subscribe()
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
            if self._outbox.pending is None:
                self.stalled = ""  # it was a blob's request that was put off
            if request := self._downloads.received(frame):
                self._outgoing.append(request)
        elif isinstance(frame, BlobAbsent):
            self.tasks.absent(frame.digest)
        elif isinstance(frame, Rejected):
            self._rejected(frame)
        elif isinstance(frame, Declined):
            self._declined(frame)
        elif isinstance(frame, Accepted):
            self.stalled = ""  # what counts is to see it on the board

    def step(self) -> None:
        """Read what has arrived and prepare what is due; may take as long as a training round."""
        if self.copy:
            self.copy.save(self.board, SELDOM if self.begun else often(self.board.head.position))
        if self._target is None or self.board.head.position < self._target.position:
            return
        if self.board.hash_at(self._target.position) != self._target.hash:
            raise Fork(self._target.position, "it is not the one that the aggregator announced")
        if not self.begun:
            self._check_checkpoint()
            self._notice_set_back()
            if self.copy:
                self.copy.save(self.board)
        self._admit()
        self.begun = True
        if not self._offered:  # now that the board tells whether it is there already
            self._offered = True
            self._offer()
        for reader in self.tasks.begun():
            with self.tasks.at(reader):
                self._payloads.read(reader, self.board, self.tasks.readers)
        self._settle()
        for reader in self.tasks.begun():
            with self.tasks.at(reader):
                self._payloads.stream(reader, self.tasks.readers)
        if self._outbox.pending is None:
            self._say_next()
        pending = self._outbox.pending
        self.tasks.drop_done(pending.post if pending else None)

    def _admit(self) -> None:
        """Let those tasks begin that have come, once each has seen what it is to see before."""
        gone = self.tasks.admit()
        for reader in [reader for reader in self.tasks.readers if not reader.begun]:
            if not reader.is_asked_for:
                self._show_copied(reader)
            if reader.is_behind and reader.verified < self.board.head.position:
                if not reader.is_asked_for:
                    reader.is_asked_for = True
                    self._subscribe()
                continue
            with self.tasks.at(reader):
                if position := SetLedger(self._storage).seen_since:
                    reader.task.restored(position)
                reader.task.begin(self.board)
                reader.begun = True
                if reader.task.speaks and reader.task.session:
                    self.tasks.claim(reader, reader.task.session)
        self._payloads.forget(gone, self.tasks.readers)

    def _say_next(self) -> None:
        """Say what one task has due: the first, in turn, that has something and knows the board."""
        for reader in self.tasks.begun():
            if reader.read < self.board.head.position:
                continue
            draft = None
            with self.tasks.at(reader):
                draft = reader.task.due()
                # It may find out here that it needs a blob, which may be here already.
                if not draft and self._payloads.stream(reader, self.tasks.readers):
                    draft = reader.task.due()
                if draft and self.board.bar(draft.session, self.index, draft.body):
                    draft = None  # it is asked for again, and said if the handover is given up
                if draft:
                    self.tasks.claim(reader, draft.session)
            if draft and reader in self.tasks.readers and self._say(reader, draft):
                self.tasks.spoke(reader)
                return

    def _receive_entries(self, frame: Entries) -> None:
        for data in frame.entries:
            entry = decode_entry(data)
            known = len(self.board.entries)
            if entry.position <= known:
                if self.board.hash_at(entry.position) != entry.hash:
                    raise Fork(entry.position, "it was another one before")
                self._show(entry)
            elif entry.position == known + 1:
                self._check_own(self.board.append(entry))
                if self.copy:
                    self.copy.add(data)
                self._show(entry)
            else:
                self._subscribe()
                return
        if (doubt := self._doubt) and self.board.head.position >= frame.head:
            self._doubt = None
            self._declined(doubt, has_caught_up=True)

    def _subscribe(self) -> None:
        """Ask for the entries that follow those that are known, or that a task has yet to see."""
        seen = [reader.verified for reader in self.tasks.readers if reader.is_behind]
        self._outgoing.append(Subscribe(min([self.board.head.position, *seen])))

    def _show_copied(self, reader: Reader) -> None:
        """Show a task that is behind what is stored here."""
        if not self.copy or not reader.is_behind:
            return
        with self.tasks.at(reader):
            for entry in self.copy.after(reader.verified):
                reader.task.verified(entry)
                reader.verified += 1

    def _show(self, entry: Entry) -> None:
        """Show an entry, as it is, to the tasks for which it is the next."""
        for reader in list(self.tasks.readers):
            if reader.task.reads_entries and reader.verified == entry.position - 1:
                with self.tasks.at(reader):
                    reader.task.verified(entry)
                    reader.verified += 1

    def _is_own(self, posted: Posted) -> bool:
        """Whether it was signed with this key: another guest may have the number elsewhere."""
        return self.board.is_by(posted, self.index, self._public)

    def _check_own(self, posted: Posted) -> None:
        """Once the board is read, own posts appear on it only from the outbox."""
        if not self._is_own(posted):
            return
        pending = self._outbox.pending
        if pending and pending.signed.digest == posted.digest:
            self._landed = posted
        elif self.begun:
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
        found = found_set_back(self.board, self._is_own, known.position if known else 0, pending)
        if found:
            SetLedger(self._storage).mark_restored(self.board.head)
        if pending and is_passed(self.board, self._is_own, pending):
            check_forgettable(self.board, self._is_own, pending)
            self._uploads.stop()
            self._outbox.discard()
        if found:
            self._save_checkpoint(self.board.head)  # last: until then it is found again
            self._tell(found)

    def _settle(self) -> None:
        """Let go of the pending post once every task that wants it has received it."""
        landed = self._landed
        if landed is None or any(
            reader.begun
            and reader.read < landed.position
            and reader.task.wants(landed.post.session)
            for reader in self.tasks.readers
        ):
            return
        # Or else a board without this post, shown after a restart, would go unnoticed.
        self._advance_checkpoint(Head(landed.position, landed.hash))
        self._uploads.stop()
        pending = self._outbox.pending
        self._outbox.settle()
        self.seen, self._landed = landed, None
        if pending and isinstance(landed.post.body, Surplus):  # no honest one puts it there
            self._said_in_vain(pending.post, landed.post.body.reason)

    def _say(self, reader: Reader, draft: Draft) -> bool:
        """Whether a draft could be made a post, which is on its way now."""
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
        try:
            self._outbox.put(signed, draft.blobs, draft.stored)
        except (Malformed, DamagedFile) as error:
            self.tasks.fail(reader, error)
            return False
        self.made = signed.digest
        self._outgoing.extend(self._uploads.start(self._outbox.sizes))
        # Frames keep their order, so that a post may follow its blobs without an answer, if all of
        # them have left; if one of them did not arrive, the aggregator says so.
        self._submitted = self._uploads.all_sent
        if self._submitted:
            self._submit()
        return True

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

    def _declined(self, frame: Declined, has_caught_up: bool = False) -> None:
        """Forget the post: waiting for it would hold up all later ones for ever.

        Should it stand on the board after all, it stops this agent, as any post that it did not
        expect of itself. Raises RejectedByAggregator if the task is about it and cannot explain it;
        and where this hospital's own board does not bear it out: then the post stays there.

        has_caught_up: whether that board is where the aggregator's was when it said so. An honest
        one declines a post again and again while the entries that it does so for are on their way:
        the post is sent anew after a silence, and a long list of entries comes in pages.
        """
        pending = self._outbox.pending
        if pending is None or pending.signed.digest != frame.post:
            return
        if not bears_out(self.board, pending.post, self._outbox.sizes):
            if not has_caught_up:
                self._doubt = frame
                self._outgoing.append(Subscribe(self.board.head.position))
            elif self._doubted == frame.post:
                raise RejectedByAggregator("false-decline", shown(frame.reason))
            else:  # what was beyond a budget may have come within it
                self._doubted = frame.post
                self._submit()
            return
        self._uploads.stop()
        self._outbox.discard()
        self._landed = None
        self._said_in_vain(pending.post, frame.reason)

    def _said_in_vain(self, post: Post, reason: str) -> None:
        """End the tasks whose post was beyond the budget, unless they can explain it.

        One that went on would say the same again, for as long as the aggregator likes. What a
        handover of the key bars is not said again before that is lifted.
        """
        if self.board.bar(post.session, post.sender, post.body):
            return
        for reader in list(self.tasks.readers):
            with self.tasks.at(reader):
                if reader.task.wants(post.session) and not reader.task.explains(post):
                    raise RejectedByAggregator("over-budget", shown(reason))
