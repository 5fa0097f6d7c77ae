"""A federation that has its key: a ceremony at a table, once for all runs, and who keeps what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from aggregator.server.service import Aggregator
from participant.agent.checkpoint import CHECKPOINT_NAME, Checkpoint
from protocol.encoding import encode
from protocol.key.epoch import Epoch, EpochSecret
from tests.simulator.disk import Disk
from tests.simulator.studies.beginning import Beginning
from tests.stage import toy


class HasDisk(Protocol):
    """A hospital."""

    disk: Disk


def found(federation: toy.Federation, folder: Path, hospitals: Mapping[int, HasDisk]) -> None:
    """Put the board of a ceremony into the aggregator's folder, and each share on its disk."""
    table, epoch = _table(federation)
    if (name := federation.terms.federation) not in _FOLDERS:
        _fill(folder, federation, table)
        BEGINNINGS[federation.terms.federation] = Beginning(table.entries, table.board)
        _FOLDERS[name] = {
            path.relative_to(folder): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in _FOLDERS[name].items():
        if data is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
        else:
            (folder / path).write_bytes(data)
    head = table.board.head
    for index, hospital in hospitals.items():
        hospital.disk.files["vault/key-share"] = encode(epoch.secrets[index])
        checkpoint = encode(Checkpoint(head.position, head.hash))
        hospital.disk.files[CHECKPOINT_NAME] = checkpoint


def _fill(folder: Path, federation: toy.Federation, table: toy.CeremonyTable) -> None:
    aggregator = Aggregator(federation.terms, federation.keys[0], folder, lambda: 0)
    for blob in table.blobs.values():
        aggregator._blobs.put(blob)
    for entry in table.entries:
        aggregator._put(entry)
    aggregator.close()


def _table(federation: toy.Federation) -> tuple[toy.CeremonyTable, toy.ToyEpoch]:
    if (name := federation.terms.federation) not in _FOUND:
        table = toy.CeremonyTable(federation).run()
        _FOUND[name] = table, toy.finished(table)
    return _FOUND[name]


def first_shares(federation: toy.Federation) -> tuple[Epoch, Mapping[int, EpochSecret]]:
    """The key that a founded federation begins with, and all shares of it."""
    _, made = _table(federation)
    return made.epoch, made.secrets


BEGINNINGS: dict[bytes, Beginning] = {}  # of their boards
_FOUND: dict[bytes, tuple[toy.CeremonyTable, toy.ToyEpoch]] = {}
_FOLDERS: dict[bytes, dict[Path, bytes | None]] = {}  # the aggregator's: files, and folders
