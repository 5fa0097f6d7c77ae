"""What a member of a handover keeps in its vault: through crashes, damage, and to its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from participant.disk.files import FolderStorage
from participant.errors import BadName, DamagedFile, DiskError, FileExists, MissingFile, NoSeed
from participant.home import sealed_file
from participant.home.handover_shelf import HandoverShelf
from participant.home.key_notes import KeyNotes, keep_share
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import reseal
from participant.home.vault import Vault
from protocol.encoding import encode
from protocol.handover import OLD_SHARE
from protocol.key.epoch import HeldKey
from tests.protocol.handover.table import HandoverTable, refresh
from tests.stage.files import flipped
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import CHEAP, PASSPHRASE, cheap_argon2id

TOY = toy_epoch(3, 2)
ARRIVAL, DEALING, SHARE = (f"handover/1/{what}" for what in ("arrival", "dealing", "share"))
OWN_FILES = ["handover-1.arrival", "handover-1.dealing", "handover-1.share"]


def vault_at(folder: Path, federation: bytes = TOY.epoch.federation, member: int = 1) -> Vault:
    return Vault(folder / federation.hex()[:16] / "vault", federation, member, CHEAP)


def shelf_on(
    vault: Vault, session: str = "handover/1", passphrase: Passphrase = PASSPHRASE
) -> HandoverShelf:
    return HandoverShelf(vault, passphrase, 1, session, vault)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = vault_at(tmp_path)
    keep_share(vault, HeldKey(TOY.epoch, TOY.secrets[1]), PASSPHRASE, 1_000)
    return vault


# ── what is kept ──


def test_what_was_written_is_read_by_whoever_comes_back(vault: Vault) -> None:
    shelf = shelf_on(vault)
    for name in (ARRIVAL, DEALING, SHARE):
        assert shelf.read(name) is None
        shelf.write(name, name.encode())
    for again in (shelf, shelf_on(Vault(vault.folder, vault.federation, 1, CHEAP))):
        assert [again.read(name) for name in (ARRIVAL, DEALING, SHARE)] == [
            name.encode() for name in (ARRIVAL, DEALING, SHARE)
        ]
        assert again.read(OLD_SHARE) == encode(TOY.secrets[1])


def test_nothing_is_overwritten(vault: Vault) -> None:
    shelf_on(vault).write(DEALING, b"the first")
    with pytest.raises(FileExists):
        shelf_on(vault).write(DEALING, b"the second")
    assert shelf_on(vault).read(DEALING) == b"the first"


@pytest.mark.parametrize(
    "name", [OLD_SHARE, "handover/2/share", "handover/1/seed", "handover/1", "x", "../1/share", ""]
)
def test_only_what_the_attempt_keeps_has_a_name(vault: Vault, name: str) -> None:
    before = os.listdir(vault.folder)
    with pytest.raises(BadName):
        shelf_on(vault).write(name, b"x")
    if name != OLD_SHARE:
        with pytest.raises(BadName):
            shelf_on(vault).read(name)
        with pytest.raises(BadName):
            shelf_on(vault).delete(name)
    assert os.listdir(vault.folder) == before


def test_attempts_have_seeds_and_files_of_their_own(vault: Vault) -> None:
    first, second = shelf_on(vault), shelf_on(vault, "handover/2")
    first.write(ARRIVAL, b"the first")
    second.write("handover/2/arrival", b"the second")
    first.forget()
    assert second.read("handover/2/arrival") == b"the second"
    assert shelf_on(vault, "handover/2").read("handover/2/arrival") == b"the second"
    assert vault.has_forgotten("handover/1")
    assert vault.has_seed("handover/2")


def test_an_attempt_and_its_old_share_cost_one_derivation(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counted(**asked: object) -> object:
        nonlocal count
        count += 1
        return cheap_argon2id(**asked)

    monkeypatch.setattr(sealed_file, "Argon2id", counted)
    for _ in range(2):  # and one after a restart
        shelf, count = shelf_on(vault, passphrase=Passphrase(PASSPHRASE.text)), 0
        for _ in range(10):
            assert shelf.read(OLD_SHARE)
            for name in (ARRIVAL, DEALING, SHARE):
                if shelf.read(name) is None:
                    shelf.write(name, b"data")
        assert count == 1


def test_what_was_just_written_is_read_from_the_disk(vault: Vault) -> None:
    shelf = shelf_on(vault)
    shelf.write(SHARE, b"share")
    spoil(vault, "handover-1.share")
    assert shelf.read(SHARE) == b""


def test_what_was_deleted_is_not_remembered(vault: Vault) -> None:
    shelf = shelf_on(vault)
    shelf.write(ARRIVAL, b"keys")
    assert shelf.read(ARRIVAL) == b"keys"
    shelf.delete(ARRIVAL)
    assert shelf.read(ARRIVAL) is None
    assert not (vault.folder / "handover-1.arrival").exists()
    assert b"keys" not in vars(shelf)["_known"].values()


def test_files_are_private_and_hold_nothing_in_clear(vault: Vault) -> None:
    shelf = shelf_on(vault)
    secret = b"a secret that is long enough to be found"
    shelf.write(ARRIVAL, secret)
    for path in vault.folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert secret not in path.read_bytes()
    assert repr(shelf) == "HandoverShelf(handover/1, <secret>)"


def test_a_new_passphrase_opens_an_attempt_that_is_under_way(vault: Vault, tmp_path: Path) -> None:
    shelf_on(vault).write(ARRIVAL, b"keys")
    new, seed = Passphrase("battery staple"), vault.folder / "handover-1.seed.sealed"
    reseal(seed, tmp_path / "aside", PASSPHRASE, new)
    (tmp_path / "aside").rename(seed)
    assert HandoverShelf(vault, new, 1, "handover/1", vault).read(ARRIVAL) == b"keys"


# ── what does not open ──


def spoil(vault: Vault, name: str) -> None:
    path = vault.folder / name
    path.write_bytes(flipped(path.read_bytes()))


@pytest.mark.parametrize("spoilt", ["flipped", "cut", "empty", "long", "another's", "no seed"])
def test_what_does_not_open_is_there_all_the_same(vault: Vault, spoilt: str) -> None:
    """It would be drawn a second time if it looked as if nothing had been there."""
    shelf = shelf_on(vault)
    shelf.write(DEALING, b"dealing")
    shelf.write(ARRIVAL, b"keys")
    path = vault.folder / "handover-1.dealing"
    changes: dict[str, Callable[[], object]] = {
        "flipped": lambda: spoil(vault, path.name),
        "cut": lambda: path.write_bytes(path.read_bytes()[:-1]),
        "empty": lambda: path.write_bytes(b""),
        "long": lambda: path.write_bytes(bytes(1 << 20)),
        "another's": lambda: path.write_bytes((vault.folder / "handover-1.arrival").read_bytes()),
        "no seed": (vault.folder / "handover-1.seed.sealed").unlink,
    }
    changes[spoilt]()
    again = shelf_on(vault)
    assert again.read(DEALING) == b""
    with pytest.raises(FileExists if spoilt != "no seed" else NoSeed):
        again.write(DEALING, b"another dealing")


def test_no_second_seed_is_drawn_where_the_first_is_lost(vault: Vault) -> None:
    shelf_on(vault).write(ARRIVAL, b"keys")
    (vault.folder / "handover-1.seed.sealed").unlink()
    with pytest.raises(NoSeed) as caught:
        shelf_on(vault).write(DEALING, b"dealing")
    assert caught.value.why == "lost"
    assert not vault.has_seed("handover/1")


@pytest.mark.parametrize("other", ["member", "federation", "session"])
def test_a_file_of_another_place_does_not_open(vault: Vault, tmp_path: Path, other: str) -> None:
    """Even under the same seed, which a copy of a whole vault would bring."""
    shelf_on(vault).write(ARRIVAL, b"keys")
    seed = vault.seed("handover/1", PASSPHRASE)
    session = "handover/2" if other == "session" else "handover/1"
    federation = bytes(32) if other == "federation" else vault.federation
    there = vault_at(tmp_path / "there", federation, 2 if other == "member" else 1)
    path = there.folder / f"{session.replace('/', '-')}.seed.sealed"
    sealed_file.seal(path, there._seed_purpose(session), seed, PASSPHRASE, CHEAP)
    copy = there.folder / f"{session.replace('/', '-')}.arrival"
    copy.write_bytes((vault.folder / "handover-1.arrival").read_bytes())
    assert shelf_on(there, session).read(f"{session}/arrival") == b""


def test_a_damaged_old_share_is_there_and_not_whole_and_can_be_given_up(vault: Vault) -> None:
    spoil(vault, "key-share-1.sealed")
    shelf = shelf_on(vault)
    assert shelf.read(OLD_SHARE) == b""
    shelf.delete(OLD_SHARE)
    assert shelf.read(OLD_SHARE) is None


def test_a_disk_that_refuses_is_no_damage(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf_on(vault).write(ARRIVAL, b"keys")

    def refused(*arguments: object) -> bytes:
        raise DiskError(vault.folder, "input/output error")

    for module in ("handover_shelf", "sealed_file"):
        monkeypatch.setattr(f"participant.home.{module}.read", refused)
    for name in (ARRIVAL, OLD_SHARE):
        with pytest.raises(DiskError):
            shelf_on(vault).read(name)


# ── the share's way into its place, and the end ──


def _handed_over() -> dict[int, HeldKey]:
    at = HandoverTable(refresh(), TOY.secrets).run()
    assert at.view.epoch is not None
    return {i: HeldKey(at.view.epoch, secret) for i, secret in at.new_secrets().items()}


HANDED = _handed_over()


def test_the_new_share_is_moved_to_its_place_and_is_still_on_the_shelf(vault: Vault) -> None:
    shelf, data = shelf_on(vault), encode(HANDED[1].secret)
    shelf.write(SHARE, data)
    for again in (shelf, shelf, shelf_on(vault)):
        again.promote()
        assert again.read(SHARE) == data
        assert not (vault.folder / "handover-1.share").exists()
    assert vault.epochs() == [1, 2]
    assert vault.read_key_share(2, PASSPHRASE) == data
    note = KeyNotes(vault.folder.parent).share(2)
    assert note is not None
    assert (note.digest, note.made_ms) == (HANDED[1].epoch.digest, 1_000)
    assert note.since_ms > 1_000


def test_backups_of_the_old_share_are_known_in_the_new_federation(
    vault: Vault, tmp_path: Path
) -> None:
    """Whoever looks there sees what is to be destroyed; a damaged note is in nobody's way."""
    notes, federation = KeyNotes(vault.folder.parent), bytes(32)
    notes.note_backup(TOY.epoch, tmp_path / "b.sealed")
    FolderStorage(notes.folder).write("key-notes/backup-0", b"junk")
    held = HANDED[1]
    epoch = msgspec.structs.replace(held.epoch, federation=federation)
    secret = msgspec.structs.replace(held.secret, epoch=encode(epoch))
    target = vault_at(tmp_path, federation)
    shelf = HandoverShelf(vault, PASSPHRASE, 1, "handover/1", target)
    shelf.write(SHARE, encode(secret))
    shelf.promote()
    assert target.epochs() == [2]
    found = KeyNotes(target.folder.parent).backups()
    assert [(note.epoch, note.file) for note in found] == [(1, tmp_path / "b.sealed")]


