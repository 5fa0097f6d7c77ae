"""How an update is encrypted: packed Paillier ciphertexts, or a one-time lattice key under them.

Which suite a training round has follows from the study and the length of the model, so that every
member computes it for itself. ``auto`` takes the cheaper one by the measured costs below. A
statistic has packed Paillier's name, and a ciphertext for each number.
"""

from dataclasses import dataclass
from functools import lru_cache

from keyshare.hybrid import RINGS, Lattice, key_ciphertext_count
from keyshare.rounds import Packing, Quantisation, Slots, Tally, ciphertext_count
from protocol.board.study import Study
from protocol.messages import Opening, SuiteName

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
    """A suite of a study that trains; ``lattice`` is None for packed Paillier."""

    name: SuiteName
    lattice: Lattice | None
    study: Study

    def ciphertext_count(self, length: int) -> int:
        """Paillier ciphertexts of a contribution for ``length`` weights."""
        if self.lattice is not None:
            return key_ciphertext_count(self.lattice, self.study.terms.key_bits)
        return ciphertext_count(self.slot_count(length), self.packing(length))

    def chunk_count(self, length: int) -> int:
        """Blobs of a vector of ``length`` weights, with what goes before them."""
        return 0 if self.lattice is None else self.lattice.chunk_count(self.slot_count(length))

    def slot_count(self, length: int) -> int:
        """Slots of a contribution for ``length`` weights."""
        if self.lattice is None:
            return self.packing(length).head + length
        work = self.study.training
        return self._slots(self._bits(length), work.clip, work.max_examples, length).count

    def packing(self, length: int) -> Packing:
        """How the slots for ``length`` weights lie in plaintexts under packed Paillier."""
        return _packing(self.study, length)

    def slots(self, opening: Opening) -> Slots:
        """What the slots of a training round are: how weights become integers, what is counted.

        Raises BadParameters if the opening's bounds are none.
        """
        length = opening.length
        return self._slots(self._bits(length), opening.clip, opening.max_examples, length)

    def seconds(self, length: int) -> float:
        """What a member computes for a round, by the cost table."""
        key_bits = self.study.terms.key_bits
        known = min(_CIPHERTEXT_SECONDS, key=lambda bits: abs(bits - key_bits))
        each = _CIPHERTEXT_SECONDS[known] * (key_bits / known) ** 3
        lattice = _FIXED_SECONDS + length * _WEIGHT_SECONDS if self.lattice is not None else 0.0
        return self.ciphertext_count(length) * each + lattice

    def _bits(self, length: int) -> int:
        """Bits of a slot's value: as many as the plan says and the suite carries."""
        if self.lattice is not None:
            return min(self.study.training.bits, self.lattice.levels.bit_length() - 1)
        return self.packing(length).value_bits

    def _slots(self, bits: int, clip: float, max_examples: int, length: int) -> Slots:
        work = self.study.training
        tally = Tally(work.clip, work.max_examples, len(self.study.members), bits)
        together = self.lattice.weights_per_coefficient if self.lattice is not None else 1
        return Slots(Quantisation(clip, bits, max_examples), tally, length, together)


@lru_cache(maxsize=64)
def _packing(study: Study, length: int) -> Packing:
    """Of values with as many bits as the plan says, or fewer.

    The tally, and the reserve for what blinds, cost no ciphertext where values of fewer bits make
    room for them.
    """
    suite, work = suite_of("paillier", study), study.training

    def of(bits: int) -> Packing:
        head = suite._slots(bits, work.clip, work.max_examples, 0).head
        return Packing.choose(study.terms.key_bits, bits, len(study.members), head)

    full = of(work.bits)
    without_tally = -(-(length + 1) // full.slots)
    least = max(_LEAST_SPARING_BITS, work.bits - _MOST_SPARED_BITS)
    for bits in range(work.bits, least - 1, -1):
        if ciphertext_count((packing := of(bits)).head + length, packing) <= without_tally:
            return packing
    return full


@lru_cache(maxsize=64)
def suite_of(name: SuiteName, study: Study) -> Suite:
    """The suite of that name for a study that trains."""
    ring = RINGS.get(name)
    return Suite(name, Lattice(ring, len(study.members)) if ring else None, study)


@lru_cache(maxsize=64)
def suite_for(study: Study, length: int) -> Suite:
    """The suite of a study's training rounds for a model of ``length`` weights."""
    name = study.training.suite
    if name != "auto":
        return suite_of(name, study)
    candidates = [suite_of("paillier", study), suite_of("hybrid", study)]
    return min(candidates, key=lambda suite: suite.seconds(length))
