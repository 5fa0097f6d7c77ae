"""What a model is made of: the names, shapes and dtypes of its entries, in order.

An app returns its parameters in one of three forms, and is given them back in the same: a list of
numpy arrays, a dict of names to numpy arrays, or a dict of names to torch tensors (a
``state_dict``). torch is never imported here: where it has not been, nothing can be a tensor.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from participant.errors import BadApp
from protocol.encoding import digest, encode

Kind: TypeAlias = Literal["list", "arrays", "tensors"]
FORMS = {
    "list": "a list of numpy arrays",
    "arrays": "a dict of names to numpy arrays",
    "tensors": "a dict of names to torch tensors",
}
# The precision in which a model is kept: updates of half-precision entries are often too small to
# be seen in half precision, and add up over the rounds.
MASTER = {"float64": "<f8", "float32": "<f4", "float16": "<f4", "bfloat16": "<f4"}
TENSORS = tuple(MASTER)
ARRAYS = tuple(dtype for dtype in MASTER if dtype != "bfloat16")  # which numpy alone lacks
USABLE = "; float64, float32, float16, and bfloat16 in torch, can be averaged"


@dataclass(frozen=True)
class Layout:
    """Names, shapes and dtypes of the entries that are averaged, in the app's order.

    ``local`` names the entries that stay at the hospital: integers and booleans of a dict, such as
    BatchNorm's ``num_batches_tracked``, and those that match the app's ``local_entries``.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]  # keys of MASTER
    kind: Kind
    local: tuple[str, ...] = ()

    @classmethod
    def of(cls, parameters: object, local_entries: Sequence[str] = ()) -> Layout:
        """The layout of an initial model; raises BadApp unless all of its entries can be used.

        local_entries: patterns of names, as of ``fnmatch``; each must match an entry.
        """
        function = "initial_parameters"
        kind, entries = named(parameters, function)
        for pattern in local_entries:
            if not any(fnmatchcase(name, pattern) for name in entries):
                raise BadApp(function, f"no entry is called {pattern!r} as local_entries says")
        averaged, local = {}, []
        for k, (name, entry) in enumerate(entries.items()):
            matches = any(fnmatchcase(name, pattern) for pattern in local_entries)
            if matches or (kind != "list" and _counts(entry)):
                local.append(name)
            elif dtype_of(entry) not in (TENSORS if kind == "tensors" else ARRAYS):
                raise BadApp(function, f"entry {k}, {name!r}, has dtype {dtype_of(entry)}{USABLE}")
            else:
                averaged[name] = entry
        if not averaged:
            raise BadApp(function, "no entry holds floats to average")
        shapes = tuple(tuple(map(int, entry.shape)) for entry in averaged.values())
        dtypes = tuple(dtype_of(entry) for entry in averaged.values())
        return cls(tuple(averaged), shapes, dtypes, kind, tuple(local))

    @cached_property
    def digest(self) -> bytes:
        """The same at all hospitals whose models have the same entries in the same order."""
        return digest("quorate/entries", encode([self.names, self.shapes, self.dtypes]))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in each entry."""
        return tuple(prod(shape) for shape in self.shapes)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each entry begins among all weights, and the end of the last."""
        return tuple(accumulate(self.sizes, initial=0))

    @cached_property
    def names_of_all(self) -> frozenset[str]:
        """The names that the app uses: averaged and local."""
        return frozenset(self.names + self.local)

    @property
    def weights(self) -> int:
        """Numbers in all entries."""
        return self.starts[-1]

    @cached_property
    def masters(self) -> tuple[np.dtype[Any], ...]:
        """The dtype in which each entry is kept, little-endian."""
        return tuple(np.dtype(MASTER[dtype]) for dtype in self.dtypes)

    def entry_at(self, index: int) -> int:
        """The number of the entry that holds a weight, 0 <= index < weights."""
        if not 0 <= index < self.weights:
            raise IndexError(f"weight {index} of {self.weights}")
        return bisect_right(self.starts, index) - 1

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """The parts of entries that weights ``start`` to ``stop`` are: entry, first and end in it.

        Raises IndexError unless 0 <= start <= stop <= weights.
        """
        if not 0 <= start <= stop <= self.weights:
            raise IndexError(f"weights {start} to {stop} of {self.weights}")
        while start < stop:
            k = self.entry_at(start)
            end = min(stop, self.starts[k + 1])
            yield k, start - self.starts[k], end - self.starts[k]
            start = end


def named(parameters: object, function: str) -> tuple[Kind, dict[str, Any]]:
    """The form of what an app returned, and its entries; raises BadApp if it is none of the three.

    The arrays of a list are called ``parameter_0``, ``parameter_1``, …
    """
    if isinstance(parameters, list | tuple):
        entries = {f"parameter_{k}": array for k, array in enumerate(parameters)}
    elif isinstance(parameters, Mapping):
        entries = dict(parameters)
    else:
        raise BadApp(function, f"it must return {', or '.join(FORMS.values())}")
    if not entries:
        raise BadApp(function, "it returned no parameters")
    kind: Kind = "list" if isinstance(parameters, list | tuple) else "arrays"
    if kind == "arrays" and is_tensor(next(iter(entries.values()))):
        kind = "tensors"
    for k, (name, entry) in enumerate(entries.items()):
        if not isinstance(name, str) or name == "__metadata__":
            raise BadApp(function, f"entry {k} cannot be called {name!r}")
        if not (
            is_tensor(entry) if kind == "tensors" else isinstance(entry, np.ndarray | np.generic)
        ):
            wanted = "torch tensor" if kind == "tensors" else "numpy array"
            raise BadApp(function, f"entry {k}, {name!r}, is {_type(entry)}, not a {wanted}")
    return kind, entries


def is_tensor(entry: object) -> bool:
    """Whether it is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(entry, torch.Tensor)


def dtype_of(entry: Any) -> str:
    """``float32`` and so on, for arrays and tensors alike."""
    return str(entry.dtype).removeprefix("torch.") if is_tensor(entry) else str(entry.dtype.name)


def _counts(entry: Any) -> bool:
    """Whether it holds integers or booleans: they count or mark, and have no average."""
    return dtype_of(entry).startswith(("int", "uint", "bool"))


def _type(entry: object) -> str:
    return f"of type {type(entry).__name__}"
