"""An update's slots, the sum of chunks, and the average of summed slots, all at once."""

from collections.abc import Iterable

import numpy as np

from keyshare.hybrid.lattice import Lattice
from keyshare.hybrid.one_time_key import add_chunk
from keyshare.rounds.quantisation import largest_change
from keyshare.rounds.slots import Slots


def quantise(
    update: np.ndarray, num_examples: int, slots: Slots, seed: bytes = bytes(32)
) -> np.ndarray:
    """All slots of one hospital's update, which fits the round's bounds; shape (slots.count,)."""
    writer = slots.writer(num_examples, largest_change(update), seed)
    assert writer.fits
    return np.concatenate([writer.head, writer.entries(update)])


def sum_of(chunks: Iterable[bytes], lattice: Lattice) -> np.ndarray:
    """The sum of contributions' chunks, word by word; at least one."""
    total = None
    for chunk in chunks:
        total = add_chunk(total, chunk, lattice)
    assert total is not None
    return total


def average(sums: np.ndarray, contributors: int, slots: Slots) -> np.ndarray:
    """The average update from sums of slots, if all updates fit; shape (slots.length,)."""
    reader = slots.reader(contributors)
    reader.take_head(sums[: slots.head])
    assert not reader.is_outgrown
    return reader.take(sums[slots.head :])
