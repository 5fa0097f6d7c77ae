"""Processes that compute for this one: several work a list off, and it comes back in its order.

What is given and what comes back is pickled, over pipes between this process and its own. They have
no other input, and end when this one does. What one of them fails at, or dies of, is done here.
"""

import contextlib
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from itertools import chain, islice
from queue import SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_MOST = 4  # processes, whatever the machine has: each holds some 50 MiB
_AHEAD = 2  # items that wait for each
_DONE, _FAILED = True, False
_END_SECONDS = 10.0


def cores() -> int:
    """How many processes are of use on this machine, at most ``_MOST``."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return min(_MOST, len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)


class Crew:
    """So many processes, begun when they are first asked, and ended with the block.

    With one everything is done here.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._hands: list[_Hand] = []
        self._free = SimpleQueue[_Hand]()
        self._threads = ThreadPoolExecutor(size, "crew")
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for hand in self._hands:
            hand.end()

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """As Python's own, but the first items are worked at from now on.

        No more are taken than are worked at and will be next. function: of a module. It may be
        called twice for an item, so it changes nothing. A single item is done here.
        """
        rest = iter(items)
        few = list(islice(rest, 2))
        if self._size < 2 or len(few) < 2:
            return map(function, chain(few, rest))
        self.begin()
        asked = (self._threads.submit(self._ask, function, item) for item in chain(few, rest))
        return _in_order(deque(islice(asked, _AHEAD * self._size)), asked)

    def begin(self) -> None:
        """Begin its processes now, if there are to be several."""
        while self._size > 1 and len(self._hands) < self._size:
            self._hands.append(hand := _Hand())
            self._free.put(hand)

    def _ask(self, function: Callable[[T], R], item: T) -> R:
        hand = self._free.get()
        try:
            is_done, found = hand.ask(function, item)
        finally:
            self._free.put(hand)
        if self._ended:
            raise CancelledError
        result: R = found if is_done else function(item)
        return result


def _in_order(pending: deque[Future[R]], asked: Iterator[Future[R]]) -> Iterator[R]:
    """What comes of each; ``asked`` asks the next when it is taken from."""
    while pending:
        found = pending.popleft().result()
        pending.extend(islice(asked, 1))
        yield found


class _Hand:
    """One process."""

    def __init__(self) -> None:
        around = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "protocol.programs.crew"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=around,
            start_new_session=True,  # Ctrl-C is for who began it
        )

    def ask(self, *question: Any) -> tuple[bool, Any]:
        """Whether it has done it, and what came of it."""
        ours, theirs = self._process.stdin, self._process.stdout
        assert ours is not None and theirs is not None
        try:
            pickle.dump(question, ours)
            ours.flush()
            answer: tuple[bool, Any] = pickle.load(theirs)
        except (EOFError, OSError, pickle.UnpicklingError):
            return _FAILED, None  # it has died
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait(_END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _work(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there is nobody to ask."""
    while True:
        try:
            function, item = pickle.load(questions)
        except EOFError:
            return
        try:
            answer = pickle.dumps((_DONE, function(item)))
        except Exception:  # who asked meets it too, and knows what to do
            answer = pickle.dumps((_FAILED, None))
        answers.write(answer)
        answers.flush()


def _main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what anything prints is no answer
    with contextlib.suppress(BrokenPipeError):
        _work(sys.stdin.buffer, answers)


if __name__ == "__main__":
    _main()
