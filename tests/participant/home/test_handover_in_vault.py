"""Whole handovers with one member's vault, whose machine dies at each durable step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from participant.disk.files import entries
from participant.home.handover_shelf import HandoverShelf
from participant.home.key_notes import KeyNotes, keep_share
from participant.home.vault import Vault
from protocol.encoding import decode
from protocol.handover import Succession
from protocol.key.epoch import EpochSecret, HeldKey
from protocol.messages.handover import BareWord, Content, ShownPart
from tests.protocol.handover.table import HandoverTable, Tamper, decrypts, refresh, succession
from tests.stage.files import flipped
from tests.stage.mortal import OF_A_HOSPITAL, survived
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import CHEAP, PASSPHRASE

SESSION = "handover/1"


TOY = toy_epoch(3, 2)


def nothing_else(table: HandoverTable, sender: int, said: Content) -> Content:
    return said


@dataclass
class Home:
    """A member's data folder, with a vault of the old federation and one of the new."""

    folder: Path
    about: Succession
    member: int
    is_new: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_new = self.member in self.about.rosters.new

    def vault(self) -> Vault:
        return self._vault(self.about.old.federation, self.member)

    def target(self) -> Vault | None:
        if not self.is_new:
            return None
        return self._vault(self.about.new.federation, self.about.new_number(self.member))

    def _vault(self, federation: bytes, member: int) -> Vault:
        return Vault(self.folder / federation.hex()[:16] / "vault", federation, member, CHEAP)

    def shelf(self) -> HandoverShelf:
        """As a process finds it that has just been started."""
        return HandoverShelf(self.vault(), PASSPHRASE, 1, SESSION, self.target())

    def files(self) -> list[str]:
        """What lies in the vaults, but for what a dead process seems to be writing still."""
        folders = {vault.folder for vault in (self.vault(), self.target()) if vault}
        return sorted(path.name for folder in folders for path in entries(folder))


def keeps_its_part(at: HandoverTable, sender: int, said: Content) -> Content | None:
    return None if isinstance(said, ShownPart) else said


class InVault(HandoverTable):
    """A table where one member's shelf is its vault; it ends its attempt as a hospital has to."""

    home: Home

    def seat(self, home: Home) -> None:
        """As a process that has just been started."""
        self.home = home
        self.shelf = self.shelves[home.member] = home.shelf()  # type: ignore[assignment]
        self.members[home.member] = self.member(home.member)

    def conclude(self) -> None:
        """Go on to the end; the member's share is in its place before the attempt is settled."""
        self.run(lambda view: view.attempt.is_released)
        if self.view.attempt.is_released and self.home.is_new:
            self.shelf.promote()
        self.run()
        self.shelf.forget()


def table_at(home: Home, lie: Tamper = nothing_else) -> InVault:
    at = InVault(home.about, TOY.secrets, lie, 3 if lie is keeps_its_part else 0)
    if home.member in TOY.secrets:
        keep_share(home.vault(), HeldKey(TOY.epoch, TOY.secrets[home.member]), PASSPHRASE, 1_000)
    at.seat(home)
    return at


def concluded(home: Home, dies_at: int, lie: Tamper = nothing_else) -> tuple[InVault, bool]:
    """A handover whose member is on a machine that dies, and comes back; whether it died."""
    at = table_at(home, lie)
    if survived(at.conclude, dies_at, OF_A_HOSPITAL):
        return at, False
    at.seat(home)
    at.conclude()
    return at, True


def two_of_others() -> Succession:
    """To 2 of 3: member 1 stays with another number, 2 and 3 leave, and two come."""
    return succession(TOY, ["G1", 1, "G2"], 2)


ENDS: dict[str, tuple[Callable[[], Succession], int]] = {
    "refreshed": (refresh, 1),
    "stays": (two_of_others, 1),
    "leaves": (two_of_others, 2),
    "comes": (two_of_others, 4),
}


