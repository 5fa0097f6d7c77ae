"""A colluding hospital submits λ·c_V and K_V^λ of another and reads its weights out of the sum.

With two honest parties V and W the opened sum is (1+λ)·m_V + m_W: its remainder modulo 1+λ gives
the low bits of each of W's weights, its quotient the high bits of V's. The errors, (1+λ)·e_V + e_W,
stay within Δ/2. That is why a contribution needs a proof that its plaintexts are known.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import gmpy2
import numpy as np
import phe
import pytest
from gmpy2 import mpz

from keyshare.errors import CorruptSum
from keyshare.hybrid.key_packing import pack_key, unpack_key
from keyshare.hybrid.lattice import S1, Lattice
from keyshare.hybrid.one_time_key import OneTimeKey, SummedKey, write_sum
from keyshare.key.encryption import Encryptor, add, randomiser_base
from keyshare.proofs.plaintext_proof import Opened, PlaintextProof, encrypt_opened, prove_plaintexts
from keyshare.randomness import Stream
from protocol.errors import Malformed
from protocol.messages.attachment import attach
from protocol.messages.rounds import Contribution
from protocol.rounds import ciphertexts
from protocol.rounds.ciphertexts import Encrypted, EncryptionKey, check_proof, proof_context
from tests.keyshare.key.test_joint_key import prime_3_mod_4
from tests.stage.rounds.whole_update import sum_of
from tests.stage.toy import seed_of

LATTICE = Lattice(S1, 16)
CONTEXT, EPOCH, OPENING = seed_of("context"), seed_of("epoch"), seed_of("opening")
SESSION = "study/cardio/1"
V, W, COLLUDER = 1, 2, 3
FACTOR = 8  # 1 + λ
COUNT = 500


@lru_cache(maxsize=1)
def private_key() -> phe.PaillierPrivateKey:
    """512 bits, from fixed primes that are 3 mod 4; the quorum in person."""
    p, q = (prime_3_mod_4(mpz(k) << 253) for k in (5, 7))
    return phe.PaillierPrivateKey(phe.PaillierPublicKey(int(p * q)), int(p), int(q))


N = mpz(private_key().public_key.n)
ENCRYPTOR = Encryptor(N, randomiser_base(N, EPOCH))
KEY = EncryptionKey(EPOCH, ENCRYPTOR)


@dataclass(frozen=True)
class Sent:
    """What a hospital's contribution shows to everyone."""

    chunk: bytes
    body: Contribution
    encrypted: Encrypted

    def accepted_from(
        self, member: int, session: str = SESSION, body: Contribution | None = None
    ) -> bool:
        try:
            check_proof(self.encrypted, body or self.body, session, member, KEY)
        except Malformed:
            return False
        return True


def weights_of(member: int) -> np.ndarray:
    found = np.random.default_rng(member).integers(0, LATTICE.levels, COUNT)
    found[:2] = 0, LATTICE.levels - 1
    return found


def opened_key(member: int) -> list[Opened]:
    key = OneTimeKey(LATTICE, seed_of("one-time", member))
    stream = Stream(seed_of("randomisers", member))
    return encrypt_opened(pack_key(key.secret, LATTICE, N), ENCRYPTOR, stream)


def body_of(chunk: bytes, opening: bytes = OPENING) -> Contribution:
    return Contribution(opening, attach(b""), (seed_of(chunk.hex()),))


def proof_by(member: int, opened: list[Opened], body: Contribution) -> PlaintextProof:
    bound_to = proof_context(EPOCH, SESSION, member, body.opening, body.vector)
    return prove_plaintexts(opened, ENCRYPTOR, bound_to, Stream(seed_of("proof", member)))


@lru_cache(maxsize=4)
def honest(member: int) -> Sent:
    key = OneTimeKey(LATTICE, seed_of("one-time", member))
    chunk, opened = key.encrypt(0, weights_of(member), CONTEXT), opened_key(member)
    body = body_of(chunk)
    values = tuple(one.ciphertext for one in opened)
    return Sent(chunk, body, Encrypted(values, proof_by(member, opened, body)))


def times(chunk: bytes, factor: int) -> bytes:
    """λ·c mod q/2^d, coefficient by coefficient."""
    width = LATTICE.contribution_bytes
    values = [int.from_bytes(chunk[k : k + width], "little") for k in range(0, len(chunk), width)]
    reduced = (factor * x % (1 << S1.wire_bits) for x in values)
    return b"".join(x.to_bytes(width, "little") for x in reduced)


@lru_cache(maxsize=1)
def copied() -> Sent:
    """λ·c_V and K_V^λ·Enc(0): nothing of it equals anything of V's."""
    victim, stream = honest(V), Stream(seed_of("colluder"))
    chunk = times(victim.chunk, FACTOR - 1)
    values = tuple(
        gmpy2.powmod(k, FACTOR - 1, N * N) * ENCRYPTOR.encrypt(mpz(0), stream) % (N * N)
        for k in victim.encrypted.values
    )
    return Sent(chunk, body_of(chunk), Encrypted(values))


