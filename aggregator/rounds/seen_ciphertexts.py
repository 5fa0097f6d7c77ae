"""Which ciphertexts a round's contributions hold, so that none is added twice."""

from collections.abc import Sequence
from hashlib import sha256

from gmpy2 import mpz

from aggregator.rounds.omission import Reason
from keyshare.digest import number_bytes
from keyshare.steps import Steps, parts
from protocol.terms import Terms

# Of a hash. Who finds two ciphertexts of one mark, with 2^64 tries, leaves itself out; to copy the
# mark of another's takes 2^128.
_MARK_BYTES = 16


class SeenCiphertexts:
    """By member, in the order of the board: 16 bytes for each ciphertext, 1.6 MB for 100,000."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._marks: dict[int, bytes] = {}

    def take(self, member: int, values: Sequence[mpz]) -> Steps[Reason | None]:
        """Why a member's ciphertexts are not all new, None if they are; then they are held.

        Two members' are not to be taken at the same time.
        """
        own = bytearray()
        for part in parts(len(values)):
            for value in values[part]:
                own += sha256(number_bytes(value)).digest()[:_MARK_BYTES]
            yield
        marks = frozenset(_each(own))
        for owner, others in self._marks.items():
            if any(mark in marks for mark in _each(others)):
                name = self._terms.name_of(owner)
                return Reason("repeated", f"a ciphertext repeats one of {name}'s", owner)
            yield
        if len(marks) < len(values):
            return Reason("repeated", "a ciphertext occurs twice in it", member)
        self._marks[member] = bytes(own)
        return None

    def drop(self, member: int) -> None:
        """Forget a member's: what is left out keeps no other out."""
        self._marks.pop(member, None)


def _each(marks: bytes | bytearray) -> list[bytes]:
    return [bytes(marks[k : k + _MARK_BYTES]) for k in range(0, len(marks), _MARK_BYTES)]
