"""How an update is encrypted: packed Paillier ciphertexts, or a one-time lattice key under them.

Which suite a round has follows from the terms and the length of the model, so that every member
computes it for itself. ``auto`` takes the cheaper one by the measured costs below.
"""

from dataclasses import dataclass
from functools import lru_cache

from keyshare.hybrid import RINGS, Lattice, key_ciphertext_count
from keyshare.rounds import Packing, Quantisation, Slots, Tally, ciphertext_count
from protocol.board.messages import Opening, SuiteName
from protocol.terms import Terms

# Measured on one core of an AMD EPYC: only ratios matter. What one ciphertext costs a member, which
# encrypts it and makes a part of its decryption.
_CIPHERTEXT_SECONDS = {2048: 0.027, 3072: 0.062}
_WEIGHT_SECONDS = 55e-9  # of the lattice: encrypted once, opened once
_FIXED_SECONDS = 0.005  # of the lattice whatever the length: the proof, the first block


# Bits that packed values give up at most where that spares a ciphertext, and are left at least: the
# hybrid suite, whose models are the long ones, has 17 to 20.
_MOST_SPARED_BITS, _LEAST_SPARING_BITS = 7, 20


@dataclass(frozen=True)
class Suite:
    """A suite under the terms of a federation; ``lattice`` is None for packed Paillier."""

    name: SuiteName
    lattice: Lattice | None
    terms: Terms

    def ciphertext_count(self, length: int) -> int:
        """Paillier ciphertexts of a contribution for ``length`` weights."""
        if self.lattice is not None:
            return key_ciphertext_count(self.lattice, self.terms.key_bits)
        return ciphertext_count(self.slot_count(length), self.packing(length))

    def chunk_count(self, length: int) -> int:
        """Blobs of a vector of ``length`` weights, with what goes before them."""
        return 0 if self.lattice is None else self.lattice.chunk_count(self.slot_count(length))

    def slot_count(self, length: int) -> int:
        """Slots of a contribution for ``length`` weights."""
        if self.lattice is None:
            return self.packing(length).head + length
        terms = self.terms
        return self._slots(self._bits(length), terms.clip, terms.max_examples, length).count

    def packing(self, length: int) -> Packing:
        """How the slots for ``length`` weights lie in plaintexts under packed Paillier."""
        return _packing(self.terms, length)

    def slots(self, opening: Opening) -> Slots:
        """What the slots of a training round are: how weights become integers, what is counted.

        Raises BadParameters if the opening's bounds are none.
        """
        length = opening.length
        return self._slots(self._bits(length), opening.clip, opening.max_examples, length)

    def seconds(self, length: int) -> float:
        """What a member computes for a round, by the cost table."""
        known = min(_CIPHERTEXT_SECONDS, key=lambda bits: abs(bits - self.terms.key_bits))
        each = _CIPHERTEXT_SECONDS[known] * (self.terms.key_bits / known) ** 3
        lattice = _FIXED_SECONDS + length * _WEIGHT_SECONDS if self.lattice is not None else 0.0
        return self.ciphertext_count(length) * each + lattice

    def _bits(self, length: int) -> int:
        """Bits of a slot's value: as many as the terms say and the suite carries."""
        if self.lattice is not None:
            return min(self.terms.precision_bits, self.lattice.levels.bit_length() - 1)
        return self.packing(length).value_bits

    def _slots(self, bits: int, clip: float, max_examples: int, length: int) -> Slots:
        terms = self.terms
        tally = Tally(terms.clip, terms.max_examples, terms.n_members, bits)
        together = self.lattice.weights_per_coefficient if self.lattice is not None else 1
        return Slots(Quantisation(clip, bits, max_examples), tally, length, together)


@lru_cache(maxsize=64)
def _packing(terms: Terms, length: int) -> Packing:
    """Of values with as many bits as the terms say, or fewer.

    The tally, and the reserve for what blinds, cost no ciphertext where values of fewer bits make
    room for them.
    """
    suite = suite_of("paillier", terms)

    def of(bits: int) -> Packing:
        head = suite._slots(bits, terms.clip, terms.max_examples, 0).head
        return Packing.choose(terms.key_bits, bits, terms.n_members, head)

    full = of(terms.precision_bits)
    without_tally = -(-(length + 1) // full.slots)
    least = max(_LEAST_SPARING_BITS, terms.precision_bits - _MOST_SPARED_BITS)
    for bits in range(terms.precision_bits, least - 1, -1):
        if ciphertext_count((packing := of(bits)).head + length, packing) <= without_tally:
            return packing
    return full


@lru_cache(maxsize=64)
def suite_of(name: SuiteName, terms: Terms) -> Suite:
    """A suite of that name."""
    ring = RINGS.get(name)
    return Suite(name, Lattice(ring, terms.n_members) if ring else None, terms)


@lru_cache(maxsize=64)
def suite_for(terms: Terms, length: int) -> Suite:
    """The suite of a training round for a model of ``length`` weights."""
    if terms.suite != "auto":
        return suite_of(terms.suite, terms)
    candidates = [suite_of("paillier", terms), suite_of("hybrid", terms)]
    return min(candidates, key=lambda suite: suite.seconds(length))
