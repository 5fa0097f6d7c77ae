"""Decoders of keys and of what is encrypted under them: epochs, shares, ciphertexts, proofs."""

from contextlib import suppress
from decimal import Context
from functools import lru_cache

import gmpy2
import numpy as np
from gmpy2 import mpz

from aggregator.rounds.sums import sum_in_steps
from keyshare.errors import BadKeyShare, CorruptSum, KeyshareError
from keyshare.hybrid.checksum import Checksum, ChecksumKey, read_checksum, write_checksum
from keyshare.hybrid.key_packing import pack_key, unpack_key
from keyshare.hybrid.one_time_key import OneTimeKey, SummedKey, read_words, write_sum
from keyshare.key.partial_decryption import partial_decryption as make_partial
from keyshare.proofs.equality_proof import EqualPowers, prove, verify
from keyshare.randomness import Stream
from keyshare.rounds.packing import pack
from keyshare.rounds.statistic import MAX_DECIMALS
from keyshare.steps import finish
from protocol.board.payload_sizes import expected_count
from protocol.board.study import Study
from protocol.board.suite import suite_of
from protocol.encoding import decode, encode, pack_numbers, width_of
from protocol.errors import BadSeal, Malformed
from protocol.handover.machine import _read_share
from protocol.key.epoch import read_epoch, read_secret
from protocol.key.proof_encoding import Proof, read_proof, write_proof
from protocol.key_check.check import _Trial
from protocol.messages.attachment import attach
from protocol.messages.rounds import Contribution, Opening
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    check_proof,
    lattice_context,
    read_ciphertexts,
)
from protocol.rounds.partial_payload import LockedSum
from protocol.rounds.statistic import decode_sums
from protocol.rounds.view import read_training
from protocol.sealing import SealContext, SealingKey, check_public, seal
from tests.fuzz.codecs import tree_of
from tests.fuzz.target import Case, target
from tests.stage.rounds.contribution import encrypt, hybrid_lattice, payload_of, proved
from tests.stage.rounds.selected import select
from tests.stage.rounds.whole_update import quantise, sum_of
from tests.stage.studies import statistic_study, training_study
from tests.stage.toy import seed_of, toy_epoch

MEMBER = 2
EXACT = Context(prec=1_000)


@lru_cache(maxsize=1)
def toy():
    return toy_epoch(3, 2)


@target("epoch", "protocol.key.epoch.read_epoch", limit=8_192)
def epoch() -> Case:
    terms = toy().federation.terms

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = read_epoch(data, terms)
            assert encode(found) == data
            key = found.joint_key()
            assert len(key.verification_keys) == terms.n_members
            assert all(gmpy2.gcd(v, key.n) == 1 for v in key.verification_keys)

    return Case(run, [encode(toy().epoch)])


@target("key-share", "protocol.key.epoch.read_secret", limit=16_384)
def key_share() -> Case:
    terms = toy().federation.terms
    own = toy().secrets[MEMBER]

    def run(data: bytes) -> None:
        with suppress(Malformed):
            _, secret = read_secret(data, terms, MEMBER)
            assert encode(secret) == data
            assert secret.index == MEMBER

    return Case(run, [encode(own), encode(toy().secrets[1])])


def _training() -> Study:
    return training_study(toy().federation.terms)


def _opening_of(study: Study, length: int) -> Opening:
    return Opening(study.digest, toy().epoch.digest, bytes(32), length, "paillier", 8.0, 1_000)


_OF_CONTRIBUTIONS = (
    "protocol.rounds.ciphertexts.read_ciphertexts and check_proof, aggregator.rounds.sums.OpenRound"
)


@target("contribution-to-training", _OF_CONTRIBUTIONS)
def contribution_to_training() -> Case:
    study = _training()
    return _contribution(study, _opening_of(study, 20))


@target("contribution-to-statistic", _OF_CONTRIBUTIONS)
def contribution_to_statistic() -> Case:
    study = statistic_study(toy().federation.terms, 3)
    return _contribution(study, Opening(study.digest, toy().epoch.digest, bytes(32), 3))


def _contribution(study: Study, opening: Opening) -> Case:
    """Read as a hospital reads it, and added to another one as the aggregator adds them."""
    key, session = EncryptionKey.of(toy().epoch), study.round(1)
    n, count = key.encryptor.n, expected_count(opening, study)
    body = Contribution(bytes(32), attach(b""), ())

    def made(member: int) -> bytes:
        plaintexts = [mpz(5 + k) for k in range(count)]
        return payload_of(proved(plaintexts, member, session, bytes(32), toy().epoch), toy().epoch)

    other, honest = made(1), made(MEMBER)

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = read_ciphertexts(data, opening, study, n)
            assert len(found.values) == count
            assert all(0 < v < n * n and gmpy2.gcd(v, n) == 1 for v in found.values)
            check_proof(found, body, session, MEMBER, key)
            assert data == honest, "a proof that nobody made"
        payloads = {1: other, MEMBER: data}
        fit = select(payloads, session, opening, study, toy().epoch).fit
        assert fit == ({1, MEMBER} if data == honest else {1})
        finish(sum_in_steps((payloads[member] for member in fit), opening, study, n))

    return Case(run, [honest, other])


