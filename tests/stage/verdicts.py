"""What one hospital of a test has verified, remembered for the others that verify the same.

They are all in one process, and most of what they do is to verify each other's signatures and
proofs. Remembered are functions whose answer follows from their arguments alone, and what is raised
is not. The simulator goes further (tests/simulator/memo.py), and can do without.
"""

from collections.abc import Sequence
from functools import lru_cache

from gmpy2 import mpz

from keyshare.proofs import equality_proof
from protocol.board import board
from protocol.rounds import ciphertexts
from tests.simulator.memo import remembered_steps

_KEPT = 1 << 12  # answers of each function
_product = lru_cache(maxsize=_KEPT)(equality_proof.power_product)


def _product_of(bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
    return _product(tuple(bases), tuple(exponents), modulus)


REMEMBERED = (
    (board, "verify", lru_cache(maxsize=_KEPT)(board.verify)),
    (equality_proof, "power_product", _product_of),
    (ciphertexts, "verify_in_steps", remembered_steps(ciphertexts.verify_in_steps)),
)
