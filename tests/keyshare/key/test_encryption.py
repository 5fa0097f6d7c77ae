"""Fixed-base encryption: phe decrypts it, it adds with phe's, and bad numbers are refused."""

import gmpy2
import phe
import pytest
from gmpy2 import mpq, mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import BadCiphertext, BadPlaintext
from keyshare.key.encryption import (
    Encryptor,
    add,
    check_ciphertext,
    check_ciphertexts,
    randomiser_base,
)
from keyshare.randomness import Stream


def blum_key() -> tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey]:
    """A 512-bit key with p ≡ q ≡ 3 (mod 4), as the ceremony makes them."""
    while True:
        public, private = phe.generate_paillier_keypair(n_length=512)
        if private.p % 4 == private.q % 4 == 3:
            return public, private


PUBLIC, PRIVATE = blum_key()
N = mpz(PUBLIC.n)
ENCRYPTOR = Encryptor(N, randomiser_base(N, b"ceremony/1"))
STREAM = Stream(bytes(32))

plaintexts = st.integers(0, int(N) - 1)


@given(plaintexts)
def test_phe_decrypts_what_we_encrypt(plaintext):
    ciphertext = ENCRYPTOR.encrypt(mpz(plaintext), STREAM)
    assert PRIVATE.raw_decrypt(int(ciphertext)) == plaintext


@pytest.mark.parametrize("plaintext", [0, 1, int(N) // 2, int(N) - 1], ids=["0", "1", "N/2", "N-1"])
def test_the_ends_of_the_plaintext_range_decrypt(plaintext):
    assert PRIVATE.raw_decrypt(int(ENCRYPTOR.encrypt(mpz(plaintext), STREAM))) == plaintext


@settings(max_examples=25, deadline=None)
@given(st.lists(plaintexts, min_size=1, max_size=4), st.lists(plaintexts, max_size=3))
def test_our_ciphertexts_and_those_of_phe_add(ours, theirs):
    ciphertexts = [ENCRYPTOR.encrypt(mpz(p), STREAM) for p in ours]
    ciphertexts += [mpz(PUBLIC.raw_encrypt(p)) for p in theirs]
    assert PRIVATE.raw_decrypt(int(add(ciphertexts, N))) == sum(ours + theirs) % int(N)


def test_the_table_gives_the_power_of_the_base_by_the_drawn_exponent():
    base = randomiser_base(N, b"ceremony/1")
    exponent = Stream(b"k" * 32).bits(256)
    expected = (1 + 7 * N) * gmpy2.powmod(base, exponent, N * N) % (N * N)
    assert ENCRYPTOR.encrypt(mpz(7), Stream(b"k" * 32)) == expected


@pytest.mark.parametrize("bits", [254, 255, 256, 257, 259])
def test_the_table_covers_the_exponents_of_moduli_of_any_length(bits):
    half = bits // 2
    p, q = gmpy2.next_prime(mpz(3) << (half - 2)), gmpy2.next_prime(mpz(3) << (bits - half - 2))
    n = p * q
    base = randomiser_base(n, b"")
    all_ones = (n.bit_length() + 1) // 2

    class Ones(Stream):
        def bits(self, count):
            assert count == all_ones
            return (mpz(1) << count) - 1

    ciphertext = Encryptor(n, base).encrypt(mpz(0), Ones(bytes(32)))
    assert ciphertext == gmpy2.powmod(base, (mpz(1) << all_ones) - 1, n * n)


def test_equal_plaintexts_give_distinct_ciphertexts_and_equal_streams_equal_ones():
    stream = Stream(b"a" * 32)
    first, second = (ENCRYPTOR.encrypt(mpz(5), stream) for _ in range(2))
    assert first != second
    assert ENCRYPTOR.encrypt(mpz(5), Stream(b"a" * 32)) == first


def test_the_base_is_an_nth_power_of_jacobi_symbol_one_that_is_no_square():
    base = randomiser_base(N, b"ceremony/1")
    assert PRIVATE.raw_decrypt(int(base)) == 0
    assert gmpy2.powmod(base, (PRIVATE.p - 1) * (PRIVATE.q - 1), N * N) == 1
    assert gmpy2.jacobi(base, N) == 1
    assert gmpy2.legendre(base, PRIVATE.p) == gmpy2.legendre(base, PRIVATE.q) == -1


def test_the_base_depends_on_the_context():
    assert randomiser_base(N, b"a") == randomiser_base(N, b"a")
    assert randomiser_base(N, b"a") != randomiser_base(N, b"b")


@pytest.mark.parametrize("plaintext", [-1, int(N), int(N) ** 2], ids=["-1", "N", "N²"])
def test_a_plaintext_out_of_range_is_refused_without_being_shown(plaintext):
    with pytest.raises(BadPlaintext) as caught:
        ENCRYPTOR.encrypt(mpz(plaintext), STREAM)
    assert str(plaintext) not in str(caught.value)


@pytest.mark.parametrize("plaintext", [3.5, 3.0, "3", None, mpq(7, 2)])
def test_a_plaintext_that_is_no_integer_is_refused(plaintext):
    """3.5 would be encrypted as some other number."""
    with pytest.raises(TypeError):
        ENCRYPTOR.encrypt(plaintext, STREAM)
    with pytest.raises(TypeError):
        ENCRYPTOR.encrypt_with(mpz(1), plaintext)


@pytest.mark.parametrize(
    "ciphertext", [mpz(0), mpz(-1), N * N, N * N + 1, N, mpz(PRIVATE.p), N * N - PRIVATE.q]
)
def test_a_ciphertext_that_is_no_unit_is_refused(ciphertext):
    with pytest.raises(BadCiphertext):
        check_ciphertext(ciphertext, N)
    with pytest.raises(BadCiphertext):
        add([mpz(1), ciphertext], N)


@pytest.mark.parametrize("ciphertext", [mpz(1), N * N - 1])
def test_the_ends_of_the_ciphertext_range_are_accepted(ciphertext):
    check_ciphertext(ciphertext, N)


def test_a_factor_out_of_range_is_named():
    with pytest.raises(BadCiphertext) as caught:
        add([mpz(1), mpz(1), N * N], N)
    assert caught.value.position == 2


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(BadCiphertext):
        add([], N)


@pytest.mark.parametrize("base", [mpz(0), mpz(1), N * N - 1, N, N * N])
def test_a_base_that_would_hide_nothing_is_refused(base):
    with pytest.raises(BadCiphertext):
        Encryptor(N, base)


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("bad", [mpz(0), mpz(-1), N, 2 * N, N * N, N * N + 1])
def test_of_many_ciphertexts_the_first_that_is_none_is_refused_as_it_is_alone(place, bad):
    many = [mpz(k) for k in (2, 3, 5, 7, 11, 13, 17, 19)]
    check_ciphertexts(many, N)
    many[place], many[7] = bad, N  # the last is none either
    with pytest.raises(BadCiphertext) as alone:
        check_ciphertext(bad, N)
    with pytest.raises(BadCiphertext, match=str(alone.value)):
        check_ciphertexts(many, N)
