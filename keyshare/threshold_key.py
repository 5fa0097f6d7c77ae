"""The joint key and its shares, in the form of Nishide and Sakurai: a quorum decrypts.

With φ = (p-1)(q-1) = Σ φ_i, masks β = Σ β_i and R = Σ R_i, the members open

    θ' = Δ·φ·β + N·Δ·R          (φ·β by BGW over a field; N·(ΔR)(x) added; a sharing of zero on top)

and member i keeps f_i = θ' - N·(ΔR)(i), a point of an integer polynomial of degree quorum-1 whose
constant is F(0) = Δ·φ·β. Since F(0) ≡ 0 (mod φ) and ≡ θ = θ' (mod N), c^F(0) = 1 + m·θ·N (mod N²).

Ranges: K = 2^κ, β_i < K·N, R_i < K²·N, so N·Δ·R hides Δ·φ·β by a factor K/n. The shares of ΔR are
hidden from quorum-1 members because two secrets that are multiples of Δ differ by an integer
polynomial vanishing at the known points, of coefficients below Δ·R·2^(quorum-1); coefficients are
drawn 2^κ times larger.

Source: Nishide, Sakurai, WISA 2010, §4 (key generation); Damgård, Jurik, Nielsen 2010 (integer
shares with Δ = n!).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import factorial

import gmpy2
from gmpy2 import mpz

from keyshare.errors import BadCombination, BadParameters
from keyshare.modulus import mersenne_prime
from keyshare.shamir import integer_lagrange

STATISTICAL_BITS = 128  # κ


@dataclass(frozen=True)
class KeyShape:
    """Ranges and fields for the shares of a key with modulus ``n``."""

    n: mpz
    n_members: int
    quorum: int
    delta: mpz  # Δ = n_members!
    mask_bound: mpz  # K·N, for β_i
    blind_bound: mpz  # K²·N, for R_i
    coefficient_bound: mpz  # of the integer polynomials of ΔR_i
    field: mpz  # prime above every θ'

    @property
    def blind_share_bound(self) -> mpz:
        """Above every point of an honest dealer's integer polynomial."""
        top = sum((mpz(self.n_members) ** k for k in range(1, self.quorum)), mpz(0))
        return self.delta * self.blind_bound + self.coefficient_bound * top


def key_shape(n: mpz, n_members: int, quorum: int) -> KeyShape:
    """Raises BadParameters unless 2 <= quorum <= n_members."""
    if not 2 <= quorum <= n_members:
        raise BadParameters("quorum", quorum, f"2 to {n_members}")
    delta = mpz(factorial(n_members))
    blind_bound = n << (2 * STATISTICAL_BITS)
    largest_theta = 2 * n_members * delta * blind_bound * n
    return KeyShape(
        n,
        n_members,
        quorum,
        delta,
        mask_bound=n << STATISTICAL_BITS,
        blind_bound=blind_bound,
        coefficient_bound=(delta * blind_bound) << (STATISTICAL_BITS + quorum - 1),
        field=mersenne_prime(largest_theta),
    )


@dataclass(frozen=True)
class JointKey:
    """The public side: modulus, θ, and a verification key VK_i = v^(Δ·f_i) for each member."""

    n: mpz
    theta: mpz
    n_members: int
    quorum: int
    verification_base: mpz
    verification_keys: tuple[mpz, ...]

    @property
    def delta(self) -> mpz:
        """Δ = n_members!"""
        return mpz(factorial(self.n_members))


@dataclass(frozen=True)
class KeyShare:
    """One member's f_i. May be negative; can't be reduced, since nobody knows φ."""

    index: int
    value: mpz = field(repr=False)


def phi_share(index: int, n: mpz, p_share: mpz, q_share: mpz) -> mpz:
    """Additive share of φ(N): φ_1 = N+1-p_1-q_1, φ_i = -(p_i+q_i)."""
    return (n + 1 if index == 1 else mpz(0)) - p_share - q_share


def theta_share(weight: mpz, phi: mpz, beta: mpz, blind: mpz, zero: mpz, shape: KeyShape) -> mpz:
    """What a member opens: λ_i·(Δ·Φ(i)·B(i) + N·(ΔR)(i)) + z_i over the field, Σ = θ'.

    weight: λ_i for all n points; phi, beta, blind: the member's points of the three sharings.
    """
    return (weight * (shape.delta * phi * beta + shape.n * blind) + zero) % shape.field


def key_share(index: int, theta_prime: mpz, blind: mpz, n: mpz) -> KeyShare:
    """f_i = θ' - N·(ΔR)(i)."""
    return KeyShare(index, theta_prime - n * blind)


def verification_base(n: mpz, context: bytes) -> mpz:
    """v, a square in Z*_{N²} hashed from the session and N."""
    size = 2 * ((n.bit_length() + 7) // 8)
    seed = b"quorate/verification-base" + len(context).to_bytes(8, "big") + context
    data = hashlib.shake_256(seed + int(n).to_bytes(size, "big")).digest(size + 16)
    return gmpy2.powmod(mpz(int.from_bytes(data, "big")), 2, n * n)


def verification_key(base: mpz, share: KeyShare, delta: mpz, n: mpz) -> mpz:
    """VK_i = v^(Δ·f_i) mod N²."""
    return gmpy2.powmod(base, delta * share.value, n * n)


def sliding_quorums(members: Sequence[int], quorum: int) -> list[Sequence[int]]:
    """The first ``quorum`` members, then one further on, …, to the last.

    Neighbours share quorum-1 points: values that agree at 0 in all of them fix one polynomial.
    """
    return [members[k : k + quorum] for k in range(len(members) - quorum + 1)]


def combine_exponents(
    values: Mapping[int, mpz], members: Sequence[int], key: JointKey, factor: int = 1
) -> mpz:
    """∏ values_i^(factor·Δλ_i) mod N² over the given members.

    Raises BadCombination for a value that has no inverse though its exponent is negative.
    """
    square = key.n * key.n
    product = mpz(1)
    for i, weight in integer_lagrange(members, key.delta).items():
        try:
            power = gmpy2.powmod(values[i], factor * weight, square)
        except ValueError:
            raise BadCombination(list(members)) from None
        product = product * power % square
    return product
