"""A vault keeps key shares and seeds for one member of one federation, and never mixes them up."""

import os
from pathlib import Path

import pytest

from participant.errors import (
    BadName,
    DamagedFile,
    DiskError,
    FileExists,
    ForeignSeal,
    MissingFile,
    NoSeed,
    RetiredShare,
    WrongPassphrase,
)
from participant.home import vault as vaults
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import seal
from participant.home.vault import Vault
from tests.stage.mortal import OF_A_HOSPITAL, survived
from tests.stage.toy_home import CHEAP, PASSPHRASE

FEDERATION = bytes(range(32))


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault", FEDERATION, 2, CHEAP)


def test_a_key_share_comes_back_with_what_it_belongs_to(vault: Vault) -> None:
    vault.store_key_share(1, b"share", PASSPHRASE)
    again = Vault(vault.folder, FEDERATION, 2)
    assert again.read_key_share(1, PASSPHRASE) == b"share"


def test_a_key_share_is_never_overwritten(vault: Vault) -> None:
    vault.store_key_share(1, b"share", PASSPHRASE)
    with pytest.raises(FileExists):
        vault.store_key_share(1, b"other", PASSPHRASE)
    assert vault.read_key_share(1, PASSPHRASE) == b"share"


def test_epochs_are_listed_in_order_without_a_passphrase(vault: Vault) -> None:
    assert vault.epochs() == []
    for epoch in (10, 2, 1):
        vault.store_key_share(epoch, b"share", PASSPHRASE)
    vault.new_seed("round/7", PASSPHRASE)
    assert vault.epochs() == [1, 2, 10]


def test_a_missing_epoch_is_told(vault: Vault) -> None:
    with pytest.raises(MissingFile) as caught:
        vault.read_key_share(1, PASSPHRASE)
    assert caught.value.what == "key share of epoch 1"


def test_a_vault_of_another_federation_or_member_is_told(vault: Vault) -> None:
    vault.store_key_share(1, b"share", PASSPHRASE)
    for other, field in (
        (Vault(vault.folder, bytes(32), 2), "federation"),
        (Vault(vault.folder, FEDERATION, 3), "member"),
    ):
        with pytest.raises(ForeignSeal) as caught:
            other.read_key_share(1, PASSPHRASE)
        assert list(caught.value.differing) == [field]


def test_a_key_share_renamed_to_another_epoch_is_told(vault: Vault) -> None:
    vault.store_key_share(1, b"share", PASSPHRASE)
    (vault.folder / "key-share-1.sealed").rename(vault.folder / "key-share-2.sealed")
    with pytest.raises(ForeignSeal) as caught:
        vault.read_key_share(2, PASSPHRASE)
    assert caught.value.differing == {"epoch": (2, 1)}


