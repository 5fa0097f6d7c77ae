"""The master copy of a model: what every hospital holds, names by its hash, and trains from.

It is kept more precisely than the app may see it: float64 entries in float64, all others in
float32. An app that computes in half precision is given the master rounded, and the update is
counted from what it was given (``given``): so what single rounds change too little to be seen in
half precision adds up in the master.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from participant.model.entry import is_freed, is_tensor
from participant.model.layout import Layout
from participant.model.weights import SLICE, Weights
from protocol.encoding import encode


@dataclass(frozen=True)
class Model:
    """A model in master precision; its entries are flat, little-endian, and never changed."""

    layout: Layout
    entries: tuple[NDArray[Any], ...] = field(repr=False)

    @classmethod
    def of(cls, weights: Weights) -> Model:
        """A copy of what an app returned; exact, since no master is coarser than the app's."""
        entries = tuple(
            np.empty(size, master)
            for size, master in zip(weights.layout.sizes, weights.layout.masters, strict=True)
        )
        for start, values in weights.slices():
            at = 0
            for k, first, end in weights.layout.pieces(start, start + len(values)):
                entries[k][first:end] = values[at : at + end - first]
                at += end - first
        return cls(weights.layout, entries)

    @property
    def weights(self) -> Weights:
        """The model itself."""
        return Weights(self.layout, self.entries)

    @property
    def given(self) -> Weights:
        """The model as an app is given it: rounded where the app computes in half precision."""
        return Weights(self.layout, self.entries, rounded=True)

    def to_app(self, local: Mapping[str, Any]) -> Any:
        """Fresh copies in the app's own form and dtypes, with its ``local`` entries among them."""
        entries = {
            name: self._entry(k) for k, name in enumerate(self.layout.names)
        } | {name: copy_of(entry) for name, entry in local.items()}  # fmt: skip
        if self.layout.kind == "list":
            return [entries[f"parameter_{k}"] for k in range(len(entries))]
        return entries

    def _entry(self, k: int) -> Any:
        master = self.entries[k].reshape(self.layout.shapes[k])
        if self.layout.kind != "tensors":
            return master.astype(self.layout.dtypes[k])
        import torch

        copy = torch.from_numpy(master.astype(master.dtype.newbyteorder("=")))
        return copy.to(getattr(torch, self.layout.dtypes[k]))

    @cached_property
    def digest(self) -> bytes:
        """The name of a model: hash of names, shapes, dtypes and exact master values.

        It is ``protocol.encoding.digest`` of "quorate/model", the layout and all values
        little-endian, one entry after the other, without ever holding them in one place.
        """
        layout = self.layout
        described = encode([layout.names, layout.shapes, layout.dtypes])
        state = hashlib.sha256()
        for part in (b"quorate/model", described):
            state.update(len(part).to_bytes(8, "big") + part)
        state.update(sum(entry.nbytes for entry in self.entries).to_bytes(8, "big"))
        for entry in self.entries:
            for start in range(0, len(entry), SLICE):
                state.update(entry[start : start + SLICE].tobytes())
        return state.digest()


def copy_of(entry: Any) -> Any:
    """A copy that shares no memory, and no gradient, with an entry; itself if it has no copy."""
    try:
        if is_tensor(entry):
            if is_freed(entry):
                return entry
            return entry.detach().cpu().clone()
        if type(entry) is np.ndarray or isinstance(entry, np.generic):
            return np.array(entry)
        return deepcopy(entry)
    except Exception:  # a tensor without values, or a class of the app's own
        return entry
