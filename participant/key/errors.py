"""What can go wrong with key shares, their backups and their passphrase."""

from __future__ import annotations

from pathlib import Path

from participant.errors import ParticipantError


class ShareNotWhole(ParticipantError):
    """The key share in ``folder`` makes a part that its verification key does not confirm."""

    def __init__(self, folder: Path, epoch: int) -> None:
        super().__init__(f"{folder}: the key share of epoch {epoch} is not whole")
        self.folder, self.epoch = folder, epoch


class NoQuorum(ParticipantError):
    """A check that ended without a quorum's good parts; members by number."""

    def __init__(
        self, session: str, quorum: int, good: list[int], wrong: list[int], missing: list[int]
    ) -> None:
        super().__init__(f"{session}: good {good} of {quorum}, wrong {wrong}, missing {missing}")
        self.session, self.quorum = session, quorum
        self.good, self.wrong, self.missing = good, wrong, missing


class QuorumFails(ParticipantError):
    """A quorum's parts have proofs that hold, and yet do not give the test value."""

    def __init__(self, session: str, members: list[int]) -> None:
        super().__init__(f"{session}: {members} do not decrypt the test value")
        self.session, self.members = session, members


class UnfitBackup(ParticipantError):
    """A sealed file that cannot be restored here, though its passphrase may be right."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class OldBackup(ParticipantError):
    """A backup whose newest key share is of an epoch that is over; ``place`` has the newer one."""

    def __init__(self, path: Path, epoch: int, newest: int, place: str) -> None:
        super().__init__(f"{path}: epoch {epoch}, {place} has epoch {newest}")
        self.path, self.epoch, self.newest, self.place = path, epoch, newest, place


class OldRecord(ParticipantError):
    """A record that ends before what the backup or the data folder knows of the board."""

    def __init__(self, path: Path, position: int, known: int) -> None:
        super().__init__(f"{path}: ends at entry {position}, entry {known} is known")
        self.path, self.position, self.known = path, position, known


class NoBoard(ParticipantError):
    """The board could not be read in time, so nothing says whether a key share is the one due."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason = url, reason


class InTheWay(ParticipantError):
    """Something else than the backup's lies where it would go; nothing was replaced."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class SharedPassphrase(ParticipantError):
    """A backup is to have the passphrase of the data folder ``home`` that it is a copy of."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"{home}: its passphrase is no other for the backup")
        self.home = home
