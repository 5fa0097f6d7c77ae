"""A federation whose hospitals refresh their key at times that a script names."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from participant.handover import Wish
from participant.handover import task as handover_task
from tests.simulator.disk import Disk
from tests.simulator.federation import Federation
from tests.simulator.handover.hospital import KeepingHospital, Snapshot
from tests.simulator.handover.script import SetBack
from tests.simulator.hospital import Hospital
from tests.simulator.plan import Plan

TIME_LIMIT = 6_000.0
JOIN_SECONDS, UNAGREED_SECONDS = 30, 100  # in place of minutes and days


class RefreshingFederation(Federation):
    """``plan.refresh`` must be there."""

    hospitals: dict[int, KeepingHospital]  # type: ignore[assignment]
    members: dict[int, KeepingHospital]  # type: ignore[assignment]

    def __init__(self, plan: Plan, folder: Path) -> None:
        assert plan.refresh is not None
        self.script, self.folder = plan.refresh, folder.resolve()
        super().__init__(plan, folder)
        self._down_until = dict[int, float]()
        self._snapshots = dict[SetBack, Snapshot]()
        for hospital in self.hospitals.values():
            hospital.keeper.clock = lambda: self.clock.now
        if plan.founded:
            for hospital in self.members.values():
                hospital.move_in()

    def _hospital(self, index: int, folder: Path, disk: Disk) -> KeepingHospital:
        return KeepingHospital(
            self.terms, index, self.toy.keys[index], self.plan, self.chaos, disk,
            name=self.terms.name_of(index), script=self.script, home=self.home(index),
            wish_of=self.wish_of,
        )  # fmt: skip

    def home(self, index: int) -> Path:
        """A hospital's data folder, in which each federation has one of its own."""
        return self.folder / f"h{index}"

    def wish_of(self, heir: int) -> Wish:
        """What is typed for an heir; 0 for a refresh."""
        assert heir == 0
        return Wish(self.terms)

    def begin(self) -> None:
        for away in self.script.away:
            self.clock.after(away.at, lambda a=away: self._leave(a.member, a.seconds))  # type: ignore[misc]
        for back in self.script.set_back:
            self.clock.after(back.taken, lambda b=back: self._take(b))  # type: ignore[misc]
            self.clock.after(back.put_back, lambda b=back: self._put_back(b))  # type: ignore[misc]
        super().begin()

    def run(self, limit: float | None = None) -> bool:
        with (
            patch.object(handover_task, "JOIN_SECONDS", JOIN_SECONDS),
            patch.object(handover_task, "UNAGREED_SECONDS", UNAGREED_SECONDS),
        ):
            return super().run(limit or TIME_LIMIT)

    def _fault_of_own_file(self, descriptor: int) -> Callable[[], None] | None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        first = path.relative_to(self.folder).parts[0] if path != self.folder else ""
        if not first.startswith("h"):
            return None
        return self.hospitals[int(first.removeprefix("h"))].disk.hook

    # ── who is away, and who goes back ──

    def _leave(self, member: int, seconds: float) -> None:
        self._down_until[member] = self.clock.now + seconds
        if self.hospitals[member].agent is not None:
            self._crash_hospital(self.hospitals[member])

    def _start_hospital(self, hospital: Hospital) -> None:
        wait = self._down_until.get(hospital.index, 0.0) - self.clock.now
        if wait > 0:
            self.clock.after(wait, lambda: self._start_hospital(hospital))
        elif hospital.agent is None:
            super()._start_hospital(hospital)

    def _take(self, back: SetBack) -> None:
        self._snapshots[back] = self.hospitals[back.member].snapshot()

    def _put_back(self, back: SetBack) -> None:
        hospital = self.hospitals[back.member]
        self.set_back.add(back.member)
        if hospital.agent is not None:
            self._crash_hospital(hospital)
        hospital.put_back(self._snapshots[back])
