"""What a round leaves a hospital with: the next model on disk, and the bound of the next updates.

The model is written as the slices of the average update come, and has its name only when it is
whole; the bound is written before it, so that a model is never there without one.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from participant.errors import BadApp
from participant.layout import Layout
from participant.model import Model
from participant.model_file import NextModel, read_model, write_model
from participant.outbox import Storage
from participant.weights import Vector
from protocol.terms import Terms

_FACTOR = 4  # the bound over the largest average change: single hospitals' changes are larger
_LEAST = 2.0**-20  # of the terms' bound


@dataclass(frozen=True)
class Standing:
    """The round that a hospital has finished, the model it holds, and the bound that follows."""

    number: int
    model: Model
    clip: float


class Outcome:
    """The standing after a round in the making."""

    def __init__(self, storage: Storage, before: Standing, number: int) -> None:
        self._storage, self._number, self._before = storage, number, before
        self._largest = 0.0
        self._open = ExitStack()
        output = self._open.enter_context(storage.writing(model_name(number)))
        self._next = NextModel(before.model, output, {"round": str(number)})

    def add(self, update: Vector) -> None:
        """The next weights' average change."""
        self._largest = max(self._largest, float(np.abs(update).max(initial=0.0)))
        self._next.add(update)

    def finish(self, terms: Terms) -> None:
        """Keep the model; durable when this returns."""
        self._next.finish()
        clip = next_clip(terms, self._largest)
        self._storage.write(_clip_name(self._number), clip.hex().encode())
        self._open.close()

    def abandon(self, reason: Exception) -> None:
        """Keep nothing of it, but the model as it was: the sum was none of honest contributions."""
        self._open.__exit__(type(reason), reason, None)
        self._storage.write(_clip_name(self._number), self._before.clip.hex().encode())
        with self._storage.writing(model_name(self._number)) as output:
            write_model(self._before.model, output, {"round": str(self._number)})


def next_clip(terms: Terms, largest: float) -> float:
    """The bound of the next round's updates, from the largest average change of this one.

    Four times as much, rounded up to a power of two, within the terms' bound and 2^-20 of it: where
    updates reach the bound it grows again. The same at every hospital, since the average is.
    """
    if not terms.adaptive_clip:
        return terms.clip
    wanted = max(_FACTOR * largest, terms.clip * _LEAST)
    mantissa, exponent = math.frexp(wanted)  # exact on every platform, unlike a logarithm
    return min(terms.clip, math.ldexp(1.0, exponent - (mantissa == 0.5)))


def model_name(number: int) -> str:
    """What a round's model is called in a hospital's storage."""
    return f"models/round-{number}.safetensors"


def load(storage: Storage, number: int, layout: Layout) -> Standing | None:
    """The standing after a round, None if it is not here.

    Raises ForeignModel if it is another app's, BadApp if it is damaged.
    """
    data = storage.read(model_name(number))
    if data is None:
        return None
    model = read_model(data, layout, number)
    try:
        clip = float.fromhex((storage.read(_clip_name(number)) or b"").decode())
    except (ValueError, OverflowError):
        clip = math.nan
    if not 0 < clip < math.inf:
        raise BadApp("stored model", f"{_clip_name(number)} is missing or damaged")
    return Standing(number, model, clip)


def _clip_name(number: int) -> str:
    return f"models/clip-{number}"
