"""Which suite a round has, and what it carries."""

from typing import Any

import pytest

from keyshare.hybrid.lattice import S1, S2
from keyshare.rounds.packing import Packing
from keyshare.rounds.quantisation import MAX_BITS, MIN_BITS, Quantisation
from keyshare.rounds.tally import Tally
from protocol.board.study import Study
from protocol.board.suite import suite_for, suite_of
from protocol.messages.rounds import Opening
from tests.stage.studies import training_study
from tests.stage.toy import toy_federation


def of(n: int, key_bits: int = 3072, **changes: Any) -> Study:
    """A study of all members of a federation of n."""
    plan: dict[str, Any] = {"bits": 16, "suite": "auto"} | changes
    return training_study(toy_federation(n, n // 2 + 1, key_bits).terms, **plan)


STUDY = of(5)


@pytest.mark.parametrize(
    ("n", "bits", "first"),
    [(3, 32, 540), (5, 32, 609), (16, 32, 595), (3, 16, 1_004), (5, 16, 1_109), (16, 16, 1_046)],
)
def test_the_break_even_is_where_the_design_says(n, bits, first):
    study = of(n, bits=bits, max_examples=100_000)
    assert all(suite_for(study, k).name == "hybrid" for k in (first, 10_000, 10**6, 10**8))
    assert all(suite_for(study, k).name == "paillier" for k in (1, first - 1))


def test_a_plan_that_names_a_suite_has_it_at_every_length():
    for name in ("paillier", "hybrid", "hybrid-s2"):
        study = of(5, suite=name)
        assert {suite_for(study, k).name for k in (1, 1_000, 10**7)} == {name}


def test_a_key_takes_as_many_ciphertexts_whatever_the_length():
    hybrid = suite_of("hybrid", of(16))
    assert {hybrid.ciphertext_count(k) for k in (1, 10**4, 10**9)} == {7}
    assert suite_of("hybrid-s2", of(16)).ciphertext_count(1) == 14
    paillier = suite_of("paillier", of(16))
    # 153 slots of 20 bits: 7 of the first in reserve, one for the examples, 15 the tally's.
    assert (paillier.packing(1).slots, paillier.packing(1).first) == (153, 146)
    assert paillier.slot_count(1) == 17
    assert [paillier.ciphertext_count(k) for k in (130, 131, 283, 284)] == [1, 2, 2, 3]


@pytest.mark.parametrize("n", [3, 5, 16])
@pytest.mark.parametrize("key_bits", [2048, 3072])
def test_from_32_bits_on_the_tally_and_the_reserve_take_no_ciphertext(n, key_bits):
    """Values of up to seven bits less make room, but where all was nearly one plaintext."""
    suite = suite_of("paillier", of(n, key_bits, bits=32))
    full = Packing.choose(key_bits, 32, n, suite.slot_count(0))
    for length in range(1, 3_000):
        packing = suite.packing(length)
        without = -(-(1 + length) // full.slots)
        assert suite.ciphertext_count(length) <= without + (length < full.slots)
        assert 25 <= packing.value_bits <= 32
        assert suite.slots(opening("paillier", length)).count == suite.slot_count(length)
    room = full.first - suite.slot_count(0)
    assert suite.packing(room).value_bits == 32
    assert suite.packing(room + 1).value_bits < 32
    assert [suite.ciphertext_count(k) for k in (room, room + 1)] == [1, 1]


@pytest.mark.parametrize("max_examples", [1, 10**9])
@pytest.mark.parametrize("key_bits", [2048, 3072])
def test_under_keys_that_protect_anything_the_head_has_no_plaintext_to_itself(
    key_bits, max_examples
):
    for n in range(3, 17):
        for bits in range(MIN_BITS, MAX_BITS + 1):
            study = of(n, key_bits, bits=bits, max_examples=max_examples)
            packing = suite_of("paillier", study).packing(1)
            assert packing.head + packing.reserve < packing.slots


@pytest.mark.parametrize("name", ["paillier", "hybrid", "hybrid-s2"])
@pytest.mark.parametrize("n", range(3, 17))
def test_no_slot_of_the_model_is_in_a_coefficient_with_the_heads(name, n):
    """What is blinded is whole coefficients."""
    suite = suite_of(name, of(n))
    slots = suite.slots(opening(name, 10))
    together = suite.lattice.weights_per_coefficient if suite.lattice is not None else 1
    assert slots.head % together == 0
    assert 0 <= slots.head - (1 + slots.tally.slots) < together
    assert slots.count == suite.slot_count(10) == slots.head + 10
    if suite.lattice is None:
        assert suite.packing(10).head == slots.head
    else:
        assert slots.head <= suite.lattice.block_weights


def opening(suite: str, length: int = 100) -> Opening:
    return Opening(bytes(32), bytes(32), bytes(32), length, suite, 0.5, 64)  # type: ignore[arg-type]


def test_a_vector_holds_the_number_of_examples_and_the_tally_too():
    for ring in (S1, S2):
        suite = suite_of(ring.name, STUDY)
        assert suite.lattice is not None
        whole = suite.lattice.chunk_weights - suite.slot_count(0)
        assert [suite.chunk_count(k) for k in (1, whole, whole + 1)] == [1, 1, 2]
    assert suite_of("paillier", STUDY).chunk_count(10**6) == 0


@pytest.mark.parametrize(("name", "bits"), [("paillier", 32), ("hybrid", 17), ("hybrid-s2", 21)])
def test_weights_have_the_bits_of_the_plan_or_of_the_suite(name, bits):
    suite = suite_of(name, of(16, bits=32))
    slots = suite.slots(opening(name, 10))
    assert slots.quantisation == Quantisation(0.5, bits, 64)
    assert slots.tally == Tally(
        suite.study.training.clip, suite.study.training.max_examples, 16, bits
    )
    if suite.lattice is not None:
        assert 1 << slots.tally.bits <= suite.lattice.levels
    few = suite_of(name, of(16, bits=10)).slots(opening(name))
    assert (few.quantisation.bits, few.tally.bits) == (10, 10)


def test_slots_have_room_for_the_members_of_the_study_alone():
    """Three of sixteen: as if they were a federation of their own."""
    few, all_three = of(16, members=(2, 5, 9)), of(3)
    for name in ("paillier", "hybrid", "hybrid-s2"):
        ours, theirs = suite_of(name, few), suite_of(name, all_three)
        assert ours.packing(100) == theirs.packing(100)
        assert ours.lattice == theirs.lattice
        assert ours.slots(opening(name)) == theirs.slots(opening(name))
    assert suite_of("paillier", few).packing(100) != suite_of("paillier", of(16)).packing(100)
