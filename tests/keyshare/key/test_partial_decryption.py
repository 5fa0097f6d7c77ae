"""Putting parts together: wrong parts, any subset, and what the formula promises."""

import itertools

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import BadCombination, TooFewPartials
from keyshare.key.encryption import Encryptor, add, randomiser_base
from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from keyshare.randomness import Stream
from tests.stage.toy import ToyEpoch, seed_of, toy_epoch


def parts(toy: ToyEpoch, ciphertext: mpz) -> dict[int, mpz]:
    return {i: partial_decryption(ciphertext, share, toy.key) for i, share in toy.shares.items()}


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.integers(0, 2**200), min_size=1, max_size=5), data=st.data())
def test_the_sum_of_the_plaintexts_is_decrypted(values, data):
    toy = toy_epoch()
    key = toy.key
    encryptor = Encryptor(key.n, randomiser_base(key.n, b"test"))
    stream = Stream.derive(seed_of("sum"), *values)
    total = add([encryptor.encrypt(mpz(v), stream) for v in values], key.n)
    members = data.draw(st.permutations(range(1, 6)).map(lambda order: order[:3]))
    partials = parts(toy, total)
    assert combine({i: partials[i] for i in members}, key) == sum(values) % key.n


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_one_wrong_part_does_not_fit(wrong):
    toy = toy_epoch()
    _, ciphertext = trial_ciphertext(toy.key.n, b"wrong")
    partials = {i: part for i, part in parts(toy, ciphertext).items() if i <= 3}
    partials[wrong] = partials[wrong] * 2 % toy.key.n**2
    with pytest.raises(BadCombination) as raised:
        combine(partials, toy.key)
    assert raised.value.members == [1, 2, 3]


@pytest.mark.parametrize("wrong", [1, 2, 3])
@pytest.mark.parametrize("multiple", [0, 1])
def test_a_part_without_an_inverse_does_not_fit(wrong, multiple):
    toy = toy_epoch()
    _, ciphertext = trial_ciphertext(toy.key.n, b"no inverse")
    partials = parts(toy, ciphertext) | {wrong: multiple * toy.key.n}
    with pytest.raises(BadCombination):
        combine(partials, toy.key)


def test_parts_of_two_ciphertexts_do_not_fit():
    toy = toy_epoch()
    one, other = (trial_ciphertext(toy.key.n, label)[1] for label in (b"one", b"other"))
    mixed = parts(toy, one) | {2: parts(toy, other)[2]}
    with pytest.raises(BadCombination):
        combine(mixed, toy.key)


def test_parts_beyond_the_quorum_are_left_alone():
    toy = toy_epoch()
    plaintext, ciphertext = trial_ciphertext(toy.key.n, b"more")
    partials = parts(toy, ciphertext) | {5: mpz(12_345)}
    assert combine(partials, toy.key) == plaintext


def test_no_parts_at_all_are_too_few():
    with pytest.raises(TooFewPartials) as raised:
        combine({}, toy_epoch().key)
    assert (raised.value.have, raised.value.need) == (0, 3)


def test_one_set_of_parts_serves_every_quorum():
    toy = toy_epoch(7, 4, 512)
    plaintext, ciphertext = trial_ciphertext(toy.key.n, b"all")
    partials = parts(toy, ciphertext)
    for members in itertools.combinations(partials, 4):
        assert combine({i: partials[i] for i in members}, toy.key) == plaintext


def test_the_trial_ciphertext_is_a_paillier_encryption_of_its_plaintext():
    p, q = gmpy2.next_prime(mpz(3) << 126), gmpy2.next_prime(mpz(7) << 125)
    n = p * q
    plaintext, ciphertext = trial_ciphertext(n, b"context")
    residue = ciphertext * gmpy2.invert(1 + plaintext * n, n * n) % (n * n)
    root = gmpy2.powmod(residue, gmpy2.invert(n, (p - 1) * (q - 1)), n)
    assert gmpy2.powmod(root, n, n * n) == residue
    assert trial_ciphertext(n, b"context") == (plaintext, ciphertext)
    assert trial_ciphertext(n, b"contexu") != (plaintext, ciphertext)
