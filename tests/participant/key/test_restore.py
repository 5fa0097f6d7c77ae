"""Putting a backup back: what is checked first, what is never replaced, what is left behind."""

import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from participant.agent.checkpoint import Checkpoint
from participant.agent.set_ledger import SetLedger
from participant.disk.files import FolderStorage
from participant.errors import DiskError, FileExists, MissingFile, WrongPassphrase
from participant.home import identity as identities
from participant.home.folders import federation_folder
from participant.home.identity import Identity
from participant.home.key_notes import KeyNotes
from participant.home.passphrase import Passphrase
from participant.home.vault import Vault
from participant.key import restore as key_restore
from participant.key.backup import Backup, open_backup, purpose_of_backup, write_backup
from participant.key.errors import HandedOver, Outdated, UnfitBackup
from participant.key.restore import Restoring, read_record
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Entry, Head
from protocol.encoding import encode
from protocol.errors import BadEntry, Fork, Malformed
from protocol.key.epoch import epoch_secret
from protocol.messages.rounds import Opening, Statement
from protocol.record.files import entry_path
from tests.stage.files import contents, flipped
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.handover.rosters import Who
from tests.stage.mortal import OF_A_HOSPITAL, survived
from tests.stage.toy import Table, toy_epoch
from tests.stage.toy_home import CHEAP, PASSPHRASE, member_at, write_record

TOY = toy_epoch(3, 2)
TERMS = TOY.federation.terms
ITS_OWN, NEW = Passphrase("another one altogether"), Passphrase("of the new machine")
HEAD = TOY.table.board.head


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    """A backup made after the ceremony; the machine is gone."""
    member = member_at(tmp_path / "old")
    member.storage.write("head", encode(Checkpoint(HEAD.position, HEAD.hash)))
    path = tmp_path / "backup.sealed"
    write_backup(member, TOY.federation.signed_text(), path, ITS_OWN, CHEAP)
    return open_backup(path, purpose_of_backup(path, TERMS), ITS_OWN)


def restoring(backup: Backup, home: Path, passphrase: Passphrase = NEW) -> Restoring:
    return Restoring(backup, home, passphrase, cost=CHEAP)


def vault_at(home: Path) -> Vault:
    folder = federation_folder(home, TERMS.federation)
    return Vault(folder / "vault", TERMS.federation, 1, CHEAP)


def table_after_ceremony() -> Table:
    """A board that goes on where the ceremony ended."""
    table = Table(TOY.federation)
    for entry in TOY.table.entries:
        table.board.append(entry)
        table.entries.append(entry)
    return table


# ── what comes back ──


def test_a_new_machine_has_identity_share_and_head_and_is_marked(
    backup: Backup, tmp_path: Path
) -> None:
    home = tmp_path / "new"
    work = restoring(backup, home)
    assert work.is_needed()
    work.check(TOY.table.board)
    work.write(HEAD)
    assert identities.load(home, NEW).card == backup.identity.card
    assert identities.read_card(home / "card.toml") == backup.identity.card
    assert vault_at(home).read_key_share(1, NEW) == encode(TOY.secrets[1])
    storage = FolderStorage(federation_folder(home, TERMS.federation))
    assert storage.read("head") == encode(Checkpoint(HEAD.position, HEAD.hash))
    assert SetLedger(storage).bars("study/cardio/1")
    note = KeyNotes(storage.path).share(1)
    assert note is not None
    assert (note.digest, note.made_ms) == (TOY.epoch.digest, None)
    assert not work.is_needed()


def test_rounds_opened_before_the_restore_are_barred_and_later_ones_are_not(
    backup: Backup, tmp_path: Path
) -> None:
    table = table_after_ceremony()
    table.say(0, Draft("study/cardio/1", Opening(bytes(32), TOY.epoch.digest, bytes(32), 1)))
    restoring(backup, tmp_path / "new").write(table.board.head)
    table.say(0, Draft("study/cardio/2", Opening(bytes(32), TOY.epoch.digest, bytes(32), 1)))
    folder = federation_folder(tmp_path / "new", TERMS.federation)
    ledger = SetLedger(FolderStorage(folder))
    ledger.begin(table.board)
    assert ledger.bars("study/cardio/1")
    assert not ledger.bars("study/cardio/2")


