"""Which suite a round has, and what it carries."""

from __future__ import annotations

import pytest

from keyshare.lattice import S1, S2
from protocol.errors import BadTerms
from protocol.suite import suite_for, suite_of
from protocol.terms import Terms, check, parse, render
from tests.toy import replace_terms, toy_federation

TERMS = toy_federation(5, 3, 3072, precision_bits=16).terms


def of(n: int, **changes: object) -> Terms:
    return toy_federation(n, n // 2 + 1, 3072, **({"precision_bits": 16} | changes)).terms


@pytest.mark.parametrize("n", [3, 5, 16])
def test_the_break_even_is_near_1100_weights(n):
    terms = of(n)
    lengths = range(1, 3_000)
    first = next(k for k in lengths if suite_for(terms, k).name == "hybrid")
    assert 1_000 < first < 1_200
    assert all(suite_for(terms, k).name == "hybrid" for k in (first, 10_000, 10**6, 10**8))
    assert all(suite_for(terms, k).name == "paillier" for k in (1, first - 1))


def test_terms_that_name_a_suite_have_it_at_every_length():
    for name in ("paillier", "hybrid", "hybrid-s2"):
        terms = of(5, suite=name)
        assert {suite_for(terms, k).name for k in (1, 1_000, 10**7)} == {name}


def test_a_key_takes_as_many_ciphertexts_whatever_the_length():
    hybrid = suite_of("hybrid", of(16))
    assert {hybrid.ciphertext_count(k) for k in (1, 10**4, 10**9)} == {7}
    assert suite_of("hybrid-s2", of(16)).ciphertext_count(1) == 14
    paillier = suite_of("paillier", of(16))
    assert paillier.ciphertext_count(152) == 1  # 153 slots of 20 bits, one of them the weight's
    assert paillier.ciphertext_count(153) == 2


def test_a_vector_holds_the_contributions_own_weight_too():
    for ring in (S1, S2):
        suite = suite_of(ring.name, TERMS)  # type: ignore[arg-type]
        assert suite.lattice is not None
        whole = suite.lattice.chunk_weights
        assert [suite.chunk_count(k) for k in (1, whole - 1, whole)] == [1, 1, 2]
    assert suite_of("paillier", TERMS).chunk_count(10**6) == 0


@pytest.mark.parametrize(("name", "bits"), [("paillier", 32), ("hybrid", 17), ("hybrid-s2", 21)])
def test_weights_have_the_bits_of_the_terms_or_of_the_suite(name, bits):
    suite = suite_of(name, of(16, precision_bits=32))
    assert suite.quantisation(0.5).bits == bits
    assert suite.quantisation(0.5).clip == 0.5
    if suite.lattice is not None:
        assert 2 * suite.quantisation(0.5).scale < suite.lattice.levels
    assert suite_of(name, of(16, precision_bits=10)).quantisation(1.0).bits == 10


def test_a_suite_that_is_unknown_is_refused():
    terms = replace_terms(TERMS, suite="rot13")
    with pytest.raises(BadTerms) as raised:
        check(terms)
    assert raised.value.field == "federation.suite"
    with pytest.raises(BadTerms) as raised:
        parse(render(terms))
    assert raised.value.field == "federation.suite"
