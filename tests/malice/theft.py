"""What colluders make of ciphertexts that others have sent: copies, multiples, products, quotients.

Whatever they make they know as a row over the honest hospitals' numbers, and as a ciphertext that
repeats none, if they like. What they cannot make is the proof that they know what is inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import gmpy2
from gmpy2 import mpz

from keyshare.proofs.plaintext_proof import PlaintextProof
from keyshare.randomness import Stream
from protocol.rounds.ciphertexts import Encrypted, EncryptionKey
from tests.malice.oracle import Row, Rows
from tests.stage.rounds.contribution import proved
from tests.stage.toy import ToyEpoch, seed_of

RECIPES = ("copy", "re-randomised", "multiple", "product", "difference")
PROOFS = ("none", "of the original", "of others of its own")


class Theft(NamedTuple):
    """Which ciphertexts, counted from the latest, what is made of them, and with which proof."""

    which: int
    other: int
    recipe: str
    proof: str


@dataclass
class Loot:
    """All ciphertexts that the adversary has seen or made, one by one."""

    toy: ToyEpoch
    _seen: list[tuple[mpz, Row, PlaintextProof | None]] = field(default_factory=list)

    def add(self, values: tuple[mpz, ...], rows: Rows, proof: PlaintextProof | None) -> None:
        """Take note of a vector of ciphertexts, if there is anything of honest hospitals in it."""
        found = zip(values, rows, strict=True)
        self._seen += [(value, row, proof) for value, row in found if row]

    def take(
        self, theft: Theft, count: int, session: str, member: int, opening: bytes
    ) -> tuple[Encrypted, Rows] | None:
        """As many ciphertexts as a round has, made of those that were seen; None of none."""
        if not self._seen:
            return None
        values, rows = list[mpz](), list[Row]()
        for place in range(count):
            first, second = (self._seen[-1 - (k + place) % len(self._seen)] for k in theft[:2])
            value, row = self._made(theft, first[:2], second[:2])
            values.append(value)
            rows.append(row)
        proof = self._seen[-1 - theft.which % len(self._seen)][2]
        if theft.proof == "none":
            proof = None
        elif theft.proof == "of others of its own":
            proof = proved(range(count), member, session, opening, self.toy.epoch).proof
        return Encrypted(tuple(values), proof), rows

    def _made(
        self, theft: Theft, first: tuple[mpz, Row], second: tuple[mpz, Row]
    ) -> tuple[mpz, Row]:
        (c, row), (d, other), square = first, second, self.toy.key.n**2
        if theft.recipe == "copy":
            return c, row
        if theft.recipe == "multiple":
            c, row = pow(c, 3, square), plus(row, row, 2)
        elif theft.recipe == "product":
            c, row = c * d % square, plus(row, other, 1)
        elif theft.recipe == "difference":
            c, row = c * gmpy2.invert(d, square) % square, plus(row, other, -1)
        encryptor = EncryptionKey.of(self.toy.epoch).encryptor
        zero = encryptor.encrypt(mpz(0), Stream(seed_of("theft", c)))
        return c * zero % square, row


def plus(row: Row, other: Row, times: int) -> Mapping[tuple[int, bytes, int], int]:
    """A row and another one, so many times."""
    found = dict(row)
    for unknown, count in other.items():
        found[unknown] = found.get(unknown, 0) + times * count
    return {unknown: count for unknown, count in found.items() if count}