def test_the_copy_stays_until_the_share_in_its_place_has_been_read_back(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = shelf_on(vault)
    shelf.write(SHARE, encode(HANDED[1].secret))
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "read_key_share", lambda *arguments: b"something else")
        with pytest.raises(FileExists):
            shelf.promote()
    assert (vault.folder / "handover-1.share").exists()
    shelf.promote()


@pytest.mark.parametrize("data", [b"", b"junk", encode(TOY.secrets[1]), encode(HANDED[2].secret)])
def test_what_is_no_share_for_that_place_is_not_moved(vault: Vault, data: bytes) -> None:
    shelf = shelf_on(vault)
    shelf.write(SHARE, data)
    with pytest.raises(DamagedFile) as caught:
        shelf.promote()
    assert caught.value.path == vault.folder / "handover-1.share"
    assert vault.epochs() == [1]
    assert shelf.read(SHARE) == data


def test_another_share_in_that_place_is_left_alone(vault: Vault) -> None:
    vault.store_key_share(2, b"another", PASSPHRASE)
    shelf = shelf_on(vault)
    shelf.write(SHARE, encode(HANDED[1].secret))
    with pytest.raises(FileExists):
        shelf.promote()
    assert vault.read_key_share(2, PASSPHRASE) == b"another"
    assert (vault.folder / "handover-1.share").exists()


