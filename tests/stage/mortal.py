"""A machine that stops at a chosen point of what makes things durable."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregator.store.heads import HeadLog
from aggregator.store.sqlite import SqliteBoard
from tests.simulator.disk import Crash

OF_A_HOSPITAL = (
    (os, "fsync"), (os, "rename"), (os, "link"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"),
)  # fmt: skip
OF_THE_AGGREGATOR = (
    (os, "fsync"), (os, "rename"), (Path, "rename"), (SqliteBoard, "_write"), (HeadLog, "note"),
)  # fmt: skip


def survived(work: Callable[[], object], dies_at: int, calls: Any = OF_THE_AGGREGATOR) -> bool:
    """Work on a machine that dies at this point; whether the work ended before it."""
    with pytest.MonkeyPatch.context() as patch:
        Mortal(patch, dies_at, calls)
        try:
            work()
        except Crash:
            return False
    return True


class Mortal:
    """Counts calls that make things durable, and dies before or after one of them."""

    def __init__(
        self, patch: pytest.MonkeyPatch, dies_at: int, calls: Any = OF_THE_AGGREGATOR
    ) -> None:
        self.count, self.dies_at = 0, dies_at
        for owner, name in calls:
            patch.setattr(owner, name, self._wrap(getattr(owner, name)))

    def _wrap(self, real: Callable[..., object]) -> Callable[..., object]:
        def mortal(*arguments: object, **named: object) -> object:
            self._step()
            result = real(*arguments, **named)
            self._step()
            return result

        return mortal

    def _step(self) -> None:
        self.count += 1
        if self.count >= self.dies_at > 0:  # a dead machine cleans nothing up
            raise Crash
