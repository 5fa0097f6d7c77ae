"""The payload of contributions and sums: lists of Paillier ciphertexts under the joint key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from keyshare.encryption import add, check_ciphertext
from keyshare.errors import KeyshareError
from keyshare.packing import Packing, ciphertext_count
from keyshare.statistic import EncryptedValue, aligned_sum
from protocol.encoding import decode, encode, pack_numbers, unpack_numbers, width_of
from protocol.errors import Malformed
from protocol.messages import MAX_BLOB_BYTES, Ciphertexts, Opening
from protocol.terms import Terms


@dataclass(frozen=True)
class Encrypted:
    """Ciphertexts of a vector; ``exponents`` has one per number in a statistic, else none."""

    values: tuple[mpz, ...]
    exponents: tuple[int, ...] = ()


def packing_of(terms: Terms) -> Packing:
    """How the quantised weights of this federation lie in a plaintext."""
    return Packing.choose(terms.key_bits, terms.precision_bits, terms.n_members)


def expected_count(opening: Opening, terms: Terms) -> int:
    """Ciphertexts in a contribution to a round: packed weights, or one per number."""
    if opening.kind == "statistic":
        return opening.length
    return ciphertext_count(opening.length + 1, packing_of(terms))


def write_ciphertexts(encrypted: Encrypted, n: mpz) -> bytes:
    """The payload of a contribution or a sum."""
    numbers = pack_numbers(encrypted.values, width_of(n * n))
    return encode(Ciphertexts(encrypted.exponents, numbers))


def read_ciphertexts(payload: bytes, opening: Opening, terms: Terms, n: mpz) -> Encrypted:
    """The ciphertexts in a payload, each a unit mod N², as many as the round has.

    Raises Malformed on another count, a number out of range or an exponent too many.
    """
    found = decode(payload, Ciphertexts, "ciphertexts", MAX_BLOB_BYTES)
    count = expected_count(opening, terms)
    if len(found.exponents) != (count if opening.kind == "statistic" else 0):
        raise Malformed("ciphertexts", f"{len(found.exponents)} exponents for {count} numbers")
    square = n * n
    values = unpack_numbers(found.numbers, width_of(square), count, square, "ciphertexts")
    encrypted = Encrypted(tuple(values), found.exponents)
    try:
        for value in values:
            check_ciphertext(value, n)
        _aligned([encrypted], n)
    except KeyshareError as error:
        raise Malformed("ciphertexts", str(error)) from None
    return encrypted


def add_encrypted(contributions: Sequence[Encrypted], n: mpz) -> Encrypted:
    """The encrypted sum, position by position; raises Malformed on exponents too far apart."""
    if not contributions[0].exponents:
        columns = zip(*(c.values for c in contributions), strict=True)
        return Encrypted(tuple(add(column, n) for column in columns))
    try:
        return _aligned(contributions, n)
    except KeyshareError as error:
        raise Malformed("ciphertexts", str(error)) from None


def _aligned(contributions: Sequence[Encrypted], n: mpz) -> Encrypted:
    columns = zip(*(map(EncryptedValue, c.values, c.exponents) for c in contributions), strict=True)
    sums = [aligned_sum(column, n) for column in columns]
    return Encrypted(tuple(s.ciphertext for s in sums), tuple(s.exponent for s in sums))