@target(
    "partial-decryption", "protocol.rounds.partial_payload.LockedSum.open_with, inside its seal"
)
def partial_decryption() -> Case:
    secret, content_key = toy().secrets[MEMBER], seed_of("fuzz content key")
    total = Encrypted(tuple(o.ciphertext for o in encrypt([5, 6], toy().epoch, "fuzz partial")))
    locked = LockedSum.of(
        toy().epoch, "study/cardio/1", bytes(32), total, tuple(toy().federation.members)
    )
    square, share = locked.key.n**2, secret.secret_share()
    parts = [make_partial(c, share, locked.key) for c in total.values]
    honest = encode(locked.proved(parts, secret, seed_of("fuzz proof")))
    cipher = locked._cipher(MEMBER, content_key)

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = locked.open_with(content_key, cipher.encrypt(bytes(12), data, None), MEMBER)
            # A proof shows numbers up to their signs.
            pairs = zip(found, parts, strict=True)
            assert all((a * a - b * b) % square == 0 for a, b in pairs), "a wrong part is proved"
        with suppress(Malformed):
            locked.open_with(content_key, data, MEMBER)

    return Case(run, [honest])


@target("equality-proof", "protocol.key.proof_encoding.Proof, read_proof, equality_proof.verify")
def equality_proof() -> Case:
    key = toy().key
    square, share = key.n**2, toy().shares[MEMBER]
    bound = mpz(1) << (share.value.bit_length() + 8)
    base = gmpy2.powmod(key.verification_base, key.delta, square)
    value = key.verification_keys[MEMBER - 1]
    raised = gmpy2.powmod(mpz(7), 2 * key.delta, square)
    partial = gmpy2.powmod(raised, share.value, square)
    stream = Stream(seed_of("fuzz proof"))
    statement = EqualPowers(base, value, [raised], [partial], square, bound, b"context")
    honest = encode(write_proof(prove(share.value, statement, stream)))

    def run(data: bytes) -> None:
        with suppress(Malformed):
            said = decode(data, Proof, "proof", 8_192)
            assert encode(said) == data
            proof = read_proof(said)
            if proof is not None and verify(proof, statement):
                assert data == honest, "a proof that nobody made"

    return Case(run, [honest])


@target("key-check-part", "protocol.key_check.check: a member's part of the test value")
def key_check_part() -> Case:
    secret = toy().secrets[MEMBER]
    trial = _Trial(toy().epoch, "check/1", seed_of("fuzz check"))
    honest = trial.part(secret, Stream(seed_of("fuzz check proof")))
    part = trial.checked(MEMBER, honest)

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = trial.checked(MEMBER, data)
            assert (found * found - part * part) % toy().key.n ** 2 == 0, "a wrong part is proved"

    return Case(run, [honest])


@target("sealed-payload", "protocol.sealing.SealingKey.unseal", limit=2_048)
def sealed_payload() -> Case:
    key = SealingKey(seed_of("fuzz seal"))
    context = SealContext(bytes(32), "study/cardio/1", "partial", 1, 2)
    payloads = [b"", b"partial decryptions", bytes(200)]
    sealed = {seal(key.public, payload, context): payload for payload in payloads}

    def run(data: bytes) -> None:
        with suppress(BadSeal):
            opened = key.unseal(data, context)
            assert sealed.get(data) == opened, "a seal that nobody made"

    return Case(run, list(sealed), None)


@target("sealing-key", "protocol.sealing.check_public and seal", limit=2_048)
def sealing_key() -> Case:
    keys = [SealingKey(seed_of("fuzz seal", k)).public for k in range(3)]
    small = [keys[0][:-32] + bytes(32), keys[0][:-32] + b"\1" + bytes(31)]
    context = SealContext(bytes(32), "study/cardio/1", "partial", 1, 2)

    def run(data: bytes) -> None:
        with suppress(Malformed):
            check_public(data)
            seal(data, b"payload", context)

    return Case(run, [*keys, *small], None)


