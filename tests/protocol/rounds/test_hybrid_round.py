"""What hospitals check before they help to open the sum of one-time keys."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np

from keyshare.proofs.plaintext_proof import PlaintextProof
from participant.rounds.summed_vector import SummedVector
from protocol.board.messages import attach, blob_name
from protocol.rounds.ciphertexts import write_ciphertexts
from tests.stage.rounds.toy_round import HybridRound, Made

MEMBERS = (1, 2, 4, 5)


def given() -> HybridRound:
    found = HybridRound()
    found.open()
    for i in MEMBERS:
        found.give(i)
    return found


def changed(found: HybridRound, made: Made, proof: PlaintextProof | None) -> Made:
    """The same contribution with another proof."""
    encrypted = dataclasses.replace(made.encrypted, proof=proof)
    payload = write_ciphertexts(encrypted, found.toy.key.n)
    body = msgspec.structs.replace(made.body, ciphertexts=attach(payload))
    return dataclasses.replace(made, body=body, payload=payload, encrypted=encrypted)


def test_the_opened_sum_is_that_of_the_plain_integers():
    found = given()
    found.close()
    found.settle()
    assert not found.refusals
    plain = np.sum([made.values for made in found.made.values()], axis=0)
    suite = found.suite
    for member in found.members.values():
        assert member.plaintexts is not None
        summed = SummedVector(member.plaintexts, member.view, found.toy.epoch, member.terms)
        ((name, size),) = summed.wanted()
        assert len(found.blobs[name]) == size
        update = summed.take(found.blobs[name])
        assert summed.done
        opening = member.view.terms_of_opening
        assert opening is not None
        slots = suite.slots(opening)
        q, entries = slots.quantisation, plain[slots.head :]
        expected = (entries - len(MEMBERS) * q.offset) / q.steps(plain[0]) * q.clip
        assert np.array_equal(update, expected)


def refused(found: HybridRound) -> set[tuple[str, int]]:
    found.settle()
    assert all(member.plaintexts is None for member in found.members.values())
    return found.refusals


def test_a_contribution_without_a_proof_is_refused():
    found = given()
    found.give(3, changed(found, found.make(3), None))
    found.close()
    assert refused(found) == {("proof-of-plaintext", 3)}


def test_a_copy_is_refused_though_its_proof_is_copied_too():
    found = given()
    made = found.make(2)
    values = tuple(value * value % found.toy.key.n**2 for value in made.encrypted.values)
    doubled = dataclasses.replace(made.encrypted, values=values)
    chunk = made.chunks[0][:-1] + bytes([made.chunks[0][-1] ^ 1])
    payload = write_ciphertexts(doubled, found.toy.key.n)
    body = msgspec.structs.replace(
        made.body, ciphertexts=attach(payload), vector=(blob_name(chunk),)
    )
    found.give(3, Made(body, payload, doubled, (chunk,), made.values))
    found.close()
    assert refused(found) == {("proof-of-plaintext", 3)}


def test_another_ones_proof_is_refused():
    found = given()
    found.give(3, found.make(3, prover=1))
    found.close()
    assert refused(found) == {("proof-of-plaintext", 3)}


def test_a_contribution_of_another_round_is_refused():
    earlier = HybridRound()
    earlier.session = "round/2"
    for i in earlier.members:
        earlier.members[i] = earlier.member(i)
    earlier.open()
    replayed = earlier.make(3)
    found = given()
    body = msgspec.structs.replace(replayed.body, opening=found.opened.digest)
    found.give(3, dataclasses.replace(replayed, body=body))
    found.close()
    assert refused(found) == {("proof-of-plaintext", 3)}


def test_a_chunk_that_occurs_twice_is_refused():
    found = given()
    made, victim = found.make(3), found.made[2]
    body = msgspec.structs.replace(made.body, vector=victim.body.vector)
    found.give(3, dataclasses.replace(made, body=body, chunks=victim.chunks))
    found.close()
    assert refused(found) == {("repeated-ciphertext", 3)}


def test_a_vector_of_fewer_chunks_is_refused():
    found = given()
    made = found.make(3)
    body = msgspec.structs.replace(made.body, vector=())
    found.give(3, dataclasses.replace(made, body=body))
    found.close()
    assert refused(found) == {("vector-shape", 3)}


def test_a_vector_of_more_chunks_is_unsaid():
    found = given()
    made = found.make(3)
    body = msgspec.structs.replace(made.body, vector=(*made.body.vector, bytes(32)))
    found.give(3, dataclasses.replace(made, body=body))
    assert 3 not in found.members[1].view.contributions


def test_a_sum_of_another_number_of_chunks_is_refused():
    found = given()
    found.close(vector=())
    assert refused(found) == {("vector-shape", 0)}


def test_a_round_under_another_suite_than_the_terms_give_is_refused():
    found = HybridRound()
    found.open(epoch=found.toy.epoch.digest, suite="hybrid-s2", length=40)
    for i in MEMBERS:
        found.give(i)
    found.close()
    assert refused(found) == {("suite", 0)}


def test_a_set_below_the_minimum_is_refused():
    found = HybridRound()
    found.open()
    for i in (1, 2):
        found.give(i)
    found.close()
    assert refused(found) == {("min-contributors", 0)}


def test_a_second_contribution_with_other_bytes_does_not_count():
    found = given()
    first = found.members[1].view.contributions[2]
    found.give(2, changed(found, found.make(2), None))
    assert found.members[1].view.contributions[2] is first
    assert {m.view.contributions[2].digest for m in found.members.values()} == {first.digest}
