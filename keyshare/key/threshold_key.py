"""The joint key and its shares, in the form of Nishide and Sakurai: a quorum decrypts.

With φ = (p-1)(q-1) = 4·(x_lead - Σ x_i), x the test exponents of the winner's dealers, and masks
β = Σ β_i and R = Σ R_i, the members open

    θ' = Δ²·φ·β + N·Δ·R     (Δφ·Δβ by BGW over a field; N·(ΔR)(x) added; a sharing of zero on top)

and member i keeps f_i = θ' - N·(ΔR)(i), a point of an integer polynomial of degree quorum-1 whose
constant is F(0) = Δ²·φ·β. Since F(0) ≡ 0 (mod φ) and ≡ θ = θ' (mod N), c^F(0) = 1 + m·θ·N (mod N²).
θ mod N is also p+q-1 under a random mask: gcd(θ, N) = 1 shows that gcd(N, p+q-1) = 1.

All sharings are over the integers and can be checked in the exponent [Feldman, FOCS 1987]: with
u = v mod N, v the verification base, a dealer publishes u^a for each coefficient a. Then
u^θ' = (u^(ΔR))^N shows that θ' - NΔR is a multiple of u's order, and since x^N mod N² depends on
x mod N alone, VK_i = v^(Δ·f_i) = v^(Δ·θ') · (u^((ΔR)(i)))^(-NΔ) mod N² follows for everyone.

Ranges: K = 2^κ, β_i < K·N, R_i < Δ·n·K²·N, so N·Δ·R hides Δ²·φ·β by a factor K. Secrets are shared
as multiples of Δ: two of them differ by an integer polynomial that vanishes at the known points,
with coefficients below Δ·(their range)·2^degree; coefficients are drawn 2^κ times larger.

Source: Nishide, Sakurai, WISA 2010, §4 (key generation); Damgård, Jurik, Nielsen 2010 (integer
shares with Δ = n!).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import factorial

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import commitment_at, integer_lagrange, mersenne_exponent
from keyshare.errors import BadCombination, BadParameters

STATISTICAL_BITS = 128  # κ


@dataclass(frozen=True)
class KeyShape:
    """Ranges and fields for the shares of a key with modulus ``n``."""

    n: mpz
    n_members: int
    quorum: int
    delta: mpz  # Δ = n_members!
    mask_bound: mpz  # K·N, for β_i
    blind_bound: mpz  # Δ·n·K²·N, for R_i
    theta_exponent: int  # 2^e - 1 is a prime above every θ'

    @property
    def degree(self) -> int:
        """t, the degree of the sharings of test exponents and of β."""
        return (self.n_members - 1) // 2

    def coefficient_bound(self, secret_bound: mpz, degree: int) -> mpz:
        """Range of the coefficients that hide Δ·s, s < secret_bound, from ``degree`` members."""
        return (self.delta * secret_bound) << (STATISTICAL_BITS + degree)

    def point_bound(self, secret_bound: mpz, degree: int) -> mpz:
        """Above every point of an honest dealer's polynomial."""
        top = sum((mpz(self.n_members) ** k for k in range(1, degree + 1)), mpz(0))
        return self.delta * secret_bound + self.coefficient_bound(secret_bound, degree) * top

    @property
    def share_bound(self) -> mpz:
        """Above every |f_i|."""
        points = (self.degree + 1) * self.point_bound(self.blind_bound, self.quorum - 1)
        return self.n * points + self.theta_bound

    @property
    def theta_bound(self) -> mpz:
        """Above the θ' of honest dealers; the field may hold far larger ones."""
        return _largest_theta(self.n, self.n_members, self.delta, self.blind_bound)


def key_shape(n: mpz, n_members: int, quorum: int) -> KeyShape:
    """Raises BadParameters unless 2 <= quorum <= n_members."""
    if not 2 <= quorum <= n_members:
        raise BadParameters("quorum", quorum, f"2 to {n_members}")
    delta = mpz(factorial(n_members))
    blind_bound = (delta * n_members * n) << (2 * STATISTICAL_BITS)
    exponent = mersenne_exponent(_largest_theta(n, n_members, delta, blind_bound))
    return KeyShape(n, n_members, quorum, delta, n << STATISTICAL_BITS, blind_bound, exponent)


