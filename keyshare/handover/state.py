"""What is public of a joint key in one epoch, in the form in which it can be handed over.

    P      an integer polynomial of degree quorum-1 that nobody knows; member i has the point P(i)
    C_a    u^(coefficient a of P) mod N, u = v mod N
    θ'     an integer; θ = θ' mod N
    f_i    = θ' - N·P(i), the member's share of the key, as in ``keyshare.key.threshold_key``
    S      = θ' - N·P(0), the same integer in every epoch: a multiple of φ(N) and of Λ³, ≡ θ mod N

A ceremony's key has this form with P = c·(ΔR), θ' = c·θ'_ceremony and c = Λ³/n₁!, which makes S a
multiple of Λ³: ``normal_form``. Decryption is that of every other key, with Δ = n_members!.

Sources: Nishide, Sakurai, WISA 2010, §4, for the key; the normal form is derived in
docs/security/handover.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import commitment_at
from keyshare.digest import digest, number_bytes
from keyshare.errors import BadKeyShare, BadParameters
from keyshare.handover.bounds import checked_quorum, checked_roster, normal_factor
from keyshare.key import JointKey, SecretShare, key_shape, threshold_key


@dataclass(frozen=True)
class KeyState:
    """An epoch's public values, all that the key's use and the next handover need.

    n, base: N and v, of the ceremony and for ever. first_members: n₁, of the ceremony and for ever;
    it bounds the masks in S. n_members, quorum: of this epoch. commitments: C_0, …, as many as
    the quorum, units modulo N. point_bound: X, above every member's P(i), which is 0 or more.
    Raises BadParameters for sizes that no epoch has.
    """

    n: mpz
    base: mpz
    first_members: int
    n_members: int
    quorum: int
    theta_prime: mpz
    commitments: tuple[mpz, ...]
    point_bound: mpz

    def __post_init__(self) -> None:
        checked_roster(self.first_members)
        checked_quorum(self.quorum, self.n_members)
        if len(self.commitments) != self.quorum:
            raise BadParameters("commitments", len(self.commitments), f"{self.quorum}")

    @property
    def delta(self) -> mpz:
        """Δ = n_members!"""
        return mpz(factorial(self.n_members))

    @property
    def u(self) -> mpz:
        """The base of all commitments, v mod N."""
        return self.base % self.n

    @property
    def share_bound(self) -> mpz:
        """Above every |f_i|: |θ'| + N·X."""
        return abs(self.theta_prime) + self.n * self.point_bound

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that every field goes into."""
        sizes = (self.first_members, self.n_members, self.quorum)
        sign = b"-" if self.theta_prime < 0 else b"+"
        numbers = (self.n, self.base, *sizes, abs(self.theta_prime), self.point_bound)
        parts = (*numbers, *self.commitments)
        return digest("quorate/handover/state", sign, *map(number_bytes, parts))

    def committed_point(self, member: int) -> mpz:
        """u^P(member) mod N."""
        return commitment_at(self.commitments, member, self.n)

    @cached_property
    def joint_key(self) -> JointKey:
        """The key as ``keyshare.key`` uses it, with VK_i = v^(Δ·f_i) from public values alone.

        Takes two powers modulo N² and one more for each member: 0.2 s for 3 of 5 at 3072 bits.
        """
        shape = key_shape(self.n, self.n_members, self.quorum)
        keys = threshold_key.verification_keys(self.base, self.theta_prime, self.commitments, shape)
        theta = self.theta_prime % self.n
        sizes = self.n_members, self.quorum
        return JointKey(self.n, theta, *sizes, self.base, keys, self.share_bound)

    def share(self, member: int, point: mpz) -> SecretShare:
        """f_i = θ' - N·P(i)."""
        return threshold_key.secret_share(member, self.theta_prime, point, self.n)

    def point(self, share: SecretShare) -> mpz:
        """P(i) = (θ' - f_i)/N. Raises BadKeyShare for what is no share of this epoch."""
        point, rest = gmpy2.f_divmod(self.theta_prime - share.value, self.n)
        if rest or not 0 <= point < self.point_bound:
            raise BadKeyShare(share.index)
        if gmpy2.powmod(self.u, point, self.n) != self.committed_point(share.index):
            raise BadKeyShare(share.index)
        return point


def normal_form(
    n: mpz, base: mpz, theta_prime: mpz, blinds: Sequence[mpz], n_members: int, quorum: int
) -> KeyState:
    """The state of a key that a ceremony has just made.

    base: v; theta_prime: the opened θ'; blinds: u^a for the coefficients of (ΔR)(x). All of them
    are public. The share f_i of a member becomes c·f_i: ``normal_share``.
    """
    shape, factor = key_shape(n, n_members, quorum), normal_factor(n_members)
    point_bound = shape.point_bound(shape.blind_bound, quorum - 1)
    return KeyState(
        n=n,
        base=base,
        first_members=n_members,
        n_members=n_members,
        quorum=quorum,
        theta_prime=factor * theta_prime,
        commitments=tuple(gmpy2.powmod(blind, factor, n) for blind in blinds),
        point_bound=factor * (shape.degree + 1) * point_bound,
    )


def normal_share(share: SecretShare, n_members: int) -> SecretShare:
    """c·f_i, a member's share of the key in normal form, from the one that the ceremony left."""
    return SecretShare(share.index, normal_factor(n_members) * share.value)
