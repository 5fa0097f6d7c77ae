"""Lists of ciphertexts: how many there are, and that adding them adds what is in them."""

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.proofs.plaintext_proof import PlaintextProof
from protocol.board.payload_sizes import expected_count
from protocol.board.suite import suite_of
from protocol.errors import Malformed
from protocol.messages.rounds import Opening
from protocol.rounds.ciphertexts import (
    Encrypted,
    add_encrypted,
    read_ciphertexts,
    write_ciphertexts,
)
from tests.stage.studies import statistic_study, training_study
from tests.stage.toy import toy_epoch, toy_federation

TERMS, N = toy_epoch().federation.terms, toy_epoch().key.n
TRAINING = training_study(TERMS)
SUITE = suite_of("paillier", TRAINING)
PACKED = SUITE.packing(1).slots  # of a ciphertext


def opening(length: int) -> Opening:
    return Opening(bytes(32), bytes(32), bytes(32), length)


@pytest.mark.parametrize("length", [1, 100])
def test_a_statistic_has_a_ciphertext_for_each_number(length):
    assert expected_count(opening(length), statistic_study(TERMS, length)) == length


@pytest.mark.parametrize("length", [1, 40, 100, 1_000])
def test_a_training_round_has_room_for_examples_tally_weights_and_what_blinds(length):
    study = training_study(toy_federation(5, 3, 2048).terms)
    packing = suite_of("paillier", study).packing(length)
    counts = 32 + (study.training.max_examples - 1).bit_length() + 1
    tally = -(-counts // (packing.value_bits // 3))  # five members: a count has three bits
    slots = 1 + tally + length + -(-(128 + 3) // packing.slot_bits)
    assert expected_count(opening(length), study) == -(-slots // packing.slots)


def test_a_slot_holds_the_sum_of_all_members():
    study = training_study(toy_federation(5, 3, 2048).terms)
    packing = suite_of("paillier", study).packing(10)
    assert packing.value_bits == study.training.bits
    assert 5 * (2**packing.value_bits - 1) < 2**packing.slot_bits
    assert packing.slots * packing.slot_bits < 2047


units = st.integers(1, int(N) - 1).map(lambda k: mpz(k) ** 2 % N**2)


@settings(max_examples=40, deadline=None)
@given(values=st.tuples(units, units), proof=st.none() | st.builds(PlaintextProof, *[units] * 3))
def test_ciphertexts_come_back_with_their_proof(values, proof):
    encrypted = Encrypted(values, proof)
    payload = write_ciphertexts(encrypted, N)
    for study, said in ((TRAINING, opening(PACKED)), (statistic_study(TERMS), opening(2))):
        assert read_ciphertexts(payload, said, study, N) == encrypted


@pytest.mark.parametrize(
    "encrypted",
    [
        Encrypted((mpz(4),)),
        Encrypted((mpz(4),) * 3),
        Encrypted((mpz(4), mpz(0))),
        Encrypted((mpz(4), N)),
        Encrypted((mpz(4), N * N)),
    ],
)
def test_what_does_not_fit_the_round_is_refused(encrypted):
    with pytest.raises(Malformed):
        read_ciphertexts(write_ciphertexts(encrypted, N), opening(PACKED), TRAINING, N)


@pytest.mark.parametrize("data", [b"", b"\x92", b"\x92\xc4\x00\x90\x00", b"\x90"])
def test_what_is_no_list_of_ciphertexts_is_refused(data):
    with pytest.raises(Malformed):
        read_ciphertexts(data, opening(1), TRAINING, N)


def test_sums_are_taken_position_by_position():
    total = add_encrypted([Encrypted((mpz(2), mpz(3))), Encrypted((mpz(5), mpz(7)))], N)
    assert total == Encrypted((mpz(10), mpz(21)))
