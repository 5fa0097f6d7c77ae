"""All weights of a model in one row, read a slice at a time, whatever holds them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from participant.errors import BadApp
from participant.model.entry import AtHome, Averaged, Form, Unfit, described, fate_of, is_tensor
from participant.model.layout import FORMS, Layout, LocalEntry, named
from protocol.words import shown

Vector = NDArray[np.float64]
SLICE = 1 << 18  # weights that are converted at once: 2 MiB of float64
_STAY = "Names, shapes and dtypes must stay those of initial_parameters"


@dataclass(frozen=True)
class Weights:
    """The entries of a model as one row of numbers; nothing is copied until a slice is asked for.

    entries: one plain array or tensor an entry of the layout, of any strides and on any device.
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
            try:
                piece = _float64(self.entries[k], first, end)
            except Exception as error:  # a device or a class that does not give its numbers
                what = f"entry {k}, {self.layout.names[k]!r}, does not read: {shown(str(error))}"
                raise BadApp("parameters", what) from None
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

    Raises BadApp naming the first difference from the layout in names, shapes or dtypes, what was
    to stay at the hospital and could be averaged now, or the first entry with NaN or infinity.
    """
    kind, entries = named(parameters, function)
    if kind != layout.kind:
        raise BadApp(function, f"it returned {FORMS[kind]} instead of {FORMS[layout.kind]}")
    others = [name for name in entries if name not in layout.names_of_all]
    for k, name in enumerate(layout.names):
        if name not in entries:
            there = f", and {others[0]!r} is there" if others else ""
            remedy = "return all of them. What is not trained, leave out there too"
            raise BadApp(function, f"entry {k}, {name!r}, is missing{there}. {_STAY}; {remedy}")
    if others:
        raise BadApp(function, f"entry {others[0]!r} is not in the model. {_STAY}")
    averaged = [_averaged(entries[n], layout, k, function) for k, n in enumerate(layout.names)]
    for local in layout.at_home:
        if local.name in entries and not local.is_free:
            _check_at_home(entries[local.name], layout.kind, local, function)
    weights = Weights(layout, tuple(averaged))
    _check_finite(weights, function)
    return weights


def _averaged(entry: object, layout: Layout, k: int, function: str) -> Any:
    """The values of an entry, which are to be averaged; raises BadApp if it is another now."""
    name, shape, dtype = layout.names[k], layout.shapes[k], layout.dtypes[k]
    fate = fate_of(name, entry, layout.kind)
    difference = ""
    if not isinstance(fate, Averaged):
        remedy = f" ({fate.remedy})" if isinstance(fate, Unfit) else ""
        difference = f"is {fate.what} instead of {described(shape, dtype)}{remedy}"
    elif fate.shape != shape:
        difference = f"has shape {fate.shape} instead of {shape}"
    elif fate.dtype != dtype:
        difference = f"has dtype {fate.dtype} instead of {dtype}"
    if difference:
        raise BadApp(function, f"entry {k}, {name!r}, {difference}. {_STAY}")
    assert isinstance(fate, Averaged)
    return fate.values


def _check_at_home(entry: object, kind: Form, local: LocalEntry, function: str) -> None:
    """Raises BadApp if what stayed at the hospital for what it was could be averaged now."""
    fate = fate_of(local.name, entry, kind)
    if not isinstance(fate, AtHome):
        raise BadApp(
            function,
            f"entry {local.name!r} is {fate.what}. In initial_parameters it was {local.what}, and "
            f"stays at this hospital, since {local.why}. If it is to be averaged, begin with "
            "floats, such as numpy.zeros(3). If not, name it in local_entries",
        )


def _check_finite(weights: Weights, function: str) -> None:
    layout = weights.layout
    for start, values in weights.slices():
        finite = np.isfinite(values)
        if not finite.all():
            k = layout.entry_at(start + int(np.argmin(finite)))
            reason = f"entry {k}, {layout.names[k]!r}, holds NaN or infinity"
            raise BadApp(function, f"{reason}. What is so by intent, name in local_entries")


def _float64(entry: Any, first: int, end: int) -> Vector:
    """Numbers ``first`` to ``end`` of an array or tensor in C order, whatever its strides."""
    if not is_tensor(entry):
        piece = entry.reshape(-1)[first:end] if entry.flags.c_contiguous else entry.flat[first:end]
        return np.asarray(piece, dtype=np.float64)
    import torch

    if entry.is_contiguous():
        piece = entry.view(-1)[first:end]
    else:  # take reads single numbers; view or reshape would copy the whole tensor
        piece = torch.take(entry, torch.arange(first, end, device=entry.device))
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
