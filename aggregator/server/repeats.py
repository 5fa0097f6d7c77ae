"""What repeats is logged once, and later how often."""

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from protocol.words import shown

log = logging.getLogger("quorate.aggregator")

_FIRST_SECONDS, _LONGEST_SECONDS = 60.0, 3_600.0


@dataclass
class _Kind:
    since: float
    seconds: float
    said: int = 0
    more: int = 0
    last: str = ""


def path_of(error: BaseException) -> str:
    """Where a mistake of ours was made, the innermost call first: a traceback on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))


class Tally:
    """Lines of a kind: the first ones at once, then a count, at ever longer intervals."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def say(self, kind: str, text: str, level: int = logging.WARNING, at_once: int = 1) -> None:
        """Log a line, or count it if its kind has been said ``at_once`` times of late."""
        found = self._kinds.setdefault(kind, _Kind(self._clock(), _FIRST_SECONDS))
        if found.said < at_once:
            found.said += 1
            log.log(level, "%s", text)
            return
        found.more += 1
        found.last = text

    def say_mistake(self, whose: str, error: Exception) -> None:
        """Log what no code of ours expects, with the calls that it came from; a kind a place.

        whose: who sent what met the mistake.
        """
        path = path_of(error)
        text = f"internal error: {whose}: {type(error).__name__}: {shown(str(error))}; at {path}"
        self.say(f"internal error at {path.partition(' < ')[0]}", text, logging.ERROR)

    def tell(self, whole: bool = False) -> None:
        """Log the counts that are due; of the ``whole`` tally when the service ends."""
        now = self._clock()
        for kind, found in list(self._kinds.items()):
            elapsed = now - found.since
            if elapsed < found.seconds and not whole:
                continue
            if not found.more:
                del self._kinds[kind]
                continue
            count = f"{kind}: {found.more:,} more in {elapsed:.0f} s"
            log.warning("%s; the last one: %s", count, found.last)
            longer = min(2 * found.seconds, _LONGEST_SECONDS)
            self._kinds[kind] = _Kind(now, longer, found.said)

    @contextlib.contextmanager
    def of_asyncio(self) -> Iterator[None]:
        """While the block runs, count what asyncio logs: strangers can make it say much."""
        handler = _ToTally(self)
        logger = logging.getLogger("asyncio")
        logger.addHandler(handler)
        propagate, logger.propagate = logger.propagate, False
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate = propagate


class _ToTally(logging.Handler):
    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        self._tally.say("asyncio", f"asyncio: {record.getMessage()}", record.levelno)
