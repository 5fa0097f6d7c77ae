"""Paillier encryption without an exponentiation by N for each ciphertext.

    c = (1 + m·N) · h_N^a mod N²,   h = -y² mod N,  h_N = h^N mod N²,  a random of ⌈|N|/2⌉ bits

h_N is public and fixed, so its powers are tabled once. Since h_N^a = (h^a)^N is an N-th power,
the ciphertext is one of Paillier's: whatever decrypts those decrypts these, and the two add.

Source: Damgård, Jurik, Nielsen, "A generalization of Paillier's public-key system with
applications to electronic voting", Int. J. Inf. Secur. 9(6):371-385, 2010, §4.1 (the encryption
function) and §4.2 (precomputed powers). Tables of windows: Brickell, Gordon, McCurley, Wilson,
Eurocrypt '92.
"""

from collections.abc import Iterable, Sequence
from operator import index

import gmpy2
from gmpy2 import mpz

from keyshare.errors import BadCiphertext, BadPlaintext
from keyshare.randomness import Stream

# At 3072 bits the table takes 0.4 s and 12 MB, and is kept for an epoch;
# an encryption is then a twelfth of r^N mod N². Wider windows pay only beyond some hundreds.
_WINDOW_BITS = 6


def randomiser_base(n: mpz, context: bytes) -> mpz:
    """h_N = (-y²)^N mod N², y a unit of Z_N hashed from (N, context).

    Every party computes it for itself: it is never taken from the wire, where a base of small
    order would lay all plaintexts open. With p ≡ q ≡ 3 (mod 4), -y² has Jacobi symbol 1 and is
    not a square.
    """
    size = (n.bit_length() + 7) // 8
    hashed = Stream.derive(b"quorate/randomiser-base", int(n).to_bytes(size, "big"), context)
    y = hashed.unit(n)
    return gmpy2.powmod(-y * y % n, n, n * n)


class Encryptor:
    """Encrypts under N with a table of h_N^(d·64^i), d < 64.

    The exponent a has ⌈|N|/2⌉ bits, as in DJN 2010 §4.1: for a Blum integer N, h^a mod N with a
    half-length a is indistinguishable from h^a with a full-length one if factoring N is hard
    (Goldreich, Rosen, J. Cryptology 16:71-93, 2003). DJN assume gcd(p-1, q-1) = 2 and no
    small odd factors of p-1 and q-1, so that h generates all elements of Jacobi symbol 1. Nobody
    can choose the factors of a joint modulus so; h then generates a subgroup of small index, and
    the scheme rests on the same assumption made for that subgroup.

    Not constant-time: the time depends on a, as it does in GMP itself.
    """

    def __init__(self, n: mpz, base: mpz) -> None:
        """base: ``randomiser_base(n, context)``. Raises BadCiphertext if it can't be one."""
        self.n = mpz(n)
        self._modulus = self.n * self.n
        check_ciphertext(base, self.n)
        if base in (1, self._modulus - 1):
            raise BadCiphertext("a randomiser of order 1 or 2")
        self.exponent_bits = (self.n.bit_length() + 1) // 2
        self._table = [_row(base, self._modulus)]  # row i: base^(d·64^i) for d = 0..63
        self._grow(-(-self.exponent_bits // _WINDOW_BITS))

    def encrypt(self, plaintext: mpz, stream: Stream) -> mpz:
        """c = (1 + m·N)·h_N^a mod N², a drawn from the stream; see ``encrypt_with``."""
        return self.encrypt_with(plaintext, stream.bits(self.exponent_bits))

    def encrypt_with(self, plaintext: mpz, exponent: mpz) -> mpz:
        """(1 + m·N)·h_N^exponent mod N², 0 <= m < N, exponent >= 0. Raises BadPlaintext, TypeError.

        For proofs, which need the exponent; its length is the caller's concern.
        """
        if not 0 <= index(plaintext) < self.n:
            raise BadPlaintext("the plaintext is not within 0 to N - 1")
        return (1 + plaintext * self.n) * self._power(mpz(index(exponent))) % self._modulus

    def _power(self, exponent: mpz) -> mpz:
        """h_N^exponent: one multiplication for each window, no squarings."""
        digits = gmpy2.unpack(exponent, _WINDOW_BITS) if exponent else []
        self._grow(len(digits))
        power = mpz(1)
        for row, digit in zip(self._table, digits, strict=False):
            if digit:
                power = power * row[int(digit)] % self._modulus
        return power

    def _grow(self, rows: int) -> None:
        """Let the table have as many rows as an exponent has digits, at least."""
        while len(self._table) < rows:
            self._table.append(_row(self._table[-1][-1] * self._table[-1][1], self._modulus))


def add(ciphertexts: Iterable[mpz], n: mpz) -> mpz:
    """The ciphertext of the sum of the plaintexts, ∏ c mod N².

    Raises BadCiphertext if there is none, or one is out of range or shares a factor with N.
    """
    modulus = n * n
    product, position = mpz(1), -1
    for position, ciphertext in enumerate(ciphertexts):
        if not 1 <= ciphertext < modulus:
            raise BadCiphertext("out of range", position)
        product = product * ciphertext % modulus
    if position < 0:
        raise BadCiphertext("a sum needs at least one ciphertext")
    # A product is a unit exactly if all its factors are: one gcd serves for all.
    if gmpy2.gcd(product, n) != 1:
        raise BadCiphertext("shares a factor with N")
    return product


def check_ciphertext(ciphertext: mpz, n: mpz) -> None:
    """1 <= c < N² and gcd(c, N) = 1. Raises BadCiphertext."""
    if not 1 <= ciphertext < n * n:
        raise BadCiphertext("out of range")
    if gmpy2.gcd(ciphertext, n) != 1:
        raise BadCiphertext("shares a factor with N")


def check_ciphertexts(ciphertexts: Sequence[mpz], n: mpz) -> None:
    """The same of each. Raises BadCiphertext, for the first that is not so."""
    product, modulus = mpz(1), n * n
    for ciphertext in ciphertexts:
        product = product * ciphertext % n
    # A product is a unit exactly if all its factors are: one gcd serves for all.
    if gmpy2.gcd(product, n) != 1 or not all(1 <= c < modulus for c in ciphertexts):
        for ciphertext in ciphertexts:
            check_ciphertext(ciphertext, n)


def _row(step: mpz, modulus: mpz) -> list[mpz]:
    """step^d for all digits d."""
    row = [mpz(1), step % modulus]
    while len(row) < 1 << _WINDOW_BITS:
        row.append(row[-1] * row[1] % modulus)
    return row
