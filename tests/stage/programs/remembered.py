"""What all the programs of a test compute alike, remembered: they are in one process.

Most of what a test's hospitals do is to verify each other's signatures and proofs, and each command
that is typed makes all commands anew. Remembered are functions whose answer follows from their
arguments alone, and what is raised is not. The simulator goes further (tests/simulator/memo.py),
and can do without.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from gmpy2 import mpz
from typer import testing

from keyshare.proofs import equality_proof
from protocol.board import board
from protocol.rounds import ciphertexts
from tests.simulator.memo import remembered_steps

_KEPT = 1 << 12  # answers of each function
_product = lru_cache(maxsize=_KEPT)(equality_proof.power_product)


def _product_of(bases: Sequence[mpz], exponents: Sequence[mpz], modulus: mpz) -> mpz:
    return _product(tuple(bases), tuple(exponents), modulus)


def _lasting(module: Any, name: str) -> tuple[Any, str, Any]:
    return module, name, lru_cache(maxsize=_KEPT)(getattr(module, name))


REMEMBERED = (
    _lasting(board, "verify"),
    _lasting(testing, "_get_command"),
    (equality_proof, "power_product", _product_of),
    (ciphertexts, "verify_in_steps", remembered_steps(ciphertexts.verify_in_steps)),
)
