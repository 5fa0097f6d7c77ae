"""Lists of ciphertexts: how many there are, and that adding them adds what is in them."""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.ciphertexts import (
    Encrypted,
    add_encrypted,
    expected_count,
    read_ciphertexts,
    write_ciphertexts,
)
from protocol.errors import Malformed
from protocol.messages import MAX_NUMBERS, Opening
from protocol.suite import packing_of
from tests.toy import toy_epoch, toy_federation

TERMS, N = toy_epoch().federation.terms, toy_epoch().key.n
PACKED = packing_of(TERMS).slots


def opening(kind: str, length: int) -> Opening:
    return Opening(kind, bytes(32), bytes(32), length)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "length", "count"),
    [
        ("statistic", 1, 1),
        ("statistic", 100, 100),
        ("training", 1, 1),
        ("training", PACKED - 1, 1),
        ("training", PACKED, 2),
        ("training", 2 * PACKED - 1, 2),
        ("training", 2 * PACKED, 3),
    ],
)
def test_a_round_has_a_slot_for_the_weight_and_one_for_each_number(kind, length, count):
    assert expected_count(opening(kind, length), TERMS) == count


def test_a_slot_holds_the_sum_of_all_members():
    packing = packing_of(toy_federation(5, 3, 2048).terms)
    assert packing.value_bits == TERMS.precision_bits
    assert 5 * (2**packing.value_bits - 1) < 2**packing.slot_bits
    assert packing.slots * packing.slot_bits < 2047


units = st.integers(1, int(N) - 1).map(lambda k: mpz(k) ** 2 % N**2)


@settings(max_examples=40, deadline=None)
@given(values=st.tuples(units, units), exponents=st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_ciphertexts_come_back(values, exponents):
    training = Encrypted(values)
    found = read_ciphertexts(write_ciphertexts(training, N), opening("training", PACKED), TERMS, N)
    assert found == training
    statistic = Encrypted(values, exponents)
    found = read_ciphertexts(write_ciphertexts(statistic, N), opening("statistic", 2), TERMS, N)
    assert found == statistic


@pytest.mark.parametrize(
    "encrypted",
    [
        Encrypted((mpz(4),)),
        Encrypted((mpz(4),) * 3),
        Encrypted((mpz(4),) * 2, (0,)),
        Encrypted((mpz(4),) * 2, (0, 0)),
        Encrypted((mpz(4), mpz(0))),
        Encrypted((mpz(4), N)),
        Encrypted((mpz(4), N * N)),
    ],
)
def test_what_does_not_fit_the_round_is_refused(encrypted):
    with pytest.raises(Malformed):
        read_ciphertexts(write_ciphertexts(encrypted, N), opening("training", PACKED), TERMS, N)


@pytest.mark.parametrize("data", [b"", b"\x92", b"\x92\x90\xc4\x00\x00", b"\x90"])
def test_what_is_no_list_of_ciphertexts_is_refused(data):
    with pytest.raises(Malformed):
        read_ciphertexts(data, opening("training", 1), TERMS, N)


def test_sums_are_taken_position_by_position():
    total = add_encrypted([Encrypted((mpz(2), mpz(3))), Encrypted((mpz(5), mpz(7)))], N)
    assert total == Encrypted((mpz(10), mpz(21)))


def test_sums_of_a_statistic_are_taken_at_the_lowest_exponent():
    total = add_encrypted([Encrypted((mpz(2),), (1,)), Encrypted((mpz(5),), (-1,))], N)
    assert total == Encrypted((mpz(2) ** (16**2) * 5 % N**2,), (-1,))


def test_a_list_of_exponents_longer_than_any_statistic_is_not_even_built():
    count = MAX_NUMBERS + 1
    payload = b"\x92\xdd" + count.to_bytes(4, "big") + bytes(count) + b"\xc4\x00"
    with pytest.raises(Malformed, match="length <= 100000"):
        read_ciphertexts(payload, opening("statistic", 1), TERMS, N)
