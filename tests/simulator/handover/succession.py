"""A federation that hands its key over to other terms, and those that may take it over."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aggregator.server.admission import Callers
from participant.handover import Wish
from participant.home.folders import federation_folder, folder_name
from participant.home.vault import Vault
from protocol.errors import Fork
from protocol.signing import public_bytes
from protocol.terms.predecessor import Predecessor
from protocol.terms.terms import Floors, Member, Terms, check, floor, sign_terms
from tests.simulator.disk import Disk
from tests.simulator.federation import Service, toy_of
from tests.simulator.handover.federation import RefreshingFederation
from tests.simulator.handover.heirs import proposed_by_others
from tests.simulator.handover.hospital import Guest, KeepingHospital
from tests.simulator.handover.passed import attempts_of
from tests.simulator.handover.script import Heir, RefreshScript
from tests.simulator.hospital import Hospital
from tests.simulator.plan import Plan
from tests.simulator.studies.script import StudyScript, common
from tests.stage import toy

CALM_AFTER = 200.0  # long enough for faults on both boards
LOOK_SECONDS = 1.0  # after which a hospital tries again what it cannot do yet


def with_guests(plan: Plan) -> toy.Federation:
    """The old federation; the new hospitals' keys come after its members'."""
    assert plan.refresh is not None
    found = toy_of(plan)
    numbers = range(len(found.keys), len(found.keys) + len(plan.refresh.guests))
    keys = (Ed25519PrivateKey.from_private_bytes(bytes([i + 1]) * 32) for i in numbers)
    return replace(found, keys=(*found.keys, *keys))


def taking_over(old: toy.Federation, heir: Heir) -> toy.Federation:
    """The federation of an heir's terms."""
    n_members, numbers = len(heir.who), numbers_of(old.terms, heir)
    members = tuple(
        Member(who, public_bytes(old.keys[number])) if isinstance(who, str) else
        old.terms.members[number - 1]
        for who, number in zip(heir.who, numbers, strict=True)
    )  # fmt: skip
    terms = toy.replace_terms(
        old.terms, members=members, quorum=heir.quorum,
        floors=Floors(floor(n_members), floor(n_members), 1),
        allow_minority_quorum=2 * heir.quorum <= n_members,
        predecessor=Predecessor(old.terms.federation, "handover"),
    )  # fmt: skip
    check(terms)
    return toy.Federation(terms, (old.keys[0], *(old.keys[number] for number in numbers)))


def numbers_of(old: Terms, heir: Heir) -> tuple[int, ...]:
    """An heir's members by their numbers on the old board."""
    guests = {name: old.n_members + k for k, name in enumerate(heir.guests, start=1)}
    return tuple(guests[who] if isinstance(who, str) else who for who in heir.who)


def _further(plan: Plan, n_members: int) -> tuple[StudyScript, ...]:
    """A study of a new federation that goes on from what the old one's first training makes."""
    trained = [script for script in plan.studies if script.kind == "training"]
    return tuple(
        common(
            n_members,
            1,
            "further",
            after=(s.name, s.rounds),
            before=True,
            source=s.source,
            suite=s.suite,
        )
        for s in trained[:1]
    )


