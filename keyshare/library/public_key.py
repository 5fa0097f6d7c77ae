"""A Paillier public key as a program uses it: whole numbers in, ciphertexts that add up.

    c = (1 + m·N) · r^N mod N²,  |m| < N/3,  a negative m as the residue N + m

The middle third of the residues stands for no number, as in ``phe``. So a sum that has outgrown
the key is noticed, as long as it is below 2N/3. Source: Paillier, Eurocrypt '99, with g = 1 + N.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from operator import index
from typing import Self

import gmpy2
import phe
from gmpy2 import mpz

from keyshare.errors import BadPlaintext, UnfitNumber, WrongKey
from keyshare.key import check_ciphertext
from keyshare.randomness import Stream


@dataclass(frozen=True, repr=False)
class PublicKey:
    """N: all that it takes to encrypt a number. modulus: odd, 15 or more. Raises WrongKey."""

    modulus: int

    def __post_init__(self) -> None:
        if index(self.modulus) < 15 or self.modulus % 2 == 0:
            raise WrongKey("the modulus is not an odd number from 15")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.bits} bits)"

    @property
    def bits(self) -> int:
        """The length of N."""
        return self.modulus.bit_length()

    @property
    def largest(self) -> int:
        """Numbers from -largest to largest have a ciphertext: ⌊N/3⌋ - 1, as in ``phe``."""
        return self.modulus // 3 - 1

    def encrypt(self, number: int) -> Ciphertext:
        """A fresh ciphertext of a number. Raises TypeError, BadPlaintext."""
        square = self.modulus**2
        return Ciphertext(self.modulus, int(_trivial(number, self) * self._noise() % square))

    def _noise(self) -> mpz:
        """r^N mod N², r a random unit."""
        r = Stream(secrets.token_bytes(32)).unit(mpz(self.modulus))
        return gmpy2.powmod(r, self.modulus, self.modulus**2)

    @classmethod
    def from_phe(cls, key: phe.PaillierPublicKey) -> PublicKey:
        """The same N."""
        return PublicKey(int(key.n))

    def to_phe(self) -> phe.PaillierPublicKey:
        """The same N; what it encrypts, the members of this key decrypt."""
        return phe.PaillierPublicKey(self.modulus)


@dataclass(frozen=True, repr=False)
class Ciphertext:
    """An encrypted number; ``modulus`` N and ``value`` in Z*_{N²} may be written anywhere.

    Adds to ciphertexts of the same key and to integers, and is multiplied by integers. None of this
    adds randomness: who knows c can try whether another ciphertext is c·k + m. Add
    ``key.encrypt(0)`` to what nobody shall recognise. Raises BadCiphertext, and WrongKey and
    TypeError when added.
    """

    modulus: int
    value: int

    def __post_init__(self) -> None:
        check_ciphertext(index(self.value), index(self.modulus))

    def __repr__(self) -> str:
        return f"Ciphertext({self.modulus.bit_length()} bits, {self.value % 2**32:08x}…)"

    def __add__(self, other: Ciphertext | int) -> Ciphertext:
        if isinstance(other, Ciphertext):
            if other.modulus != self.modulus:
                raise WrongKey("the ciphertexts are of different keys")
            factor = other.value
        else:
            factor = _trivial(other, PublicKey(self.modulus))
        return Ciphertext(self.modulus, int(self.value * factor % self.modulus**2))

    __radd__ = __add__

    def __mul__(self, factor: int) -> Ciphertext:
        power = gmpy2.powmod(self.value, index(factor), self.modulus**2)
        return Ciphertext(self.modulus, int(power))

    __rmul__ = __mul__

    def __neg__(self) -> Ciphertext:
        return self * -1

    def __sub__(self, other: Ciphertext | int) -> Ciphertext:
        # As an int: -uint8(5) is 251 in numpy.
        return self + -(other if isinstance(other, Ciphertext) else index(other))

    def __rsub__(self, other: int) -> Ciphertext:
        return -self + other

    @classmethod
    def from_phe(cls, number: phe.EncryptedNumber) -> Self:
        """A whole number that ``phe`` encrypted. Raises UnfitNumber for one with an exponent."""
        if number.exponent != 0:
            raise UnfitNumber(f"its exponent is {number.exponent}; whole numbers have 0")
        return cls(int(number.public_key.n), int(number.ciphertext()))

    def to_phe(self) -> phe.EncryptedNumber:
        """The same ciphertext, to calculate with in ``phe``."""
        return phe.EncryptedNumber(phe.PaillierPublicKey(self.modulus), self.value)


def _trivial(number: int, key: PublicKey) -> mpz:
    """1 + m·N, the ciphertext of m with r = 1."""
    number = index(number)
    if abs(number) > key.largest:
        raise BadPlaintext("the number is not within ±(N/3 - 1)")
    return 1 + mpz(number) % key.modulus * key.modulus
