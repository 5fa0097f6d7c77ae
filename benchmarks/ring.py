"""What a product of packed ring-LWE ciphertexts costs, from the time of its parts in numpy.

The scheme and its parameters are those of [CHI+20], as its published implementation has them
(github.com/JustinDrake/LigeroRSA, src/coordinator_full_protocol.cpp): Z_Q[X]/(X^65536 + 1), Q a
product of 21 primes of 62 bits, plaintexts modulo P, a product of 9 of them, and slots that hold
numbers modulo primes of 175 bits. Two primes of 31 bits, whose products fit a word, stand for one
of 62.

[CHI+20] Chen, Hazay, Ishai, Kashnikov, Micciancio, Riviere, shelat, Venkitasubramaniam, Wang,
Diogenes, eprint 2020/374.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import gmpy2
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.uint64]
WORD_BITS = 31


@dataclass(frozen=True)
class RingShape:
    """Parameters of the scheme; 62-bit primes are counted."""

    degree: int = 1 << 16
    primes_q: int = 21
    primes_p: int = 9
    prime_bits: int = 62
    slot_bits: int = 175

    @property
    def ring_bytes(self) -> int:
        """An element of the ring modulo Q, a word of 8 bytes for a prime."""
        return 8 * self.degree * self.primes_q

    def candidates(self, bits: int) -> int:
        """Products of ``bits`` bits in a ciphertext; each takes as many slots as hold it."""
        return self.degree // -(-bits // self.slot_bits)


class Transform:
    """Number-theoretic transform of X^n + 1 modulo a prime below 2^31, in constant geometry."""

    def __init__(self, degree: int, prime: int) -> None:
        self.degree, self.prime = degree, np.uint64(prime)
        psi = _root(2 * degree, prime)
        self._twist = _powers(psi, degree, prime)
        self._untwist = _powers(pow(psi, -1, prime), degree, prime) * np.uint64(
            pow(degree, -1, prime)
        )
        self._untwist %= self.prime
        forth = _powers(psi * psi % prime, degree // 2, prime)
        back = _powers(pow(psi, -2, prime), degree // 2, prime)
        index = np.arange(degree // 2)
        stages = range(degree.bit_length() - 1)
        self._forth = [forth[index >> s << s] for s in stages]
        self._back = [back[index >> s << s] for s in reversed(stages)]

    def multiply(self, x: Vector, y: Vector) -> Vector:
        """x·y modulo the prime, element by element."""
        product = x * y
        product -= product // self.prime * self.prime
        return product

    def forward(self, x: Vector) -> Vector:
        """Values of a polynomial, from its coefficients."""
        half, x = self.degree // 2, self.multiply(x, self._twist)
        for twiddles in self._forth:
            u, v, y = x[:half], x[half:], np.empty_like(x)
            y[0::2] = self._reduce(u + v)
            y[1::2] = self.multiply(u + (self.prime - v), twiddles)
            x = y
        return x

    def inverse(self, y: Vector) -> Vector:
        """Coefficients of a polynomial, from its values."""
        half = self.degree // 2
        for twiddles in self._back:
            u, v, x = y[0::2], self.multiply(y[1::2], twiddles), np.empty_like(y)
            x[:half] = self._reduce(u + v)
            x[half:] = self._reduce(u + (self.prime - v))
            y = x
        return self.multiply(y, self._untwist)

    def _reduce(self, x: Vector) -> Vector:
        """From [0, 2·prime); what is too small wraps to something large."""
        reduced: Vector = np.minimum(x, x - self.prime)
        return reduced


def lift(residues: list[Vector], source: list[int], target: list[int]) -> list[Vector]:
    """Residues modulo other primes of x + k·∏ source, 0 <= k < len(source) (fast base conversion).

    residues: of x, 0 <= x < ∏ source, modulo each prime of ``source``.
    """
    whole = gmpy2.mpz(math.prod(source))
    digits = []
    for residue, prime in zip(residues, source, strict=True):
        scaled = residue * np.uint64(int(gmpy2.invert(whole // prime, prime)))
        digits.append(scaled - scaled // np.uint64(prime) * np.uint64(prime))
    lifted = []
    for prime in target:
        total = np.zeros_like(residues[0])
        for digit, divisor in zip(digits, source, strict=True):
            total += digit * np.uint64(int(whole // divisor % prime))
            total -= total // np.uint64(prime) * np.uint64(prime)
        lifted.append(total)
    return lifted


def primes(degree: int, count: int) -> list[int]:
    """The largest primes below 2^31 that are 1 modulo 2·degree."""
    found = list[int]()
    candidate = (1 << WORD_BITS) + 1
    while len(found) < count:
        candidate -= 2 * degree
        if gmpy2.is_prime(candidate):
            found.append(candidate)
    return found


def product_seconds(shape: RingShape) -> float:
    """One party's seconds for a product of the sums of all parties' packed numbers.

    Transforms modulo Q: u, v, w and the plaintext of Enc(p_i); q_i, a mask and u, v, w of an
    encryption of 0 to randomise q_i·Enc(p) anew; the smudging noise of the partial decryption; the
    sum of these, decoded. Modulo P: each plaintext from its slots, the result to its slots. A
    plaintext that changes between P and Q is lifted. Gaussian sampling is left out.
    """
    words = shape.prime_bits // WORD_BITS
    chosen = primes(shape.degree, words * shape.primes_q)
    ring = Transform(shape.degree, chosen[0])
    generator = np.random.default_rng(0)
    x = generator.integers(0, int(ring.prime), shape.degree, dtype=np.uint64)
    y = ring.forward(x)
    forward, inverse = _time(lambda: ring.forward(x)), _time(lambda: ring.inverse(y))
    pointwise = _time(lambda: ring.multiply(x, y))
    source = chosen[: words * shape.primes_p]
    residues = [x % np.uint64(prime) for prime in source]
    lifting = _time(lambda: lift(residues, source, chosen), repeats=1)
    modulo_q = 10 * forward + inverse + 8 * pointwise
    modulo_p = 3 * inverse + forward
    return words * (shape.primes_q * modulo_q + shape.primes_p * modulo_p) + 4 * lifting


def product_bytes(shape: RingShape) -> int:
    """What a party sends for it: two ciphertexts of two elements and a partial decryption."""
    return 5 * shape.ring_bytes


def _time(work: Callable[[], object], repeats: int = 5) -> float:
    """The processor's time, the best of some tries."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def _root(order: int, prime: int) -> int:
    """A primitive root of unity; the order is a power of two."""
    base = 2
    while pow(root := pow(base, (prime - 1) // order, prime), order // 2, prime) == 1:
        base += 1
    return root


def _powers(base: int, count: int, prime: int) -> Vector:
    powers = [1]
    for _ in range(count - 1):
        powers.append(powers[-1] * base % prime)
    return np.array(powers, dtype=np.uint64)
