"""Whether a hospital adds to a statistic what it has added to another one, whatever that is called.

The difference of two sums over nearly the same hospitals shows what few of them added, if those
added the same twice. What the data is called says nothing of that: so every hospital compares its
own numbers with those it contributed to other studies, and names these as near if more than half of
the numbers of the shorter list, zeros aside, occur in the other one. A list that this hospital has
no more counts as near.

Of what was contributed a keyed hash of each number is kept, sealed as a whole: whoever has the disk
alone learns how many numbers there were. Both keys follow from the hospital's identity. So they
outlive the key share, and the federation.
"""

import secrets
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyshare.randomness import derive_key
from participant.disk import Storage
from participant.study import Earlier, earlier_rounds, representatives
from protocol.board import Board, Study
from protocol.messages import Near
from protocol.rounds import OpenedSets

_HASH_BYTES, _NONCE_BYTES = 16, 12

Hashes = Sequence[bytes]  # of the numbers that are not 0, in their order


class SameNumbers:
    """What one hospital has contributed to statistics, as far as it takes to know it again."""

    def __init__(self, secret: bytes, storage: Storage) -> None:
        """secret: 32 bytes that follow from the identity, for this alone."""
        self._storage = storage
        self._hash_key = derive_key(secret, "hash of a contributed number")
        self._seal_key = derive_key(secret, "numbers at rest")

    def __repr__(self) -> str:
        return "<contributed numbers>"

    def near(
        self, history: OpenedSets, board: Board, index: int, study: Study, values: Sequence[Decimal]
    ) -> Near:
        """What a contribution of these numbers to a study names as near; index: this hospital's.

        Not what was over data of the same name: it is compared without that.
        """
        own, data = self._hashes(values), study.statistic.data.encode()
        among = earlier_rounds(history, board, index, study, self._storage)
        others = [one for one in among if one.start.name != data]

        def is_near(one: Earlier) -> bool:
            lists = [self._opened(kept.read(_name(kept.study)), kept.plan) for kept in one.kept]
            return not lists or any(has is None or _are_alike(own, has) for has in lists)

        return representatives(others, is_near, partial(history.alike, index))

    def keep(self, study: Study, values: Sequence[Decimal]) -> None:
        """Remember, durably and sealed, what is contributed to a study; before that is said."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        data = b"".join(self._hashes(values))
        sealed = AESGCM(self._seal_key).encrypt(nonce, data, study.digest)
        self._storage.write(_name(study.name), nonce + sealed)

    def _hashes(self, values: Sequence[Decimal]) -> list[bytes]:
        return [self._hash(value) for value in values if value]

    def _hash(self, value: Decimal) -> bytes:
        """The same for a number however it is written."""
        sign, digits, exponent = value.as_tuple()
        text = "".join(map(str, digits))
        plain = text.rstrip("0")
        said = f"{sign} {plain} {int(exponent) + len(text) - len(plain)}".encode()
        return blake2b(said, digest_size=_HASH_BYTES, key=self._hash_key).digest()

    def _opened(self, found: bytes | None, plan: bytes) -> list[bytes] | None:
        """What was contributed to a study of that plan; None if there is nothing that opens."""
        found = found or b""
        nonce, sealed = found[:_NONCE_BYTES], found[_NONCE_BYTES:]
        try:
            data = AESGCM(self._seal_key).decrypt(nonce, sealed, plan)
        except (InvalidTag, ValueError):
            return None
        return [data[k : k + _HASH_BYTES] for k in range(0, len(data), _HASH_BYTES)]


def _are_alike(one: Hashes, other: Hashes) -> bool:
    shorter, longer = sorted((one, other), key=len)
    there = set(longer)
    return 2 * sum(value in there for value in shorter) > len(shorter)


def _name(study: str) -> str:
    return f"studies/{study}/numbers"
