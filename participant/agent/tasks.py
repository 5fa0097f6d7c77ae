"""What one agent does at once: its tasks, how far each has read, and whose turn it is to speak.

Tasks share the board, the link and the outbox, and nothing else. Each reads the board at its own
pace, so that one that waits for a large vector holds up no other. What one of them raises ends it
alone. No two of them speak in one session: neither would know what the other has said there.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from participant.agent.task import Task
from participant.errors import DamagedFile, DiskError, SessionTaken
from protocol.board import Post
from protocol.programs.refusals import FULL

Ended = Callable[[Task, Exception | None], None]


@dataclass(eq=False)
class Reader:
    """One task, and how far it has got; ``yields``: it gives way to another of its session."""

    task: Task
    yields: bool = False
    verified: int = field(init=False)  # up to which it was shown entries, or needs none
    read: int = 0  # entries that it has received, or passed by
    ahead: deque[int] = field(default_factory=deque)  # what it may want of what is not held
    looked: int = 0  # how much was not held then
    begun: bool = False
    is_asked_for: bool = False  # the board once more, from what it was shown last
    sessions: set[str] = field(default_factory=set)  # in which it alone speaks
    asked: set[bytes] = field(default_factory=set)  # blobs that its next entries need
    streamed: set[bytes] = field(default_factory=set)  # blobs that it has asked for by itself

    def __post_init__(self) -> None:
        self.verified = self.task.entries_from

    @property
    def is_behind(self) -> bool:
        """Whether it is still to be shown entries as they are, before it can begin."""
        return self.task.reads_entries and not self.begun

    def uses(self, name: bytes) -> bool:
        """Whether a blob that is on its way is on its way for this task."""
        return name in self.asked or name in self.streamed


class Tasks:
    """Tasks that come and go while their agent runs; ``add`` and ``remove`` from any thread.

    ended: called in the thread of the agent's step for each task that is over, with the error that
    ended it, or None for one that is done. It must not raise.
    """

    def __init__(self, ended: Ended) -> None:
        self._ended: Ended | None = ended
        self._coming, self._leaving = deque[Reader](), deque[Task]()
        self.readers: list[Reader] = []
        self._gone: list[Reader] = []
        self.main: Task | None = None  # of a lone one

    @classmethod
    def lone(cls, task: Task, *beside: Task) -> "Tasks":
        """A single task, whose end is the agent's end, and whose errors are the agent's errors.

        beside: others that speak while it is there, and that nobody waits for.
        """
        found = cls(lambda task, error: None)
        found._ended = None
        found.readers += map(Reader, (task, *beside))
        found.main = task
        return found

    @property
    def done(self) -> bool:
        """Whether a lone task is done; an agent of many stays."""
        return self.main is not None and self.main.done

    def add(self, task: Task, yields: bool = False) -> None:
        """Begin with a task at the agent's next step, on the board so far.

        yields: it ends with SessionTaken where another task is to speak in its session. Without
        it, the one that comes later does.
        """
        self._coming.append(Reader(task, yields))

    def remove(self, task: Task) -> None:
        """Let go of a task at the agent's next step; nothing happens if it has ended."""
        self._leaving.append(task)

    def admit(self) -> list[Reader]:
        """Take in who has come, let go of who leaves; those that are over since the last call."""
        while self._coming:
            self.readers.append(self._coming.popleft())
        while self._leaving:
            task = self._leaving.popleft()
            self.readers, leaving = (
                [r for r in self.readers if r.task is not task],
                [r for r in self.readers if r.task is task],
            )
            self._gone += leaving
        gone, self._gone = self._gone, []
        return gone

    def claim(self, reader: Reader, session: str) -> None:
        """Note that a task speaks in a session; raises SessionTaken if another one does."""
        for other in list(self.readers):
            if other is reader or session not in other.sessions:
                continue
            if not other.yields:
                raise SessionTaken(session)
            self._end(other, SessionTaken(session))
        reader.sessions.add(session)

    @contextlib.contextmanager
    def at(self, reader: Reader) -> Iterator[None]:
        """Do something for one task; what is raised ends that task, unless it concerns all.

        A disk that is full and a damaged outbox do.
        """
        try:
            yield
        except Exception as error:
            if _concerns_all(error):
                raise
            self.fail(reader, error)

    def fail(self, reader: Reader, error: Exception) -> None:
        """End one task with an error, or raise it where it is the only one."""
        if self._ended is None:
            raise error
        self._end(reader, error)

    def absent(self, name: bytes) -> None:
        """End those that need a blob which the aggregator does not have."""
        for reader in list(self.readers):
            if reader.uses(name):
                with self.at(reader):
                    reader.task.blob_absent(name)

    def begun(self) -> Iterator[Reader]:
        """Those that have begun; first the one that has not spoken for longest."""
        for reader in list(self.readers):
            if reader.begun and reader in self.readers:
                yield reader

    def spoke(self, reader: Reader) -> None:
        """It was this one's turn: all others come first now."""
        if reader in self.readers:
            self.readers.remove(reader)
            self.readers.append(reader)

    def drop_done(self, pending: Post | None) -> None:
        """Let go of what is done, but for the task whose post is on its way."""
        if self._ended is None:
            return
        for reader in list(self.readers):
            is_sending = pending is not None and pending.session in reader.sessions
            if reader.begun and not is_sending and reader.task.done:
                self._end(reader, None)

    def _end(self, reader: Reader, error: Exception | None) -> None:
        if reader in self.readers:
            self.readers.remove(reader)
            self._gone.append(reader)
            assert self._ended is not None
            self._ended(reader.task, error)


def _concerns_all(error: Exception) -> bool:
    if isinstance(error, DiskError):
        return error.number in FULL
    return isinstance(error, DamagedFile) and error.what == "outbox"
