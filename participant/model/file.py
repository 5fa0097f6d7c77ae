"""Models as safetensors files, written as a stream: no whole model is held to write one.

A file is the length of its header in 8 bytes, little-endian; the header, JSON; and all entries in
master precision, one after the other [github.com/huggingface/safetensors, README, "Format"]. The
library of that name writes only what it holds whole.

The metadata of a file say the app's dtypes, as JSON, by the entries' names in the app's order. With
them a model's digest is known from its file alone.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from participant.disk import Output
from participant.errors import DamagedFile, ForeignModel
from participant.model.entry import MASTER
from participant.model.layout import Layout
from participant.model.master import Model
from participant.model.weights import SLICE, Vector

_DTYPES = {"<f8": "F64", "<f4": "F32"}
_NAME = re.compile(r"studies/([^/]+)/model-(0|[1-9]\d{0,8})\.safetensors")
_LENGTH = 8  # bytes of the header's length
_METADATA = "__metadata__"
_APPS_DTYPES = "dtypes"  # in the metadata


def model_name(study: str, number: int) -> str:
    """What the model after a study's round is called in a hospital's storage; 0: before the first.

    That one is kept once this hospital contributes to the first round.
    """
    return f"studies/{study}/model-{number}.safetensors"


def bounds_name(study: str, number: int) -> str:
    """What the bounds beside that model are called, if this hospital has made it."""
    return f"studies/{study}/bounds-{number}"


def models_among(names: Iterable[str]) -> dict[str, list[int]]:
    """By study, after which rounds there are models among what a hospital has stored."""
    found = dict[str, list[int]]()
    for match in filter(None, map(_NAME.fullmatch, names)):
        found.setdefault(match[1], []).append(int(match[2]))
    return found


class NextModel:
    """A model plus an update, written to a file slice by slice, as the slices come."""

    def __init__(self, model: Model, output: Output, metadata: Mapping[str, str]) -> None:
        self._model, self._output = model, output
        self._added = 0
        output.write(_header(model.layout, metadata))

    def add(self, update: Vector) -> None:
        """Write the next ``len(update)`` weights, each rounded to the precision of its master."""
        layout, at = self._model.layout, 0
        for k, first, end in layout.pieces(self._added, self._added + len(update)):
            old = self._model.entries[k][first:end].astype(np.float64)
            new = (old + update[at : at + end - first]).astype(layout.masters[k]).tobytes()
            self._output.write(new)
            at += end - first
        self._added += len(update)

    def finish(self) -> None:
        """Raises ValueError unless every weight has been written."""
        if self._added != self._model.layout.weights:
            raise ValueError(f"{self._added} weights of {self._model.layout.weights}")


def write_model(model: Model, output: Output, metadata: Mapping[str, str]) -> None:
    """Write a model as it is."""
    output.write(_header(model.layout, metadata))
    for entry in model.entries:
        for start in range(0, len(entry), SLICE):
            output.write(entry[start : start + SLICE].tobytes())


def read_model(data: bytes, layout: Layout, study: str, number: int) -> Model:
    """The model in a file; its entries are views of ``data``.

    study, number: the round after which it was stored.
    Raises ForeignModel naming the first difference if it is a model of another layout, DamagedFile
    if it is no model.
    """
    name = model_name(study, number)
    header, start = _read_header(data, name)
    found = {name: entry for name, entry in header.items() if name != _METADATA}
    expected = _described(layout)
    for entry in [*expected, *found]:
        if found.get(entry) != expected.get(entry):
            differs = f"entry {entry!r} is {found.get(entry)} instead of {expected.get(entry)}"
            raise ForeignModel(f"{study}/{number}", differs)
    if len(data) - start != _bytes(layout):
        reason = f"its entries have {len(data) - start} bytes instead of {_bytes(layout)}"
        raise DamagedFile(name, reason, "model")
    entries = []
    for size, master in zip(layout.sizes, layout.masters, strict=True):
        entries.append(np.frombuffer(data, master, size, start))
        start += size * master.itemsize
    return Model(layout, tuple(entries))


def read_stored(data: bytes, study: str, number: int) -> Model:
    """The model in a file, of the layout that the file itself says; views of ``data``.

    Who compares its digest knows whether it is the right one. Raises DamagedFile if it is no model,
    or does not say its layout.
    """
    name = model_name(study, number)
    header, _ = _read_header(data, name)
    try:
        return read_model(data, _own_layout(header), study, number)
    except (ForeignModel, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        reason = "its header does not say what its entries are"
        raise DamagedFile(name, reason, "model") from None


def _own_layout(header: Mapping[str, Any]) -> Layout:
    """Raises KeyError, TypeError and the like unless the header says one that has a digest."""
    try:
        dtypes = json.loads(header[_METADATA][_APPS_DTYPES])
    except RecursionError:
        raise ValueError(_APPS_DTYPES) from None
    shapes = tuple(tuple(map(int, header[name]["shape"])) for name in dtypes)
    layout = Layout(tuple(dtypes), shapes, tuple(dtypes.values()), "arrays")
    if not all(dtype in MASTER for dtype in layout.dtypes):
        raise ValueError(_APPS_DTYPES)
    if min(layout.sizes, default=0) < 0 or not layout.weights or not layout.digest:
        raise ValueError("shape")
    return layout


def _bytes(layout: Layout) -> int:
    return sum(s * m.itemsize for s, m in zip(layout.sizes, layout.masters, strict=True))


def _described(layout: Layout) -> dict[str, Any]:
    """Each entry as a header has it."""
    described, start = {}, 0
    for name, shape, size, master in zip(
        layout.names, layout.shapes, layout.sizes, layout.masters, strict=True
    ):
        end = start + size * master.itemsize
        dtype = _DTYPES[master.newbyteorder("<").str]
        described[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
        start = end
    return described


def _header(layout: Layout, metadata: Mapping[str, str]) -> bytes:
    dtypes = json.dumps(dict(zip(layout.names, layout.dtypes, strict=True)))
    header = _described(layout) | {_METADATA: {**metadata, _APPS_DTYPES: dtypes}}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the entries are aligned
    return len(text).to_bytes(_LENGTH, "little") + text


def _read_header(data: bytes, name: str) -> tuple[dict[str, Any], int]:
    """The header, and where the entries begin."""
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    try:
        header = json.loads(data[_LENGTH:end])
    except (ValueError, RecursionError, OverflowError):
        header = None
    if end > len(data) or not isinstance(header, dict):
        reason = "it is not a safetensors file, or not a whole one"
        raise DamagedFile(name, reason, "model")
    return header, end
