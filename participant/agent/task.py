"""What an agent is there for, and what it asks of that."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from participant.errors import RejectedByAggregator
from participant.waiting import Waiting
from protocol.board import Board, Draft, Entry, Post, Posted


class Task(Protocol):
    """A ceremony, rounds of training, one decryption.

    A task derives from this class, and leaves out what it does not do.
    """

    session: str = ""  # the one whose entries it wants, unless ``wants`` says otherwise
    speaks: bool = True  # whether it may say something in that session
    reads_all: bool = False  # whether it gets every payload, also those sealed to others
    reads_entries: bool = False  # whether it is shown entries as they are, by ``verified``
    entries_from: int = 0  # up to there it needs none of them

    @property
    def done(self) -> bool:
        """Whether nothing is left to do or to wait for."""

    def waiting(self, board: Board) -> Waiting:
        """The step that is due, and who is missing for it."""
        return Waiting("task")

    def verified(self, entry: Entry) -> None:
        """See an entry as it is on the board, whatever its session; also those before ``begin``.

        For a task that ``reads_entries``.
        """
        return None

    def restored(self, position: int) -> None:
        """Called before ``begin`` if the storage once went back in time, found at that entry."""
        return None

    def begin(self, board: Board) -> None:
        """Called once, when the board has been read up to its head and before ``receive``."""
        return None

    def wants(self, session: str) -> bool:
        """Whether the entries of a session are to be received, with their payloads."""
        return session == self.session

    def needs(self, posted: Posted) -> bool:
        """Whether the payloads of a wanted entry can still matter; if not, none is fetched.

        Asked when the entry is next to be received, and before that for a look ahead.
        """
        return True

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take an entry; payloads: 0 for all, a member's number for what is sealed to it.

        Empty if the entry is not needed.
        """
        return None

    def due(self) -> Draft | None:
        """What is to be said next; asked only while nothing is on its way."""
        return None

    def explains(self, post: Post) -> bool:
        """Whether the board shows the task why a post of its own was beyond its budget.

        Then it goes on, or ends, by itself; else RejectedByAggregator is raised for it.
        """
        return False

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """Name and size of the blobs to be received next, in order; as few as fit into memory.

        Asked again after each that was received; what is not listed any more is forgotten.
        """
        return ()

    def receive_blob(self, name: bytes, data: bytes) -> None:
        """Take the first of the wanted blobs, checked by its name."""
        raise AssertionError(f"blob {name.hex()} is not wanted")

    def blob_absent(self, name: bytes) -> None:
        """The aggregator does not have a blob that this task needs. Raises how that ends it."""
        raise RejectedByAggregator("missing-blob", f"blob {name.hex()} is not here")
