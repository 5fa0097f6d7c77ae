"""Entries that stay at a hospital: what its app last returned for them, and no one else sees.

Arrays, tensors and plain values are kept across restarts, with the round that they are from. Of
anything else (a sparse tensor, an object of the app's own) the last value is there as long as the
process is: after a restart it is what ``initial_parameters`` gives. So is what was kept of another
app's entries. Each study has its own.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as array_files

from participant.disk import Storage
from participant.errors import DamagedFile
from participant.model.entry import is_freed, is_tensor
from participant.model.layout import Layout, named
from participant.model.master import copy_of
from protocol.encoding import digest, encode

_PLAIN = (bool, int, float, str, bytes, type(None))
_DEEPEST = 20  # lists inside lists


class _Kept(msgspec.Struct, frozen=True):
    """Of which entries what is stored is; with the plain values."""

    entries: bytes
    values: dict[str, Any]


class LocalEntries:
    """The last values of a layout's local entries, kept across restarts."""

    def __init__(self, layout: Layout, parameters: object, storage: Storage, study: str) -> None:
        """The stored values, or those of the app's initial parameters; raises DamagedFile."""
        self._layout, self._storage = layout, storage
        self._name = f"studies/{study}/local.safetensors"
        self._plain_name = f"studies/{study}/local.msgpack"
        self.entries: dict[str, Any] = {}
        self._take(named(parameters, "initial_parameters")[1])
        about = [layout.digest, *((e.name, e.what) for e in layout.at_home)]
        self._about = digest("quorate/local entries", encode(about))
        kept = self._read_kept()
        if kept and kept.entries == self._about:
            if data := storage.read(self._name):
                self._take(self._read(data))
            self._take(kept.values)

    def keep(self, parameters: object) -> None:
        """Take over the local ones of what ``fit`` returned; durable on return."""
        if not self._layout.local:
            return
        self._take(named(parameters, "fit")[1])
        plain = {name: entry for name, entry in self.entries.items() if is_plain(entry)}
        self._storage.write(self._name, self._written())
        kept = _Kept(self._about, plain)  # the last: it says whose the others are
        self._storage.write(self._plain_name, msgspec.msgpack.encode(kept))

    def _take(self, entries: Mapping[str, Any]) -> None:
        for name in self._layout.local:
            if name in entries:
                self.entries[name] = copy_of(entries[name])

    def _written(self) -> bytes:
        """All arrays, or tensors, that a file can hold."""
        kept = {n: e for n, e in self.entries.items() if _is_whole(e)}
        try:
            return self._file(kept)
        except Exception:
            return self._file({n: e for n, e in kept.items() if self._is_storable(n, e)})

    def _is_storable(self, name: str, entry: Any) -> bool:
        try:
            self._file({name: entry})
        except Exception:
            return False
        return True

    def _file(self, entries: Mapping[str, Any]) -> bytes:
        if self._layout.kind == "tensors":
            from safetensors import torch as tensor_files

            return tensor_files.save({n: t.contiguous() for n, t in entries.items()})
        return array_files.save({n: np.asarray(a, order="C") for n, a in entries.items()})

    def _read(self, data: bytes) -> dict[str, Any]:
        try:
            if self._layout.kind == "tensors":
                from safetensors import torch as tensor_files

                return dict(tensor_files.load(data))
            return dict(array_files.load(data))
        except (SafetensorError, ValueError, KeyError) as error:
            raise DamagedFile(self._name, str(error), "local entries") from None

    def _read_kept(self) -> _Kept | None:
        data = self._storage.read(self._plain_name)
        try:
            return None if data is None else msgspec.msgpack.decode(data, type=_Kept)
        except (msgspec.DecodeError, RecursionError) as error:
            raise DamagedFile(self._plain_name, str(error), "local entries") from None


def _is_whole(entry: object) -> bool:
    """Whether it is an array, or a tensor with its memory."""
    if not is_tensor(entry):
        return isinstance(entry, np.ndarray)
    try:
        return not is_freed(entry)
    except Exception:  # a class or a device that does not say
        return False


def is_plain(entry: object, depth: int = _DEEPEST) -> bool:
    """Whether it comes back as it is: a value that every program has a form for, or lists of them.

    A dict has texts for names.
    """
    if depth and type(entry) is list:
        return all(is_plain(one, depth - 1) for one in entry)
    if depth and type(entry) is dict:
        return all(type(k) is str and is_plain(v, depth - 1) for k, v in entry.items())
    if type(entry) not in _PLAIN:
        return False
    try:
        msgspec.msgpack.encode(entry)
    except Exception:  # too large a number, or a text that is no Unicode
        return False
    return True
