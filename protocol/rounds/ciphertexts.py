"""The payload of contributions and sums: lists of Paillier ciphertexts under the joint key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.errors import KeyshareError
from keyshare.key import Encryptor, check_ciphertexts, randomiser_base
from keyshare.proofs import PlaintextProof, ProvedPlaintexts, verify_in_steps
from keyshare.steps import NUMBERS_A_STEP, Steps, finish, parts
from protocol.board import Study, expected_count
from protocol.encoding import (
    check_length,
    decode,
    digest,
    encode,
    pack_numbers,
    unpack_numbers,
    width_of,
)
from protocol.errors import Malformed
from protocol.key import Epoch, to_number
from protocol.messages import (
    MAX_BLOB_BYTES,
    MAX_INLINE_BYTES,
    NEAR_TO_NOTHING,
    Ciphertexts,
    Contribution,
    Near,
    Opening,
)


@dataclass(frozen=True)
class Encrypted:
    """Ciphertexts of a vector, with the proof of whoever contributes them; a sum has none."""

    values: tuple[mpz, ...]
    proof: PlaintextProof | None = None


def write_ciphertexts(encrypted: Encrypted, n: mpz) -> bytes:
    """The payload of a contribution or a sum."""
    numbers = pack_numbers(encrypted.values, width_of(n * n))
    proof = encrypted.proof
    said = (proof.commitment, proof.plaintext, proof.exponent) if proof else ()
    return encode(Ciphertexts(numbers, tuple(map(number_bytes, said))))


def read_ciphertexts(payload: bytes, opening: Opening, study: Study, n: mpz) -> Encrypted:
    """The ciphertexts in a payload, each a unit mod N², as many as the round has.

    The proof is read, not checked: see ``check_proof``. Raises Malformed on another count or a
    number out of range.
    """
    return finish(read_in_steps(payload, opening, study, n))


def read_in_steps(payload: bytes, opening: Opening, study: Study, n: mpz) -> Steps[Encrypted]:
    """The same in steps."""
    found = decode(payload, Ciphertexts, "ciphertexts", MAX_BLOB_BYTES)
    yield
    values = yield from _units(found.numbers, expected_count(opening, study), n)
    return Encrypted(tuple(values), _read_proof(found.proof))


def _units(numbers: bytes, count: int, n: mpz) -> Steps[list[mpz]]:
    square, values = n * n, list[mpz]()
    width = width_of(square)
    check_length(numbers, width, count, "ciphertexts")
    each = width * NUMBERS_A_STEP
    for start in range(0, len(numbers), each):
        data = numbers[start : start + each]
        some = unpack_numbers(data, width, len(data) // width, square, "ciphertexts")
        try:
            check_ciphertexts(some, n)
        except KeyshareError as error:
            raise Malformed("ciphertexts", str(error)) from None
        values += some
        yield
    return values


def _read_proof(numbers: Sequence[bytes]) -> PlaintextProof | None:
    if not numbers:
        return None
    if len(numbers) != 3 or any(len(n) > MAX_INLINE_BYTES or n[:1] == b"\0" for n in numbers):
        raise Malformed("ciphertexts", "a proof that does not read")
    return PlaintextProof(*(mpz(int.from_bytes(number, "big")) for number in numbers))


def check_proof(
    encrypted: Encrypted, body: Contribution, session: str, member: int, key: EncryptionKey
) -> None:
    """Raises Malformed unless the member has shown that it knows what it encrypted.

    For every contribution, whatever the round: one key opens all sums, so that an unproved copy or
    multiple of anything that was ever encrypted under it could be read out of any of them.
    """
    finish(check_proof_in_steps(encrypted, body, session, member, key))


def check_proof_in_steps(
    encrypted: Encrypted, body: Contribution, session: str, member: int, key: EncryptionKey
) -> Steps[None]:
    """The same in steps."""
    said = proved_plaintexts(encrypted, body, session, member, key)
    if said is not None:
        shown = said.proof, said.ciphertexts, key.encryptor, said.context
        if (yield from verify_in_steps(*shown)):
            return
    raise Malformed("ciphertexts", "no fitting proof that their plaintexts are known")


def proved_plaintexts(
    encrypted: Encrypted, body: Contribution, session: str, member: int, key: EncryptionKey
) -> ProvedPlaintexts | None:
    """What a contribution's proof says; None if it has no proof."""
    if encrypted.proof is None:
        return None
    context = proof_context(key.epoch, session, member, body.opening, body.vector, body.near)
    return ProvedPlaintexts(encrypted.values, encrypted.proof, context)


def proof_context(
    epoch: bytes,
    session: str,
    member: int,
    opening: bytes,
    vector: Sequence[bytes] = (),
    near: Near = NEAR_TO_NOTHING,
) -> bytes:
    """What the proof is bound to beside the ciphertexts: epoch, round, who, vector, and near.

    The digests of the epoch and of the opening's post hold the federation and the plan.
    """
    said = encode((list(vector), near))
    place = (epoch, session.encode(), member.to_bytes(8, "big"), opening)
    return digest("quorate/contribution proof", *place, said)


@dataclass(frozen=True)
class EncryptionKey:
    """The joint key as those use it who encrypt or check proofs; made once for an epoch."""

    epoch: bytes
    encryptor: Encryptor

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, epoch: Epoch) -> EncryptionKey:
        """The key of an epoch; its table takes 0.4 s at 3072 bits."""
        n = to_number(epoch.n)
        return cls(epoch.digest, Encryptor(n, randomiser_base(n, epoch.digest)))


def lattice_context(epoch: bytes, opening: bytes) -> bytes:
    """What public polynomials are expanded from: federation, epoch, round, suite and length.

    opening: the digest of the opening's post, which holds all of these.
    """
    return digest("quorate/lattice context", epoch, opening)


def add_encrypted(contributions: Sequence[Encrypted], n: mpz) -> Encrypted:
    """The encrypted sum, position by position, of units, as ``read_ciphertexts`` gives them."""
    total = list(contributions[0].values) if contributions else []
    for one in contributions[1:]:
        finish(multiply_in_steps(total, one.values, n))
    return Encrypted(tuple(total))


def multiply_in_steps(total: list[mpz], values: Sequence[mpz], n: mpz) -> Steps[None]:
    """Add a contribution's ciphertexts, units all, to a sum, position by position and in place."""
    square = n * n
    for part in parts(len(total)):
        pairs = zip(total[part], values[part], strict=True)
        total[part] = [a * b % square for a, b in pairs]
        yield
