"""Notes of key shares and backups: written once, without secrets, and in nobody's way."""

import os
from pathlib import Path

import msgspec
import pytest

from participant.disk.files import FolderStorage
from participant.errors import DamagedFile, DiskError, FileExists
from participant.home import key_notes
from participant.home.key_notes import BackupNote, KeyNotes, keep_share
from participant.home.vault import Vault
from protocol.encoding import encode
from protocol.key.epoch import HeldKey
from tests.stage.files import contents
from tests.stage.mortal import OF_A_HOSPITAL, survived
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import CHEAP, PASSPHRASE

TOY = toy_epoch(3, 2)
HELD = HeldKey(TOY.epoch, TOY.secrets[1])
SECOND = msgspec.structs.replace(TOY.epoch, number=2)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault", TOY.epoch.federation, 1, CHEAP)


def at(monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    monkeypatch.setattr(key_notes, "now_ms", lambda: ms)


def test_a_share_is_kept_with_its_note(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 2_000)
    keep_share(vault, HELD, PASSPHRASE, 1_000)
    at(monkeypatch, 3_000)
    keep_share(vault, HELD, PASSPHRASE, 3_000)
    note = KeyNotes(vault.folder.parent).share(1)
    assert note is not None
    assert (note.digest, note.since_ms, note.made_ms) == (TOY.epoch.digest, 2_000, 1_000)
    assert vault.read_key_share(1, PASSPHRASE) == encode(HELD.secret)


def test_wherever_the_machine_dies_no_share_is_there_without_its_note(tmp_path: Path) -> None:
    for dies_at in range(1, 100):
        vault = Vault(tmp_path / str(dies_at) / "vault", TOY.epoch.federation, 1, CHEAP)
        work = lambda: keep_share(vault, HELD, PASSPHRASE, None)  # noqa: B023, E731
        has_survived = survived(work, dies_at, OF_A_HOSPITAL)
        if vault.epochs():
            assert KeyNotes(vault.folder.parent).share(1) is not None
        keep_share(vault, HELD, PASSPHRASE, None)
        assert vault.read_key_share(1, PASSPHRASE) == encode(HELD.secret)
        if has_survived:
            break
    assert dies_at > 10


def test_another_share_is_never_replaced_and_its_note_neither(vault: Vault) -> None:
    keep_share(vault, HELD, PASSPHRASE, 1_000)
    before = contents(vault.folder.parent)
    with pytest.raises(FileExists) as caught:
        keep_share(vault, HeldKey(TOY.epoch, TOY.secrets[2]), PASSPHRASE, 5_000)
    assert caught.value.path == vault.key_share_path(1)
    assert contents(vault.folder.parent) == before


@pytest.mark.parametrize("damage", [b"junk", b"", bytes(10_000)])
def test_a_damaged_note_is_in_no_shares_way(vault: Vault, damage: bytes) -> None:
    notes = KeyNotes(vault.folder.parent)
    FolderStorage(notes.folder).write("key-notes/share-1", damage)
    assert notes.made_ms(1) is None
    keep_share(vault, HELD, PASSPHRASE, 1_000)
    assert notes.made_ms(1) == 1_000


@pytest.mark.parametrize("damage", [b"junk", bytes(10_000)], ids=len)
def test_a_damaged_note_is_named(tmp_path: Path, damage: bytes) -> None:
    notes = KeyNotes(tmp_path)
    notes.note_backup(TOY.epoch, tmp_path / "b.sealed")
    (path,) = (tmp_path / "key-notes").iterdir()
    path.write_bytes(damage)
    with pytest.raises(DamagedFile) as caught:
        notes.backups()
    assert (caught.value.path, caught.value.what) == (path, "note")


def test_backups_are_noted_by_their_whole_paths_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notes = KeyNotes(tmp_path / "home")
    odd = os.fsdecode(b"b\xff.sealed")
    for ms, (epoch, name) in enumerate([(TOY.epoch, "b"), (SECOND, odd), (SECOND, "/far/c")]):
        at(monkeypatch, 9_000 - ms)
        notes.note_backup(epoch, Path(name))
    assert notes.backups() == [
        BackupNote(2, b"/far/c", 8_998),
        BackupNote(2, os.fsencode(tmp_path / odd), 8_999),
        BackupNote(1, os.fsencode(tmp_path / "b"), 9_000),
    ]
    assert notes.backups()[1].file == tmp_path / odd


def test_notes_hold_no_secret(vault: Vault) -> None:
    keep_share(vault, HELD, PASSPHRASE, None)
    data = b"".join(path.read_bytes() for path in (vault.folder.parent / "key-notes").iterdir())
    for secret in (HELD.secret.share, HELD.secret.sealing_seed):
        assert secret not in data


def test_a_share_is_not_stored_where_its_note_cannot_be(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise DiskError(vault.folder, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FolderStorage, "write", full)
        with pytest.raises(DiskError):
            keep_share(vault, HELD, PASSPHRASE, None)
    assert vault.epochs() == []