def opened_sum(contributors: int, sent: tuple[Sent, ...]) -> np.ndarray:
    """What the quorum opens of these contributions if nobody looks at the proofs."""
    total = sum_of((one.chunk for one in sent), LATTICE)
    columns = zip(*(one.encrypted.values for one in sent), strict=True)
    sums = [mpz(private_key().raw_decrypt(int(add(column, N)))) for column in columns]
    summed = SummedKey(LATTICE, unpack_key(sums, LATTICE, N), contributors)
    return summed.open(0, write_sum(total, LATTICE), COUNT, CONTEXT)


# ── without the proof ──


def test_the_sum_with_a_copy_shows_the_weights_of_both_others():
    """As the colluder computes, who has the summed key: it knows which spread to expect."""
    found = opened_sum(FACTOR**2 + 1, (honest(V), honest(W), copied()))
    assert (found == FACTOR * weights_of(V) + weights_of(W)).all()
    assert (found % FACTOR == weights_of(W) % FACTOR).all()  # three bits of every weight of W
    away = found // FACTOR - weights_of(V)
    assert away.min() >= 0
    assert away.max() <= LATTICE.levels // FACTOR  # and three bits of every weight of V


def test_the_spread_of_the_errors_shows_it_only_when_the_key_is_open():
    with pytest.raises(CorruptSum, match="no honest"):
        opened_sum(3, (honest(V), honest(W), copied()))


def test_an_honest_sum_opens_to_the_sum():
    found = opened_sum(3, (honest(V), honest(W), honest(COLLUDER)))
    assert (found == weights_of(V) + weights_of(W) + weights_of(COLLUDER)).all()


# ── with it ──


def test_honest_contributions_are_accepted():
    assert all(honest(member).accepted_from(member) for member in (V, W, COLLUDER))


def test_a_copy_without_a_proof_is_refused():
    assert not copied().accepted_from(COLLUDER)


def test_a_copy_with_the_victims_proof_is_refused():
    found = replace(copied().encrypted, proof=honest(V).encrypted.proof)
    for body in (copied().body, honest(V).body):
        sent = Sent(copied().chunk, body, found)
        assert not sent.accepted_from(COLLUDER)
        assert not sent.accepted_from(V)


def test_a_copy_with_the_victims_proof_scaled_alike_is_refused():
    proof = honest(V).encrypted.proof
    assert proof
    scaled = PlaintextProof(
        gmpy2.powmod(proof.commitment, FACTOR - 1, N * N),
        proof.plaintext * (FACTOR - 1) % N,
        proof.exponent * (FACTOR - 1),
    )
    for other in (scaled, replace(scaled, exponent=proof.exponent)):
        found = replace(copied().encrypted, proof=other)
        assert not Sent(copied().chunk, copied().body, found).accepted_from(COLLUDER)


def test_a_copy_with_a_proof_for_other_plaintexts_is_refused():
    own, body = opened_key(COLLUDER), copied().body
    for_own = proof_by(COLLUDER, own, body)
    lie = [
        replace(one, ciphertext=value)
        for one, value in zip(own, copied().encrypted.values, strict=True)
    ]
    for proof in (for_own, proof_by(COLLUDER, lie, body)):
        found = replace(copied().encrypted, proof=proof)
        assert not Sent(copied().chunk, body, found).accepted_from(COLLUDER)


def test_the_victims_contribution_as_it_is_is_refused_from_another():
    assert not honest(V).accepted_from(COLLUDER)
    assert not honest(V).accepted_from(W)


@pytest.mark.parametrize("session", ["study/cardio/2", "study/cardio/10", ""])
def test_a_contribution_of_another_round_is_refused(session):
    assert not honest(V).accepted_from(V, session)


def test_a_contribution_to_another_opening_is_refused():
    body = body_of(honest(V).chunk, seed_of("another opening"))
    assert not honest(V).accepted_from(V, body=body)


def test_the_victims_key_with_another_vector_is_refused():
    """Else V's key would open what the colluder chose, beside V's own."""
    body = honest(V).body
    for vector in ((), (seed_of("chosen"),), body.vector * 2):
        other = Contribution(body.opening, body.ciphertexts, vector)
        assert not honest(V).accepted_from(V, body=other)


def test_a_contribution_of_another_epoch_is_refused():
    sent = honest(V)
    with pytest.raises(Malformed, match="no fitting proof"):
        check_proof(
            sent.encrypted, sent.body, SESSION, V, EncryptionKey(seed_of("epoch 2"), ENCRYPTOR)
        )


def test_if_the_proof_were_not_bound_to_who_says_it_a_replay_would_pass(monkeypatch):
    bound = ciphertexts.proof_context
    monkeypatch.setattr(ciphertexts, "proof_context", lambda e, s, m, *b: bound(e, SESSION, V, *b))
    assert honest(V).accepted_from(COLLUDER)
    assert honest(V).accepted_from(V, "study/cardio/2")
    monkeypatch.undo()
    assert not honest(V).accepted_from(COLLUDER)
    assert not honest(V).accepted_from(V, "study/cardio/2")
