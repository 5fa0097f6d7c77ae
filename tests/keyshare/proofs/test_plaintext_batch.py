"""Proofs of known plaintexts that are verified together: they hold if each of them does."""

from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.proofs import plaintext_batch
from keyshare.proofs.plaintext_batch import ProvedPlaintexts, all_hold
from keyshare.proofs.plaintext_proof import verify, weights_in_steps
from keyshare.steps import finish
from tests.keyshare.proofs.test_plaintext_proof import (
    ENCRYPTOR,
    PRIVATE,
    SQUARE,
    N,
    key,
    numbers,
    opened,
    proof_of,
)

COUNT = 5


@pytest.fixture(autouse=True)
def even_few_together(monkeypatch):
    monkeypatch.setattr(plaintext_batch, "MANY", 1)


def proved(label: str) -> ProvedPlaintexts:
    found = opened(3, label=label)
    context = label.encode()
    return ProvedPlaintexts(tuple(numbers(found)), proof_of(found, context, label), context)


GOOD = tuple(proved(f"member {k}") for k in range(COUNT))


def with_proof(one: ProvedPlaintexts, **changes: mpz) -> ProvedPlaintexts:
    return replace(one, proof=replace(one.proof, **changes))


def together(*changed: ProvedPlaintexts) -> bool:
    """The proofs with some in the place of the first of them."""
    return all_hold([*changed, *GOOD[len(changed) :]], ENCRYPTOR)


def alone(one: ProvedPlaintexts) -> bool:
    return verify(one.proof, one.ciphertexts, ENCRYPTOR, one.context)


def test_what_holds_one_by_one_holds_together():
    assert all(alone(one) for one in GOOD)
    assert together()
    assert all_hold([], ENCRYPTOR)
    assert all_hold(GOOD * 3, ENCRYPTOR)


def test_they_hold_under_any_key():
    for bits in (256, 512):
        encryptor, _ = key(bits)
        assert all_hold(GOOD, encryptor) is (bits == 512)


WRONG = {
    "plaintext": lambda one: with_proof(one, plaintext=(one.proof.plaintext + 1) % N),
    "exponent": lambda one: with_proof(one, exponent=one.proof.exponent + 1),
    "commitment": lambda one: with_proof(one, commitment=one.proof.commitment + 1),
    "ciphertext": lambda one: replace(
        one, ciphertexts=(one.ciphertexts[0] + 1, *one.ciphertexts[1:])
    ),
    "fewer": lambda one: replace(one, ciphertexts=one.ciphertexts[:-1]),
    "nothing": lambda one: replace(one, ciphertexts=()),
    "context": lambda one: replace(one, context=b"another"),
    "no unit": lambda one: replace(one, ciphertexts=(N, *one.ciphertexts[1:])),
    "plaintext out of range": lambda one: with_proof(one, plaintext=one.proof.plaintext + N),
    "exponent out of range": lambda one: with_proof(one, exponent=one.proof.exponent + turns(one)),
    "commitment out of range": lambda one: with_proof(
        one, commitment=one.proof.commitment + SQUARE
    ),
}


def turns(one: ProvedPlaintexts) -> mpz:
    """What changes no power of h_N, and is too long."""
    order = mpz(PRIVATE.p - 1) * (PRIVATE.q - 1)
    return order << (one.proof.exponent.bit_length() + 300)


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("place", range(COUNT))
def test_one_that_does_not_hold_is_not_hidden_by_others(kind, place):
    wrong = WRONG[kind](GOOD[place])
    assert not alone(wrong)
    assert not all_hold([*GOOD[:place], wrong, *GOOD[place + 1 :]], ENCRYPTOR)


def opposite_faults() -> tuple[ProvedPlaintexts, ProvedPlaintexts]:
    """Two answers of which one is too large by as much as the other is too small."""
    first, second = GOOD[:2]
    return (
        with_proof(first, plaintext=(first.proof.plaintext + 1) % N),
        with_proof(second, plaintext=(second.proof.plaintext - 1) % N),
    )


def test_faults_that_cancel_each_other_are_found():
    assert not together(*opposite_faults())


def test_with_weights_that_are_known_before_such_faults_would_pass(monkeypatch):
    monkeypatch.setattr(plaintext_batch.secrets, "randbits", lambda bits: 1)
    assert together(*opposite_faults())
    monkeypatch.setattr(plaintext_batch.secrets, "randbits", lambda bits: 0)
    assert together(WRONG["plaintext"](GOOD[0]))


def test_weights_have_128_bits_and_are_drawn_for_each_proof(monkeypatch):
    asked = []
    real = plaintext_batch.secrets.randbits
    monkeypatch.setattr(
        plaintext_batch.secrets, "randbits", lambda bits: asked.append(bits) or real(bits)
    )
    assert together()
    assert asked == [128] * COUNT


def negated(label: str) -> ProvedPlaintexts:
    """A proof that was made with -A in the place of A."""
    found = opened(3, label=label)
    with pytest.MonkeyPatch.context() as patch:
        encrypt = ENCRYPTOR.encrypt_with
        patch.setattr(ENCRYPTOR, "encrypt_with", lambda m, a: SQUARE - encrypt(m, a))
        proof = proof_of(found, label.encode(), label)
    return ProvedPlaintexts(tuple(numbers(found)), proof, label.encode())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_signs_are_judged_together_as_they_are_one_by_one(count):
    """-1 is an N-th power: it hides nothing. But were it refused alone, pairs would pass here."""
    signs = [negated(f"sign {k}") for k in range(count)]
    one = signs[0]
    weights = finish(weights_in_steps(one.proof, one.ciphertexts, ENCRYPTOR, one.context))
    assert weights is not None
    right = one.proof.commitment
    for base, exponent in zip(one.ciphertexts, weights, strict=True):
        right = right * gmpy2.powmod(base, exponent, SQUARE) % SQUARE
    assert SQUARE - right == ENCRYPTOR.encrypt_with(one.proof.plaintext, one.proof.exponent)
    assert all(alone(one) for one in signs)
    for _ in range(10):  # whether their number of odd weights is even or not
        assert together(*signs)


def test_few_are_verified_one_by_one(monkeypatch):
    monkeypatch.setattr(plaintext_batch, "MANY", 4 * COUNT + 1)
    monkeypatch.setattr(plaintext_batch.secrets, "randbits", None)
    assert together()
    assert not together(WRONG["plaintext"](GOOD[0]))