def test_a_lost_share_comes_back_beside_an_identity_that_is_there(
    backup: Backup, tmp_path: Path
) -> None:
    home = tmp_path / "old"
    before = contents(home)
    (vault_at(home).folder / "key-share-1.sealed").unlink()
    work = restoring(backup, home, PASSPHRASE)
    assert work.is_needed()
    work.write(HEAD)
    assert vault_at(home).read_key_share(1, PASSPHRASE) == encode(TOY.secrets[1])
    assert contents(home)["identity.sealed"] == before["identity.sealed"]


def test_the_same_share_there_is_nothing_to_do(backup: Backup, tmp_path: Path) -> None:
    assert not restoring(backup, tmp_path / "old", PASSPHRASE).is_needed()


# ── what is in the way ──


def test_another_share_there_is_named_and_left_alone(backup: Backup, tmp_path: Path) -> None:
    path = vault_at(tmp_path / "old").folder / "key-share-1.sealed"
    path.unlink()
    vault_at(tmp_path / "old").store_key_share(1, b"another share", PASSPHRASE)
    before = contents(tmp_path / "old")
    with pytest.raises(FileExists) as caught:
        restoring(backup, tmp_path / "old", PASSPHRASE).write(HEAD)
    assert caught.value.path == path
    assert "another key share of epoch 1" in caught.value.reason
    assert contents(tmp_path / "old") == before


def test_a_damaged_share_there_is_named_and_left_alone(backup: Backup, tmp_path: Path) -> None:
    path = vault_at(tmp_path / "old").folder / "key-share-1.sealed"
    path.write_bytes(path.read_bytes()[:-1])
    before = contents(tmp_path / "old")
    with pytest.raises(FileExists) as caught:
        restoring(backup, tmp_path / "old", PASSPHRASE).is_needed()
    assert caught.value.path == path
    assert "damaged" in caught.value.reason
    assert contents(tmp_path / "old") == before


def test_a_share_of_a_later_epoch_there_makes_the_backup_old(
    backup: Backup, tmp_path: Path
) -> None:
    vault_at(tmp_path / "old").store_key_share(2, b"the next one", PASSPHRASE)
    with pytest.raises(Outdated) as caught:
        restoring(backup, tmp_path / "old", PASSPHRASE).is_needed()
    assert (caught.value.have, caught.value.known) == (1, 2)
    assert caught.value.place == "this data folder"


@pytest.mark.parametrize("has_next", [False, True])
def test_a_share_that_was_given_up_there_never_comes_back(
    backup: Backup, tmp_path: Path, has_next: bool
) -> None:
    vault = vault_at(tmp_path / "old")
    vault.retire_key_share(1)
    if has_next:
        vault.store_key_share(2, b"the next one", PASSPHRASE)
    before = contents(tmp_path / "old")
    for use in (
        lambda: restoring(backup, tmp_path / "old", PASSPHRASE).is_needed(),
        lambda: restoring(backup, tmp_path / "old", PASSPHRASE).write(HEAD),
    ):
        with pytest.raises(HandedOver) as caught:
            use()
        assert (caught.value.path, caught.value.epoch) == (backup.path, 1)
    assert contents(tmp_path / "old") == before


@pytest.mark.parametrize("name", ["H1", "H2"])
def test_another_identity_there_is_named_and_left_alone(
    backup: Backup, tmp_path: Path, name: str
) -> None:
    home = tmp_path / "new"
    home.mkdir()
    identities.keep(home, Identity(name, TOY.federation.keys[2]), NEW, CHEAP)
    identities.load(home, NEW)
    before = contents(home)
    with pytest.raises(FileExists) as caught:
        restoring(backup, home).write(HEAD)
    assert caught.value.path == home / "identity.sealed"
    assert name in caught.value.reason
    assert contents(home) == before


