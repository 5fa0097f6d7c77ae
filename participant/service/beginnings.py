"""Sessions in which a task is about to begin, and those in which none is to begin again for now."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator

from participant.service.due import Due
from protocol.board import Board
from protocol.messages import read_session


class Beginnings:
    """Of one agent; in its event loop."""

    def __init__(self) -> None:
        # Sessions whose automatic task has failed, and the entry by which it was due.
        self._failed = dict[str, int]()
        self._gave_way = set[str]()  # where something has given way to what somebody asked for
        self._preparing = dict[str, asyncio.Task[None]]()  # what is due by itself
        self._reserved = dict[str, asyncio.Future[None]]()  # for what somebody asked for

    # ── what is about to begin ──

    @property
    def sessions(self) -> set[str]:
        """Those in which a task is about to be."""
        return self._preparing.keys() | self._reserved.keys()

    @property
    def preparing(self) -> list[asyncio.Task[None]]:
        """What is under way before tasks that are due by themselves."""
        return list(self._preparing.values())

    def coming(self, session: str) -> asyncio.Future[None] | None:
        """What is done once it is clear whether the task has begun; None if none is about to."""
        return self._preparing.get(session) or self._reserved.get(session)

    @contextlib.contextmanager
    def reserved(self, session: str) -> Iterator[asyncio.Future[None]]:
        """Let no other task begin there, until its own has begun or the block ends.

        Gives what is done once it has begun.
        """
        begun = self._reserved[session] = asyncio.get_running_loop().create_future()
        try:
            yield begun
        finally:
            if self._reserved.get(session) is begun:
                del self._reserved[session]
            begun.cancel()

    def begun(self, session: str) -> None:
        """The task for which a session was reserved has begun, if it was."""
        if begun := self._reserved.pop(session, None):
            begun.set_result(None)

    def prepare(
        self, session: str, course: Coroutine[None, None, None], over: Callable[[], object]
    ) -> None:
        """Do what comes before a task, however long it takes; over: is called at its end."""
        preparing = self._preparing[session] = asyncio.create_task(course)

        def end(done: asyncio.Task[None]) -> None:
            del self._preparing[session]
            over()

        # Not in the course itself: one that is cancelled at once never begins.
        preparing.add_done_callback(end)

    def cancel(self, session: str) -> None:
        """Go on no more with what comes before a task."""
        if preparing := self._preparing.get(session):
            preparing.cancel()

    def cancel_vain(self, board: Board, index: int) -> None:
        """Wait for no app of a study that has ended, or to which ``index`` contributes nothing."""
        for session, preparing in self._preparing.items():
            state = board.studies[read_session(session).study]
            is_vain = state.is_ended() or not state.contributes(index)
            if is_vain and not preparing.cancelling():
                preparing.cancel()

    # ── what is not tried again ──

    def failed(self, session: str, since: int) -> None:
        """Begin nothing there by itself before an entry after that one makes it due."""
        self._failed[session] = since

    def gave_way(self, session: str) -> None:
        """Nor until what somebody asked for is over."""
        self._gave_way.add(session)

    def way_is_free(self) -> None:
        """What gave way may be due again."""
        self._gave_way.clear()

    def forget(self, session: str) -> None:
        """It did not give way: what it would do is done by another."""
        self._gave_way.discard(session)

    def try_anew(self, session: str) -> None:
        """What has failed in a study, or in its rounds, may be due again."""
        for found in [s for s in self._failed if f"{s}/".startswith(f"{session}/")]:
            del self._failed[found]

    def is_tried(self, due: Due) -> bool:
        """Whether it was tried, and nothing has been said or done since that makes it due again."""
        return due.session in self._gave_way or self._failed.get(due.session, -1) >= due.since
