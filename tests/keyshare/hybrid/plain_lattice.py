"""The hybrid suite a second time: integers, lists, hashlib, decimals and single blocks of AES.

Written from the equations in the docstrings of ``keyshare``, of which nothing is imported.
Slow, and to be read beside them. ``python -m tests.keyshare.hybrid.plain_lattice`` prints
tests/vectors/lattice.json.
"""

import hashlib
import json
from bisect import bisect_right
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

TAIL, BATCH_BLOCKS = 90, 16
SIGMA = Decimal("6.4")


@dataclass(frozen=True)
class Plain:
    """The parameters, as the equations of ``keyshare.hybrid.lattice`` give them with 60 digits."""

    name: str
    degree: int
    modulus_bits: int
    dropped_bits: int
    limb_bits: tuple[int, ...]
    members: int
    k: int = 2

    @property
    def q(self) -> int:
        return 2**self.modulus_bits

    @property
    def max_error(self) -> int:
        with localcontext() as context:
            context.prec = 60
            variance = SIGMA**2 + (Decimal(4**self.dropped_bits) / 12 if self.dropped_bits else 0)
            return int((10 * (variance * self.members).sqrt()).to_integral_value(ROUND_CEILING))

    @property
    def delta(self) -> int:
        return 2 * self.max_error + 2

    @property
    def radix(self) -> int:
        t, r = self.q // self.delta, 1 << 64
        for bit in reversed(range(64)):
            if (r - (1 << 64) + (1 << bit)) ** self.k <= t:
                r += 1 << bit
        return r - (1 << 64)

    @property
    def levels(self) -> int:
        return (self.radix - 1) // self.members + 1

    @property
    def slot_bits(self) -> int:
        with localcontext() as context:
            context.prec = 60
            least, width = 20 * SIGMA * Decimal(self.members).sqrt() + 1, 0
            while Decimal(2**width) < least:
                width += 1
            return width

    @property
    def sum_bytes(self) -> int:
        reach = self.members * (2 ** (self.modulus_bits - self.dropped_bits) - 1)
        return min(8, (reach.bit_length() + 7) // 8)


def hybrid(members: int) -> Plain:
    return Plain("hybrid", 2048, 52, 4, (26, 26), members)


def hybrid_s2(members: int) -> Plain:
    return Plain("hybrid-s2", 4096, 64, 8, (22, 21, 21), members)


class Bytes:
    """AES-256 of 0, 1, 2, … under a key hashed from seed and labels."""

    def __init__(self, seed: bytes, *labels: str | int) -> None:
        hashed = len(seed).to_bytes(8, "big") + seed
        for label in ("keystream", *labels):
            data = str(label).encode()
            hashed += (
                (b"i" if isinstance(label, int) else b"s") + len(data).to_bytes(8, "big") + data
            )
        key = hashlib.shake_256(hashed).digest(32)
        self._encryptor = Cipher(AES(key), ECB()).encryptor()
        self._next, self._left = 0, b""

    def take(self, count: int) -> bytes:
        missing = -(-max(0, count - len(self._left)) // 16)
        counters = [k.to_bytes(16, "big") for k in range(self._next, self._next + missing)]
        self._left += b"".join(map(self._encryptor.update, counters))
        self._next += missing
        taken, self._left = self._left[:count], self._left[count:]
        return taken


@lru_cache(maxsize=1)
def cumulative() -> list[int]:
    """⌊2^128·P(X <= x)⌋, x = -90 … 89, with 80 decimal digits."""
    with localcontext() as context:
        context.prec = 80
        weights = [(-(x * x) / (2 * SIGMA**2)).exp() for x in map(Decimal, range(-TAIL, TAIL + 1))]
        total = sum(weights)
        return [
            int((sum(weights[: k + 1]) / total * 2**128).to_integral_value(ROUND_FLOOR))
            for k in range(2 * TAIL)
        ]


def inverted(draw: int) -> int:
    """x for 128 uniform bits."""
    return bisect_right(cumulative(), draw) - TAIL


def gaussian(stream: Bytes, count: int) -> list[int]:
    """Draws of 16 bits; then, in order, 112 more for those that 16 do not decide."""
    data = stream.take(2 * count)
    tops = [int.from_bytes(data[k : k + 2], "little") << 112 for k in range(0, 2 * count, 2)]
    open_ = [inverted(top) != inverted(top + 2**112 - 1) for top in tops]
    return [
        inverted(top + int.from_bytes(stream.take(14), "big")) if more else inverted(top)
        for top, more in zip(tops, open_, strict=True)
    ]


def expanded(p: Plain, context: bytes, chunk: int, blocks: int) -> list[list[int]]:
    """a_j in [0, q): each limb the high bits of a signed little-endian word, low limb first."""
    stream, found = Bytes(context, "public polynomial", p.name, chunk), []
    for _ in range(blocks):
        a, below = [0] * p.degree, 0
        for bits in p.limb_bits:
            data = stream.take(4 * p.degree)
            for i in range(p.degree):
                word = int.from_bytes(data[4 * i : 4 * i + 4], "little", signed=True)
                a[i] += (word >> (32 - bits)) << below
            below += bits
        found.append([x % p.q for x in a])
    return found


def product(a: list[int], b: list[int]) -> list[int]:
    """a·b mod x^N+1 over the integers, all coefficients in the slots of one huge integer."""
    slot, size = 16, len(a)

    def at_power(values: list[int], sign: int) -> int:
        return int.from_bytes(
            b"".join(max(0, sign * v).to_bytes(slot, "little") for v in values), "little"
        )

    total = [0] * size
    for sign_a in (1, -1):
        for sign_b in (1, -1):
            whole = at_power(a, sign_a) * at_power(b, sign_b)
            data = whole.to_bytes(2 * size * slot, "little")
            for i in range(2 * size):
                value = int.from_bytes(data[slot * i : slot * (i + 1)], "little")
                total[i % size] += sign_a * sign_b * (value if i < size else -value)
    return total


def secret(p: Plain, seed: bytes) -> list[int]:
    return gaussian(Bytes(seed, "secret", p.name), p.degree)


def packed(digits: list[int], p: Plain, n: int) -> list[int]:
    """Σ_l s_l·2^(w·l) mod N for as many coefficients as leave two bits of N."""
    size = (n.bit_length() - 2) // p.slot_bits
    return [
        sum(s << (p.slot_bits * l) for l, s in enumerate(digits[k : k + size])) % n  # noqa: E741
        for k in range(0, len(digits), size)
    ]


def encrypted(p: Plain, seed: bytes, chunk: int, values: list[int], context: bytes) -> bytes:
    """A chunk: ⌊(a·s + e + Δ·m + 2^(d-1)) / 2^d⌋ mod q/2^d, little-endian; k weights in each m."""
    s, delta, radix = secret(p, seed), p.delta, p.radix
    width = (p.modulus_bits - p.dropped_bits) // 8
    blocks = -(-len(values) // (p.degree * p.k))
    values = values + [0] * (blocks * p.degree * p.k - len(values))
    errors: list[int] = []
    stream = Bytes(seed, "error", p.name, chunk)
    for start in range(0, blocks, BATCH_BLOCKS):
        errors += gaussian(stream, min(BATCH_BLOCKS, blocks - start) * p.degree)
    sent = []
    for j, a in enumerate(expanded(p, context, chunk, blocks)):
        own = values[j * p.degree * p.k : (j + 1) * p.degree * p.k]
        for i, x in enumerate(product(a, s)):
            message = sum(own[p.k * i + b] * radix**b for b in range(p.k))
            c = x + errors[j * p.degree + i] + delta * message
            c = (c + (2**p.dropped_bits >> 1)) % p.q >> p.dropped_bits
            sent.append(c.to_bytes(width, "little"))
    return b"".join(sent)


def coefficients(data: bytes, width: int) -> list[int]:
    return [int.from_bytes(data[k : k + width], "little") for k in range(0, len(data), width)]


def opened(
    p: Plain, summed: list[int], contributors: int, chunk: int, c: list[int], context: bytes
) -> tuple[list[int], list[int]]:
    """The sums of the weights in c = Σ c_i, whole blocks, and the errors; nothing is checked."""
    weights, errors, max_error, delta, radix = [], [], p.max_error, p.delta, p.radix
    mean = contributors // 2 if p.dropped_bits else 0
    for j, a in enumerate(expanded(p, context, chunk, len(c) // p.degree)):
        for x, y in zip(c[j * p.degree : (j + 1) * p.degree], product(a, summed), strict=True):
            message, error = divmod((2**p.dropped_bits * x - y - mean + max_error) % p.q, delta)
            errors.append(error - max_error)
            for _ in range(p.k):
                message, weight = divmod(message, radix)
                weights.append(weight)
    return weights, errors


# --- The vectors ---------------------------------------------------------------------------------

SEED, CONTEXT = bytes(range(32)), bytes(range(32, 64))
KEY_N = 2**127 * 2**129 - 93  # an odd number of 256 bits: only its size matters for packing
SETS = {"hybrid": hybrid(16), "hybrid-s2": hybrid_s2(128)}


def hashed(values: list[int], width: int = 8) -> str:
    """SHA-256 of signed little-endian words."""
    words = (v.to_bytes(width, "little", signed=True) for v in values)
    return hashlib.sha256(b"".join(words)).hexdigest()


def weights_of(p: Plain, count: int) -> list[int]:
    """Some weights, the two extremes among them."""
    levels = p.levels
    return [(0, levels - 1, 12345 * i * i % levels)[min(i, 2)] for i in range(count)]


def vectors() -> dict[str, Any]:
    found = []
    for name, p in SETS.items():
        ((first, second)) = expanded(p, CONTEXT, 3, 2)
        s = secret(p, SEED)
        own = packed(s, p, KEY_N)
        one = encrypted(p, SEED, 3, weights_of(p, 5), CONTEXT)
        count = 17 * p.degree * p.k - 1
        long = encrypted(p, SEED, 0, weights_of(p, count), CONTEXT)
        found.append(
            {
                "ring": name,
                "members": p.members,
                "levels": p.levels,
                "delta": p.delta,
                "public": [str(x) for x in (*first[:3], second[0])],
                "public_sha256": hashed([x - p.q // 2 for x in first + second]),
                "secret": s[:8],
                "secret_sha256": hashed(s),
                "product_sha256": hashed(product([x - p.q // 2 for x in first], s), 16),
                "packed": [hex(own[0]), hex(own[-1])],
                "packed_count": len(own),
                "chunk": {"count": 5, "start": one[:32].hex(),
                          "sha256": hashlib.sha256(one).hexdigest()},
                "long_chunk": {"count": count, "sha256": hashlib.sha256(long).hexdigest()},
            }
        )  # fmt: skip
    table = cumulative()
    entries = {str(x): hex(table[x + TAIL]) for x in (-90, -89, -50, -7, -1, 0, 1, 30, 89)}
    joined = b"".join(value.to_bytes(16, "big") for value in table)
    return {
        "source": "Computed by tests/keyshare/hybrid/plain_lattice.py, which imports nothing of "
        "keyshare: single blocks of AES, decimals of 80 digits, products of Python's integers. "
        "seed = 0..31, context = 32..63; chunk 3, the long chunk 0; hashes of signed little-endian "
        "words of 8 bytes (products 16), public polynomials less q/2",
        "cumulative": entries,
        "cumulative_sha256": hashlib.sha256(joined).hexdigest(),
        "rings": found,
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1, ensure_ascii=False))
