"""Which suite a round has, and what it carries."""

from __future__ import annotations

import pytest

from keyshare.lattice import S1, S2
from keyshare.packing import Packing, ciphertext_count
from keyshare.quantisation import Quantisation
from keyshare.tally import Tally
from protocol.errors import BadTerms
from protocol.messages import Opening
from protocol.suite import suite_for, suite_of
from protocol.terms import Terms, check, parse, render
from tests.toy import replace_terms, toy_federation

TERMS = toy_federation(5, 3, 3072, precision_bits=16).terms


def of(n: int, **changes: object) -> Terms:
    return toy_federation(n, n // 2 + 1, 3072, **({"precision_bits": 16} | changes)).terms


@pytest.mark.parametrize(
    ("n", "bits", "first"),
    [(3, 32, 540), (5, 32, 609), (16, 32, 595), (3, 16, 1_013), (5, 16, 1_117), (16, 16, 1_054)],
)
def test_the_break_even_is_where_the_design_says(n, bits, first):
    terms = of(n, precision_bits=bits, max_examples=100_000)
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
    # 153 slots of 20 bits: one of them the weight's, 15 the tally's.
    assert (paillier.packing(1).slots, paillier.slot_count(1)) == (153, 17)
    assert [paillier.ciphertext_count(k) for k in (137, 138, 290, 291)] == [1, 2, 2, 3]


@pytest.mark.parametrize("n", [3, 5, 16])
@pytest.mark.parametrize("key_bits", [2048, 3072])
def test_from_32_bits_on_the_tally_takes_no_ciphertext(n, key_bits):
    """Values of up to five bits less make room for it."""
    suite = suite_of("paillier", toy_federation(n, n // 2 + 1, key_bits, precision_bits=32).terms)
    full = Packing.choose(key_bits, 32, n)
    for length in range(1, 3_000):
        packing = suite.packing(length)
        without = ciphertext_count(1 + length, full)
        assert suite.ciphertext_count(length) <= without + (length < full.slots)
        assert 27 <= packing.value_bits <= 32
        assert suite.slots(opening("paillier", length)).count == suite.slot_count(length)
    assert suite.packing(10).value_bits == 32  # where there is room
    assert suite.packing(full.slots - 1).value_bits < 32  # where the weight took the last slot


def opening(suite: str, length: int = 100) -> Opening:
    return Opening("training", bytes(32), bytes(32), length, suite, 0.5, 64)  # type: ignore[arg-type]


def test_a_vector_holds_weight_and_tally_too():
    for ring in (S1, S2):
        suite = suite_of(ring.name, TERMS)  # type: ignore[arg-type]
        assert suite.lattice is not None
        whole = suite.lattice.chunk_weights - suite.slot_count(0)
        assert [suite.chunk_count(k) for k in (1, whole, whole + 1)] == [1, 1, 2]
    assert suite_of("paillier", TERMS).chunk_count(10**6) == 0


@pytest.mark.parametrize(("name", "bits"), [("paillier", 32), ("hybrid", 17), ("hybrid-s2", 21)])
def test_weights_have_the_bits_of_the_terms_or_of_the_suite(name, bits):
    suite = suite_of(name, of(16, precision_bits=32))
    slots = suite.slots(opening(name, 10))
    assert slots.quantisation == Quantisation(0.5, bits, 64)
    assert slots.tally == Tally(suite.terms.clip, suite.terms.max_examples, 16, bits)
    if suite.lattice is not None:
        assert 1 << slots.tally.bits <= suite.lattice.levels
    few = suite_of(name, of(16, precision_bits=10)).slots(opening(name))
    assert (few.quantisation.bits, few.tally.bits) == (10, 10)


def test_a_suite_that_is_unknown_is_refused():
    terms = replace_terms(TERMS, suite="rot13")
    with pytest.raises(BadTerms) as raised:
        check(terms)
    assert raised.value.field == "federation.suite"
    with pytest.raises(BadTerms) as raised:
        parse(render(terms))
    assert raised.value.field == "federation.suite"
