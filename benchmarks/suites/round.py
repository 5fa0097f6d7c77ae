"""One contribution under the hybrid suite, and what others do with it, step by step and timed.

The steps of ``participant.rounds.contribution``, ``participant.rounds.summed_vector`` and
``protocol.rounds.decryption``, with ``keyshare``'s functions and without a board or a disk; every
sum is checked.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from benchmarks.partials import prove_part
from benchmarks.timing import Stopwatch
from keyshare.digest import number_bytes
from keyshare.hybrid import (
    Lattice,
    OneTimeKey,
    SummedKey,
    add_chunk,
    pack_key,
    unpack_key,
    write_sum,
)
from keyshare.key import Encryptor, JointKey, SecretShare, add, combine
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import plaintext_proof
from keyshare.randomness import Stream, derive_key
from keyshare.rounds import Averager, Quantisation, Quantiser, largest_change

EXAMPLES = 1_000
CLIP = 8.0
_CONTEXT = bytes(32)


@dataclass(frozen=True)
class Federation:
    """What all members know."""

    key: JointKey
    shares: Mapping[int, SecretShare] = field(repr=False)
    encryptor: Encryptor = field(repr=False)
    lattice: Lattice

    @property
    def quantisation(self) -> Quantisation:
        """With as many bits as the lattice carries."""
        return Quantisation(CLIP, self.lattice.levels.bit_length() - 1, EXAMPLES)

    def entries(self, size: int) -> NDArray[np.float64]:
        """Weights of an update."""
        return np.random.default_rng(0).normal(0, CLIP / 4, size).clip(-CLIP, CLIP)


class Contribution:
    """Encrypts a vector of ``length`` slots, the first of which is the number of examples.

    The entries repeat from chunk to chunk, so that no more than a chunk is kept.
    """

    def __init__(self, federation: Federation, length: int) -> None:
        self._federation, self._length = federation, length
        self._entries = federation.entries(min(length, federation.lattice.chunk_weights))
        self._names: list[bytes] = []
        self.vector_bytes = 0

    def prepare(self) -> None:
        """Derive the one-time key and the rounding from all weights; encrypt the key."""
        hashed, size = hashlib.sha256(), len(self._entries)
        for start in range(0, self._length, size):
            part = self._entries[: min(size, self._length - start)]
            largest_change(part)
            hashed.update(part.tobytes())
        seed = derive_key(secrets.token_bytes(32), "contribution", hashed.digest())
        self._rounding = derive_key(seed, "rounding")
        federation, self._stream = self._federation, Stream.derive(seed, "randomisers")
        self._key = OneTimeKey(federation.lattice, derive_key(seed, "one-time key"))
        plaintexts = pack_key(self._key.secret, federation.lattice, federation.encryptor.n)
        self._opened = plaintext_proof.encrypt_opened(
            plaintexts, federation.encryptor, self._stream
        )

    def chunks(self) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        """Encrypted chunks, with the slots that are in them."""
        for chunk, values in enumerate(self.slots()):
            data = self._key.encrypt(chunk, values, _CONTEXT)
            self._names.append(hashlib.sha256(data).digest())
            self.vector_bytes += len(data)
            yield data, values

    def prove(self) -> plaintext_proof.PlaintextProof:
        """That the key's plaintexts are known to whoever says these names."""
        return plaintext_proof.prove_plaintexts(
            self._opened, self._federation.encryptor, b"".join(self._names), self._stream
        )

    def accepts(self, proof: plaintext_proof.PlaintextProof) -> bool:
        """What each member checks before it helps to decrypt."""
        encryptor, names = self._federation.encryptor, b"".join(self._names)
        return plaintext_proof.verify(proof, self.ciphertexts, encryptor, names)

    def slots(self) -> Iterator[NDArray[np.int64]]:
        """All slots, a chunk at a time."""
        size = self._federation.lattice.chunk_weights
        quantiser = Quantiser(EXAMPLES, self._federation.quantisation, self._rounding)
        for start in range(0, self._length, size):
            count = min(size, self._length - start)
            if start:
                yield quantiser.slots(self._entries[:count])
            else:
                first = quantiser.slots(self._entries[: count - 1])
                yield np.concatenate([[EXAMPLES], first])

    @property
    def ciphertexts(self) -> list[mpz]:
        """Of the one-time key, under the joint key."""
        return [one.ciphertext for one in self._opened]

    @property
    def secret(self) -> NDArray[np.int64]:
        """The one-time key's coefficients."""
        return self._key.secret


