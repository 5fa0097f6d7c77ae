"""A simulated hospital that keeps its key share in a real vault, as ``serve`` does."""

import shutil
from pathlib import Path
from typing import Any

from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from participant.errors import MissingFile, RetiredShare
from participant.handover import HandoverTask
from participant.home.address import Address
from participant.home.identity import Identity
from participant.home.key_notes import keep_share
from participant.home.membership import Membership
from participant.home.vault import Vault
from protocol.encoding import decode
from protocol.key.epoch import EpochSecret, HeldKey, read_secret
from tests.simulator.handover.keeper import Keeper
from tests.simulator.handover.script import RefreshScript
from tests.simulator.hospital import Hospital
from tests.stage.toy_home import CHEAP, PASSPHRASE


class Snapshot(dict[str, bytes]):
    """What a machine had on its disk; files of its folder by their paths."""


class KeepingHospital(Hospital):
    """``folder``: with its vault and the notes beside it."""

    def __init__(self, *given: Any, script: RefreshScript, folder: Path) -> None:
        super().__init__(*given)
        self.folder = folder
        self.keeper = Keeper(script, self.index)

    def move_in(self) -> None:
        """Put the key share that lies on the disk into the vault."""
        share = self.disk.files.pop("vault/key-share")
        held = read_secret(share, self.terms, self.index)
        keep_share(self.member().vault, held, PASSPHRASE, 0)

    def member(self) -> Membership:
        """As a new process enters it."""
        vault = Vault(self.folder / "vault", self.terms.federation, self.index, CHEAP)
        identity = Identity(self.terms.name_of(self.index), self.key)
        address = Address(self.terms.aggregator_key, None, self.folder)
        return Membership(self.terms, self.index, identity, self.folder, vault, PASSPHRASE, address)

    def held_key(self) -> HeldKey | None:
        try:
            return self.member().held_key()
        except (MissingFile, RetiredShare):
            return None

    def start(self) -> None:
        member = self.member()
        self.agent = Agent(self.terms, self.index, self.key, self.disk, Tasks(self._over))
        has_share = bool(member.vault.epochs())
        self.person.come(self.agent, member.settled_keys() if has_share else member.keys)
        self.keeper.come(self.agent, member)

    def _over(self, task: Task, error: Exception | None) -> None:
        ends = self.keeper.over if isinstance(task, HandoverTask) else self.person.over
        ends(task, error)

    def look(self) -> bool:
        return super().look() | self.keeper.look()

    @property
    def finished(self) -> bool:
        return self.keeper.is_done and super().finished

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