def _largest_theta(n: mpz, n_members: int, delta: mpz, blind_bound: mpz) -> mpz:
    return 2 * n_members * delta * blind_bound * n


@dataclass(frozen=True)
class JointKey:
    """The public side: modulus, θ, and a verification key VK_i = v^(Δ·f_i) for each member.

    share_bound: above every |f_i|.
    """

    n: mpz
    theta: mpz
    n_members: int
    quorum: int
    verification_base: mpz
    verification_keys: tuple[mpz, ...]
    share_bound: mpz

    @property
    def delta(self) -> mpz:
        """Δ = n_members!"""
        return mpz(factorial(self.n_members))


@dataclass(frozen=True)
class SecretShare:
    """One member's f_i. May be negative; can't be reduced, since nobody knows φ."""

    index: int
    value: mpz = field(repr=False)


def theta_share(weight: mpz, points: Sequence[mpz], n: mpz) -> mpz:
    """What a member opens under a share of zero: λ_i·(4·(Δφ/4)(i)·(Δβ)(i) + N·(ΔR)(i)); Σ = θ'.

    weight: λ_i for all members' points; points: of Δφ/4, Δβ and ΔR, integers.
    """
    phi, beta, blind = points
    return weight * (4 * phi * beta + n * blind)


def theta_fits(theta_prime: mpz, blind_commitment: mpz, u: mpz, n: mpz) -> bool:
    """u^θ' = (u^(ΔR))^N mod N: θ' - NΔR is a multiple of u's order. Anyone can check it."""
    return bool(gmpy2.powmod(u, theta_prime, n) == gmpy2.powmod(blind_commitment, n, n))


def secret_share(index: int, theta_prime: mpz, blind: mpz, n: mpz) -> SecretShare:
    """f_i = θ' - N·(ΔR)(i)."""
    return SecretShare(index, theta_prime - n * blind)


def verification_base(n: mpz, context: bytes) -> mpz:
    """v, a square in Z*_{N²} hashed from the session and N."""
    size = 2 * ((n.bit_length() + 7) // 8)
    seed = b"quorate/verification-base" + len(context).to_bytes(8, "big") + context
    data = hashlib.shake_256(seed + int(n).to_bytes(size, "big")).digest(size + 16)
    return gmpy2.powmod(mpz(int.from_bytes(data, "big")), 2, n * n)


def verification_key(base: mpz, share: SecretShare, delta: mpz, n: mpz) -> mpz:
    """VK_i = v^(Δ·f_i) mod N²."""
    return gmpy2.powmod(base, delta * share.value, n * n)


def verification_keys(
    base: mpz, theta_prime: mpz, blind_commitments: Sequence[mpz], shape: KeyShape
) -> tuple[mpz, ...]:
    """VK_1, …, VK_n from what is public: θ' and u^a for the coefficients a of (ΔR)(x).

    With θ' = θ + N·q, the powers of all members by quorum+1 long ones, of which one has no N:

        VK_i = v^(Δ·θ) · ∏ D_a^(i^a) mod N²,  D_0 = (u^q / u^(a_0))^(NΔ),  D_a = (1 / u^(a_a))^(NΔ)

    since x^N mod N² depends on x mod N alone. Raises ZeroDivisionError for what is no unit.
    """
    n, square = shape.n, shape.n**2
    q, theta = gmpy2.f_divmod(theta_prime, n)
    bases = [gmpy2.invert(commitment, n) for commitment in blind_commitments]
    bases[0] = bases[0] * gmpy2.powmod(base % n, q, n) % n
    raised = [gmpy2.powmod(one, n * shape.delta, square) for one in bases]
    common = gmpy2.powmod(base, shape.delta * theta, square)
    members = range(1, shape.n_members + 1)
    return tuple(common * commitment_at(raised, i, square) % square for i in members)


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
