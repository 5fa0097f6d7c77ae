"""A simulated hospital that keeps its key share in a real vault, as ``serve`` does, or a guest."""

import shutil
from collections.abc import Callable
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.errors import MissingFile, RetiredShare
from participant.handover import HandoverTask, Wish, begin_from_record
from participant.home.address import Address
from participant.home.folders import federation_folder
from participant.home.identity import Identity
from participant.home.key_notes import keep_share
from participant.home.membership import Membership
from participant.home.vault import Vault, epochs_in
from participant.key.inheritance import InheritanceTask
from protocol.encoding import decode
from protocol.key.epoch import EpochSecret, HeldKey, read_secret
from protocol.record import RecordFiles
from tests.simulator.handover.keeper import Keeper
from tests.simulator.handover.script import RefreshScript
from tests.simulator.hospital import Hospital
from tests.stage.toy_home import CHEAP, PASSPHRASE

Wishes = Callable[[int], Wish]  # what is typed for an heir, by its number in the script


GIVES_UP_AT = 1_000.0  # virtual seconds until which one waits for what will never come


class Snapshot(dict[str, bytes]):
    """What a machine had on its disk; files of its folder by their paths."""


class KeepingHospital(Hospital):
    """``folder``: the federation's in its home, with its vault and the notes beside it."""

    is_guest = False
    on_old_board: "KeepingHospital | None" = None  # under new terms

    def __init__(
        self, *given: Any, name: str, script: RefreshScript, home: Path, wish_of: Wishes
    ) -> None:
        super().__init__(*given)
        self.name, self.folder = name, federation_folder(home, self.terms.federation)
        self.gone = script.gone
        self.is_gone = script.is_gone(self.index)
        self.keeper = Keeper(script, self.index, wish_of, self.is_guest)

    def move_in(self) -> None:
        """Put the key share that lies on the disk into the vault."""
        share = self.disk.files.pop("vault/key-share")
        held = read_secret(share, self.terms, self.index)
        keep_share(self.member().vault, held, PASSPHRASE, 0)

    def member(self) -> Membership:
        """As a new process enters it."""
        vault = Vault(self.folder / "vault", self.terms.federation, self.index, CHEAP)
        identity = Identity(self.name, self.key)
        address = Address(self.terms.aggregator_key, None, self.folder)
        return Membership(self.terms, self.index, identity, self.folder, vault, PASSPHRASE, address)

    @property
    def has_share(self) -> bool:
        """Whether its key share is here, and the handover that gave it leaves it alone."""
        if not epochs_in(self.folder / "vault"):
            return False
        old = self.on_old_board
        return old is None or not any((old.folder / "vault").glob("handover-*.share"))

    def held_key(self) -> HeldKey | None:
        try:
            return self.member().held_key()
        except (MissingFile, RetiredShare):
            return None

    def start(self) -> None:
        member = self.member()
        place = self.terms, self.index, self.key, self.disk, self._tasks(self._over)
        self.agent = Agent(*place, copy=self.copy())
        has_share = bool(member.vault.epochs())
        self.person.come(self.agent, member.settled_keys() if has_share else member.keys)
        self.keeper.come(self.agent, member)

    def _over(self, task: Task, error: Exception | None) -> None:
        is_keepers = isinstance(task, HandoverTask | InheritanceTask)
        ends = self.keeper.over if is_keepers else self.person.over
        ends(task, error)

    def look(self) -> bool:
        says = not self._has_handed_over and super().look()
        return self.keeper.look() or says

    @property
    def finished(self) -> bool:
        """Once another federation has the key, nobody works with it here any more."""
        if self.is_gone or self.agent is None or not self.keeper.is_done:
            return self.is_gone
        return self._has_handed_over or super().finished or self._waits_for_the_lost

    @property
    def _waits_for_the_lost(self) -> bool:
        """Whether nothing is left but sums that lack parts of hospitals whose machines are lost."""
        assert self.agent is not None
        running, board = self.person._running, self.agent.board
        is_late = bool(running) and self.clock() > GIVES_UP_AT
        return is_late and all(self.gone & set(t.waiting(board).members) for t in running)

    @property
    def _has_handed_over(self) -> bool:
        return bool(self.agent and self.agent.board.key.handovers.successor is not None)

    # ── its disk ──

    def snapshot(self) -> Snapshot:
        """All that it has."""
        files = {str(p): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}
        return Snapshot({**{f"disk:{n}": d for n, d in self.disk.files.items()}, **files})

    def put_back(self, snapshot: Snapshot) -> None:
        """Let its disk be what it was."""
        shutil.rmtree(self.folder)
        self.disk.files = {}
        for name, data in snapshot.items():
            if name.startswith("disk:"):
                self.disk.files[name.removeprefix("disk:")] = data
                continue
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def stored_secrets(self) -> list[EpochSecret]:
        """The shares that lie in its vault, whatever their epoch."""
        vault = self.member().vault
        found = (vault.read_key_share(epoch, PASSPHRASE) for epoch in vault.epochs())
        return [decode(data, EpochSecret, "key share", 1 << 20) for data in found]


class Guest(KeepingHospital):
    """A new hospital on the old board; ``record``: gives that board's, as it is by then."""

    is_guest = True
    record: Callable[[], RecordFiles]
    is_let_in: Callable[[], bool]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.person.leave()

    @property
    def comes_at(self) -> float:
        """When somebody types ``handover`` first, in virtual seconds; infinite if nobody does."""
        return min((wished.at for wished in self.keeper.wishes), default=inf)

    def start(self) -> None:
        """As the command, which checks the record first."""
        place = SimpleNamespace(terms=self.terms, storage=self.disk)
        begin_from_record(place, self.record(), Path("record"))  # type: ignore[arg-type]
        super().start()

    @property
    def finished(self) -> bool:
        """Or nobody has typed it there; or no other proposal comes that names it."""
        task = self.keeper.task
        waits = not self.is_let_in() or (task is not None and task.handover is None)
        is_in_vain = self.clock() > GIVES_UP_AT and waits
        return self.comes_at == inf or is_in_vain or super().finished