def test_a_card_of_somebody_else_is_in_the_way_too(backup: Backup, tmp_path: Path) -> None:
    home = tmp_path / "new"
    home.mkdir()
    other = Identity("H2", TOY.federation.keys[2])
    identities.write_card(home / "card.toml", other.card)
    with pytest.raises(FileExists) as caught:
        restoring(backup, home).write(HEAD)
    assert caught.value.path == home / "card.toml"
    assert not (home / "identity.sealed").exists()


def test_an_identity_that_does_not_open_is_told(backup: Backup, tmp_path: Path) -> None:
    with pytest.raises(WrongPassphrase):
        restoring(backup, tmp_path / "old", NEW).is_needed()


# ── the epoch that is due ──


def test_a_key_that_the_members_did_not_certify_is_refused(tmp_path: Path) -> None:
    sealing = (*TOY.epoch.sealing_keys[:2], TOY.epoch.sealing_keys[1])
    changed = msgspec.structs.replace(TOY.epoch, sealing_keys=sealing)
    member = member_at(tmp_path / "home")
    (member.vault.folder / "key-share-1.sealed").unlink()
    secret = epoch_secret(changed, TOY.secrets[1].secret_share(), TOY.secrets[1].sealing_seed)
    member.vault.store_key_share(1, encode(secret), PASSPHRASE)
    path = tmp_path / "backup.sealed"
    write_backup(member, TOY.federation.signed_text(), path, ITS_OWN, CHEAP)
    opened = open_backup(path, purpose_of_backup(path, TERMS), ITS_OWN)
    with pytest.raises(UnfitBackup) as caught:
        restoring(opened, tmp_path / "new").check(TOY.table.board)
    assert "another key than all members certified" in caught.value.reason


@pytest.mark.parametrize(("who", "is_outdated"), [([1, 2, 3], True), (["G1", 1, "G2"], False)])
def test_a_share_of_a_key_that_the_board_has_handed_over_is_refused(
    backup: Backup, tmp_path: Path, who: Who, is_outdated: bool
) -> None:
    handed = PostedHandover(copied(TOY), TOY.secrets, who, 2)
    handed.run(lambda view: view.attempt.outcome == "held")
    restoring(backup, tmp_path / "new").check(handed.table.board)  # not released yet
    handed.run()
    with pytest.raises(Outdated if is_outdated else HandedOver) as caught:
        restoring(backup, tmp_path / "new").check(handed.table.board)
    if isinstance(caught.value, HandedOver):
        assert caught.value.to == handed.handover.about.new.name


def test_a_board_without_a_key_is_refused(backup: Backup, tmp_path: Path) -> None:
    table = Table(TOY.federation)
    for entry in TOY.table.entries[:-1]:  # one certificate lacks
        table.board.append(entry)
    unaware = Backup(**{**vars(backup), "head": None})
    with pytest.raises(UnfitBackup) as caught:
        restoring(unaware, tmp_path / "new").check(table.board)
    assert "no key that all members certified" in caught.value.reason


def test_a_board_that_has_been_rolled_back_or_forked_is_a_fork(
    backup: Backup, tmp_path: Path
) -> None:
    shorter, other = Table(TOY.federation), Table(TOY.federation)
    for entry in TOY.table.entries[:-1]:
        shorter.board.append(entry)
        other.board.append(entry)
    other.say(1, Draft("study/cardio/0", Statement(bytes(32), 1)))
    assert other.board.head.position == HEAD.position
    for table in (shorter, other):
        with pytest.raises(Fork) as caught:
            restoring(backup, tmp_path / "new").check(table.board)
        assert caught.value.position == HEAD.position


def test_the_head_that_the_data_folder_knows_counts_beside_the_backups(
    backup: Backup, tmp_path: Path
) -> None:
    storage = FolderStorage(federation_folder(tmp_path / "old", TERMS.federation))
    storage.write("head", encode(Checkpoint(HEAD.position - 1, b"x" * 32)))
    work = restoring(backup, tmp_path / "old", PASSPHRASE)
    assert work.known_head() == HEAD
    with pytest.raises(Fork) as caught:
        work.check(TOY.table.board)
    assert caught.value.position == HEAD.position - 1


