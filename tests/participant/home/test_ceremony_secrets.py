"""Seeds and key shares, as a ceremony asks for them."""

from pathlib import Path

import pytest

from participant.errors import FileExists, NoSeed
from participant.home.ceremony_secrets import SecretStore
from participant.home.passphrase import Passphrase
from participant.home.vault import Vault
from protocol.encoding import encode
from protocol.key.epoch import HeldKey
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import CHEAP

TOY = toy_epoch(3, 2)
HELD, SHARE = HeldKey(TOY.epoch, TOY.secrets[1]), encode(TOY.secrets[1])


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    return SecretStore(Vault(tmp_path / "vault", bytes(32), 1, CHEAP), Passphrase("correct horse"))


def test_a_session_has_one_seed_for_ever(store: SecretStore) -> None:
    seed = store.seed("ceremony/1")
    assert len(seed) == 32
    assert store.seed("ceremony/1") == seed
    assert store.seed("ceremony/2") != seed


def test_keeping_a_share_destroys_the_seed(store: SecretStore) -> None:
    store.seed("ceremony/1")
    store.keep("ceremony/1", HELD)
    assert store.vault.read_key_share(1, store.passphrase) == SHARE
    with pytest.raises(NoSeed):
        store.seed("ceremony/1")


def test_keeping_is_taken_up_again_after_a_crash_between_its_two_halves(store: SecretStore) -> None:
    store.seed("ceremony/1")
    store.vault.store_key_share(1, SHARE, store.passphrase)
    assert store.vault.has_seed("ceremony/1")
    store.keep("ceremony/1", HELD)
    assert not store.vault.has_seed("ceremony/1")


def test_another_share_never_replaces_the_first_and_keeps_the_seed(store: SecretStore) -> None:
    store.seed("ceremony/1")
    store.vault.store_key_share(1, SHARE, store.passphrase)
    with pytest.raises(FileExists):
        store.keep("ceremony/1", HeldKey(TOY.epoch, TOY.secrets[2]))
    assert store.vault.read_key_share(1, store.passphrase) == SHARE
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
