"""A model as the federation sees it: one float64 vector, and the shapes to read it back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from participant.errors import BadApp
from protocol.encoding import digest, encode


@dataclass(frozen=True)
class Layout:
    """Shapes and dtypes of a model's parameters, in order."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, parameters: Sequence[NDArray[np.floating]]) -> Layout:
        """The layout of a list of arrays."""
        return cls(
            tuple(tuple(p.shape) for p in parameters), tuple(p.dtype.name for p in parameters)
        )

    def join(self, parameters: Sequence[NDArray[np.floating]], function: str) -> Vector:
        """All numbers in one vector; raises BadApp naming the first array that does not fit."""
        if len(parameters) != len(self.shapes):
            raise BadApp(function, f"{len(parameters)} arrays instead of {len(self.shapes)}")
        for k, (array, shape) in enumerate(zip(parameters, self.shapes, strict=True)):
            if tuple(array.shape) != shape:
                raise BadApp(function, f"array {k} has shape {array.shape} instead of {shape}")
        flat = [np.asarray(p, dtype=np.float64).reshape(-1) for p in parameters]
        return np.concatenate(flat) if flat else np.zeros(0)

    def split(self, vector: Vector) -> list[NDArray[np.floating]]:
        """The arrays again, in their own shapes and dtypes."""
        arrays, start = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            size = int(np.prod(shape, dtype=np.int64))
            arrays.append(vector[start : start + size].reshape(shape).astype(dtype))
            start += size
        return arrays


Vector = NDArray[np.float64]


def checked_parameters(parameters: object, function: str) -> list[NDArray[np.floating]]:
    """What an app returned as parameters; raises BadApp unless it is a list of float arrays."""
    if not isinstance(parameters, list | tuple) or not parameters:
        raise BadApp(function, "it must return a list of numpy arrays")
    for k, array in enumerate(parameters):
        if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
            raise BadApp(function, f"array {k} is not a numpy array of floats")
        if not np.isfinite(array).all():
            raise BadApp(function, f"array {k} holds NaN or infinity")
    return list(parameters)


def model_digest(vector: Vector, layout: Layout) -> bytes:
    """The name of a model: hash of shapes and exact values (float64, little-endian)."""
    shapes = encode([list(shape) for shape in layout.shapes])
    return digest("quorate/model", shapes, vector.astype("<f8").tobytes())


def write_model(vector: Vector, layout: Layout) -> bytes:
    """The model as an ``.npz`` file, one float64 array a parameter."""
    arrays, start = {}, 0
    for k, shape in enumerate(layout.shapes):
        size = int(np.prod(shape, dtype=np.int64))
        arrays[f"parameter_{k}"] = vector[start : start + size].reshape(shape)
        start += size
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_model(data: bytes, layout: Layout) -> Vector:
    """The vector in an ``.npz`` file made by ``write_model``; raises BadApp if it is another's."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = [archive[f"parameter_{k}"] for k in range(len(archive.files))]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise BadApp("stored model", str(error)) from None
    return layout.join(arrays, "stored model")
