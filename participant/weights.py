"""All weights of a model in one row, read a slice at a time, whatever holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from participant.errors import BadApp
from participant.layout import FORMS, Layout, dtype_of, is_tensor, named

Vector = NDArray[np.float64]
SLICE = 1 << 18  # weights that are converted at once: 2 MiB of float64


@dataclass(frozen=True)
class Weights:
    """The entries of a model as one row of numbers; nothing is copied until a slice is asked for.

    entries: one array or tensor an entry of the layout, of any strides and on any device.
    rounded: whether slices are rounded to the layout's dtypes, where entries are more precise.
    """

    layout: Layout
    entries: tuple[Any, ...] = field(repr=False)
    rounded: bool = False

    def __len__(self) -> int:
        return self.layout.weights

    def slice(self, start: int, stop: int) -> Vector:
        """Weights ``start`` to ``stop`` as float64, shape (stop - start,); others stay untouched.

        Raises IndexError unless 0 <= start <= stop <= len.
        """
        values = np.empty(max(0, stop - start))
        at = 0
        for k, first, end in self.layout.pieces(start, stop):
            piece = _float64(self.entries[k], first, end)
            if self.rounded:
                piece = _rounded(piece, self.layout.dtypes[k])
            values[at : at + end - first] = piece
            at += end - first
        return values

    def slices(self) -> Iterator[tuple[int, Vector]]:
        """All weights in order: where a slice begins, and at most SLICE of them."""
        for start in range(0, len(self), SLICE):
            yield start, self.slice(start, min(start + SLICE, len(self)))


def checked(parameters: object, layout: Layout, function: str) -> Weights:
    """The weights in what an app returned.

    Raises BadApp naming the first difference from the layout in names, shapes or dtypes, or the
    first entry with NaN or infinity.
    """
    kind, entries = named(parameters, function)
    if kind != layout.kind:
        raise BadApp(function, f"it returned {FORMS[kind]} instead of {FORMS[layout.kind]}")
    averaged = []
    for k, name in enumerate(layout.names):
        if name not in entries:
            raise BadApp(function, f"entry {k}, {name!r}, is missing")
    for name in entries:
        if name not in layout.names_of_all:
            raise BadApp(function, f"entry {name!r} is not in the model")
    for k, name in enumerate(layout.names):
        entry = entries[name]
        for what, found, expected in (
            ("shape", tuple(map(int, entry.shape)), layout.shapes[k]),
            ("dtype", dtype_of(entry), layout.dtypes[k]),
        ):
            if found != expected:
                difference = f"has {what} {found} instead of {expected}"
                raise BadApp(function, f"entry {k}, {name!r}, {difference}")
        averaged.append(entry)
    weights = Weights(layout, tuple(averaged))
    for start, values in weights.slices():
        finite = np.isfinite(values)
        if not finite.all():
            k = layout.entry_at(start + int(np.argmin(finite)))
            raise BadApp(function, f"entry {k}, {layout.names[k]!r}, holds NaN or infinity")
    return weights


def _float64(entry: Any, first: int, end: int) -> Vector:
    """Numbers ``first`` to ``end`` of an array or tensor in C order, whatever its strides."""
    if not is_tensor(entry):
        piece = entry.reshape(-1)[first:end] if entry.flags.c_contiguous else entry.flat[first:end]
        return np.asarray(piece, dtype=np.float64)
    import torch

    tensor = entry.detach()
    if tensor.is_contiguous():
        piece = tensor.view(-1)[first:end]
    else:  # take reads single numbers; view or reshape would copy the whole tensor
        piece = torch.take(tensor, torch.arange(first, end, device=tensor.device))
    return np.asarray(piece.to("cpu", torch.float64).numpy())


def _rounded(values: Vector, dtype: str) -> Vector:
    """Float32 numbers rounded to a half-precision dtype, ties to even, as float64."""
    if dtype == "float16":
        return values.astype(np.float16).astype(np.float64)
    if dtype == "bfloat16":  # the upper half of a float32
        bits = values.astype(np.float32).view(np.uint32)
        half = bits + 0x7FFF + ((bits >> 16) & 1)
        return (half & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)
    return values
