"""Hospitals that contribute under the hybrid suite, and what their sum decodes to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gmpy2 import mpz

from keyshare.hybrid.key_packing import unpack_key
from keyshare.hybrid.lattice import Lattice
from keyshare.hybrid.one_time_key import SummedKey, Values
from keyshare.key.partial_decryption import combine, partial_decryption
from protocol.board.post import Posted
from protocol.board.suite import suite_of
from protocol.rounds.ciphertexts import lattice_context, read_ciphertexts
from tests.stage.desk import Desk, federation
from tests.stage.rounds.contribution import Made, hybrid_lattice, training
from tests.stage.studies import SESSION
from tests.stage.toy import toy_epoch

LENGTH = 20_000  # with chunks as short as ``short_chunks`` makes them, three of these
CLIP = 2.5


def hybrid_desk(folder: Path, **changes: Any) -> Desk:
    """A service of a federation of four, whose study encrypts under the hybrid suite."""
    return Desk(folder, federation(n=4, **changes), suite="hybrid")


@dataclass(frozen=True)
class Hospitals:
    """Everybody's side of one open round at a desk."""

    desk: Desk

    @property
    def lattice(self) -> Lattice:
        return hybrid_lattice(self.desk.study(SESSION))

    @property
    def opening(self) -> Posted:
        return self.desk.opened(SESSION)

    @property
    def slot_count(self) -> int:
        """Of the open round."""
        length = self.desk.opening(SESSION).length
        return suite_of("hybrid", self.desk.study(SESSION)).slot_count(length)

    @property
    def context(self) -> bytes:
        return lattice_context(self.desk.epoch.digest, self.opening.digest)

    def make(self, member: int, prover: int | None = None, label: str = "") -> Made:
        """A member's contribution; ``prover`` is whom the proof names, itself unless told."""
        draw = np.random.default_rng(member)
        values = draw.integers(0, self.lattice.levels, self.slot_count, dtype=np.int64)
        study, proves = self.desk.study(SESSION), prover or member
        return training(values, proves, self.opening, self.desk.epoch, study, (member, label))

    def post(self, member: int, made: Made) -> Made:
        self.desk.say(member, SESSION, made.body, *made.blobs)
        return made

    def contribute(self, member: int) -> Made:
        return self.post(member, self.make(member))

    def fill(self, *members: int) -> list[Made]:
        return [self.contribute(m) for m in members or self.desk.federation.members]

    def opened_sum(self) -> Values:
        """What a quorum decrypts, and the key opens."""
        closing = self.desk.closing(SESSION)
        assert closing is not None
        toy, opening = toy_epoch(len(self.desk.federation.members), 2), self.desk.opening(SESSION)
        n = mpz(toy.key.n)
        payload = self.desk.service._blobs.payload(closing.total)
        total = read_ciphertexts(payload, opening, self.desk.study(SESSION), n)
        assert total.proof is None
        helpers = {m: toy.shares[m] for m in (1, 2)}
        plaintexts = [
            combine({m: partial_decryption(c, s, toy.key) for m, s in helpers.items()}, toy.key)
            for c in total.values
        ]
        digits = unpack_key(plaintexts, self.lattice, n)
        summed = SummedKey(self.lattice, digits, len(closing.contributors))
        left, each, found = self.slot_count, self.lattice.chunk_weights, []
        for chunk, name in enumerate(closing.vector):
            data = self.desk.service._blobs.read(name)
            found.append(summed.open(chunk, data, min(left, each), self.context))
            left -= each
        return np.concatenate(found)


def work(desk: Desk, seconds: float = 0) -> int:
    """Let time pass and the service do all that it can; how many ticks that took."""
    desk.time_ms += int(1000 * seconds)
    ticks = 0
    while desk.service.tick():
        ticks += 1
        assert ticks < 1_000
    return ticks
