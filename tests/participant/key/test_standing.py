"""How a key share stands, as ``key status`` says it: its age, and backups to keep or destroy."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from participant.home import key_notes
from participant.home.key_notes import KeyNotes, keep_share
from participant.words.fingerprint import fingerprint
from protocol.key.epoch import HeldKey, epoch_secret
from tests.participant.cli import test_key
from tests.participant.cli.test_key import BACKUP, member
from tests.stage.files import contents
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import PASSPHRASE

TOY = toy_epoch(3, 2)
SECOND = msgspec.structs.replace(TOY.epoch, number=2)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BEGAN_MS = 1_800_000_000_000  # 2027-01-15 08:00:00
Run = Callable[..., Any]
run = test_key.run


@pytest.fixture
def clock(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the clock; the share of epoch 1 is got at its beginning."""

    def set_to(ms: int) -> None:
        monkeypatch.setattr(key_notes, "now_ms", lambda: ms)
        monkeypatch.setattr("participant.cli.commands.key.now_ms", lambda: ms)

    set_to(BEGAN_MS)
    shutil.rmtree(member().folder)
    keep_share(member().vault, HeldKey(TOY.epoch, TOY.secrets[1]), PASSPHRASE, BEGAN_MS)
    return set_to


def handed_over() -> None:
    """The key goes to the same members anew."""
    first, old = member().vault, TOY.secrets[1]
    secret = epoch_secret(SECOND, old.secret_share(), old.sealing_seed)
    keep_share(first, HeldKey(SECOND, secret), PASSPHRASE, BEGAN_MS)
    first.retire_key_share(1)


def test_a_new_share_has_its_age_and_no_backup(run: Run, clock: Callable[[int], None]) -> None:
    clock(BEGAN_MS + HOUR_MS)
    output = run("key", "status")
    assert output.splitlines() == [
        "Key share of H1 in Toy",
        "  epoch        1",
        f"  fingerprint  {fingerprint(TOY.epoch.digest)}",
        "  held since   2027-01-15 08:00:00+00:00, for 1:00 h",
        "  key since    2027-01-15 08:00:00+00:00, for 1:00 h",
        "  backups      none of this epoch was made from this data folder. Make one:",
        "    quorate-participant key backup --out FILE federation.toml",
    ]


def test_backups_are_listed_and_those_of_old_epochs_are_to_be_destroyed(
    run: Run, clock: Callable[[int], None]
) -> None:
    run(*BACKUP)
    clock(BEGAN_MS + 2 * DAY_MS)
    handed_over()
    output = run("key", "status")
    assert "none of this epoch was made from this data folder" in output
    run(*[word.replace("b.sealed", "c.sealed") for word in BACKUP])
    clock(BEGAN_MS + 3 * DAY_MS)
    here = Path.cwd()
    lines = run("key", "status").splitlines()
    assert lines[1:] == [
        "  epoch        2",
        f"  fingerprint  {fingerprint(SECOND.digest)}",
        "  held since   2027-01-17 08:00:00+00:00, for 1 day",
        "  key since    2027-01-15 08:00:00+00:00, for 3 days",
        "  backups      1 backup made from this data folder:",
        f"    2027-01-17 08:00:00+00:00: {here}/c.sealed",
        "  TO DESTROY: backups of epochs that are over. To a thief each is a key share:",
        f"    epoch 1, 2027-01-15 08:00:00+00:00: {here}/b.sealed",
    ]
    assert json.loads(run("key", "status", "--json")) == {
        "event": "key standing",
        "epoch": 2,
        "fingerprint": fingerprint(SECOND.digest),
        "held_since": "2027-01-17 08:00:00+00:00",
        "key_since": "2027-01-15 08:00:00+00:00",
        "backups": [{"epoch": 2, "time": "2027-01-17 08:00:00+00:00", "file": f"{here}/c.sealed"}],
        "to_destroy": [
            {"epoch": 1, "time": "2027-01-15 08:00:00+00:00", "file": f"{here}/b.sealed"}
        ],
        "given_up": [1],
    }


def test_who_has_left_still_sees_which_backups_to_destroy(
    run: Run, clock: Callable[[int], None]
) -> None:
    run(*BACKUP)
    member().vault.retire_key_share(1)
    output = run("key", "status")
    assert "the key share of epoch 1 was given up here" in output
    assert f"epoch 1, 2027-01-15 08:00:00+00:00: {Path.cwd()}/b.sealed" in output
    facts = json.loads(run("key", "status", "--json"))
    assert (facts["epoch"], facts["fingerprint"], facts["given_up"]) == (None, None, [1])


def test_it_asks_for_no_passphrase_and_changes_nothing(
    run: Run, clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUORATE_PASSPHRASE")
    before = contents(Path("h1"))
    assert "epoch        1" in run("key", "status")
    assert contents(Path("h1")) == before


def test_after_a_restore_it_is_not_known_since_when_the_key_is(
    run: Run, clock: Callable[[int], None]
) -> None:
    shutil.rmtree(member().folder / "key-notes")
    assert "nothing is noted of this key share" in run("key", "status")
    notes = KeyNotes(member().folder)
    notes.note_share(TOY.epoch, None)
    clock(BEGAN_MS - 1)  # set back since
    output = run("key", "status")
    assert "  held since   2027-01-15 08:00:00+00:00\n" in output
    assert "  key since    not known in this data folder\n" in output


def test_before_the_ceremony_there_is_no_key_share(run: Run) -> None:
    shutil.rmtree(member().folder)
    assert "there is no key share" in run("key", "status", expect=1)


def test_a_stranger_is_told(run: Run) -> None:
    run("init", "--name", "Stranger", "--home", "h9")
    output = run("key", "status", "federation.toml", "--home", "h9", expect=1)
    assert "is not a member" in output


def test_a_damaged_note_is_told(run: Run, clock: Callable[[int], None]) -> None:
    (member().folder / "key-notes" / "share-1").write_bytes(b"junk")
    output = run("key", "status", expect=1)
    assert "key-notes/share-1 in the data folder is damaged" in output
