"""The joint key checked from outside: all shares together, and other formulas than the code's."""

import dataclasses
import itertools
import math
from fractions import Fraction

import gmpy2
import phe
import pytest
from gmpy2 import mpz

from keyshare.errors import BadCombination, TooFewPartials
from keyshare.key.partial_decryption import combine, partial_decryption
from keyshare.key.threshold_key import JointKey, sliding_quorums
from keyshare.randomness import Stream
from tests.keyshare.key.test_joint_key import interpolate
from tests.stage.toy import ToyEpoch, seed_of, toy_epoch

SHAPES = [
    (3, 2, 256),
    (3, 3, 256),
    (4, 2, 256),
    (4, 3, 256),
    (4, 4, 256),
    (5, 2, 256),
    (5, 3, 512),
    (5, 5, 256),
    (6, 2, 256),
    (6, 4, 256),
    (6, 6, 256),
    (7, 2, 256),
    (7, 4, 512),
    (7, 7, 256),
]
LARGE = pytest.param(5, 3, 2048, marks=pytest.mark.slow)
shapes = pytest.mark.parametrize(("n", "quorum", "bits"), [*SHAPES, LARGE])


def factors_from_multiple(n: mpz, multiple: mpz) -> tuple[mpz, mpz]:
    """p and q from a multiple of φ(N), by square roots of one [Miller 1976]."""
    odd = multiple
    while odd % 2 == 0:
        odd //= 2
    stream = Stream.derive(seed_of("factoring"), "bases")
    while True:
        root = gmpy2.powmod(stream.unit(n), odd, n)
        while root not in (1, n - 1):
            square = root * root % n
            if square == 1:
                p = gmpy2.gcd(root - 1, n)
                return p, n // p
            root = square


def constant_of(toy: ToyEpoch) -> mpz:
    """F(0) = Δ²·φ·β from all shares together."""
    value = interpolate({i: share.value for i, share in toy.shares.items()})
    assert value.denominator == 1
    return mpz(value.numerator)


def decrypt_by_hand(ciphertext: mpz, toy: ToyEpoch, members: tuple[int, ...]) -> mpz | None:
    """The plaintext by rational Lagrange coefficients cleared with Δ; None if not 1 mod N."""
    key, square = toy.key, toy.key.n**2
    delta = math.factorial(key.n_members)
    product = mpz(1)
    for i in members:
        weight = delta * math.prod(
            (Fraction(j, j - i) for j in members if j != i), start=Fraction(1)
        )
        assert weight.denominator == 1
        exponent = 2 * delta * toy.shares[i].value * 2 * weight.numerator
        product = product * gmpy2.powmod(ciphertext, exponent, square) % square
    if (product - 1) % key.n:
        return None
    scale = gmpy2.invert(4 * delta**2 * key.theta, key.n)
    return (product - 1) // key.n * scale % key.n


def encrypted(key: JointKey, plaintext: int) -> mpz:
    return mpz(phe.PaillierPublicKey(int(key.n)).raw_encrypt(plaintext))


@shapes
def test_all_shares_together_give_two_primes_that_are_3_mod_4(n, quorum, bits):
    toy = toy_epoch(n, quorum, bits)
    p, q = factors_from_multiple(toy.key.n, constant_of(toy))
    assert p * q == toy.key.n
    assert p != q
    for factor in (p, q):
        assert gmpy2.is_prime(factor, 40)
        assert factor % 4 == 3
        assert factor.bit_length() == bits // 2
    assert toy.key.n.bit_length() == bits
    assert gmpy2.gcd(toy.key.n, p + q - 1) == 1


@shapes
def test_additive_shares_add_up_to_the_factors(n, quorum, bits):
    toy = toy_epoch(n, quorum, bits)
    p, q = mpz(0), mpz(0)
    for i, machine in toy.table.machines.items():
        run = machine._run
        number, position = divmod(run.the_winner.number, run.layout.class_size)
        if i in run.layout.dealers(number):
            p_share, q_share = run.batch.dealings[number].factors[position]
            p, q = p + p_share, q + q_share
    assert {p, q} == set(factors_from_multiple(toy.key.n, constant_of(toy)))


