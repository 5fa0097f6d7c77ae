"""A machine that stops at a chosen point of what makes things durable."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aggregator.store.board import BoardStore
from aggregator.store.heads import HeadLog
from tests.simulator.disk import Crash


class Mortal:
    """Counts what makes things durable, and dies before or after one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dies_at: int) -> None:
        self.count, self.dies_at = 0, dies_at
        for owner, name in ((os, "fsync"), (os, "rename"), (Path, "rename")):
            monkeypatch.setattr(owner, name, self._wrap(getattr(owner, name)))
        for owner, name in ((BoardStore, "_write"), (HeadLog, "note")):  # type: ignore[assignment]
            monkeypatch.setattr(owner, name, self._wrap(getattr(owner, name)))

    def _wrap(self, real: Callable[..., object]) -> Callable[..., object]:
        def mortal(*arguments: object) -> object:
            self._step()
            result = real(*arguments)
            self._step()
            return result

        return mortal

    def _step(self) -> None:
        self.count += 1
        if self.count == self.dies_at:
            raise Crash
