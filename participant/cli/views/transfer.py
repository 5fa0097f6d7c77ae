"""Large vectors on their way: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from participant.cli.views.terminal import new_console
from protocol.words import line

_LEAST_BYTES = 4 << 20  # what is smaller is over before anybody looks
_LINE_SECONDS = 10.0


@dataclass(frozen=True)
class Transfer:
    """So many bytes of one thing are over, of so many."""

    what: str
    done: int
    total: int


class _BarAndWords(Progress):
    """The bars, and under them what the words are at the moment."""

    words: Callable[[], str] = staticmethod(lambda: "")  # at each refresh; empty for none

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if words := self.words():
            yield Text(line(words))


class TransferBar:
    """A bar with bytes, speed and time left, gone when the transfer is over."""

    def __init__(self, console: Console) -> None:
        self.progress = _BarAndWords(
            TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
            TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip
        self._shown: tuple[str, TaskID] | None = None

    def __enter__(self) -> TransferBar:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def show(self, transfer: Transfer | None) -> None:
        """Show how far it is; None takes the bar away."""
        wanted = transfer.what if transfer and transfer.total >= _LEAST_BYTES else None
        if self._shown and self._shown[0] != wanted:
            self.progress.remove_task(self._shown[1])
            self._shown = None
        if wanted is None or transfer is None:
            return
        if self._shown is None:
            self._shown = (wanted, self.progress.add_task(line(wanted), total=transfer.total))
        self.progress.update(self._shown[1], completed=transfer.done, total=transfer.total)


class TransferLines:
    """A line every ten seconds: bytes, and the time left at the pace so far."""

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._clock = write, clock
        self._what, self._began, self._first, self._told = "", 0.0, 0, 0.0

    def __enter__(self) -> TransferLines:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to put back."""

    def show(self, transfer: Transfer | None) -> None:
        """Tell how far it is, if it is time to."""
        if transfer is None or transfer.total < _LEAST_BYTES:
            return
        now = self._clock()
        if transfer.what != self._what:
            self._what, self._first = transfer.what, transfer.done
            self._began = self._told = now
            return
        if now - self._told < _LINE_SECONDS:
            return
        self._told = now
        pace = (transfer.done - self._first) / (now - self._began)
        left = f", about {(transfer.total - transfer.done) / pace:.0f} s left" if pace else ""
        done, total = transfer.done / 1e6, transfer.total / 1e6
        self._write(f"{transfer.what}: {done:.0f} of {total:.0f} MB{left}")


def transfer_view(write: Callable[[str], None]) -> TransferBar | TransferLines:
    """The view that suits where people's messages go, which is standard error."""
    console = new_console(stderr=True)
    return TransferBar(console) if console.is_terminal else TransferLines(write)