@dataclass(frozen=True)
class Cost:
    """Seconds of each step, and the bytes of one contribution."""

    seconds: dict[str, float]
    sent: int


def vector_cost(federation: Federation, length: int) -> Cost:
    """Encrypt one contribution, add it to another one, and open their sum, chunk by chunk."""
    watch, lattice, quantisation = Stopwatch(), federation.lattice, federation.quantisation
    one, other = Contribution(federation, length), Contribution(federation, length)
    with watch("encrypt_seconds"):
        one.prepare()
        chunks = one.chunks()
    other.prepare()
    key = SummedKey(lattice, one.secret + other.secret, 2)
    averager = Averager(2 * EXAMPLES, 2, quantisation)
    for chunk, (theirs, values) in enumerate(other.chunks()):
        total = add_chunk(None, theirs, lattice)
        with watch("encrypt_seconds"):
            data, own = next(chunks)
        with watch("add_seconds"):
            total = add_chunk(total, data, lattice)
        written = write_sum(total, lattice)
        with watch("open_seconds"):
            sums = key.open(chunk, written, len(values), _CONTEXT)
            averager.entries(sums if chunk else sums[1:])
        if (sums != own + values).any():
            raise ArithmeticError("the sum is wrong")
    with watch("encrypt_seconds"):
        proof = one.prove()
    with watch("verify_seconds"):
        accepted = one.accepts(proof)
    if not accepted:
        raise ArithmeticError("the proof is wrong")
    with watch("add_seconds"):
        _sum_of_keys((one, other), federation)
    return Cost(watch.seconds, one.vector_bytes + _payload_bytes(one, proof, federation))


def key_costs(federation: Federation, runs: int) -> list[dict[str, float]]:
    """A sum of one-time keys, decrypted by a quorum: one member's part, its proof, combining.

    The others' parts are computed once, and not measured.
    """
    key, share = federation.key, federation.shares[1]
    both = [Contribution(federation, 2) for _ in range(2)]
    for one in both:
        one.prepare()
    total = _sum_of_keys(both, federation)
    others = {i: _part(total, i, federation) for i in range(2, key.quorum + 1)}
    found = []
    for _ in range(runs):
        watch = Stopwatch()
        with watch("partial_seconds"):
            own = _part(total, 1, federation)
        prove_part(total, own, share, key, watch)
        with watch("combine_seconds"):
            columns = zip(*({1: own} | others).values(), strict=True)
            parts = [dict(enumerate(column, start=1)) for column in columns]
            plaintexts = [combine(each, key) for each in parts]
            digits = unpack_key(plaintexts, federation.lattice, key.n)
        if (digits != both[0].secret + both[1].secret).any():
            raise ArithmeticError("the summed key is wrong")
        found.append(watch.seconds)
    return found


def _part(total: Sequence[mpz], member: int, federation: Federation) -> list[mpz]:
    share, key = federation.shares[member], federation.key
    return [partial_decryption(c, share, key) for c in total]


def _sum_of_keys(contributions: Sequence[Contribution], federation: Federation) -> list[mpz]:
    columns = zip(*(one.ciphertexts for one in contributions), strict=True)
    return [add(column, federation.encryptor.n) for column in columns]


def _payload_bytes(
    one: Contribution, proof: plaintext_proof.PlaintextProof, federation: Federation
) -> int:
    """Ciphertexts of full width and the proof's numbers; frames and signatures come on top."""
    width = (2 * federation.encryptor.n.bit_length() + 7) // 8
    numbers = proof.commitment, proof.plaintext, proof.exponent
    return int(len(one.ciphertexts) * width + sum(len(number_bytes(x)) for x in numbers))
