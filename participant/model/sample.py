"""Some weights of a model, at places that its hospital alone knows: what stays of it.

With a sample it can be told whether another model is near to the whole one. Of each entry weights
are drawn at random, and a small entry is taken whole. Over the entries that both models have, each
with s weights, of which n were drawn and h of those are near:

    estimate = Σ h·s/n        margin = sqrt(BITS·ln 2/2 · Σ s²/n), over those not taken whole

The estimate of the number of near weights is off by more than the margin with a probability below
2^-BITS to each side, since it is a sum of independent terms between 0 and s/n [Hoeffding, J. Amer.
Statist. Assoc. 58, 1963, theorem 2]. That holds for any other model that does not depend on the
places. How far it holds for one that is chosen after answers about them, see
participant/pruning/samples.py.

Places are 8 random bytes modulo s. No place is likelier than (1 + 2^-33) times another, so the
probability of all places together is off by less than a factor 1.0001.
"""

import math
import secrets
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from participant.model.layout import Layout
from participant.model.master import Model
from protocol.encoding import Message
from protocol.errors import Malformed
from protocol.messages import Digest

BITS = 128  # a near model is taken for far with a probability below 2^-BITS
EVENLY = 1 << 16  # weights that all entries share evenly
BY_SIZE = 1 << 16  # weights that they share by their sizes, besides
_PLACE = np.dtype("<u4")  # no model has more than 2^30 weights


class SampledEntry(Message, frozen=True):
    """What was drawn of an entry.

    places: 4 bytes each, little-endian; empty where all weights were taken. values: the weights
    there, as the model has them.
    """

    name: str
    shape: tuple[int, ...]
    master: Literal["<f4", "<f8"]
    places: bytes
    values: bytes

    def __repr__(self) -> str:
        return f"SampledEntry({self.name!r}, places=<secret>)"

    @property
    def size(self) -> int:
        """Weights of the whole entry."""
        return math.prod(self.shape)

    def drawn(self, own: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The weights that were drawn, and another model's at the same places.

        own: the other's, of as many weights. Raises Malformed for what was never drawn so.
        """
        if len(self.values) % np.dtype(self.master).itemsize or len(self.places) % _PLACE.itemsize:
            raise Malformed("sample", f"{self.name} has a part of a weight or place")
        values = np.frombuffer(self.values, self.master)
        if not self.places:
            if len(values) != self.size:
                raise Malformed("sample", f"{self.name} is not whole")
            return values, own
        places = np.frombuffer(self.places, _PLACE)
        if len(places) != len(values) or int(places.max()) >= self.size:
            raise Malformed("sample", f"{self.name} has other places than weights")
        return values, own[places]


class Nearness(NamedTuple):
    """Whether a model is near to the one that a sample is of.

    is_close: whether another sample might have said otherwise, with a probability above 2^-BITS.
    """

    is_near: bool
    is_close: bool = False


class Sample(Message, frozen=True):
    """What was drawn of a model; ``model``: its digest."""

    model: Digest
    entries: tuple[SampledEntry, ...]

    def nearness(self, start: Model, bound: float) -> Nearness:
        """Whether more than half of the smaller one's weights are near, for sure or possibly.

        Weights are near if they differ by no more than ``bound``, in entries of one name and shape.
        A model that is near is called far with a probability below 2^-BITS. One that is far is
        called near if this cannot be told. Raises Malformed as ``SampledEntry.drawn``.
        """
        shared = list(self._shared(start))
        smaller = min(start.layout.weights, sum(entry.size for entry in self.entries))
        if 2 * sum(entry.size for entry, _ in shared) <= smaller:
            return Nearness(False)
        estimate = variance = 0.0
        for entry, own in shared:
            values, there = entry.drawn(own)
            apart = there.astype(np.float64) - values.astype(np.float64)
            n_near = int(np.count_nonzero(np.abs(apart) <= bound))
            each = entry.size / len(values) if entry.places else 1.0  # exact where it is whole
            estimate += n_near * each
            variance += entry.size * each if entry.places else 0.0
        margin = math.sqrt(BITS * math.log(2) / 2 * variance)
        if 2 * margin > smaller:
            return Nearness(True)  # whatever was drawn
        beyond = estimate + margin - smaller / 2
        return Nearness(beyond > 0, margin > 0 and abs(beyond) <= 2 * margin)

    def _shared(self, start: Model) -> Iterator[tuple[SampledEntry, NDArray[Any]]]:
        """The entries that a model has as well, with its weights there."""
        layout = start.layout
        found = dict(zip(layout.names, zip(layout.shapes, start.entries, strict=True), strict=True))
        for entry in self.entries:
            shape, own = found.get(entry.name, ((), None))
            if own is not None and shape == entry.shape:
                yield entry, own


def sample_of(model: Model) -> Sample:
    """A sample of a model, at fresh places."""
    layout = model.layout
    entries = tuple(_drawn(layout, k, model.entries[k]) for k in range(len(layout.names)))
    return Sample(model.digest, entries)


def _drawn(layout: Layout, k: int, weights: NDArray[Any]) -> SampledEntry:
    size, places = layout.sizes[k], b""
    wanted = EVENLY // len(layout.names) + math.ceil(BY_SIZE * size / layout.weights)
    if wanted < size:
        raw = np.frombuffer(secrets.token_bytes(8 * wanted), "<u8")
        drawn = np.sort(raw % size).astype(_PLACE)
        places, weights = drawn.tobytes(), weights[drawn]
    master = layout.masters[k].newbyteorder("<").str
    values = weights.astype(master).tobytes()
    return SampledEntry(layout.names[k], layout.shapes[k], master, places, values)  # type: ignore[arg-type]
