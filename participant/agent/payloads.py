"""What tasks need beside the entries of the board: blobs, each fetched once for all who need it."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from participant.agent.outbox import Outbox
from participant.agent.tasks import Reader
from participant.agent.transfer import Downloads
from protocol.board import Board, Posted, Surplus
from protocol.messages import Attachment, purpose_of
from protocol.wire import BlobRequest

_PREFETCH = 64  # entries whose blobs are asked for at a time


class Payloads:
    """Hands out what is here, this hospital's own or what has arrived, and asks for the rest."""

    def __init__(
        self, index: int, outbox: Outbox, downloads: Downloads, ask: Callable[[BlobRequest], None]
    ) -> None:
        self._index, self._outbox, self._downloads, self._ask = index, outbox, downloads, ask

    def read(self, reader: Reader, board: Board, others: Sequence[Reader]) -> None:
        """Give a task the entries that it has not had, up to one whose payloads are not here.

        others: all readers, for whom what is fetched may be meant as well.
        """
        entries = board.entries
        while _pass_by(reader, board) < len(entries):
            posted = entries[reader.read]
            if reader.task.wants(posted.post.session):
                payloads = {a.to: self._payload(a) for a in self._needed(reader, posted)}
                found = {to: data for to, data in payloads.items() if data is not None}
                if len(found) < len(payloads):
                    self._ask_ahead(reader, entries)
                    return
                if not isinstance(posted.post.body, Surplus):
                    reader.task.receive(posted, found)
            reader.read += 1
            self._let_go(reader, posted, entries, others)

    def stream(self, reader: Reader, others: Sequence[Reader]) -> bool:
        """Hand over the wanted blobs that are here, in their order, and ask for the others.

        Whether any was handed over.
        """
        any_here = False
        while wanted := reader.task.wanted_blobs():
            name, _ = wanted[0]
            if (data := self._stored(name)) is None:
                break
            reader.streamed.discard(name)
            self._drop({name}, others)  # before it is worked on: it is in memory only once
            reader.task.receive_blob(name, data)
            any_here = True
        names = {name for name, _ in wanted}
        unwanted, reader.streamed = reader.streamed - names, names
        self._drop(unwanted, others)  # an entry that needs it as well asks for it again
        for name, size in wanted:
            self._want(name, size)
        return any_here

    def forget(self, gone: Iterable[Reader], others: Sequence[Reader]) -> None:
        """Let go of what was on its way for tasks that are over, and for nobody else."""
        for reader in gone:
            self._drop(reader.asked | reader.streamed, others)

    def _needed(self, reader: Reader, posted: Posted) -> list[Attachment]:
        task = reader.task
        if not task.wants(posted.post.session) or not task.needs(posted):
            return []
        return [a for a in posted.attachments if task.reads_all or a.to in (0, self._index)]

    def _ask_ahead(self, reader: Reader, entries: Sequence[Posted]) -> None:
        """Ask for what the next entries need, as far as the task can tell now.

        Of what a sender says twice, only the first can matter: whoever names a blob in many posts
        makes nobody fetch more than one.
        """
        said: set[object] = set()
        for posted in entries[reader.read : reader.read + _PREFETCH]:
            purpose = posted.post.session, posted.post.sender, purpose_of(posted.post.body)
            if purpose not in said:
                said.add(purpose)
                for attachment in self._needed(reader, posted):
                    if attachment.is_blob:
                        reader.asked.add(attachment.digest)
                        self._want(attachment.digest, attachment.size)

    def _let_go(
        self, reader: Reader, posted: Posted, entries: Sequence[Posted], others: Sequence[Reader]
    ) -> None:
        """Forget the blobs of an entry that was passed, but for those that the next ones need."""
        if not reader.asked and self._downloads.is_empty:  # so it is for all that is passed by
            return
        blobs = {a.digest for a in posted.attachments if a.is_blob}
        if names := {n for n in blobs if n in reader.asked or self._downloads.holds(n)}:
            following = entries[reader.read : reader.read + _PREFETCH]
            names -= {a.digest for later in following for a in self._needed(reader, later)}
            reader.asked -= names
            self._drop(names, others)

    def _drop(self, names: Iterable[bytes], readers: Sequence[Reader]) -> None:
        for name in names:
            if not any(reader.uses(name) for reader in readers):
                self._downloads.drop(name)

    def _want(self, name: bytes, size: int) -> None:
        if not self._outbox.holds(name) and (request := self._downloads.want(name, size)):
            self._ask(request)

    def _payload(self, attachment: Attachment) -> bytes | None:
        return self._stored(attachment.digest) if attachment.is_blob else attachment.data

    def _stored(self, name: bytes) -> bytes | None:
        """A blob that is here: this hospital's own, or one that has arrived."""
        return self._outbox.blob(name) or self._downloads.take(name)


def _pass_by(reader: Reader, board: Board) -> int:
    """How far a task has read, once it has passed by what is not held and not wanted."""
    before = board.entries.before
    if reader.read < before:
        if reader.looked != before:
            reader.looked, reader.ahead = before, deque(board.elsewhere(reader.task.wants))
        while reader.ahead and reader.ahead[0] <= reader.read:
            reader.ahead.popleft()
        reader.read = reader.ahead[0] - 1 if reader.ahead else before
    return reader.read