@shapes
def test_theta_and_verification_keys_are_those_of_the_shares(n, quorum, bits):
    toy = toy_epoch(n, quorum, bits)
    key = toy.key
    assert key.theta == constant_of(toy) % key.n
    assert gmpy2.gcd(key.theta, key.n) == 1
    delta = math.factorial(n)
    for i, share in toy.shares.items():
        expected = gmpy2.powmod(key.verification_base, delta * share.value, key.n**2)
        assert key.verification_keys[i - 1] == expected
    assert gmpy2.gcd(key.verification_base, key.n) == 1


@shapes
def test_every_set_of_a_quorum_or_more_decrypts(n, quorum, bits):
    toy = toy_epoch(n, quorum, bits)
    key = toy.key
    plaintext = mpz(int.from_bytes(seed_of("plaintext"), "big")) % key.n
    ciphertext = encrypted(key, int(plaintext))
    partials = {i: partial_decryption(ciphertext, s, key) for i, s in toy.shares.items()}
    for size in range(quorum, n + 1):
        for members in itertools.combinations(range(1, n + 1), size):
            assert combine({i: partials[i] for i in members}, key) == plaintext
            assert decrypt_by_hand(ciphertext, toy, members) == plaintext


@shapes
def test_no_set_below_the_quorum_decrypts(n, quorum, bits):
    toy = toy_epoch(n, quorum, bits)
    ciphertext = encrypted(toy.key, 12_345)
    partials = {i: partial_decryption(ciphertext, s, toy.key) for i, s in toy.shares.items()}
    for size in range(quorum):
        for members in itertools.combinations(range(1, n + 1), size):
            few = {i: partials[i] for i in members}
            with pytest.raises(TooFewPartials) as raised:
                combine(few, toy.key)
            assert (raised.value.have, raised.value.need) == (size, quorum)
            if members:
                forced = dataclasses.replace(toy.key, quorum=size)
                with pytest.raises(BadCombination):
                    combine(few, forced)
                assert decrypt_by_hand(ciphertext, toy, members) is None


def test_shares_below_the_quorum_interpolate_to_nothing_of_the_key():
    toy = toy_epoch(5, 3, 512)
    p, q = factors_from_multiple(toy.key.n, constant_of(toy))
    phi = (p - 1) * (q - 1)
    for members in itertools.combinations(range(1, 6), 2):
        guess = interpolate({i: toy.shares[i].value for i in members})
        assert int(guess * math.factorial(5)) % phi != 0


def test_any_quorum_interpolates_to_the_same_constant():
    toy = toy_epoch(5, 3, 512)
    constants = {
        interpolate({i: toy.shares[i].value for i in members})
        for size in (3, 4, 5)
        for members in itertools.combinations(range(1, 6), size)
    }
    assert constants == {Fraction(int(constant_of(toy)))}


@pytest.mark.parametrize("plaintext", [0, 1, -1, -2])
def test_the_ends_of_the_plaintext_range_decrypt(plaintext):
    toy = toy_epoch(5, 3, 512)
    wanted = plaintext % toy.key.n
    ciphertext = encrypted(toy.key, int(wanted))
    partials = {i: partial_decryption(ciphertext, toy.shares[i], toy.key) for i in (1, 3, 5)}
    assert combine(partials, toy.key) == wanted


@pytest.mark.parametrize("n", range(3, 8))
def test_sliding_quorums_cover_all_members_and_overlap_in_all_but_one(n):
    for quorum in range(2, n + 1):
        found = sliding_quorums(range(1, n + 1), quorum)
        assert set().union(*found) == set(range(1, n + 1))
        assert all(len(q) == quorum for q in found)
        for left, right in itertools.pairwise(found):
            assert len(set(left) & set(right)) == quorum - 1


def test_what_phe_encrypts_and_adds_the_quorum_decrypts():
    toy = toy_epoch(5, 3, 512)
    public = phe.PaillierPublicKey(int(toy.key.n))
    total = public.encrypt(3) + public.encrypt(5) + public.encrypt(0)
    ciphertext = mpz(total.ciphertext())
    partials = {i: partial_decryption(ciphertext, toy.shares[i], toy.key) for i in (2, 4, 5)}
    assert combine(partials, toy.key) == 8


def test_a_share_shows_no_value():
    share = toy_epoch(5, 3, 512).shares[1]
    assert str(share.value) not in repr(share)
    assert "value" not in repr(share)
