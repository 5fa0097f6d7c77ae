"""The proof of known plaintexts: what passes, what does not, and what two answers give away."""

from dataclasses import replace
from functools import lru_cache

import gmpy2
import phe
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import BadPlaintext
from keyshare.key.encryption import Encryptor, randomiser_base
from keyshare.proofs import plaintext_proof
from keyshare.proofs.plaintext_proof import (
    Opened,
    PlaintextProof,
    encrypt_opened,
    longest_exponent,
    prove_plaintexts,
    verify,
)
from keyshare.randomness import Stream
from tests.keyshare.key.test_joint_key import prime_3_mod_4
from tests.stage.toy import seed_of

CONTEXT = b"context"


def blum_prime(bits: int, label: str) -> mpz:
    """A prime that is 3 mod 4, with its two highest bits set."""
    return prime_3_mod_4(Stream(seed_of("prime", label, bits)).bits(bits) | mpz(3) << bits - 2)


@lru_cache(maxsize=4)
def key(bits: int) -> tuple[Encryptor, phe.PaillierPrivateKey]:
    p, q = blum_prime(bits // 2, "p"), blum_prime(bits // 2, "q")
    private = phe.PaillierPrivateKey(phe.PaillierPublicKey(int(p * q)), int(p), int(q))
    return Encryptor(p * q, randomiser_base(p * q, b"toy")), private


ENCRYPTOR, PRIVATE = key(512)
N, SQUARE = ENCRYPTOR.n, ENCRYPTOR.n**2


def opened(count: int = 4, encryptor: Encryptor = ENCRYPTOR, label: str = "own") -> list[Opened]:
    stream = Stream(seed_of(label, count))
    return encrypt_opened([stream.below(encryptor.n) for _ in range(count)], encryptor, stream)


def numbers(found: list[Opened]) -> list[mpz]:
    return [one.ciphertext for one in found]


def proof_of(found: list[Opened], context: bytes = CONTEXT, label: str = "proof") -> PlaintextProof:
    return prove_plaintexts(found, ENCRYPTOR, context, Stream(seed_of(label)))


def accepts(proof: PlaintextProof, ciphertexts: list[mpz], context: bytes = CONTEXT) -> bool:
    return verify(proof, ciphertexts, ENCRYPTOR, context)


# --- What is true passes -------------------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_every_opened_list_is_proven(data):
    encryptor, _ = key(data.draw(st.sampled_from([256, 512])))
    n = encryptor.n
    one = st.sampled_from([0, 1, int(n) - 1]) | st.integers(0, int(n) - 1)
    plaintexts = data.draw(st.lists(one, min_size=1, max_size=8))
    stream = Stream(data.draw(st.binary(min_size=32, max_size=32)))
    found, context = encrypt_opened(plaintexts, encryptor, stream), data.draw(st.binary())
    proof = prove_plaintexts(found, encryptor, context, stream)
    assert verify(proof, numbers(found), encryptor, context)
    assert 0 <= proof.plaintext < n
    assert 0 <= proof.exponent < longest_exponent(len(found), encryptor.exponent_bits)


@pytest.mark.parametrize("draw", [lambda bound: mpz(0), lambda bound: bound - 1])
def test_the_largest_secrets_pass_with_the_smallest_and_the_largest_masks(monkeypatch, draw):
    longest = (mpz(1) << ENCRYPTOR.exponent_bits) - 1
    largest = Opened(ENCRYPTOR.encrypt_with(N - 1, longest), N - 1, longest)
    monkeypatch.setattr(Stream, "below", lambda self, bound: draw(bound))
    assert accepts(proof_of([largest] * 3), [largest.ciphertext] * 3)


def test_opened_ciphertexts_hold_their_plaintexts():
    for one in opened():
        assert PRIVATE.raw_decrypt(int(one.ciphertext)) == one.plaintext
        assert one.ciphertext == ENCRYPTOR.encrypt_with(one.plaintext, one.exponent)
        assert one.exponent.bit_length() <= ENCRYPTOR.exponent_bits


def test_no_text_shows_a_plaintext_or_an_exponent():
    one = opened(1)[0]
    assert str(one.plaintext) not in repr(one)
    assert str(one.exponent) not in repr(one)


# --- What is false does not ----------------------------------------------------------------------


def test_a_proof_is_for_one_context():
    found = opened()
    proof = proof_of(found)
    assert accepts(proof, numbers(found))
    for other in (b"", b"contexu", b"context\0", CONTEXT * 2):
        assert not accepts(proof, numbers(found), other)


def test_a_proof_is_for_one_list_of_ciphertexts():
    found, others = opened(), opened(label="others")
    proof, own = proof_of(found), numbers(found)
    assert not accepts(proof, numbers(others))
    for k, other in enumerate(numbers(others)):
        assert not accepts(proof, [*own[:k], other, *own[k + 1 :]])
    assert not accepts(proof, own[::-1])
    assert not accepts(proof, [own[1], own[0], *own[2:]])
    assert not accepts(proof, own[:-1])
    assert not accepts(proof, [*own, own[-1]])
    assert not accepts(proof, [*own, mpz(1)])


@pytest.mark.parametrize("scale", [2, 15, -1])
def test_a_power_of_anothers_ciphertexts_passes_with_no_proof_made_of_theirs(scale):
    found = opened()
    proof, copied = proof_of(found), [gmpy2.powmod(c, scale, SQUARE) for c in numbers(found)]
    assert not accepts(proof, copied)
    scaled = PlaintextProof(
        gmpy2.powmod(proof.commitment, scale, SQUARE),
        proof.plaintext * scale % N,
        proof.exponent * abs(scale),
    )
    assert not accepts(scaled, copied)
    assert not accepts(replace(scaled, exponent=proof.exponent), copied)


def test_without_the_statement_in_the_hash_a_power_would_pass(monkeypatch):
    """Weak Fiat-Shamir: the challenge hashes the context alone, and all scales with λ."""
    monkeypatch.setattr(plaintext_proof, "_challenges", lambda s, a, count: [mpz(5)] * count)
    found, scale = opened(), 3
    proof = proof_of(found)
    copied = [gmpy2.powmod(c, scale, SQUARE) for c in numbers(found)]
    commitment = gmpy2.powmod(proof.commitment, scale, SQUARE)
    scaled = PlaintextProof(commitment, proof.plaintext * scale % N, proof.exponent * scale)
    monkeypatch.setattr(plaintext_proof, "longest_exponent", lambda count, bits: mpz(1) << 9999)
    assert accepts(scaled, copied)
    monkeypatch.undo()
    assert not accepts(scaled, copied)


def test_who_does_not_know_a_plaintext_proves_nothing():
    found = opened()
    for k in range(4):
        for guess in (
            replace(found[k], plaintext=(found[k].plaintext + 1) % N),
            replace(found[k], plaintext=mpz(0), exponent=mpz(0)),
            replace(found[k], exponent=found[k].exponent + 1),
        ):
            guessed = [*found[:k], guess, *found[k + 1 :]]
            assert not accepts(proof_of(guessed), numbers(found))


def test_a_proof_of_the_sum_is_no_proof_of_the_parts():
    """Errors that cancel in the plain product: the weights ρ_l tell them apart."""
    found = opened()
    shifted = [
        replace(found[0], plaintext=(found[0].plaintext + 1) % N),
        replace(found[1], plaintext=(found[1].plaintext - 1) % N),
        *found[2:],
    ]
    assert not accepts(proof_of(shifted), numbers(found))


@pytest.mark.parametrize("field", ["commitment", "plaintext", "exponent"])
@pytest.mark.parametrize("change", [1, -1])
def test_a_changed_number_of_the_proof_fails(field, change):
    found = opened()
    proof = proof_of(found)
    assert not accepts(replace(proof, **{field: getattr(proof, field) + change}), numbers(found))


def test_numbers_out_of_range_are_refused_though_the_equation_holds():
    found = opened()
    proof, own = proof_of(found), numbers(found)
    order = (PRIVATE.p - 1) * (PRIVATE.q - 1)  # of h_N: u + order gives the same power
    bound = longest_exponent(4, ENCRYPTOR.exponent_bits)
    turns = -(-bound // order)
    for exponent in (proof.exponent + turns * order, proof.exponent - turns * order):
        assert not accepts(replace(proof, exponent=exponent), own)
    for turns in (1, -1):
        assert not accepts(replace(proof, plaintext=proof.plaintext + turns * N), own)
        assert not accepts(replace(proof, commitment=proof.commitment + turns * SQUARE), own)
        assert not accepts(proof, [own[0] + turns * SQUARE, *own[1:]])


def test_without_the_bound_a_longer_exponent_would_pass(monkeypatch):
    found = opened()
    proof = proof_of(found)
    order = (PRIVATE.p - 1) * (PRIVATE.q - 1)
    bound = longest_exponent(4, ENCRYPTOR.exponent_bits)
    long = replace(proof, exponent=proof.exponent + -(-bound // order) * order)
    assert not accepts(long, numbers(found))
    monkeypatch.setattr(plaintext_proof, "longest_exponent", lambda count, bits: mpz(1) << 9999)
    assert accepts(long, numbers(found))


@pytest.mark.parametrize("number", [mpz(0), N, mpz(PRIVATE.p), N * 5, SQUARE - N])
def test_a_number_that_is_no_unit_is_refused(number):
    """With K = 0 mod N² and A = 0 both sides would be 0, were there no check."""
    found = opened()
    proof, own = proof_of(found), numbers(found)
    assert not accepts(replace(proof, commitment=number), own)
    for k in range(4):
        assert not accepts(proof, [*own[:k], number, *own[k + 1 :]])


def test_a_ciphertext_that_is_no_unit_is_refused_though_it_would_pass_unweighed(monkeypatch):
    """Its weight is 0 once in 2^128 times; with any other the sides differ, one being a unit."""
    found = opened()
    own = [N * mpz(PRIVATE.p) % SQUARE, *numbers(found)[1:]]
    monkeypatch.setattr(plaintext_proof, "_challenges", lambda s, a, n: [mpz(0), *[mpz(5)] * 3])
    proof = proof_of([replace(found[0], ciphertext=own[0]), *found[1:]])
    assert not accepts(proof, own)
    monkeypatch.setattr(gmpy2, "gcd", lambda a, b: mpz(1))
    assert accepts(proof, own)


def product_of_nothing(bases, exponents, modulus):
    yield
    return mpz(1)


def test_a_proof_of_nothing_is_refused(monkeypatch):
    assert not accepts(proof_of(opened(1)), [])
    x, r = mpz(3), mpz(0)
    trivial = PlaintextProof(ENCRYPTOR.encrypt_with(x, r), x, r)  # the equation alone holds
    assert not accepts(trivial, [])
    monkeypatch.setattr(plaintext_proof, "longest_exponent", lambda count, bits: mpz(1))
    monkeypatch.setattr(plaintext_proof, "power_product_in_steps", product_of_nothing)
    assert not accepts(trivial, [])


def test_a_plaintext_out_of_range_is_not_encrypted():
    for wrong in (N, mpz(-1)):
        with pytest.raises(BadPlaintext):
            encrypt_opened([mpz(1), wrong], ENCRYPTOR, Stream(seed_of(0)))


# --- Knowledge -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [512])
@pytest.mark.parametrize("position", range(3))
def test_two_answers_that_differ_in_one_challenge_give_the_plaintext(monkeypatch, bits, position):
    found = opened(3)
    real = plaintext_proof._challenges
    forked: list[list[mpz]] = []

    def other(statement: bytes, commitment: mpz, count: int) -> list[mpz]:
        weights = real(statement, commitment, count)
        weights[position] = (weights[position] + 12345) % 2**128
        forked.append(weights)
        return weights

    first = proof_of(found)
    with monkeypatch.context() as patch:
        patch.setattr(plaintext_proof, "_challenges", other)
        second = proof_of(found)
        assert accepts(second, numbers(found))
    assert first.commitment == second.commitment
    statement = plaintext_proof._statement(numbers(found), N, CONTEXT)
    weights = real(statement, first.commitment, 3)
    difference = forked[0][position] - weights[position]
    extracted = (second.plaintext - first.plaintext) * gmpy2.invert(difference, N) % N
    assert extracted == found[position].plaintext
    assert extracted == PRIVATE.raw_decrypt(int(found[position].ciphertext))


def test_challenges_are_shorter_than_the_factors_of_every_key_in_use():
    statement = plaintext_proof._statement([mpz(1)], N, CONTEXT)
    weights = plaintext_proof._challenges(statement, mpz(1), 1000)
    assert max(w.bit_length() for w in weights) == 128 < 2048 // 2
    assert len(set(weights)) == 1000


def challenge_of(**changes) -> list[mpz]:
    said = {"ciphertexts": numbers(opened()), "n": N, "context": CONTEXT, "commitment": mpz(7)}
    said |= changes
    statement = plaintext_proof._statement(said["ciphertexts"], said["n"], said["context"])
    return plaintext_proof._challenges(statement, said["commitment"], 4)


def test_every_part_of_the_statement_changes_every_challenge():
    own = numbers(opened())
    others = [{"context": b""}, {"context": b"contexu"}, {"n": N + 2}, {"commitment": mpz(8)}]
    others += [{"ciphertexts": [*own[:k], own[k] + 1, *own[k + 1 :]]} for k in range(4)]
    others += [
        {"ciphertexts": own[::-1]},
        {"ciphertexts": own[:3]},
        {"ciphertexts": [*own, own[0]]},
    ]
    columns = list(zip(challenge_of(), *(challenge_of(**other) for other in others), strict=True))
    assert all(len(set(column)) == len(others) + 1 for column in columns)


def test_lists_that_run_into_each_other_hash_apart():
    lists = [[mpz(1), mpz(2)], [mpz(0x0102)], [mpz(0x01), mpz(0x02), mpz(1)], [mpz(2), mpz(1)]]
    assert len({plaintext_proof._statement(c, N, CONTEXT) for c in lists}) == len(lists)


# --- Masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["another context", "other ciphertexts"])
def test_a_stream_drawn_from_again_gives_other_masks_for_another_statement(what):
    """The same x under other challenges would give Σ ρ_l·m_l away."""
    found = opened()
    first = proof_of(found, label="repeated")
    if what == "another context":
        second = proof_of(found, b"another", label="repeated")
    else:
        second = proof_of(opened(label="others"), label="repeated")
    assert first.commitment != second.commitment


def test_the_same_stream_and_statement_give_the_same_proof():
    assert proof_of(opened(), label="same") == proof_of(opened(), label="same")
    assert proof_of(opened(), label="same") != proof_of(opened(), label="other")
