"""Encrypting and calculating: what the numbers come to, and what is refused."""

import json
import operator
from dataclasses import asdict

import numpy as np
import phe
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyshare import BadCiphertext, BadPlaintext, Ciphertext, PublicKey, UnfitNumber, WrongKey
from tests.keyshare.library import KEY, dealt

*_, P, Q = dealt()
PHE = phe.PaillierPrivateKey(KEY.to_phe(), int(P), int(Q))
PLAIN = PublicKey(KEY.modulus)  # which encrypts with r^N
NUMBERS = st.integers(-KEY.largest, KEY.largest) | st.sampled_from([-KEY.largest, 0, KEY.largest])


def opened(ciphertext: Ciphertext) -> int:
    """The number, as ``phe`` decrypts it with the factors."""
    return PHE.decrypt(ciphertext.to_phe())


@given(NUMBERS)
@settings(max_examples=30, deadline=None)
def test_every_number_in_the_range_is_encrypted_and_read_back(number):
    for key in (KEY, PLAIN):
        assert opened(key.encrypt(number)) == number


MOST = KEY.largest // 200  # so that all that is done below stays in range
SUMMANDS = st.integers(-MOST, MOST)


@given(SUMMANDS, SUMMANDS, st.integers(-200, 200))
@example(-MOST, -MOST, 200)
@settings(max_examples=30, deadline=None)
def test_what_is_done_to_ciphertexts_is_done_to_the_numbers(a, b, factor):
    one, other = KEY.encrypt(a), PLAIN.encrypt(b)
    assert opened(one + other) == opened(one + b) == opened(a + other) == a + b
    assert opened(one - other) == opened(one - b) == opened(a - other) == a - b
    assert opened(one * factor) == opened(factor * one) == a * factor
    assert opened(-one) == -a
    assert opened(sum([one, other, one])) == 2 * a + b  # type: ignore[arg-type]
    end = KEY.largest if a >= 0 else -KEY.largest
    assert opened(one + (end - a)) == end


def test_integers_of_other_libraries_are_integers():
    assert opened(KEY.encrypt(np.int64(-3)) * np.int8(2) + np.uint16(9)) == 3  # type: ignore[arg-type, operator]
    assert opened(KEY.encrypt(9) - np.uint8(5)) == 4  # type: ignore[operator]


@pytest.mark.parametrize("number", [3.0, 3.5, "3", None, b"3", np.float64(3), [3]])
def test_what_is_no_integer_is_a_type_error(number):
    with pytest.raises(TypeError):
        KEY.encrypt(number)
    for calculate in (operator.add, operator.sub, operator.mul):
        for pair in ((KEY.encrypt(1), number), (number, KEY.encrypt(1))):
            with pytest.raises(TypeError):
                calculate(*pair)
    for wrong in ((KEY.modulus, number), (number, 5)):
        with pytest.raises(TypeError):
            Ciphertext(*wrong)
    with pytest.raises(TypeError):
        PublicKey(number)


def test_a_product_of_ciphertexts_is_none():
    with pytest.raises(TypeError):
        KEY.encrypt(1) * KEY.encrypt(1)  # type: ignore[operator]


@pytest.mark.parametrize("number", [KEY.largest + 1, -KEY.largest - 1, KEY.modulus])
def test_a_number_beyond_the_range_is_refused_and_not_shown(number):
    for refused in (KEY.encrypt, KEY.encrypt(0).__add__):
        with pytest.raises(BadPlaintext) as caught:
            refused(number)
        assert str(number) not in str(caught.value)


def test_ciphertexts_of_two_keys_do_not_add():
    other, *_ = dealt(3, 2)
    for pair in ((KEY, other), (other, KEY)):
        with pytest.raises(WrongKey):
            operator.add(*(key.encrypt(1) for key in pair))


@pytest.mark.parametrize("value", [0, -1, P, KEY.modulus, KEY.modulus**2, KEY.modulus**2 + 1])
def test_a_number_that_is_no_unit_is_no_ciphertext(value):
    with pytest.raises(BadCiphertext):
        Ciphertext(KEY.modulus, int(value))


@pytest.mark.parametrize("modulus", [-15, 0, 13, 16, 2 * KEY.modulus])
def test_a_number_that_is_no_modulus_is_no_key(modulus):
    with pytest.raises(WrongKey):
        PublicKey(modulus)


def test_the_same_number_has_another_ciphertext_every_time():
    for key in (KEY, PLAIN):
        assert len({key.encrypt(7) for _ in range(5)}) == 5


def test_a_ciphertext_is_equal_to_itself_written_and_read():
    ciphertext = KEY.encrypt(7)
    assert Ciphertext(**json.loads(json.dumps(asdict(ciphertext)))) == ciphertext
    assert len(repr(ciphertext)) < 50


def test_phe_and_we_read_each_others_keys_and_ciphertexts():
    assert KEY.to_phe() == phe.PaillierPublicKey(KEY.modulus)
    assert PublicKey.from_phe(KEY.to_phe()) == PLAIN
    theirs = KEY.to_phe().encrypt(-41)
    assert opened(Ciphertext.from_phe(theirs) + KEY.encrypt(1)) == -40
    assert PHE.decrypt(KEY.encrypt(-41).to_phe() + 1.5) == -39.5


def test_a_number_of_phe_with_an_exponent_is_refused():
    """Taken as a whole number it would be another one."""
    with pytest.raises(UnfitNumber):
        Ciphertext.from_phe(KEY.to_phe().encrypt(2.5))
