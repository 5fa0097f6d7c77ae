"""What a model is made of: the names, shapes and dtypes of its entries, in order.

An app returns its parameters in one of three forms, and is given them back in the same: a list of
numpy arrays, a dict of names to numpy arrays, or a dict of names to torch tensors (a
``state_dict``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from participant.errors import BadApp
from participant.model.entry import (
    MASTER,
    Averaged,
    Form,
    Unfit,
    fate_of,
    is_extra,
    is_or_was_tensor,
    named_fate,
)
from protocol.encoding import digest, encode
from protocol.messages import MAX_LENGTH
from protocol.words import shown

FORMS = {
    "list": "a list of numpy arrays",
    "arrays": "a dict of names to numpy arrays",
    "tensors": "a dict of names to torch tensors",
}


@dataclass(frozen=True)
class LocalEntry:
    """An entry that stays at the hospital, as it was in the initial model, and why.

    ``is_free``: whether the app may return anything for it.
    """

    name: str
    what: str
    why: str
    is_free: bool


@dataclass(frozen=True)
class Layout:
    """Names, shapes and dtypes of the entries that are averaged, in the app's order.

    ``at_home``: the entries that stay at the hospital.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]  # keys of MASTER
    kind: Form
    at_home: tuple[LocalEntry, ...] = ()

    @classmethod
    def of(cls, parameters: object, local_entries: Sequence[str] = ()) -> Layout:
        """The layout of an initial model; raises BadApp unless all of its entries can be used.

        local_entries: names, or patterns of them as of ``fnmatch``; each must match an entry.
        """
        function = "initial_parameters"
        kind, entries = named(parameters, function)
        for pattern in local_entries:
            if not any(_matches(name, pattern) for name in entries):
                raise BadApp(
                    function,
                    f"no entry is called {pattern!r} as local_entries says. Entry 0 is called "
                    f"{shown(next(iter(entries)))!r}",
                )
        averaged: dict[str, Averaged] = {}
        at_home = []
        for k, (name, entry) in enumerate(entries.items()):
            is_named = any(_matches(name, pattern) for pattern in local_entries)
            fate = named_fate(entry) if is_named else fate_of(name, entry, kind)
            if isinstance(fate, Unfit):
                raise BadApp(function, f"entry {k}, {name!r}, is {fate.what}: {fate.remedy}")
            if isinstance(fate, Averaged):
                averaged[name] = fate
            else:
                at_home.append(LocalEntry(name, fate.what, fate.why, is_named or is_extra(name)))
        shapes = tuple(fate.shape for fate in averaged.values())
        dtypes = tuple(fate.dtype for fate in averaged.values())
        found = cls(tuple(averaged), shapes, dtypes, kind, tuple(at_home))
        found._check_weights(function)
        return found

    def _check_weights(self, function: str) -> None:
        if not self.weights:
            raise BadApp(function, f"no entry holds floats to average: {_homes(self.at_home)}")
        if self.weights > MAX_LENGTH:
            reason = f"it has {self.weights} weights, and {MAX_LENGTH} are the most"
            raise BadApp(function, f"{reason}. Keep some at this hospital with local_entries")

    @property
    def local(self) -> tuple[str, ...]:
        """The names of what stays at the hospital."""
        return tuple(entry.name for entry in self.at_home)

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


def named(parameters: object, function: str) -> tuple[Form, dict[str, Any]]:
    """The form of what an app returned, and its entries; raises BadApp if it is none of the three.

    The arrays of a list are called ``parameter_0``, ``parameter_1``, …
    """
    try:
        if isinstance(parameters, list | tuple):
            entries = {f"parameter_{k}": array for k, array in enumerate(parameters)}
        elif isinstance(parameters, Mapping):
            entries = {
                _name(name, k, function): e for k, (name, e) in enumerate(parameters.items())
            }
        else:
            raise _no_form(parameters, function)
    except RecursionError:
        raise BadApp(function, "what it returned does not read") from None
    if not entries:
        raise BadApp(function, "it returned no parameters")
    if isinstance(parameters, list | tuple):
        return "list", entries
    return "tensors" if any(map(is_or_was_tensor, entries.values())) else "arrays", entries


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)  # "age [years]" is a name


def _no_form(parameters: object, function: str) -> BadApp:
    found = f"of type {type(parameters).__name__}"
    if isinstance(parameters, Coroutine):
        found = closed_coroutine(parameters)
    elif hasattr(parameters, "state_dict"):
        found += ": return its state_dict()"
    forms = ", or ".join(FORMS.values())
    return BadApp(function, f"it must return {forms}. What it returned is {found}")


def closed_coroutine(coroutine: Coroutine[Any, Any, Any]) -> str:
    """Close a coroutine that an app returned in place of its result; what to call it."""
    coroutine.close()  # else Python warns that nobody awaited it
    return "a coroutine: write def, not async def, and asyncio.run inside"


def _name(name: object, k: int, function: str) -> str:
    """A name as a plain text; raises BadApp if it is none, or one that no file can hold."""
    if not isinstance(name, str) or name == "__metadata__":
        raise BadApp(function, f"entry {k} cannot be called {name!r}: give it a text as its name")
    plain = str.__str__(name)
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise BadApp(function, f"entry {k} cannot be called {plain!r}: it is no Unicode") from None
    return plain


def _homes(at_home: Sequence[LocalEntry]) -> str:
    """What is in a model of which nothing is averaged."""
    if not at_home:
        return "all entries are empty"
    first = at_home[0]
    return f"{first.name!r} is {first.what}, and {first.why}"
