"""What a round leaves a hospital with: the next model on disk, and the bounds of the next updates.

The model is written as the slices of the average update come, and has its name only when it is
whole; the bounds are written before it, so that a model is never there without them.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from keyshare.rounds import Counts, Marks
from participant.disk import Storage
from participant.errors import DamagedFile
from participant.model import Layout, Model, NextModel, Vector, model_name, read_model, write_model
from participant.training.bounds import Bounds
from protocol.encoding import decode, encode
from protocol.errors import Malformed

_MAX_BOUNDS_BYTES = 100


@dataclass(frozen=True)
class Standing:
    """The round that a hospital has finished, the model it holds, and the bounds that follow."""

    number: int
    model: Model
    bounds: Bounds


class Forgone(Exception):
    """A round's sum shows no update."""


class Outcome:
    """The standing after a round in the making."""

    def __init__(self, storage: Storage, before: Standing, number: int) -> None:
        """number: of the round."""
        self._storage, self._number, self._before = storage, number, before
        self._squares, self._weights = 0.0, 0
        self._open = ExitStack()
        output = self._open.enter_context(storage.writing(model_name(number)))
        self._next = NextModel(before.model, output, {"round": str(number)})

    def add(self, update: Vector) -> None:
        """The next weights' average change."""
        self._squares += float(np.square(update).sum())
        self._weights += len(update)
        self._next.add(update)

    @property
    def root_mean_square(self) -> float:
        """Of all average changes."""
        return math.sqrt(self._squares / self._weights)

    def finish(self, counts: Counts | None, own: Marks | None) -> None:
        """Keep the model, and the bounds that follow (``Bounds.after``); durable on return."""
        self._next.finish()
        self._keep(self._before.bounds.after(counts, own))
        self._open.close()

    def abandon(self, reason: Exception) -> None:
        """Keep nothing of it: the sum was none of honest contributions."""
        self._stay(self._before.bounds, reason)

    def forgo(self, counts: Counts | None, own: Marks | None) -> None:
        """Keep the counts alone: the sum shows no update, by blinding or by rounding."""
        self._stay(self._before.bounds.after(counts, own), Forgone())

    def _stay(self, bounds: Bounds, reason: Exception) -> None:
        """The model as it was is the next one; durable on return."""
        self._open.__exit__(type(reason), reason, None)
        self._keep(bounds)
        with self._storage.writing(model_name(self._number)) as output:
            write_model(self._before.model, output, {"round": str(self._number)})

    def _keep(self, bounds: Bounds) -> None:
        self._storage.write(_bounds_name(self._number), encode(bounds))


def load(storage: Storage, number: int, layout: Layout) -> Standing | None:
    """The standing after a round, None if it is not here.

    Raises ForeignModel if it is another app's, DamagedFile if it does not read.
    """
    data = storage.read(model_name(number))
    if data is None:
        return None
    model, name = read_model(data, layout, number), _bounds_name(number)
    try:
        bounds = decode(storage.read(name) or b"", Bounds, "bounds", _MAX_BOUNDS_BYTES)
    except Malformed:
        reason = f"{name}, which belongs to it, is missing or does not read"
        raise DamagedFile(model_name(number), reason, "model") from None
    return Standing(number, model, bounds)


def _bounds_name(number: int) -> str:
    return f"models/bounds-{number}"
