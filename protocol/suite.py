"""How an update is encrypted: packed Paillier ciphertexts, or a one-time lattice key under them.

Which suite a round has follows from the terms and the length of the model, so that every member
computes it for itself. ``auto`` takes the cheaper one by the measured costs below.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyshare.key_packing import key_ciphertext_count
from keyshare.lattice import RINGS, Lattice
from keyshare.packing import Packing, ciphertext_count
from keyshare.quantisation import Quantisation
from protocol.messages import SuiteName
from protocol.terms import Terms

# One core, AMD EPYC; only ratios matter. A ciphertext: encrypted once, decrypted in part once.
_CIPHERTEXT_SECONDS = {2048: 0.027, 3072: 0.062}
_WEIGHT_SECONDS = 55e-9  # of the lattice: encrypted once, opened once
_FIXED_SECONDS = 0.005  # of the lattice whatever the length: the proof, the first block


@dataclass(frozen=True)
class Suite:
    """A suite under the terms of a federation; ``lattice`` is None for packed Paillier."""

    name: SuiteName
    packing: Packing
    lattice: Lattice | None
    terms: Terms

    def ciphertext_count(self, length: int) -> int:
        """Paillier ciphertexts of a contribution for ``length`` weights."""
        if self.lattice is not None:
            return key_ciphertext_count(self.lattice, self.terms.key_bits)
        return ciphertext_count(length + 1, self.packing)

    def chunk_count(self, length: int) -> int:
        """Blobs of a vector of ``length`` weights and the contribution's own weight."""
        return 0 if self.lattice is None else self.lattice.chunk_count(length + 1)

    def quantisation(self, clip: float) -> Quantisation:
        """How weights become integers: with as many bits as the terms say and the suite carries."""
        bits = self.terms.precision_bits
        if self.lattice is not None:
            bits = min(bits, self.lattice.levels.bit_length() - 1)
        return Quantisation(clip, bits, self.terms.max_examples)

    def seconds(self, length: int) -> float:
        """What a member computes for a round, by the cost table."""
        known = min(_CIPHERTEXT_SECONDS, key=lambda bits: abs(bits - self.terms.key_bits))
        each = _CIPHERTEXT_SECONDS[known] * (self.terms.key_bits / known) ** 3
        lattice = _FIXED_SECONDS + length * _WEIGHT_SECONDS if self.lattice is not None else 0.0
        return self.ciphertext_count(length) * each + lattice


def suite_of(name: SuiteName, terms: Terms) -> Suite:
    """A suite of that name."""
    ring = RINGS.get(name)
    return Suite(name, packing_of(terms), Lattice(ring, terms.n_members) if ring else None, terms)


def packing_of(terms: Terms) -> Packing:
    """How packed weights of this federation lie in a plaintext."""
    return Packing.choose(terms.key_bits, terms.precision_bits, terms.n_members)


def suite_for(terms: Terms, length: int) -> Suite:
    """The suite of a training round for a model of ``length`` weights."""
    if terms.suite != "auto":
        return suite_of(terms.suite, terms)
    candidates = [suite_of("paillier", terms), suite_of("hybrid", terms)]
    return min(candidates, key=lambda suite: suite.seconds(length))
