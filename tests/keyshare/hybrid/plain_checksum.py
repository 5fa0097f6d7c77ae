"""The checksum a second time: Python's integers, whole words, single blocks of AES.

Written from the equations in the docstring of ``keyshare.hybrid.checksum``, of which nothing is
imported. ``python -m tests.keyshare.hybrid.plain_checksum`` prints
tests/vectors/checksum.json.
"""

import json
from typing import Any

from tests.keyshare.hybrid.plain_lattice import Bytes

P = 2**127 - 1
SEED = bytes(range(32))


def columns(seed: bytes, count: int) -> list[list[int]]:
    """K_jm of the first positions: the upper 20 bits of little-endian words of 32 bits."""
    data = Bytes(seed, "fingerprint columns").take(28 * count)
    words = [int.from_bytes(data[k : k + 4], "little") >> 12 for k in range(0, len(data), 4)]
    return [words[7 * j : 7 * j + 7] for j in range(count)]


def multipliers(seed: bytes, chunk: int) -> list[int]:
    """κ_km: the lower 127 bits of little-endian words of 128 bits."""
    data = Bytes(seed, "fingerprint multipliers", chunk).take(7 * 16)
    return [int.from_bytes(data[k : k + 16], "little") % 2**127 for k in range(0, 7 * 16, 16)]


def checksum(seed: bytes, chunks: dict[int, list[int]]) -> int:
    """F of a vector whose chunks have these numbers."""
    drawn, total = columns(seed, max(map(len, chunks.values()), default=0)), 0
    for chunk, words in chunks.items():
        for m, multiplier in enumerate(multipliers(seed, chunk)):
            total += multiplier * sum(word * drawn[j][m] for j, word in enumerate(words))
    return total % P


def words_of(count: int, bits: int) -> list[int]:
    """Some words, the two extremes among them."""
    top = 2**bits - 1
    return [(top, 0, 0x9E3779B97F4A7C15 * i * i % 2**bits)[min(i, 2)] for i in range(count)]


CASES: dict[str, dict[int, list[int]]] = {
    "nothing": {0: []},
    "one word": {0: [1]},
    "two chunks, the last one short": {0: words_of(4_100, 48), 1: words_of(3, 48)},
    "chunk 4095": {4_095: words_of(2_048, 56)},
    "a sum's largest words": {7: [2**64 - 1] * 5_000},
}


def vectors() -> dict[str, Any]:
    return {
        "source": "Computed by tests/keyshare/hybrid/plain_checksum.py, which imports nothing "
        "of keyshare: single blocks of AES, Python's integers. Key = 0..31; chunks as CASES there.",
        "columns": columns(SEED, 2),
        "multipliers": [hex(k) for k in multipliers(SEED, 3)],
        "checksums": {
            name: checksum(SEED, chunks).to_bytes(16, "big").hex() for name, chunks in CASES.items()
        },
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1, ensure_ascii=False))
