"""``key check``, ``backup``, ``restore``, ``passphrase`` as typed, with the mistakes one makes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from participant.cli import app
from participant.home import identity as identities
from participant.home.folders import federation_folder
from participant.home.membership import Membership
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import SealedFor, seal
from participant.home.vault import Vault
from participant.words.fingerprint import fingerprint
from protocol.board.draft import Draft
from protocol.board.post import Entry
from protocol.encoding import encode
from protocol.messages.ceremony import Abort, Certificate
from tests.stage.files import contents, flipped
from tests.stage.toy import Table, toy_epoch
from tests.stage.toy_home import (
    CHEAP,
    PASSPHRASE,
    address_of,
    cheap_argon2id,
    member_at,
    write_record,
)

TOY = toy_epoch(3, 2)
TERMS = TOY.federation.terms
WORDS = fingerprint(TOY.epoch.digest)
ITS_OWN, NEW = "another one altogether", "battery staple"
Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command in a folder with the terms and the home ``h1``; nothing listens anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUORATE_PASSPHRASE", PASSPHRASE.text)
    monkeypatch.setenv("QUORATE_HOME", "h1")
    monkeypatch.setattr("participant.home.passphrase._has_terminal", lambda: False)
    monkeypatch.setattr("participant.home.sealed_file.Argon2id", cheap_argon2id)
    (tmp_path / "federation.toml").write_text(TOY.federation.signed_text())
    (tmp_path / "own").write_text(ITS_OWN + "\n")
    (tmp_path / "new").write_text(NEW + "\n")
    member_at(tmp_path / "h1")
    runner = CliRunner()

    def typed(*words: str, expect: int = 0, home: str | None = None) -> str:
        environment = {"QUORATE_HOME": home} if home else {}
        result = runner.invoke(app, list(words), env=environment)
        assert result.exit_code == expect, result.output
        assert "Traceback" not in result.output
        assert "internal error" not in result.output
        return str(result.output)

    return typed


BACKUP = ["key", "backup", "--out", "b.sealed", "--backup-passphrase-file", "own"]
RESTORE = ["key", "restore", "b.sealed", "--backup-passphrase-file", "own"]
PASSPHRASES = ["key", "passphrase", "--new-passphrase-file", "new"]


def member(index: int = 1) -> Membership:
    """The vault of h1, or a new home of another member."""
    home = Path(f"h{index}")
    if index != 1:
        return member_at(home, index)
    folder = federation_folder(home, TERMS.federation)
    vault = Vault(folder / "vault", TERMS.federation, 1, CHEAP)
    identity, address = identities.load(home, PASSPHRASE), address_of(TOY.federation, folder)
    return Membership(TERMS, 1, identity, folder, vault, PASSPHRASE, address)


def share_path() -> Path:
    return federation_folder(Path("h1"), TERMS.federation) / "vault" / "key-share-1.sealed"


# ── check ──


def test_a_whole_share_is_told_with_epoch_and_fingerprint(run: Run) -> None:
    output = run("key", "check")
    assert "Key share of H1 in Toy" in output
    assert f"fingerprint  {WORDS}" in output
    assert "the key share is whole" in output
    assert json.loads(run("key", "check", "federation.toml", "--json")) == {
        "event": "checked", "epoch": 1, "fingerprint": WORDS, "whole": True,
    }  # fmt: skip


def test_a_share_that_makes_wrong_parts_is_not_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("participant.hospital.hospital.is_whole", lambda *arguments: False)
    output = run("key", "check", expect=1)
    assert "the key share of epoch 1" in output
    assert "is not whole" in output
    assert "key restore FILE federation.toml" in output


def test_a_missing_share_is_told_with_what_to_do(run: Run) -> None:
    share_path().unlink()
    assert f"there is no key share in {Path.cwd()}/h1" in run("key", "check", expect=1)


def test_a_bit_that_flipped_in_the_share_is_told(run: Run) -> None:
    data = share_path().read_bytes()
    for at in (0, 25, 60, len(data) // 2, len(data) - 1):
        share_path().write_bytes(flipped(data, at, bit=2))
        assert "key-share-1.sealed" in run("key", "check", expect=1)


def test_another_members_share_is_told(run: Run) -> None:
    shutil.copy(member(2).vault.folder / "key-share-1.sealed", share_path())
    assert "member is 2, not 1" in run("key", "check", expect=1)


def test_another_members_share_sealed_as_ones_own_is_told(run: Run) -> None:
    share_path().unlink()
    member().vault.store_key_share(1, encode(TOY.secrets[2]), PASSPHRASE)
    assert "does not fit this member's verification key" in run("key", "check", expect=1)


def test_a_wrong_passphrase_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "something else")
    assert "the passphrase is wrong" in run("key", "check", expect=1)


def test_together_without_a_link_gives_up_in_time(run: Run) -> None:
    output = run("key", "check", "--together", "--timeout", "0.5", expect=1)
    assert "no link to wss://localhost:8443" in output


# ── backup ──


def test_a_backup_is_made_and_never_written_over(run: Run) -> None:
    output = run(*BACKUP)
    assert "Backup of H1 in Toy: b.sealed" in output
    assert "key share of epoch  1" in output
    assert "quorate-participant key restore b.sealed federation.toml" in output
    before = Path("b.sealed").read_bytes()
    assert "never overwritten" in run(*BACKUP, expect=1)
    assert Path("b.sealed").read_bytes() == before
    facts = json.loads(run(*[w.replace("b.sealed", "c.sealed") for w in BACKUP], "--json"))
    assert facts == {"event": "backed up", "file": "c.sealed", "epoch": 1}


def test_the_backups_passphrase_is_not_taken_from_the_variable(run: Run) -> None:
    output = run("key", "backup", "--out", "b.sealed", expect=1)
    assert "no passphrase: no terminal, no --backup-passphrase-file" in output
    assert "give --backup-passphrase-file" in output
    assert not Path("b.sealed").exists()


def test_a_short_passphrase_of_a_backup_is_refused(run: Run) -> None:
    Path("own").write_text("1234567")
    assert "at least 8 characters" in run(*BACKUP, expect=1)


def test_a_backup_into_no_folder_is_told(run: Run) -> None:
    words = [w.replace("b.sealed", "nowhere/b.sealed") for w in BACKUP]
    output = run(*words, expect=1)
    assert "there is no folder nowhere" in output
    assert "mkdir -p nowhere" in output


def test_a_backup_with_the_wrong_passphrase_is_not_made(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "something else")
    assert "the passphrase is wrong" in run(*BACKUP, expect=1)
    assert not Path("b.sealed").exists()


# ── restore ──


@pytest.fixture
def backed_up(run: Run) -> Run:
    """As ``run``, after a backup, with a record of the board beside."""
    run(*BACKUP)
    write_record(Path("record"), TOY)
    return run


def restore(run: Run, *words: str, **options: Any) -> str:
    return str(run(*RESTORE, "--record", "record", *words, **options))


def test_a_new_machine_is_made_from_backup_and_record(
    backed_up: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree("h1")
    Path("federation.toml").unlink()
    monkeypatch.setenv("QUORATE_PASSPHRASE", NEW)
    output = restore(backed_up)
    assert "Restored: H1 in Toy, epoch 1" in output
    assert WORDS in output
    assert Path("federation.toml").read_text() == TOY.federation.signed_text()
    assert "the key share is whole" in backed_up("key", "check")
    folder = federation_folder(Path("h1"), TERMS.federation)
    assert (folder / "restored").exists()


def test_the_share_that_is_there_already_is_told(backed_up: Run) -> None:
    before = contents(Path("h1"))
    assert "nothing to do" in restore(backed_up)
    assert json.loads(restore(backed_up, "--json"))["event"] == "nothing to do"
    assert contents(Path("h1")) == before


def test_json_of_a_restore(backed_up: Run) -> None:
    share_path().unlink()
    facts = json.loads(restore(backed_up, "--json"))
    assert facts == {"event": "restored", "epoch": 1, "fingerprint": WORDS}


def test_without_a_link_a_record_is_named_as_the_way(backed_up: Run) -> None:
    share_path().unlink()
    before = contents(Path("h1"))
    output = backed_up(*RESTORE, "--timeout", "0.5", expect=1)
    assert "the aggregator at wss://localhost:8443 did not show the board" in output
    assert "--record DIR" in output
    assert contents(Path("h1")) == before


def test_a_backup_of_an_old_epoch_is_refused_by_name(backed_up: Run) -> None:
    table = Table(TOY.federation)  # another board than the backup's, with a later key
    second = msgspec.structs.replace(TOY.epoch, number=2)
    table.say(1, Draft("ceremony/1", Abort(0, "join", "too late")))
    for index in TOY.federation.members:
        table.say(index, Draft("ceremony/2", Certificate(bytes(32), encode(second))))
    record(table.entries)
    share_path().unlink()
    before = contents(Path("h1"))
    output = restore(backed_up, expect=1)
    assert "the backup b.sealed is of epoch 1, Toy is at epoch 2" in output
    assert "to a thief it is a key share: destroy it" in output
    assert contents(Path("h1")) == before


def test_a_backup_of_a_share_that_was_given_up_is_to_be_destroyed(backed_up: Run) -> None:
    member().vault.retire_key_share(1)
    before = contents(Path("h1"))
    output = restore(backed_up, expect=1)
    assert "the key was handed over" in output
    assert "of no use to this hospital, but to a thief it is a key share: destroy it" in output
    assert contents(Path("h1")) == before
    assert "has given up its key share of epoch 1" in backed_up("key", "check", expect=1)


def record(entries: list[Entry]) -> None:
    shutil.rmtree("record")
    write_record(Path("record"), TOY, entries)


def test_a_record_that_lacks_the_key_is_refused(backed_up: Run) -> None:
    record(TOY.table.entries[:-1])
    share_path().unlink()
    assert "no key that all members certified" in restore(backed_up, expect=1)
    assert not share_path().exists()


def test_a_folder_that_is_no_record_is_told(backed_up: Run) -> None:
    share_path().unlink()
    assert "h1 is a hospital's data folder, not the folder of a record" in backed_up(
        *RESTORE, "--record", "h1", expect=1
    )


def test_a_wrong_passphrase_of_the_backup_is_told(backed_up: Run) -> None:
    Path("own").write_text("not this one")
    output = restore(backed_up, expect=1)
    assert "b.sealed does not open: the passphrase is wrong" in output


def test_a_backup_that_is_missing_is_told(run: Run) -> None:
    assert "no backup at b.sealed" in run(*RESTORE, expect=1)


def test_a_damaged_backup_is_told(backed_up: Run) -> None:
    data = Path("b.sealed").read_bytes()
    for at in (0, 20, 30, 80, len(data) - 1):
        Path("b.sealed").write_bytes(flipped(data, at))
        assert "b.sealed" in restore(backed_up, expect=1)


def test_another_federations_backup_is_told(backed_up: Run) -> None:
    other = toy_epoch(5, 3).federation.signed_text()
    Path("other.toml").write_text(other)
    output = backed_up(*RESTORE, "other.toml", "--record", "record", expect=1)
    assert "it is the backup of another federation" in output


def test_another_members_home_is_in_the_way(backed_up: Run) -> None:
    member(2)
    before = contents(Path("h2"))
    output = restore(backed_up, expect=1, home="h2")
    assert "h2/identity.sealed is in the way: it is the identity of H2" in output
    assert contents(Path("h2")) == before


def test_another_share_is_in_the_way(backed_up: Run) -> None:
    share_path().unlink()
    member().vault.store_key_share(1, encode(TOY.secrets[2]), PASSPHRASE)
    before = contents(Path("h1"))
    output = restore(backed_up, expect=1)
    assert "key-share-1.sealed is in the way: it holds another key share of epoch 1" in output
    assert "Move it away" in output
    assert contents(Path("h1")) == before


def test_a_damaged_share_is_moved_away_and_then_restored(backed_up: Run) -> None:
    share_path().write_bytes(share_path().read_bytes()[:-3])
    assert "key-share-1.sealed is in the way: it is damaged" in restore(backed_up, expect=1)
    share_path().rename("damaged")
    assert "Restored" in restore(backed_up)
    assert "the key share is whole" in backed_up("key", "check")


def test_a_sealed_file_that_is_no_backup_is_told(backed_up: Run) -> None:
    purpose = SealedFor("key share", TERMS.federation.hex(), 1, 1)
    seal(Path("x.sealed"), purpose, b"share", Passphrase(ITS_OWN), CHEAP)
    words = [w.replace("b.sealed", "x.sealed") for w in RESTORE]
    assert "it is no backup, but a sealed key share" in backed_up(*words, expect=1)


# ── passphrase ──


def test_the_passphrase_is_changed_for_identity_and_key_share(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = run(*PASSPHRASES, "federation.toml")
    assert f"The passphrase of {Path.cwd()}/h1 is changed: 2 sealed files." in output
    assert "the passphrase is wrong" in run("key", "check", expect=1)
    monkeypatch.setenv("QUORATE_PASSPHRASE", NEW)
    assert "the key share is whole" in run("key", "check")


def test_json_of_a_change_and_of_one_that_was_done_before(run: Run) -> None:
    assert json.loads(run(*PASSPHRASES, "--json")) == {"event": "changed", "files": 2}
    assert json.loads(run(*PASSPHRASES, "--json"))["event"] == "changed already"
    assert "is the new one already" in run(*PASSPHRASES)


def test_the_present_passphrase_as_the_new_one_is_refused(run: Run) -> None:
    Path("new").write_text(PASSPHRASE.text)
    assert "the new passphrase is the present one" in run(*PASSPHRASES, expect=1)


def test_the_new_passphrase_is_not_taken_from_the_variable(run: Run) -> None:
    output = run("key", "passphrase", expect=1)
    assert "give --new-passphrase-file" in output


def test_a_home_of_no_member_is_told_before_anything_is_changed(run: Run) -> None:
    run("init", "--name", "Stranger", "--home", "h9")
    before = contents(Path("h9"))
    output = run(*PASSPHRASES, "federation.toml", "--home", "h9", expect=1)
    assert f"Stranger, the identity in {Path.cwd()}/h9, is not a member" in output
    assert contents(Path("h9")) == before


def test_a_change_that_was_broken_off_is_finished_by_the_next_command(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("participant.home.passphrase_change._put_in_place", lambda home: None)
        run(*PASSPHRASES)
    assert Path("h1/passphrase-change").is_dir()
    monkeypatch.setenv("QUORATE_PASSPHRASE", NEW)
    assert "the key share is whole" in run("key", "check")
    assert not Path("h1/passphrase-change").exists()