def test_a_wrong_passphrase_opens_nothing(vault: Vault) -> None:
    vault.store_key_share(1, b"share", PASSPHRASE)
    vault.new_seed("round/7", PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        vault.read_key_share(1, Passphrase("wrong horse"))
    with pytest.raises(WrongPassphrase):
        vault.seed("round/7", Passphrase("wrong horse"))


def test_a_seed_is_the_same_each_time_and_after_a_restart(vault: Vault) -> None:
    assert not vault.has_seed("round/7")
    seed = vault.new_seed("round/7", PASSPHRASE)
    assert len(seed) == 32
    assert vault.has_seed("round/7")
    assert vault.seed("round/7", PASSPHRASE) == seed
    assert Vault(vault.folder, FEDERATION, 2).seed("round/7", PASSPHRASE) == seed


def test_every_session_has_a_seed_of_its_own(vault: Vault) -> None:
    sessions = ["round/7", "round/8", "ceremony/1", "statistic/7", "statistic/a-b", "statistic/a"]
    seeds = {vault.new_seed(session, PASSPHRASE) for session in sessions}
    assert len(seeds) == len(sessions)


def test_a_session_is_never_given_a_second_seed(vault: Vault) -> None:
    seed = vault.new_seed("round/7", PASSPHRASE)
    with pytest.raises(FileExists):
        vault.new_seed("round/7", PASSPHRASE)
    assert vault.seed("round/7", PASSPHRASE) == seed


def test_a_seed_that_was_not_stored_is_not_given_out(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskError(vault.folder, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(vaults, "seal", full)
        with pytest.raises(DiskError):
            vault.new_seed("round/7", PASSPHRASE)
    assert not vault.has_seed("round/7")
    with pytest.raises(MissingFile):
        vault.seed("round/7", PASSPHRASE)


def test_a_seed_renamed_to_another_session_is_told(vault: Vault) -> None:
    vault.new_seed("round/7", PASSPHRASE)
    (vault.folder / "round-7.seed.sealed").rename(vault.folder / "round-8.seed.sealed")
    with pytest.raises(ForeignSeal) as caught:
        vault.seed("round/8", PASSPHRASE)
    assert caught.value.differing == {"session": ("round/8", "round/7")}


def test_a_forgotten_seed_is_gone_for_good(vault: Vault) -> None:
    vault.new_seed("round/7", PASSPHRASE)
    vault.forget_seed("round/7")
    vault.forget_seed("round/7")
    assert not vault.has_seed("round/7")
    assert os.listdir(vault.folder) == ["round-7.seed.forgotten"]
    with pytest.raises(NoSeed):
        vault.seed("round/7", PASSPHRASE)
    with pytest.raises(NoSeed):
        vault.new_seed("round/7", PASSPHRASE)


def test_forgetting_cut_off_halfway_is_still_forgetting(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(_path: Path) -> None:
        raise DiskError(vault.folder, "input/output error")

    vault.new_seed("round/7", PASSPHRASE)
    with monkeypatch.context() as patch:
        patch.setattr(vaults, "delete", cut_off)
        with pytest.raises(DiskError):
            vault.forget_seed("round/7")
    assert not vault.has_seed("round/7")
    with pytest.raises(NoSeed):
        vault.new_seed("round/7", PASSPHRASE)
    vault.forget_seed("round/7")
    assert os.listdir(vault.folder) == ["round-7.seed.forgotten"]


def test_a_seed_of_another_length_is_told(vault: Vault) -> None:
    path = vault.folder / "round-7.seed.sealed"
    seal(path, vault._seed_purpose("round/7"), b"short", PASSPHRASE, CHEAP)
    with pytest.raises(DamagedFile):
        vault.seed("round/7", PASSPHRASE)


@pytest.mark.parametrize(
    "session",
    [
        "",
        "round",
        "round/",
        "/7",
        "round/7/8",
        "round/..",
        "round/.x",
        "../x",
        "Round/7",
        "round/7\n",
        "a-b/c",
        "statistic/" + "x" * 65,
        "statistic/ä",
        "statistic/a b",
    ],
)
def test_a_name_that_is_no_session_is_refused(session: str, vault: Vault) -> None:
    for use in (vault.has_seed, vault.forget_seed):
        with pytest.raises(BadName):
            use(session)
    for use_with_passphrase in (vault.new_seed, vault.seed):
        with pytest.raises(BadName):
            use_with_passphrase(session, PASSPHRASE)
    assert os.listdir(vault.folder) == []


def test_a_bad_epoch_is_refused_and_nothing_is_written(vault: Vault) -> None:
    with pytest.raises(ValueError, match="0"):
        vault.store_key_share(-1, b"share", PASSPHRASE)
    assert os.listdir(vault.folder) == []


# ── key shares that are given up ──


def test_a_retired_key_share_is_gone_for_good(vault: Vault) -> None:
    for epoch in (1, 2):
        vault.store_key_share(epoch, b"share", PASSPHRASE)
    vault.retire_key_share(1)
    vault.retire_key_share(1)
    assert vault.epochs() == [2]
    assert vault.has_retired(1)
    assert not vault.has_retired(2)
    assert sorted(os.listdir(vault.folder)) == ["key-share-1.retired", "key-share-2.sealed"]
    again = Vault(vault.folder, FEDERATION, 2, CHEAP)
    for use in (
        lambda: again.store_key_share(1, b"share", PASSPHRASE),
        lambda: again.read_key_share(1, PASSPHRASE),
    ):
        with pytest.raises(RetiredShare) as caught:
            use()
        assert (caught.value.folder, caught.value.epoch) == (vault.folder, 1)
    assert (again.epochs(), vaults.retired_in(vault.folder)) == ([2], [1])


def test_the_seed_that_a_retired_key_share_was_made_from_goes_with_it(vault: Vault) -> None:
    vault.new_seed("ceremony/1", PASSPHRASE)  # a kill has left it
    vault.store_key_share(1, b"share", PASSPHRASE)
    vault.retire_key_share(1)
    assert not vault.has_seed("ceremony/1")
    assert vault.has_forgotten("ceremony/1")
    vault.retire_key_share(2)  # of an epoch that a handover made
    assert not vault.has_forgotten("ceremony/2")


def test_an_epoch_without_a_key_share_is_retired_too(vault: Vault) -> None:
    vault.retire_key_share(1)
    with pytest.raises(RetiredShare):
        vault.store_key_share(1, b"of a backup", PASSPHRASE)


def test_wherever_retiring_is_cut_off_the_share_is_there_or_gone_for_good(tmp_path: Path) -> None:
    outcomes = []
    for dies_at in range(1, 100):
        vault = Vault(tmp_path / f"crash-{dies_at}", FEDERATION, 2, CHEAP)
        vault.store_key_share(1, b"share", PASSPHRASE)
        if survived(lambda: vault.retire_key_share(1), dies_at, OF_A_HOSPITAL):  # noqa: B023
            break
        again = Vault(vault.folder, FEDERATION, 2, CHEAP)
        outcomes.append(again.has_retired(1))
        if again.has_retired(1):  # then opening the vault has finished it
            assert os.listdir(vault.folder) == ["key-share-1.retired"]
            assert again.epochs() == []
        else:
            assert again.read_key_share(1, PASSPHRASE) == b"share"
            again.retire_key_share(1)
            assert again.epochs() == []
    assert outcomes == sorted(outcomes)
    assert {*outcomes} == {False, True}


def test_a_share_whose_mark_is_there_is_not_used_though_its_file_is(vault: Vault) -> None:
    vault.store_key_share(1, b"share", PASSPHRASE)
    (vault.folder / "key-share-1.retired").touch()
    assert vault.epochs() == []
    with pytest.raises(RetiredShare):
        vault.read_key_share(1, PASSPHRASE)


def test_opening_the_vault_finishes_forgetting_a_seed(vault: Vault) -> None:
    vault.new_seed("round/7", PASSPHRASE)
    (vault.folder / "round-7.seed.forgotten").touch()
    assert vault.has_forgotten("round/7")
    Vault(vault.folder, FEDERATION, 2, CHEAP)
    assert os.listdir(vault.folder) == ["round-7.seed.forgotten"]


def test_files_and_folder_are_private(vault: Vault) -> None:
    vault.store_key_share(1, b"share", PASSPHRASE)
    assert vault.folder.stat().st_mode & 0o777 == 0o700
    assert (vault.folder / "key-share-1.sealed").stat().st_mode & 0o777 == 0o600
