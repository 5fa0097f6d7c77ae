"""A public key whose ciphertexts a quorum of members decrypts, each proving its part.

The mathematics are those of ``keyshare.key.threshold_key``. A part's proof is that of
``keyshare.proofs.proved_parts``; its context is a hash of all numbers of the key, of the ciphertext
and of the member's number.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import index
from typing import Self

from gmpy2 import mpz

from keyshare.ceremony import checked
from keyshare.digest import digest, number_bytes
from keyshare.errors import BadPart, BadPlaintext, TooFewPartials, WrongKey
from keyshare.key import Encryptor, JointKey, key_shape, partial_decryption, randomiser_base
from keyshare.library.public_key import Ciphertext, PublicKey
from keyshare.proofs import EqualityProof, MemberParts, are_units, parts_hold
from keyshare.randomness import Stream


@dataclass(frozen=True, repr=False)
class ThresholdKey(PublicKey):
    """The public side of a key with shares: whole numbers, which may be written anywhere.

    theta: a unit modulo N. quorum: how many members decrypt, 2 or more. verification_keys: one for
    each member 1, 2, …, units modulo N² as ``verification_base`` is; parts are checked against
    them. share_bound: above the size of every share. Who makes up a key can make up all of this:
    have it from somebody you trust.
    Raises TypeError, BadParameters, WrongKey.
    """

    theta: int
    quorum: int
    verification_base: int
    verification_keys: tuple[int, ...]
    share_bound: int

    def __post_init__(self) -> None:
        super().__post_init__()
        key_shape(mpz(self.modulus), self.members, index(self.quorum))
        numbers = [self.verification_base, *self.verification_keys]
        square = mpz(self.modulus**2)
        if not (
            are_units([mpz(index(self.theta))], mpz(self.modulus)) and are_units(numbers, square)
        ):
            raise WrongKey("theta or a verification key is no unit")
        if index(self.share_bound) < 1:
            raise WrongKey("the bound of shares leaves room for none")

    def __repr__(self) -> str:
        return f"ThresholdKey({self.bits} bits, {self.quorum} of {self.members})"

    @property
    def members(self) -> int:
        """How many members have a share; their numbers begin at 1."""
        return len(self.verification_keys)

    @classmethod
    def from_joint(cls, key: JointKey) -> Self:
        """The key that a ceremony gave."""
        keys = tuple(map(int, key.verification_keys))
        base, bound = int(key.verification_base), int(key.share_bound)
        return cls(int(key.n), int(key.theta), key.quorum, base, keys, bound)

    @cached_property
    def joint(self) -> JointKey:
        """The same key, as the mathematics takes it."""
        n, theta, base = mpz(self.modulus), mpz(self.theta), mpz(self.verification_base)
        keys = tuple(map(mpz, self.verification_keys))
        return JointKey(n, theta, self.members, self.quorum, base, keys, mpz(self.share_bound))

    def combine(self, ciphertext: Ciphertext, parts: Iterable[PartialDecryption]) -> int:
        """The number in a ciphertext, from the parts of a quorum or more; all are checked.

        Raises TypeError; WrongKey for a ciphertext of another key; TooFewPartials; BadIndices for
        two parts of one member; BadPart, with the member, for a part that its share did not make of
        this ciphertext; BadPlaintext for a sum that has outgrown the key.
        """
        asked, found = value_of(ciphertext, self), list(parts)
        if not all(isinstance(part, PartialDecryption) for part in found):
            raise TypeError("a part is a PartialDecryption")
        if len(found) < self.quorum:
            raise TooFewPartials(len(found), self.quorum)
        checked([part.member for part in found])
        for part in found:
            if part.member > self.members or not _holds(part, asked, self):
                raise BadPart(part.member)
        values = {part.member: mpz(part.value) for part in found}
        residue = int(partial_decryption.combine(values, self.joint))
        number = residue if residue <= self.modulus // 2 else residue - self.modulus
        if abs(number) > self.largest:
            raise BadPlaintext("the sum has outgrown the key: it is beyond ±(N/3 - 1)")
        return number

    def _noise(self) -> mpz:
        """h_N^a: the factors of N are 3 mod 4, as ``keyshare.key.encryption`` has them."""
        return _encryptor(self.modulus).encrypt(mpz(0), Stream(secrets.token_bytes(32)))


@lru_cache(maxsize=4)
def _encryptor(modulus: int) -> Encryptor:
    return Encryptor(mpz(modulus), randomiser_base(mpz(modulus), b"library"))


@dataclass(frozen=True, repr=False)
class PartialDecryption:
    """A member's part in the decryption of one ciphertext, and its proof: whole numbers again.

    Who has a quorum of them reads the number. ``proof`` is a, b, z, U_1, … of
    ``keyshare.proofs.equality_proof``. Raises TypeError.
    """

    member: int
    value: int
    proof: tuple[int, ...]

    def __post_init__(self) -> None:
        for number in (self.member, self.value, *self.proof):
            index(number)

    def __repr__(self) -> str:
        return f"PartialDecryption(member {self.member})"


def value_of(ciphertext: Ciphertext, key: ThresholdKey) -> mpz:
    """The number that is decrypted. Raises TypeError, WrongKey for a ciphertext of another key."""
    if not isinstance(ciphertext, Ciphertext):
        raise TypeError(f"a Ciphertext is needed, not {type(ciphertext).__name__}")
    if ciphertext.modulus != key.modulus:
        raise WrongKey("the ciphertext is of another key")
    return mpz(ciphertext.value)


def as_proved(part: mpz, asked: mpz, member: int, key: JointKey) -> MemberParts:
    """A member's part of a ciphertext's value, as it is proved."""
    fixed = key.n, key.theta, key.quorum, key.verification_base, key.share_bound
    numbers = *fixed, *key.verification_keys
    context = digest("quorate/library part", *map(number_bytes, (*numbers, asked, member)))
    return MemberParts((part,), (asked,), member, key, context)


def _holds(part: PartialDecryption, asked: mpz, key: ThresholdKey) -> bool:
    if len(part.proof) < 3:
        return False
    first, second, response, *points = map(mpz, part.proof)
    proof = EqualityProof(first, second, response, tuple(points))
    return parts_hold(proof, as_proved(mpz(part.value), asked, part.member, key.joint))


combine = ThresholdKey.combine  # the same as a function, of the key first