def test_without_a_new_share_there_is_nothing_to_move(vault: Vault) -> None:
    with pytest.raises(MissingFile):
        shelf_on(vault).promote()
    with pytest.raises(MissingFile):
        HandoverShelf(vault, PASSPHRASE, 1, "handover/1", None).promote()


def test_a_seed_is_not_destroyed_while_the_new_share_lies_under_it(vault: Vault) -> None:
    shelf = shelf_on(vault)
    shelf.write(SHARE, encode(HANDED[1].secret))
    with pytest.raises(FileExists):
        shelf.forget()
    shelf.promote()
    shelf.forget()
    shelf.forget()
    assert vault.epochs() == [1, 2]


def test_what_was_forgotten_is_gone_and_never_made_again(vault: Vault) -> None:
    shelf = shelf_on(vault)
    shelf.write(ARRIVAL, b"keys")
    shelf.write(DEALING, b"dealing")
    shelf.forget()
    for again in (shelf, shelf_on(vault)):
        assert again.read(ARRIVAL) is None
        assert again.read(DEALING) is None
        with pytest.raises(NoSeed):
            again.write(ARRIVAL, b"other keys")
    kept = ["handover-1.seed.forgotten", "key-share-1.sealed"]
    assert sorted(os.listdir(vault.folder)) == kept
