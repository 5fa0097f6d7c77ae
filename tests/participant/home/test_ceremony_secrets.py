"""Seeds and key shares, as a ceremony asks for them."""

from pathlib import Path

import pytest

from participant.errors import FileExists, NoSeed
from participant.home.ceremony_secrets import SecretStore
from participant.home.passphrase import Passphrase
from participant.home.vault import Vault
from tests.stage.toy_home import CHEAP


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    return SecretStore(Vault(tmp_path, bytes(32), 1, CHEAP), Passphrase("correct horse"))


def test_a_session_has_one_seed_for_ever(store: SecretStore) -> None:
    seed = store.seed("ceremony/1")
    assert len(seed) == 32
    assert store.seed("ceremony/1") == seed
    assert store.seed("ceremony/2") != seed


def test_keeping_a_share_destroys_the_seed(store: SecretStore) -> None:
    store.seed("ceremony/1")
    store.keep("ceremony/1", 1, b"share")
    assert store.vault.read_key_share(1, store.passphrase) == b"share"
    with pytest.raises(NoSeed):
        store.seed("ceremony/1")


def test_keeping_is_taken_up_again_after_a_crash_between_its_two_halves(store: SecretStore) -> None:
    store.seed("ceremony/1")
    store.vault.store_key_share(1, b"share", store.passphrase)
    assert store.vault.has_seed("ceremony/1")
    store.keep("ceremony/1", 1, b"share")
    assert not store.vault.has_seed("ceremony/1")


def test_another_share_never_replaces_the_first_and_keeps_the_seed(store: SecretStore) -> None:
    store.seed("ceremony/1")
    store.vault.store_key_share(1, b"share", store.passphrase)
    with pytest.raises(FileExists):
        store.keep("ceremony/1", 1, b"other")
    assert store.vault.read_key_share(1, store.passphrase) == b"share"
    assert store.vault.has_seed("ceremony/1")


def test_nothing_secret_is_in_the_representation(store: SecretStore) -> None:
    assert "correct horse" not in repr(store)


def test_a_withheld_seed_is_withheld_for_ever_and_goes_on_being_used(store: SecretStore) -> None:
    seed = store.seed("ceremony/1")
    store.withhold("ceremony/1")
    store.withhold("ceremony/1")
    again = SecretStore(Vault(store.vault.folder, bytes(32), 1, CHEAP), store.passphrase)
    assert again.withholds("ceremony/1")
    assert not again.withholds("ceremony/2")
    assert again.seed("ceremony/1") == seed
