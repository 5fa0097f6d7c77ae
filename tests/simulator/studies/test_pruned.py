"""Vectors are deleted while hospitals train, and one that was away finds its way back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.rounds import stated
from participant.errors import VectorsGone
from participant.model.file import model_name
from tests.simulator.federation import Federation, memory_folder
from tests.simulator.hospital import Hospital
from tests.simulator.oracle import judge
from tests.simulator.plan import Plan
from tests.simulator.studies.person import Job
from tests.simulator.studies.script import common

N, ROUNDS, AWAY = 4, 5, 4
STUDY = common(N, ROUNDS, suite="hybrid", keep=1)
PLAN = Plan(seed=0, n_members=N, quorum=2, founded=True, scripts=(STUDY,), patience=1_000.0)
ROUGH = replace(
    PLAN, drop=0.05, duplicate=0.1, slow=0.1, crash_every=20.0, crash_writes=0.01,
    aggregator_crash_every=15.0, aggregator_crash_syncs=0.01,
)  # fmt: skip


class Journey(Federation):
    """One hospital has approved, and is away until the others have trained some rounds."""

    def __init__(self, folder: Path, plan: Plan, until: int) -> None:
        super().__init__(plan, folder)
        self.until, self.is_back = until, False
        self.gone: list[VectorsGone] = []
        person = self.hospitals[AWAY].person
        self._note, person._note = person._note, self._mend
        self.most = 0  # rounds with vectors at a time

    def begin(self) -> None:
        super().begin()
        self._every(0.5, self._look)

    def _connect(self, hospital: Hospital) -> None:
        if hospital.index != AWAY or self.is_back or not self._has_approved:
            super()._connect(hospital)

    @property
    def _has_approved(self) -> bool:
        state = self.board.studies.get(STUDY.name) if self.services[0].aggregator else None
        return state is not None and state.contributes(AWAY)

    def _look(self) -> None:
        if self.services[0].aggregator is None:
            return
        hospital = self.hospitals[AWAY]
        if not self.is_back and self._has_approved:
            self._link(hospital).up = False
            if self.board.opened(STUDY.name) >= self.until:
                self.is_back = True
                self._connect(hospital)
        self.most = max(self.most, len(self.rounds_kept))

    def _mend(self, job: Job, error: Exception | None) -> None:
        """People copy another hospital's newest model, and type train again."""
        if not isinstance(error, VectorsGone):
            self._note(job, error)
            return
        self.gone.append(error)
        name = model_name(STUDY.name, self.board.opened(STUDY.name) - 1)
        data = self.hospitals[1].disk.read(name)
        assert data is not None
        self.hospitals[AWAY].disk.files[name] = data

    @property
    def rounds_kept(self) -> set[int]:
        """Those of which the aggregator has vectors."""
        query = "SELECT DISTINCT round FROM vectors"
        rows = self.aggregator._store._database._database.execute(query)
        return {number for (number,) in rows}


@contextmanager
def journey(plan: Plan = PLAN, until: int = ROUNDS) -> Iterator[Journey]:
    with memory_folder() as folder:
        found = Journey(folder, plan, until)
        assert judge(found, found.run()) == "done"
        found.record()  # which starts a service that is down
        while found.aggregator.tick():
            pass
        yield found


def model_of(hospital: Hospital) -> bytes | None:
    return hospital.disk.read(model_name(STUDY.name, ROUNDS))


def test_a_hospital_that_was_away_makes_the_models_from_what_was_kept_for_it() -> None:
    with journey() as found:
        assert not found.gone
        assert found.most == ROUNDS
        assert found.rounds_kept == {ROUNDS}
        assert len({model_of(h) for h in found.hospitals.values()}) == 1


def test_who_was_away_for_too_long_goes_on_from_anothers_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stated, "AWAY", 2)
    with journey() as found:
        (error,) = found.gone
        assert (error.round_name, error.kept, error.is_due) == ("cardio/1", 1, False)
        assert found.most < ROUNDS
        assert len({model_of(h) for h in found.hospitals.values()}) == 1


def test_crashes_and_losses_leave_no_vectors_behind() -> None:
    for seed in range(2):
        with journey(replace(ROUGH, seed=seed), until=3) as found:
            assert not found.gone
            assert found.rounds_kept == {ROUNDS}
            assert len({model_of(h) for h in found.hospitals.values()}) == 1
