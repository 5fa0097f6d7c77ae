"""Entries that stay at a hospital: what its app last returned for them, and no one else sees."""

from __future__ import annotations

from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as array_files

from participant.errors import BadApp
from participant.layout import Layout, named
from participant.model import copy_of
from participant.outbox import Storage

_NAME = "models/local.safetensors"


class LocalEntries:
    """The last values of a layout's local entries, kept across restarts."""

    def __init__(self, layout: Layout, parameters: object, storage: Storage) -> None:
        """The stored values, or where there are none those of the app's initial parameters."""
        self._layout, self._storage = layout, storage
        self.entries: dict[str, Any] = {}
        self._take(named(parameters, "initial_parameters")[1])
        if data := storage.read(_NAME):
            self._take(self._read(data))

    def keep(self, parameters: object, function: str) -> None:
        """Take over the local ones of what an app returned; durable when this returns."""
        if self._layout.local:
            self._take(named(parameters, function)[1])
            self._storage.write(_NAME, self._written(function))

    def _take(self, entries: dict[str, Any]) -> None:
        for name in self._layout.local:
            if name in entries:
                self.entries[name] = copy_of(entries[name])

    def _written(self, function: str) -> bytes:
        try:
            if self._layout.kind == "tensors":
                from safetensors import torch as tensor_files

                return tensor_files.save({n: t.contiguous() for n, t in self.entries.items()})
            return array_files.save({n: np.asarray(a, order="C") for n, a in self.entries.items()})
        except (SafetensorError, ValueError, KeyError) as error:
            raise BadApp(function, f"its local entries cannot be stored: {error}") from None

    def _read(self, data: bytes) -> dict[str, Any]:
        try:
            if self._layout.kind == "tensors":
                from safetensors import torch as tensor_files

                return dict(tensor_files.load(data))
            return dict(array_files.load(data))
        except (SafetensorError, ValueError, KeyError) as error:
            raise BadApp("stored local entries", str(error)) from None