@target("decrypted-average", "keyshare.rounds.packing.unpack and slots.SlotReader")
def decrypted_average() -> Case:
    study = _training()
    opening = _opening_of(study, 20)
    suite = suite_of("paillier", study)
    slots = suite.slots(opening)
    values = quantise(np.linspace(-8, 8, 20), 700, slots, bytes(32))
    plaintexts = pack(values, suite.packing(20))

    def run(data: bytes) -> None:
        numbers = _numbers(data, toy().key.n)
        with suppress(KeyshareError):
            reader = slots.reader(2)
            found = read_training(numbers, opening, study, reader)
            assert found.shape == (0 if reader.is_outgrown else 20,)
            assert np.isfinite(found).all()

    return Case(run, [pack_numbers(plaintexts, width_of(toy().key.n))], None)


@target("decrypted-statistic", "protocol.rounds.statistic.decode_sums")
def decrypted_statistic() -> Case:
    n = toy().key.n

    def run(data: bytes) -> None:
        found = tree_of(data)
        if not (isinstance(found, list) and len(found) == 2):
            return
        number, decimals = found
        if isinstance(number, bytes) and type(decimals) is int and 0 <= decimals <= MAX_DECIMALS:
            plaintext = mpz(int.from_bytes(number, "big"))
            with suppress(KeyshareError):
                (read,) = decode_sums([plaintext], decimals, n)
                assert (int(read.scaleb(decimals, EXACT)) - plaintext) % n == 0

    seeds = [(mpz(5), 0), (n - 5, 32), (n // 3, 100)]
    return Case(run, [encode([int(m).to_bytes(32, "big"), e]) for m, e in seeds])


@target("checksum", "keyshare.hybrid.checksum.read_checksum and Checksum over read_words")
def checksum() -> Case:
    key = ChecksumKey(seed_of("fuzz checksum"))
    said = [write_checksum(value) for value in (0, 1, 1 << 100)]

    def run(data: bytes) -> None:
        found = read_checksum(data)
        assert found is None or write_checksum(found) == data
        for width in (6, 7, 8):
            vector = Checksum(key)
            vector.add(0, read_words(data[: len(data) // width * width], width))
            assert read_checksum(write_checksum(vector.value)) == vector.value

    return Case(run, [*said, bytes(range(168))], None)


@target(
    "summed-key", "keyshare.hybrid.key_packing.unpack_key and one_time_key.SummedKey", limit=8_192
)
def summed_key() -> Case:
    # Only the length of N counts here.
    n, lattice = (mpz(1) << 2_047) + 1, hybrid_lattice(toy().federation.terms)
    digits = np.arange(lattice.ring.degree, dtype=np.int64) % 40 - 20
    honest = pack_key(digits, lattice, n)

    def run(data: bytes) -> None:
        with suppress(CorruptSum):
            found = unpack_key(_numbers(data, n), lattice, n)
            assert found.shape == (lattice.ring.degree,)
            SummedKey(lattice, found, 2)
            assert int(np.abs(found).max()) <= lattice.max_key_digit

    return Case(run, [pack_numbers(honest, width_of(n))], None)


@target(
    "summed-chunk",
    "keyshare.hybrid.one_time_key.SummedKey.open, open_head, add_chunk, write_sum",
    limit=20_480,
)
def summed_chunk() -> Case:
    lattice = hybrid_lattice(toy().federation.terms)
    context = lattice_context(toy().epoch.digest, bytes(32))
    keys = [OneTimeKey(lattice, seed_of("fuzz chunk", k)) for k in (1, 2)]
    values = np.arange(21, dtype=np.int64)
    honest = write_sum(sum_of((k.encrypt(0, values, context) for k in keys), lattice), lattice)
    opener = SummedKey(lattice, keys[0].secret + keys[1].secret, 2)

    def run(data: bytes) -> None:
        with suppress(KeyshareError):
            found = opener.open_head(data, 6, context)
            assert found.shape == (6,)
            assert (found >= 0).all()
        with suppress(KeyshareError):
            found = opener.open(0, data, 21, context)
            assert found.shape == (21,)
            assert (found >= 0).all()

    return Case(run, [honest], None)


def _numbers(data: bytes, n: mpz) -> list[mpz]:
    """Plaintexts as a decryption gives them: below N, each of N's width."""
    width = width_of(n)
    return [mpz(int.from_bytes(data[k : k + width], "big")) % n for k in range(0, len(data), width)]


@target("handover-share", "protocol.handover.machine: a share that is kept", limit=16_384)
def handover_share() -> Case:
    honest = encode(toy().secrets[MEMBER])

    def run(data: bytes) -> None:
        with suppress(Malformed, BadKeyShare):
            found = _read_share(data, toy().epoch, MEMBER)
            assert encode(found) == data
            assert found.secret_share() == toy().shares[MEMBER], "another share"

    return Case(run, [honest])
