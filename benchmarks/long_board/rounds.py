"""Rounds of a study as five hospitals and an aggregator post them, without their machines.

All is signed and proved, and every sum is right. What is left out is who waits for whom: nobody
decides anything, and nobody opens a sum. A model is that of ``Counter``, which nobody has trained
in these rounds, but anybody could from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Self

import numpy as np

from keyshare.hybrid import write_checksum
from participant.model import Layout, Model, checked
from protocol.board import Draft, Entry, Posted, SignedPost, Study, suite_of
from protocol.key import Epoch, EpochSecret
from protocol.messages import Partial, SetLock, Statement
from protocol.rounds import LockedSum
from protocol.rounds.ciphertexts import add_encrypted
from tests.stage.rounds.aggregator import AggregatorTable
from tests.stage.rounds.contribution import Made, training
from tests.stage.studies import training_study
from tests.stage.toy import ToyEpoch

STUDY, WEIGHTS = "years", 20
KEPT = 10  # rounds whose vectors stay
_AHEAD = 100  # rounds of the plan that are still to come, for whoever goes on with it
_TICK_MS = 1_000  # by the aggregator's clock, from one post to the next


class Counter:
    """An app whose weights all count the rounds."""

    def initial_parameters(self, config: Any) -> Any:
        return weights_after(0)

    def fit(self, parameters: Any, config: Any) -> Any:
        return {name: values + 1 for name, values in parameters.items()}, 100, {}

    def evaluate(self, parameters: Any, config: Any) -> Any:
        return 0.0, 100, {}


def weights_after(number: int) -> dict[str, Any]:
    """The weights after so many rounds."""
    return {"weights": np.full(WEIGHTS, float(number))}


def model_after(number: int) -> Model:
    """The model that everybody states then."""
    weights = weights_after(number)
    return Model.of(checked(weights, Layout.of(weights, ()), "weights"))


@dataclass(frozen=True)
class Hospitals:
    """What hospitals compute, in whatever process."""

    epoch: Epoch
    secrets: Mapping[int, EpochSecret]
    study: Study

    def contribute(self, member: int, opening: Posted) -> Made:
        """A contribution of some slots, proved."""
        suite = suite_of("hybrid", self.study)
        assert suite.lattice is not None
        drawn = np.random.default_rng([opening.position, member])
        slots = suite.slot_count(WEIGHTS)
        values = drawn.integers(0, suite.lattice.levels, slots, dtype=np.int64)
        return training(values, member, opening, self.epoch, self.study)

    def release(self, member: int, locked: LockedSum) -> tuple[Partial, tuple[bytes, ...]]:
        """A part of a sum's decryption, and its blobs."""
        return locked.make(self.secrets[member])


_here: Hospitals  # in a process that computes for them


def _begin(hospitals: Hospitals) -> None:
    global _here  # noqa: PLW0603
    _here = hospitals


def _contribute(member: int, opening: Posted) -> Made:
    return _here.contribute(member, opening)


def _release(member: int, locked: LockedSum) -> tuple[Partial, tuple[bytes, ...]]:
    return _here.release(member, locked)


class LongTable(AggregatorTable):
    """A table whose study has many rounds; made under ``of``, by so many processes."""

    def __init__(self, toy: ToyEpoch, rounds: int, pool: ProcessPoolExecutor) -> None:
        super().__init__(toy, toy.table)
        self._pool, self._study = pool, planned(toy, rounds)
        self.now_ms, self.tick_ms = toy.table.now_ms, _TICK_MS

    @classmethod
    @contextmanager
    def of(cls, toy: ToyEpoch, rounds: int, processes: int) -> Iterator[Self]:
        """The table, until the block ends."""
        begin = Hospitals(toy.epoch, dict(toy.secrets), planned(toy, rounds))
        with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (begin,)) as pool:
            yield cls(toy, rounds, pool)

    def put(self, signed: SignedPost) -> Posted:
        """As any table, but each post is verified once."""
        head = self.board.head
        time_ms = self.now_ms + self.tick_ms * (head.position + 1)
        self.entries.append(entry := Entry(head.position + 1, head.hash, time_ms, signed))
        return self.board.append(entry)

    def spread(self, sender: int, draft: Draft) -> Posted:
        """Nobody listens."""
        return self.say(sender, draft)

    def begin(self) -> None:
        """The plan, all approvals, and the first model."""
        self.found(self._study)
        self._state(0)

    def play(self, number: int) -> None:
        """A round, from its opening to the statements of what came out of it."""
        study, session = self._study, self._study.round(number)
        opening = self.open_round(session)
        tasks = [self._pool.submit(_contribute, i, opening) for i in study.members]
        for member, task in zip(study.members, tasks, strict=True):
            made = task.result()
            self.say(member, Draft(session, made.body, made.blobs))
        self.close_round(session)
        chosen = self.chosen_in(session)
        for member in study.members:
            checksum = write_checksum(self.checksum_in(session, member))
            self.say(member, Draft(session, SetLock(chosen, checksum)))
        found = [self.ciphertexts_of(session, i) for i in study.members]
        total = add_encrypted(found, self.toy.key.n)
        locked = LockedSum.of(self.toy.epoch, session, chosen, total, study.members)
        parts = [self._pool.submit(_release, i, locked) for i in study.members]
        for member, part in zip(study.members, parts, strict=True):
            body, blobs = part.result()
            self.say(member, Draft(session, body, blobs))
        self._state(number)

    def _state(self, number: int) -> None:
        """All state the model that they hold after a round."""
        work, model = self._study.training, model_after(number)
        bounds = work.clip, work.max_examples
        said = Statement(model.digest, WEIGHTS, *bounds, model.layout.digest)
        for member in self._study.members:
            self.say(member, Draft(self._study.round(number), said))


def planned(toy: ToyEpoch, rounds: int) -> Study:
    """The study, of all members."""
    work = {"rounds": rounds + _AHEAD, "suite": "hybrid", "keep_vectors": KEPT}
    return training_study(toy.federation.terms, STUDY, **work)
