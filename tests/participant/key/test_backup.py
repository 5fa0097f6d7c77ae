"""What is in a backup, what is not, and that a changed one never opens."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyshare.key.threshold_key import SecretShare
from participant.agent.set_ledger import SetLedger
from participant.errors import (
    DamagedFile,
    FileExists,
    MissingFile,
    NewerFormat,
    ParticipantError,
    RetiredShare,
    TooLittleMemory,
    WrongPassphrase,
)
from participant.home.key_notes import KeyNotes
from participant.home.membership import Membership
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import SealedFor, seal, unseal
from participant.key import backup as backups
from participant.key.backup import Backup, open_backup, purpose_of_backup, write_backup
from participant.key.errors import UnfitBackup
from protocol.encoding import encode
from protocol.key.epoch import epoch_secret
from tests.stage.files import flipped
from tests.stage.toy import toy_epoch, toy_federation
from tests.stage.toy_home import CHEAP, PASSPHRASE, member_at

TOY = toy_epoch(3, 2)
TEXT = TOY.federation.signed_text()
ITS_OWN = Passphrase("another one altogether")


@pytest.fixture
def member(tmp_path: Path) -> Membership:
    return member_at(tmp_path / "home")


@pytest.fixture
def path(member: Membership, tmp_path: Path) -> Path:
    path = tmp_path / "backup.sealed"
    assert write_backup(member, TEXT, path, ITS_OWN, CHEAP) == TOY.epoch
    return path


def opened(path: Path, passphrase: Passphrase = ITS_OWN) -> Backup:
    return open_backup(path, purpose_of_backup(path, None), passphrase)


def test_a_backup_holds_identity_share_terms_and_head(member: Membership, tmp_path: Path) -> None:
    table = TOY.table
    member.storage.write("head", encode([3, table.entries[2].hash]))
    path = tmp_path / "backup.sealed"
    write_backup(member, TEXT, path, ITS_OWN, CHEAP)
    found = opened(path)
    assert found.identity.card == member.identity.card
    assert found.index == 1
    assert found.terms == TOY.federation.terms
    assert found.terms_text == TEXT
    assert found.head == (3, table.entries[2].hash)
    assert found.held == (TOY.epoch, TOY.secrets[1])


def test_a_backup_holds_no_seed_no_post_and_no_chosen_set(
    member: Membership, tmp_path: Path
) -> None:
    seed = member.vault.new_seed("ceremony/2", PASSPHRASE)
    chosen, post = b"the chosen set of a round, 32 by", b"a post that is on its way"
    SetLedger(member.storage).choose("study/cardio/1", chosen)
    member.storage.write("outbox/post", post)
    path = tmp_path / "backup.sealed"
    write_backup(member, TEXT, path, ITS_OWN, CHEAP)
    payload = unseal(path, purpose_of_backup(path, None), ITS_OWN, "backup")
    for absent in (seed, chosen, post):
        assert absent not in payload
    assert encode(TOY.secrets[1]) in payload


def test_nothing_secret_is_in_the_clear_or_in_what_is_printed(path: Path) -> None:
    share, key = TOY.secrets[1].share, TOY.federation.keys[1].private_bytes_raw()
    data, found = path.read_bytes(), opened(path)
    for secret in (share, key, TOY.secrets[1].sealing_seed):
        assert secret not in data
        assert repr(secret)[2:20] not in repr(found)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_opens_with_its_own_passphrase_only(path: Path) -> None:
    with pytest.raises(WrongPassphrase):
        opened(path, PASSPHRASE)


def test_no_file_is_ever_overwritten(member: Membership, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(FileExists):
        write_backup(member, TEXT, path, ITS_OWN, CHEAP)
    assert path.read_bytes() == before


def test_a_backup_is_noted_once_it_is_there(member: Membership, path: Path) -> None:
    notes = KeyNotes(member.folder)
    assert [(note.epoch, note.file) for note in notes.backups()] == [(1, path)]
    with pytest.raises(FileExists):
        write_backup(member, TEXT, path, ITS_OWN, CHEAP)
    assert len(notes.backups()) == 1


def test_a_folder_that_is_missing_is_told(member: Membership, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="none: no folder"):
        write_backup(member, TEXT, tmp_path / "none" / "backup", ITS_OWN, CHEAP)


def test_without_a_key_share_there_is_nothing_to_back_up(
    member: Membership, tmp_path: Path
) -> None:
    (member.vault.folder / "key-share-1.sealed").unlink()
    with pytest.raises(MissingFile):
        write_backup(member, TEXT, tmp_path / "backup", ITS_OWN, CHEAP)
    assert not (tmp_path / "backup").exists()


def test_a_share_that_does_not_fit_is_not_backed_up(member: Membership, tmp_path: Path) -> None:
    path = member.vault.folder / "key-share-1.sealed"
    path.unlink()
    member.vault.store_key_share(1, encode(TOY.secrets[2]), PASSPHRASE)
    with pytest.raises(DamagedFile):
        write_backup(member, TEXT, tmp_path / "backup", ITS_OWN, CHEAP)
    assert not (tmp_path / "backup").exists()


def test_a_missing_backup_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFile) as caught:
        purpose_of_backup(tmp_path / "none", None)
    assert caught.value.what == "backup"


def test_a_bit_that_flipped_anywhere_is_a_clear_error(path: Path) -> None:
    data = path.read_bytes()
    clear = (
        DamagedFile, WrongPassphrase, NewerFormat, UnfitBackup, TooLittleMemory, MissingFile,
    )  # fmt: skip
    places = [*range(0, 200), *range(200, len(data), 97), len(data) - 1]
    for at in places:
        for bit in (0, 3, 6):
            path.write_bytes(flipped(data, at, bit))
            with pytest.raises(clear):
                opened(path)
    path.write_bytes(data)
    assert opened(path).index == 1


@pytest.mark.parametrize("length", [0, 10, 21, 22, 60, 150, -1])
def test_a_backup_that_is_cut_short_is_a_clear_error(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises((DamagedFile, WrongPassphrase)):
        opened(path)


def test_another_sealed_file_is_no_backup(member: Membership) -> None:
    with pytest.raises(UnfitBackup) as caught:
        purpose_of_backup(member.vault.folder / "key-share-1.sealed", None)
    assert "a sealed key share" in caught.value.reason


def test_another_federations_backup_is_told_before_its_passphrase_is_tried(path: Path) -> None:
    with pytest.raises(UnfitBackup) as caught:
        purpose_of_backup(path, toy_federation(5, 3).terms)
    assert "another federation" in caught.value.reason


# ── backups that somebody made up, with a passphrase that is right ──


def forged(path: Path, purpose: SealedFor | None = None, **changes: Any) -> Path:
    """The backup, sealed again with other contents or another purpose."""
    old = purpose_of_backup(path, None)
    payload = unseal(path, old, ITS_OWN, "backup")
    found = msgspec.structs.replace(
        msgspec.msgpack.decode(payload, type=backups._Backup), **changes
    )
    target = path.with_name("forged.sealed")
    seal(target, purpose or old, encode(found), ITS_OWN, CHEAP)
    return target


def other_purpose(path: Path, **changes: Any) -> SealedFor:
    return msgspec.structs.replace(purpose_of_backup(path, None), **changes)


def off_by_one() -> bytes:
    secret = TOY.secrets[1]
    changed = SecretShare(1, secret.secret_share().value + 1)
    return encode(epoch_secret(TOY.epoch, changed, secret.sealing_seed))


FORGERIES = {
    "another member's share": (
        lambda p: forged(p, share=encode(TOY.secrets[2])),
        "does not fit this member's verification key",
    ),
    "a share that is off by one": (
        lambda p: forged(p, share=off_by_one()),
        "does not fit this member's verification key",
    ),
    "no share": (lambda p: forged(p, share=b""), "key share"),
    "sealed for a later epoch": (
        lambda p: forged(p, other_purpose(p, epoch=2)),
        "sealed for epoch 2, and its key share is of epoch 1",
    ),
    "sealed for another member": (
        lambda p: forged(p, other_purpose(p, member=2)),
        "H1 is not the member of the terms",
    ),
    "sealed for nobody": (
        lambda p: forged(p, other_purpose(p, member=0)),
        "H1 is not the member of the terms",
    ),
    "another name": (lambda p: forged(p, name="H2"), "H2 is not the member of the terms"),
    "a stranger's key": (
        lambda p: forged(p, signing_key=Ed25519PrivateKey.generate().private_bytes_raw()),
        "H1 is not the member of the terms",
    ),
    "sealed for another federation": (
        lambda p: forged(p, other_purpose(p, federation="ab" * 32)),
        "another federation than its terms",
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_backup_that_does_not_fit_together_is_refused_by_name(path: Path, forgery: str) -> None:
    make, reason = FORGERIES[forgery]
    with pytest.raises(UnfitBackup) as caught:
        opened(make(path))
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"terms": "no terms"},
        {"terms": TEXT.replace('member = "H2"', 'member = "H4"')},
        {"terms": TEXT[: TEXT.rindex("[[signatures]]")]},
        {"signing_key": b"short"},
        {"head": b"\x93garbage"},
    ],
)
def test_contents_that_do_not_read_are_damage(path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DamagedFile):
        opened(forged(path, **changes))


def test_the_newest_key_share_alone_is_in_the_backup(member: Membership, tmp_path: Path) -> None:
    second = msgspec.structs.replace(TOY.epoch, number=2)
    secret = epoch_secret(second, TOY.secrets[1].secret_share(), TOY.secrets[1].sealing_seed)
    member.vault.store_key_share(2, encode(secret), PASSPHRASE)
    path = tmp_path / "backup.sealed"
    assert write_backup(member, TEXT, path, ITS_OWN, CHEAP) == second
    assert opened(path).held == (second, secret)
    assert purpose_of_backup(path, None).epoch == 2
    assert encode(TOY.epoch) not in unseal(path, purpose_of_backup(path, None), ITS_OWN, "backup")


def test_a_key_share_that_was_given_up_is_not_backed_up(member: Membership, tmp_path: Path) -> None:
    member.vault.retire_key_share(1)
    with pytest.raises(RetiredShare):
        write_backup(member, TEXT, tmp_path / "backup", ITS_OWN, CHEAP)
    assert not (tmp_path / "backup").exists()


def test_errors_say_nothing_secret(path: Path) -> None:
    for make, _ in FORGERIES.values():
        target = make(path)
        with pytest.raises(ParticipantError) as caught:
            opened(target)
        assert TOY.secrets[1].share.hex()[:16] not in str(caught.value)
        assert ITS_OWN.text not in str(caught.value)
        target.unlink()
