"""Sums under one-time keys that were tampered with are noticed, or move a message."""

import itertools
from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest

from keyshare.errors import CorruptSum
from keyshare.hybrid import one_time_key
from keyshare.hybrid.keystream import Keystream
from keyshare.hybrid.lattice import S1, S2, Lattice
from keyshare.hybrid.one_time_key import OneTimeKey, write_sum
from tests.keyshare.hybrid import plain_lattice
from tests.keyshare.hybrid.chunk_sums import BOTH, CONTEXT, Sum, small_sum, weights
from tests.stage.files import flipped
from tests.stage.rounds.whole_update import sum_of
from tests.stage.toy import seed_of


@pytest.mark.parametrize("bit", [6, 7, 8, 20, 30, 40, 47, 8 * 7 * 1000 + 9])
def test_a_flipped_bit_of_a_sum_is_detected_or_moves_a_message(bit):
    """Above Δ/2 it is another message, of which nothing can be seen unless it is out of range."""
    total = small_sum()
    try:
        found = total.opened(flipped(total.data, *divmod(bit, 8)))
    except CorruptSum:
        return
    assert np.count_nonzero(found != total.expected) in (1, 2)


@pytest.mark.parametrize("bit", [48, 50, 55])
def test_bits_beyond_the_modulus_carry_nothing(bit):
    total = small_sum()
    found = total.opened(flipped(total.data, *divmod(bit, 8)))
    assert found.tolist() == total.expected.tolist()


@BOTH
def test_a_block_with_many_flipped_bits_is_detected(ring):
    total = small_sum(Lattice(ring, 16))
    changed = bytearray(total.data)
    for i in range(0, len(changed), 7):
        changed[i] ^= 0x15
    with pytest.raises(CorruptSum):
        total.opened(bytes(changed))


Tampering = Callable[[Sum, list[bytes]], list[bytes]]


def exchanged(seed: bytes, chunk: int = 0, context: bytes = CONTEXT) -> Tampering:
    """The first one's chunk exchanged for zeros under this key."""
    zeros = np.zeros(9, np.int64)
    return lambda total, sent: [
        OneTimeKey(total.lattice, seed).encrypt(chunk, zeros, context), *sent[1:]
    ]  # fmt: skip


WRONG: dict[str, Tampering] = {
    "a chunk dropped": lambda total, sent: sent[1:],
    "a chunk doubled": lambda total, sent: [*sent, sent[0]],
    "a chunk exchanged for that of another key": exchanged(seed_of("x")),
    "a chunk of another round": exchanged(seed_of("hospital", 0), context=seed_of("round 2")),
    "another chunk of the same key": exchanged(seed_of("hospital", 0), chunk=1),
    "noise": lambda total, sent: [*sent[1:], (seed_of("noise") * len(sent[0]))[: len(sent[0])]],
}


@BOTH
@pytest.mark.parametrize("what", list(WRONG))
def test_a_sum_of_other_chunks_than_keys_is_detected(ring, what):
    total = Sum(Lattice(ring, 16))
    sent = [total.add(weights(total.lattice, 9, f"{i}")) for i in range(3)]
    wrong = sum_of(WRONG[what](total, sent), total.lattice)
    with pytest.raises(CorruptSum):
        total.opened(write_sum(wrong, total.lattice))


@BOTH
@pytest.mark.parametrize(
    "changes",
    [{"context": seed_of("other")}, {"chunk": 1}, {"contributors": 12}, {"contributors": 1}],
)
def test_another_context_chunk_or_number_of_contributors_is_detected(ring, changes):
    total = small_sum(Lattice(ring, 16))
    with pytest.raises(CorruptSum):
        total.opened(**changes)


@BOTH
def test_blocks_in_another_order_are_detected(ring):
    total = small_sum(Lattice(ring, 16), 2, blocks=2)
    middle = len(total.data) // 2
    with pytest.raises(CorruptSum):
        total.opened(total.data[middle:] + total.data[:middle])


def test_one_error_out_of_range_is_detected():
    """Of all 2048 only one, so that Σ E² shows nothing."""
    p = plain_lattice.hybrid(16)
    total = small_sum(contributors=16)
    assert total.total is not None
    c = [int(x) for x in total.total]
    _, errors = plain_lattice.opened(p, total.key.tolist(), 16, 0, c, CONTEXT)
    position, away = next(
        (i, away) for i, e in enumerate(errors) if (away := p.max_error + 1 - e) % 16 == 0
    )
    total.total[position] += np.uint64(away // 16) - np.uint64(1)
    assert total.is_exact
    total.total[position] += np.uint64(1)
    with pytest.raises(CorruptSum, match="an error out of range"):
        total.opened()


@pytest.mark.parametrize("factor", [0, 2])
def test_errors_too_large_or_too_small_together_are_detected(monkeypatch, factor):
    real, calls = one_time_key.sample, itertools.count()

    def scaled(stream: Keystream, size: int) -> np.ndarray:
        """The key's secret as it is, its errors times the factor."""
        return real(stream, size) * np.int8(factor if next(calls) % 2 else 1)

    monkeypatch.setattr(one_time_key, "sample", scaled)
    total = small_sum(Lattice(S1, 1024))
    with pytest.raises(CorruptSum, match="no honest"):
        total.opened()


@BOTH
@pytest.mark.parametrize("contributors", [3, 256])
def test_the_errors_of_honest_sums_have_no_mean_however_many_contribute(ring, contributors):
    """Rounding halves up makes each contribution 1/2 too : 512 at 1024, twice their spread."""
    members = 1024 if ring == S1 else 256
    p = {S1: plain_lattice.hybrid, S2: plain_lattice.hybrid_s2}[ring](members)
    total = small_sum(Lattice(ring, members, 2), contributors)
    assert total.total is not None
    c = [int(x) for x in total.total]
    _, errors = plain_lattice.opened(p, total.key.tolist(), contributors, 0, c, CONTEXT)
    spread = sqrt(contributors * float(total.lattice.noise_variance))
    assert abs(sum(errors) / len(errors)) < 5 * spread / sqrt(len(errors)) + 1 / 2
    assert sum(e * e for e in errors) / len(errors) == pytest.approx(spread**2, rel=0.2)
    assert total.is_exact


@pytest.mark.parametrize("change", [-1, 1, 7])
def test_a_sum_of_another_length_is_refused(change):
    total = small_sum()
    data = total.data
    wrong = data[:change] if change < 0 else data + bytes(change)
    with pytest.raises(CorruptSum):
        total.opened(wrong)


@pytest.mark.parametrize("k", [2, 3])
def test_a_message_beyond_its_weights_is_detected(k):
    """q/Δ is more than R^k: what lies between is no message."""
    lattice = Lattice(S1, 16, k)
    assert lattice.delta * (lattice.radix**k + 1) < 1 << 52
    total = small_sum(lattice)
    assert total.total is not None
    message = sum(int(w) * lattice.radix**j for j, w in enumerate(total.expected[:k]))  # type: ignore[index]
    total.total[0] += np.uint64(((lattice.radix**k - message) * lattice.delta) >> 4)
    with pytest.raises(CorruptSum, match="a message out of range"):
        total.opened()