class OldFederation(RefreshingFederation):
    """``heirs``: those that may take its key over, in the order of the script."""

    calm_after = CALM_AFTER

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(plan, folder)
        self.heirs = [NewFederation(self, k, h) for k, h in enumerate(self.script.heirs, start=1)]
        self.retired: list[tuple[int, int, bool]] = []  # by whom, which epoch, whether in turn

    def _toy(self, plan: Plan) -> toy.Federation:
        return with_guests(plan)

    def _numbers(self) -> range:
        return range(1, len(self.toy.keys))

    def _hospital(self, index: int, folder: Path, disk: Disk) -> KeepingHospital:
        n_members = self.terms.n_members
        if index <= n_members:
            return super()._hospital(index, folder, disk)
        guest = Guest(
            self.terms, index, self.toy.keys[index], self.plan, self.chaos, disk,
            name=self.script.guests[index - n_members - 1], script=self.script,
            home=self.home(index), wish_of=self.wish_of,
        )  # fmt: skip
        guest.is_let_in = lambda: self._is_let_in(guest)
        guest.record = lambda: self.record(self.served_by[index])
        return guest

    def wish_of(self, heir: int) -> Wish:
        if heir == 0:
            return super().wish_of(0)
        new = self.heirs[heir - 1].toy
        return Wish(new.terms, tuple(sign_terms(new.terms, new.keys[i]) for i in new.members))

    def begin(self) -> None:
        super().begin()
        for heir in self.heirs:
            heir.begin()

    def run(self, limit: float | None = None) -> bool:
        with self._watching_vaults():
            return super().run(limit)

    @property
    def guests(self) -> list[Guest]:
        """The new hospitals."""
        return [h for h in self.hospitals.values() if isinstance(h, Guest)]

    @property
    def heirs_at_work(self) -> list["NewFederation"]:
        """Those of which anybody has a key share in its place."""
        return [h for h in self.heirs if any(one.has_share for one in h.hospitals.values())]

    def _is_over(self) -> bool:
        if any(h.failure for heir in self.heirs for h in heir.hospitals.values()):
            return True
        return super()._is_over() and all(
            hospital.failure or hospital.finished
            for heir in self.heirs_at_work
            for hospital in heir.hospitals.values()
        )

    def _fault_of_own_file(self, descriptor: int) -> Callable[[], None] | None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        for heir in self.heirs:
            if path.is_relative_to(heir.folder):
                return heir.fault_of_aggregator
        return super()._fault_of_own_file(descriptor)

    @contextlib.contextmanager
    def _watching_vaults(self) -> Iterator[None]:
        """Note of each key share that is given up whether its hospital had seen that it may be."""
        real = Vault.retire_key_share

        def retire(vault: Vault, epoch: int) -> None:
            if vault.federation == self.terms.federation and epoch in vault.epochs():
                self._note_retired(vault.member, epoch)
            real(vault, epoch)

        with patch.object(Vault, "retire_key_share", retire):
            yield

    def _note_retired(self, member: int, epoch: int) -> None:
        agent = self.hospitals[member].agent
        assert agent is not None
        settled = [one.epoch for one in attempts_of(agent.board) if one.is_settled]
        self.retired.append((member, epoch, any(epoch <= one for one in settled)))

    # ── guests ──

    def _start_hospital(self, hospital: Hospital) -> None:
        """A guest begins once somebody types it there, and the record can be had."""
        if isinstance(hospital, Guest):
            wait = hospital.comes_at - self.clock.now
            is_down = self._service(hospital).aggregator is None
            if wait > 0 or is_down:
                self.clock.after(max(wait, LOOK_SECONDS), lambda: self._start_hospital(hospital))
                return
        try:
            super()._start_hospital(hospital)
        except Fork as error:
            hospital.failure = error

    def _connect(self, hospital: Hospital) -> None:
        """A guest is let in while the last proposal names it, and tries again until then."""
        if self._is_let_in(hospital):
            super()._connect(hospital)
        else:
            self.clock.after(LOOK_SECONDS, lambda: self._connect_again(hospital))

    def _connect_again(self, hospital: Hospital) -> None:
        if hospital.agent is not None and not self._link(hospital).up:
            self._connect(hospital)

    def _is_let_in(self, hospital: Hospital) -> bool:
        service = self._service(hospital)
        if service.aggregator is None:
            return hospital.index <= self.terms.n_members
        callers = Callers(service.aggregator.board)
        return callers.may_stay(hospital.index, public_bytes(hospital.key))

    def _push(self, service: Service) -> None:
        """The connection of a guest whose number is another's now is closed before."""
        for index, link in service.links.items():
            hospital = self.hospitals[index]
            if link.up and not self._is_let_in(hospital):
                link.up = False
                if hospital.agent is not None:
                    hospital.agent.disconnected()
                    self._connect(hospital)
        super()._push(service)


class NotedDisk(Disk):
    """A hospital's, with the note that the handover has put into the folder of its federation."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        note = self._folder / name
        is_note = name == "contributed-before" and note.exists()
        return note.read_bytes() if is_note else super().read(name)


class GivenDisk(Disk):
    """A folder of the federation before, as whoever has it gives it."""

    def __init__(self, given: Callable[[str], bytes | None]) -> None:
        super().__init__()
        self._given = given

    def read(self, name: str) -> bytes | None:
        return self._given(name)


class NewFederation(RefreshingFederation):
    """Its hospitals come once their key shares are here; ``sites``: their numbers on the old board.

    The aggregator has the same key as the old one's, and another folder.
    """

    calm_after = CALM_AFTER

    def __init__(self, old: OldFederation, number: int, heir: Heir) -> None:
        self.old, self.sites = old, numbers_of(old.terms, heir)
        self._of_heir = taking_over(old.toy, heir)
        away = tuple(
            away._replace(member=self.sites.index(away.member) + 1)
            for away in old.script.away
            if away.member in self.sites
        )
        script = RefreshScript(heir.wishes, away=away)
        scripts = (*heir.scripts, *_further(old.plan, len(heir.who)))
        plan = replace(
            old.plan, n_members=len(heir.who), quorum=heir.quorum, founded=False, fork=False,
            scripts=proposed_by_others(scripts, script.gone), laggard=0, refresh=script,
        )  # fmt: skip
        super().__init__(plan, old.folder / f"new{number}")
        self.clock, self.chaos = old.clock, old.chaos
        self.studies_before = old.plan.studies
        self.fault_of_aggregator = self._fault(0, lambda: plan.aggregator_crash_syncs)

    def _toy(self, plan: Plan) -> toy.Federation:
        return self._of_heir

    def home(self, index: int) -> Path:
        return self.old.home(self.sites[index - 1])

    def _hospital(self, index: int, folder: Path, disk: Disk) -> KeepingHospital:
        before = self.old.hospitals[self.sites[index - 1]]
        terms = self._of_heir.terms
        noted = NotedDisk(federation_folder(self.home(index), terms.federation))
        given = GivenDisk(lambda name: self._given(index, name))
        noted.beside = {folder_name(self.old.terms.federation): given, **before.disk.beside}
        found = super()._hospital(index, folder, noted)
        found.on_old_board = before
        found.person.number_secret = before.person.number_secret
        found.person.model_secret = before.person.model_secret
        return found

    def _given(self, index: int, name: str) -> bytes | None:
        """A model of the old federation: a hospital's own, or that of one which gives it a copy.

        Anything else is its own.
        """
        sites = [self.sites[index - 1]]
        if "/model-" in name:
            sites += self.old.hospitals
        found = (self.old.hospitals[site].disk.read(name) for site in sites)
        return next((data for data in found if data is not None), None)

    def _start_hospital(self, hospital: Hospital) -> None:
        if self.hospitals[hospital.index].has_share:
            super()._start_hospital(hospital)
        else:
            self.clock.after(LOOK_SECONDS, lambda: self._start_hospital(hospital))