@pytest.mark.slow  # each of some 80 crashes is a whole handover
@pytest.mark.parametrize("end", ENDS)
def test_wherever_the_machine_dies_the_new_share_is_in_place_and_the_old_one_gone(
    end: str, tmp_path: Path
) -> None:
    about, member = ENDS[end]
    for dies_at in range(1, 1_000):
        home = Home(tmp_path / str(dies_at), about(), member)
        at, has_died = concluded(home, dies_at)
        assert at.view.attempt.is_settled
        assert at.named == []
        left = {"handover-1.seed.forgotten"}
        if member in about().rosters.old:
            left.add("key-share-1.retired")
        if target := home.target():
            left.add("key-share-2.sealed")
            shares = [secret_in(target), secret_of_another(at, member)]
            assert at.view.epoch is not None
            assert decrypts(at.view.epoch.joint_key(), [s.secret_share() for s in shares])
            note = KeyNotes(target.folder.parent).share(2)
            assert note is not None
            assert note.made_ms == (1_000 if member in about().rosters.old else None)
        assert home.files() == sorted(left)
        if not has_died:
            break
    assert dies_at > 40


def secret_in(vault: Vault) -> EpochSecret:
    payload = vault.read_key_share(2, PASSPHRASE)
    return decode(payload, EpochSecret, "key share", 1 << 20)


def secret_of_another(at: InVault, member: int) -> EpochSecret:
    other = next(i for i in at.about.rosters.new if i != member)
    return decode(at.shelves[other].kept[f"{SESSION}/share"], EpochSecret, "key share", 1 << 20)


@pytest.mark.slow  # the same
def test_wherever_the_machine_dies_an_attempt_without_a_key_leaves_the_old_share_alone(
    tmp_path: Path,
) -> None:
    for dies_at in range(1, 1_000):
        home = Home(tmp_path / str(dies_at), refresh(), 1)
        at, has_died = concluded(home, dies_at, keeps_its_part)
        assert at.view.attempt.is_thawed
        assert home.files() == ["handover-1.seed.forgotten", "key-share-1.sealed"]
        if not has_died:
            break
    assert dies_at > 40


def test_the_share_is_promoted_once_released_though_not_all_have_acknowledged(
    tmp_path: Path,
) -> None:
    at = table_at(Home(tmp_path, refresh(), 1))
    at.run(lambda view: view.attempt.is_released)
    assert not at.view.attempt.is_settled
    at.shelf.promote()
    assert at.home.vault().epochs() == [1, 2]
    at.seat(at.home)  # after a restart it says that it has its share
    at.run()
    assert at.view.attempt.is_settled
    assert at.home.vault().epochs() == [2]


@pytest.mark.parametrize("name", ["arrival", "dealing"])
def test_what_was_damaged_is_not_drawn_again(name: str, tmp_path: Path) -> None:
    at = table_at(Home(tmp_path, refresh(), 1))
    at.run(lambda view: 1 in view.attempt.committed)
    path = at.home.vault().folder / f"handover-1.{name}"
    damaged = flipped(path.read_bytes())
    path.write_bytes(damaged)
    at.seat(at.home)
    at.run(lambda view: len(view.attempt.voids) > 1)
    assert path.read_bytes() == damaged
    at.run()
    assert at.members[1].is_unfit
    assert at.view.attempt.is_thawed
    assert at.named == []
    assert at.home.vault().epochs() == [1]


def test_a_member_whose_old_share_is_damaged_gets_a_new_one(tmp_path: Path) -> None:
    home = Home(tmp_path, refresh(), 1)
    at = table_at(home)
    path = home.vault().key_share_path(1)
    path.write_bytes(flipped(path.read_bytes()))
    at.conclude()
    assert at.view.attempt.is_settled
    assert (1, BareWord("freeze only")) in at.entries
    assert home.vault().epochs() == [2]
    assert secret_in(home.vault()).index == 1
