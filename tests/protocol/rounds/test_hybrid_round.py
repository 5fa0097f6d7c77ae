"""What hospitals check before they help to open the sum of one-time keys."""

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from participant.rounds.summed_vector import SummedVector
from protocol.messages.attachment import attach, blob_name
from protocol.rounds.ciphertexts import write_ciphertexts
from tests.stage.rounds.toy_round import HybridRound, Made

MEMBERS = (1, 2, 4, 5)


def given(*members: int, **opening: Any) -> HybridRound:
    """A round with contributions of these members, or of four."""
    found = HybridRound()
    found.open(**opening)
    for i in members or MEMBERS:
        found.give(i)
    return found


def unproved(found: HybridRound) -> Made:
    """A contribution without its proof."""
    made = found.make(3)
    encrypted = dataclasses.replace(made.encrypted, proof=None)
    payload = write_ciphertexts(encrypted, found.toy.key.n)
    return dataclasses.replace(saying(made, ciphertexts=attach(payload)), payload=payload)


def saying(made: Made, **changes: Any) -> Made:
    """What was made, with another body."""
    return dataclasses.replace(made, body=msgspec.structs.replace(made.body, **changes))


def test_the_opened_sum_is_that_of_the_plain_integers():
    found = given()
    found.close()
    found.settle()
    assert not found.refusals
    plain = np.sum([made.values for made in found.made.values()], axis=0)
    suite = found.suite
    for member in found.members.values():
        assert member.plaintexts is not None
        summed = SummedVector(member.plaintexts, member.view, found.toy.epoch, member.study)
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


def copied(found: HybridRound) -> Made:
    """Another's numbers squared, with its proof, and its chunk with one bit flipped."""
    made = found.make(2)
    values = tuple(value * value % found.toy.key.n**2 for value in made.encrypted.values)
    doubled = dataclasses.replace(made.encrypted, values=values)
    chunk = made.chunks[0][:-1] + bytes([made.chunks[0][-1] ^ 1])
    payload = write_ciphertexts(doubled, found.toy.key.n)
    body = saying(made, ciphertexts=attach(payload), vector=(blob_name(chunk),)).body
    return Made(body, payload, doubled, (chunk,), made.values)


def replayed(found: HybridRound) -> Made:
    """What was contributed to another round."""
    earlier = HybridRound("study/cardio/2")
    earlier.open()
    return saying(earlier.make(3), opening=found.opened.digest)


def of_another_vector(found: HybridRound) -> Made:
    victim = found.made[2]
    made = saying(found.make(3), vector=victim.body.vector)
    return dataclasses.replace(made, chunks=victim.chunks)


WRONG: dict[str, tuple[Callable[[HybridRound], Made], str]] = {
    "no proof": (unproved, "proof-of-plaintext"),
    "a copy and its proof": (copied, "proof-of-plaintext"),
    "another's proof": (lambda found: found.make(3, prover=1), "proof-of-plaintext"),
    "another round's": (replayed, "proof-of-plaintext"),
    "another's chunk": (of_another_vector, "repeated-ciphertext"),
    "no chunk": (lambda found: saying(found.make(3), vector=()), "vector-shape"),
}


@pytest.mark.parametrize(("make", "rule"), WRONG.values(), ids=WRONG)
def test_a_contribution_with_something_wrong_is_refused(make, rule):
    found = given()
    found.give(3, make(found))
    found.close()
    assert refused(found) == {(rule, 3)}


def test_a_vector_of_more_chunks_is_unsaid():
    found = given()
    made = found.make(3)
    found.give(3, saying(made, vector=(*made.body.vector, bytes(32))))
    assert 3 not in found.members[1].view.contributions


def test_a_sum_of_another_number_of_chunks_is_refused():
    found = given()
    found.close(vector=())
    assert refused(found) == {("vector-shape", 0)}


def test_a_round_under_another_suite_than_the_terms_give_is_refused():
    found = given(suite="hybrid-s2", length=40)
    found.close()
    assert refused(found) == {("suite", 0)}


def test_a_set_below_the_minimum_is_refused():
    found = given(1, 2)
    found.close()
    assert refused(found) == {("min-contributors", 0)}


def test_a_second_contribution_with_other_bytes_does_not_count():
    found = given()
    first = found.members[1].view.contributions[2]
    found.give(2, unproved(found))
    assert found.members[1].view.contributions[2] is first
    assert {m.view.contributions[2].digest for m in found.members.values()} == {first.digest}
