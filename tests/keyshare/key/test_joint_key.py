"""A joint key made from factors that are known here, every step of it against plain arithmetic."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import factorial, lcm, prod

import gmpy2
import phe
import pytest
from gmpy2 import mpz

from keyshare.ceremony import feldman
from keyshare.ceremony.biprimality import exponent
from keyshare.ceremony.shamir import evaluate, integer_polynomial, lagrange
from keyshare.errors import BadCombination
from keyshare.key.partial_decryption import combine, partial_decryption
from keyshare.key.threshold_key import (
    JointKey,
    KeyShape,
    SecretShare,
    key_shape,
    secret_share,
    theta_fits,
    theta_share,
    verification_base,
    verification_key,
    verification_keys,
)
from keyshare.randomness import Stream
from tests.stage.toy import seed_of

SIZES = [(3, 2), (3, 3), (4, 2), (4, 4), (5, 2), (5, 3), (5, 5), (6, 4), (7, 2), (7, 4), (7, 7)]
sizes = pytest.mark.parametrize(("n", "quorum"), SIZES)


def prime_3_mod_4(above: mpz) -> mpz:
    while (above := gmpy2.next_prime(above)) % 4 != 3:
        pass
    return above


P = prime_3_mod_4(mpz(3) << 126)
Q = prime_3_mod_4(P + (mpz(1) << 100))
N, PHI = P * Q, (P - 1) * (Q - 1)
U_ORDER = mpz(lcm(int(P // 2), int(Q // 2)))  # every square's order modulo N divides it
V = verification_base(N, b"joint key")
U = V % N


@dataclass(frozen=True)
class Dealt:
    """What the dealers drew, their polynomials, and each member's points of the sums."""

    shape: KeyShape
    beta: mpz
    blind: mpz
    polynomials: tuple[tuple[list[mpz], list[mpz], list[mpz]], ...]  # of Δ·x, Δ·β, Δ·R
    points: dict[int, tuple[mpz, mpz, mpz]]

    @property
    def constant(self) -> mpz:
        """F(0) = Δ²·φ·β."""
        return self.shape.delta**2 * PHI * self.beta

    @property
    def theta_prime(self) -> mpz:
        return self.constant + N * self.shape.delta * self.blind

    @property
    def blind_commitments(self) -> list[mpz]:
        return feldman.add([feldman.commit(f, U, N) for _, _, f in self.polynomials], N)

    @property
    def shares(self) -> dict[int, SecretShare]:
        return {i: secret_share(i, self.theta_prime, r, N) for i, (_, _, r) in self.points.items()}


def split(value: mpz, dealers: int, stream: Stream) -> list[mpz]:
    others = [4 * stream.bits(110) for _ in range(dealers - 1)]
    return [value - sum(others), *others]


@lru_cache(maxsize=32)
def dealt(n: int, quorum: int) -> Dealt:
    shape, stream = key_shape(N, n, quorum), Stream.derive(seed_of("joint key"), n, quorum)
    dealers, degree = (n - 1) // 2 + 1, (n - 1) // 2
    factors = zip(split(P, dealers, stream), split(Q, dealers, stream), strict=True)
    polynomials, beta, blind = [], mpz(0), mpz(0)
    for d, (p_share, q_share) in enumerate(factors):
        secrets = (
            exponent(d == 0, p_share, q_share, N),
            stream.below(shape.mask_bound),
            stream.below(shape.blind_bound),
        )
        beta, blind = beta + secrets[1], blind + secrets[2]
        ranges = ((N, degree), (shape.mask_bound, degree), (shape.blind_bound, quorum - 1))
        x, b, r = (
            integer_polynomial(shape.delta * s, t, shape.coefficient_bound(bound, t), stream)
            for s, (bound, t) in zip(secrets, ranges, strict=True)
        )
        polynomials.append((x, b, r))
    points = {i: _points(polynomials, i) for i in range(1, n + 1)}
    return Dealt(shape, beta, blind, tuple(polynomials), points)


def _points(
    polynomials: Sequence[tuple[list[mpz], list[mpz], list[mpz]]], member: int
) -> tuple[mpz, mpz, mpz]:
    """Of Δφ/4 = Δ·(x_lead - Σ x_i), Δβ and ΔR."""
    x, b, r = ([evaluate(f, member) for f in column] for column in zip(*polynomials, strict=True))
    return x[0] - sum(x[1:]), sum(b, mpz(0)), sum(r, mpz(0))


def joint_key(made: Dealt) -> JointKey:
    keys = verification_keys(V, made.theta_prime, made.blind_commitments, made.shape)
    theta, sizes = made.theta_prime % N, (made.shape.n_members, made.shape.quorum)
    return JointKey(N, theta, *sizes, V, keys, made.shape.share_bound)


def interpolate(points: dict[int, mpz]) -> Fraction:
    """f(0) by Lagrange over the rationals."""
    terms = (
        prod((Fraction(j, j - i) for j in points if j != i), start=Fraction(int(value)))
        for i, value in points.items()
    )
    return sum(terms, Fraction(0))


@sizes
def test_members_shares_of_theta_add_up_to_theta_by_hand(n, quorum):
    made = dealt(n, quorum)
    prime = mpz(2) ** made.shape.theta_exponent - 1
    weights = lagrange(range(1, n + 1), prime)
    opened = [theta_share(weights[i], made.points[i], N) for i in made.points]
    assert sum(opened) % prime == made.theta_prime < prime


@sizes
def test_theta_is_the_masked_phi_modulo_n_and_shows_the_gap(n, quorum):
    made = dealt(n, quorum)
    assert made.theta_prime % N == made.constant % N
    assert (made.theta_prime + made.shape.delta**2 * made.beta * (P + Q - 1)) % N == 0