# ── a record in the aggregator's place ──


def test_a_record_is_enough(backup: Backup, tmp_path: Path) -> None:
    folder = write_record(tmp_path / "record", TOY)
    work = restoring(backup, tmp_path / "new")
    work.check(read_record(folder, TERMS, work.known_head()))
    work.write(None)
    storage = FolderStorage(federation_folder(tmp_path / "new", TERMS.federation))
    assert storage.read("head") == encode(Checkpoint(HEAD.position, HEAD.hash))
    table = table_after_ceremony()
    table.say(0, Draft("study/cardio/1", Opening(bytes(32), TOY.epoch.digest, bytes(32), 1)))
    ledger = SetLedger(storage)
    ledger.begin(table.board)  # seen for the first time: the record may have been old
    assert ledger.bars("study/cardio/1")


def test_a_record_that_ends_before_the_backup_is_told(backup: Backup, tmp_path: Path) -> None:
    folder = write_record(tmp_path / "record", TOY, TOY.table.entries[:5])
    with pytest.raises(Outdated) as caught:
        read_record(folder, TERMS, restoring(backup, tmp_path / "new").known_head())
    assert (caught.value.have, caught.value.known) == (5, HEAD.position)


def test_another_federations_record_is_told(tmp_path: Path) -> None:
    folder = write_record(tmp_path / "record", TOY)
    with pytest.raises(UnfitBackup) as caught:
        read_record(folder, toy_epoch(5, 3).federation.terms, None)
    assert "another federation" in caught.value.reason


def test_a_folder_without_a_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        read_record(tmp_path, TERMS, None)


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda path: path.write_bytes(flipped(path.read_bytes()))],
    ids=["without an entry", "with a changed entry"],
)
def test_a_broken_record_is_told(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    folder = write_record(tmp_path / "record", TOY)
    spoil(folder / entry_path(TOY.table.entries[3].hash))
    with pytest.raises(Malformed):
        read_record(folder, TERMS, None)


def test_a_record_with_a_forged_post_names_its_sender(tmp_path: Path) -> None:
    last = TOY.table.entries[-1]
    signed = msgspec.structs.replace(last.post, signature=bytes(64))
    forged = Entry(last.position, last.previous, last.time_ms, signed)
    folder = write_record(tmp_path / "record", TOY, [*TOY.table.entries[:-1], forged])
    with pytest.raises(BadEntry) as caught:
        read_record(folder, TERMS, None)
    assert caught.value.position == last.position


# ── machines that die, disks that are full ──


def test_a_crash_at_any_moment_is_mended_by_the_same_command(
    backup: Backup, tmp_path: Path
) -> None:
    for dies_at in itertools.count(1):
        home = tmp_path / f"crash-{dies_at}"
        if survived(lambda: restoring(backup, home).write(HEAD), dies_at, OF_A_HOSPITAL):  # noqa: B023
            break
        share = vault_at(home).folder / "key-share-1.sealed"
        if share.exists():  # then all that guards its use is there, and it opens
            storage = FolderStorage(federation_folder(home, TERMS.federation))
            assert SetLedger(storage).bars("study/cardio/1")
            assert storage.read("head") is not None
            assert vault_at(home).read_key_share(1, NEW) == encode(TOY.secrets[1])
        restoring(backup, home).write(HEAD)
        assert not restoring(backup, home).is_needed()
    assert dies_at > 30


def test_a_full_disk_leaves_no_share_and_no_half_of_one(
    backup: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise DiskError(tmp_path, "No space left on device")

    monkeypatch.setattr("participant.home.vault.seal", full)
    with pytest.raises(DiskError):
        restoring(backup, tmp_path / "new").write(HEAD)
    assert vault_at(tmp_path / "new").epochs() == []
    assert [p.name for p in vault_at(tmp_path / "new").folder.iterdir()] == []


def test_reading_says_and_wants_nothing() -> None:
    reading = key_restore._Reading()
    assert reading.done
    assert reading.due() is None
    assert not reading.wants("study/cardio/1")
    assert Head(0, Board(TERMS).head.hash) == Board(TERMS).head
