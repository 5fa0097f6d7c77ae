"""A member's share of a threshold key, and a dealer who makes all of them, for tests."""

import secrets
from operator import index
from typing import NoReturn

from gmpy2 import mpz

from keyshare.ceremony import LEAST_KEY_BITS, MAX_BITS, MAX_MEMBERS, MIN_BITS
from keyshare.digest import number_bytes
from keyshare.errors import BadKeyShare, BadParameters
from keyshare.key import SecretShare, deal_shares, verification_key
from keyshare.key.partial_decryption import partial_decryption
from keyshare.library.public_key import Ciphertext
from keyshare.library.threshold_key import PartialDecryption, ThresholdKey, as_proved, value_of
from keyshare.proofs import prove_parts
from keyshare.randomness import Stream


class KeyShare:
    """A member's secret share of a threshold key.

    Neither its repr nor an error shows the secret, and it is not pickled or copied: who has a
    quorum of shares has the key. To store one, seal ``secret``, an integer of either sign.
    """

    __slots__ = ("_share", "key", "member")

    def __init__(self, key: ThresholdKey, member: int, secret: int) -> None:
        """Raises BadKeyShare unless the secret fits the member's verification key."""
        joint = key.joint
        self.key, self.member = key, index(member)
        self._share = SecretShare(self.member, mpz(index(secret)))
        # A longer one would take an exponentiation as long as it is.
        if not (1 <= self.member <= key.members and abs(self._share.value) < joint.share_bound):
            raise BadKeyShare(self.member)
        found = verification_key(joint.verification_base, self._share, joint.delta, joint.n)
        if found != joint.verification_keys[self.member - 1]:
            raise BadKeyShare(self.member)

    @property
    def secret(self) -> int:
        """The share itself: with the key and the member's number it makes the same KeyShare."""
        return int(self._share.value)

    def __repr__(self) -> str:
        return f"KeyShare(member {self.member} of {self.key!r}, <secret>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a KeyShare is not pickled or copied; to store one, seal its secret")

    def decrypt_part(self, ciphertext: Ciphertext) -> PartialDecryption:
        """This member's part in the decryption of a ciphertext, with its proof.

        It is made of whatever ciphertext is given. A member must know what it helps to open.
        Raises TypeError, WrongKey for a ciphertext of another key.
        """
        asked, share = value_of(ciphertext, self.key), self._share
        value = partial_decryption(asked, share, self.key.joint)
        said = as_proved(value, asked, self.member, self.key.joint)
        # The secret is hashed in: a broken source of randomness alone does not give it away.
        drawn = Stream.derive(secrets.token_bytes(32), "part", number_bytes(abs(share.value)))
        proof = prove_parts(said, share, drawn)
        numbers = proof.first, proof.second, proof.response, *proof.checkpoints
        return PartialDecryption(self.member, int(value), tuple(map(int, numbers)))


def deal(
    bits: int = 3072, members: int = 5, quorum: int = 3, *, allow_small_key: bool = False
) -> tuple[ThresholdKey, tuple[KeyShare, ...]]:
    """A threshold key from a *trusted dealer*, and each member's share: for tests and teaching.

    Whoever runs this knows the factors of N, and so could decrypt everything without any member;
    nothing shows that they were forgotten. A key that nobody ever knows takes a ceremony.

    bits: even, 2048 to 4096; from 256 with ``allow_small_key``, for tests, never for data.
    members: 2 to 16; quorum: 2 to members. At 3072 bits it takes some seconds.
    Raises BadParameters.
    """
    least = MIN_BITS if allow_small_key else LEAST_KEY_BITS
    if bits % 2 or not least <= bits <= MAX_BITS:
        raise BadParameters("bits", bits, f"even, {least} to {MAX_BITS}")
    if not 2 <= members <= MAX_MEMBERS:
        raise BadParameters("members", members, f"2 to {MAX_MEMBERS}")
    joint, shares = deal_shares(bits, members, quorum)
    key = ThresholdKey.from_joint(joint)
    return key, tuple(KeyShare(key, share.index, int(share.value)) for share in shares.values())