@sizes
def test_theta_fits_its_commitments_and_nothing_near_it_does(n, quorum):
    made = dealt(n, quorum)
    commitment = made.blind_commitments[0]
    assert commitment == gmpy2.powmod(U, made.shape.delta * made.blind, N)
    assert theta_fits(made.theta_prime, commitment, U, N)
    for error in (1, -1, N, made.shape.delta, PHI // P):
        assert not theta_fits(made.theta_prime + error, commitment, U, N)
    assert not theta_fits(made.theta_prime, commitment * U % N, U, N)


def test_theta_fits_exactly_what_differs_by_a_multiple_of_the_order():
    """A θ' that is off by one decrypts all the same: partial decryptions are of squares."""
    made = dealt(5, 3)
    for multiple in (U_ORDER, -U_ORDER, PHI, made.shape.delta * PHI):
        assert theta_fits(made.theta_prime + multiple, made.blind_commitments[0], U, N)
    for part in (U_ORDER + 1, U_ORDER - N, P - 1, Q - 1):
        assert not theta_fits(made.theta_prime + part, made.blind_commitments[0], U, N)


def test_a_theta_made_with_another_phi_does_not_fit():
    """A dealer that shares another exponent than its own."""
    made = dealt(5, 3)
    wrong = made.theta_prime + made.shape.delta**2 * 4 * made.beta
    assert not theta_fits(wrong, made.blind_commitments[0], U, N)


@sizes
def test_key_shares_of_any_quorum_interpolate_to_the_masked_phi_and_fewer_do_not(n, quorum):
    made = dealt(n, quorum)
    values = {i: share.value for i, share in made.shares.items()}
    assert all(abs(value) < made.shape.share_bound for value in values.values())
    assert min(values.values()) < 0  # Lagrange and powers have to cope with negative shares
    for members in itertools.combinations(values, quorum):
        assert interpolate({i: values[i] for i in members}) == made.constant
    for members in itertools.combinations(values, quorum - 1):
        guess = interpolate({i: values[i] for i in members}) * factorial(n)
        assert guess.denominator == 1
        assert int(guess) % PHI != 0


@sizes
def test_public_verification_keys_are_powers_of_the_secret_shares(n, quorum):
    made = dealt(n, quorum)
    keys = verification_keys(V, made.theta_prime, made.blind_commitments, made.shape)
    assert len(keys) == n
    for i, share in made.shares.items():
        expected = gmpy2.powmod(V, factorial(n) * share.value, N**2)
        assert keys[i - 1] == expected == verification_key(V, share, made.shape.delta, N)


@pytest.mark.parametrize("theta_prime", [-(N**3) - 5, mpz(-1), mpz(0), N - 1, N, N**2 + 7])
def test_verification_keys_follow_from_any_theta_by_their_definition(theta_prime):
    """VK_i = v^(Δθ') · (∏ C_a^(i^a))^(-NΔ), by one plain power after the other."""
    made = dealt(4, 2)
    keys = verification_keys(V, theta_prime, made.blind_commitments, made.shape)
    for i, key in enumerate(keys, start=1):
        at = prod((int(c) ** i**a for a, c in enumerate(made.blind_commitments)), start=1) % int(N)
        exponents = (V, factorial(4) * theta_prime), (at, -int(N) * factorial(4))
        assert key == prod(pow(int(b), int(e), int(N**2)) for b, e in exponents) % N**2


def test_another_commitment_gives_other_verification_keys():
    made = dealt(5, 3)
    keys = verification_keys(V, made.theta_prime, made.blind_commitments, made.shape)
    for k in range(3):
        changed = list(made.blind_commitments)
        changed[k] = changed[k] * U % N
        wrong = verification_keys(V, made.theta_prime, changed, made.shape)
        assert all(a != b for a, b in zip(keys, wrong, strict=True))


@sizes
def test_every_quorum_decrypts_what_phe_encrypts(n, quorum):
    made = dealt(n, quorum)
    key, plaintext = joint_key(made), mpz(int.from_bytes(seed_of("plain"), "big")) % N
    ciphertext = mpz(phe.PaillierPublicKey(int(N)).raw_encrypt(int(plaintext)))
    partials = {i: partial_decryption(ciphertext, s, key) for i, s in made.shares.items()}
    for members in itertools.combinations(partials, quorum):
        assert combine({i: partials[i] for i in members}, key) == plaintext
    private = phe.PaillierPrivateKey(phe.PaillierPublicKey(int(N)), int(P), int(Q))
    assert private.raw_decrypt(int(ciphertext)) == plaintext


def test_a_share_for_another_theta_decrypts_nothing():
    made = dealt(5, 3)
    key, ciphertext = joint_key(made), mpz(phe.PaillierPublicKey(int(N)).raw_encrypt(7))
    shares = dict(made.shares)
    shares[2] = secret_share(2, made.theta_prime + 1, made.points[2][2], N)
    partials = {i: partial_decryption(ciphertext, shares[i], key) for i in (1, 2, 3)}
    with pytest.raises(BadCombination):
        combine(partials, key)


def test_verification_bases_are_squares_and_follow_from_session_and_modulus():
    bases = {verification_base(n, context) for n in (N, N + 2) for context in (b"a", b"b", b"")}
    assert len(bases) == 6
    for context in (b"a", b"b", b""):
        v = verification_base(N, context)
        assert 0 < v < N**2
        assert gmpy2.legendre(v % P, P) == gmpy2.legendre(v % Q, Q) == 1
