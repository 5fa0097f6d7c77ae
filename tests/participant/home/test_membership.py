"""The door to the newest key share, and what is said where there is none any more."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.errors import DamagedFile, MissingFile, RetiredShare
from participant.home.membership import check_before_asking, enter_handover
from participant.home.passphrase import Passphrase
from participant.home.terms_file import TermsFile
from participant.home.vault import Vault
from protocol.encoding import encode
from protocol.terms.address_card import sign_card
from tests.stage.handover.rosters import terms_of
from tests.stage.rounds.rings import held_in, refreshed
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import PASSPHRASE, member_at

TOY = toy_epoch(3, 2)


def test_who_has_given_up_its_key_share_is_told_so(tmp_path: Path) -> None:
    member = member_at(tmp_path / "home")
    member.vault.retire_key_share(1)
    for use in (
        member.held_key,
        member.keys.read,
        lambda: check_before_asking(TOY.federation.terms, tmp_path / "home", needs_key=True),
    ):
        with pytest.raises(RetiredShare) as caught:
            use()
        assert (caught.value.folder, caught.value.epoch) == (member.folder, 1)
    check_before_asking(TOY.federation.terms, tmp_path / "home", needs_key=False)


def test_without_a_key_share_it_is_missing(tmp_path: Path) -> None:
    member = member_at(tmp_path / "home")
    (member.vault.folder / "key-share-1.sealed").unlink()
    for use in (member.held_key, member.keys.read):
        with pytest.raises(MissingFile):
            use()


def test_a_share_that_opens_and_is_none_is_named_with_its_ways_back(tmp_path: Path) -> None:
    member = member_at(tmp_path / "home")
    member.vault.store_key_share(2, b"junk", PASSPHRASE)
    for use in (member.held_key, member.keys.read):
        with pytest.raises(DamagedFile) as caught:
            use()
        assert caught.value.path == member.vault.key_share_path(2)
        assert "key restore" in describe(caught.value, Context()).remedy


def test_the_ring_has_the_keys_of_the_vault_once_it_is_told(tmp_path: Path) -> None:
    member = member_at(tmp_path / "home")
    old, new = held_in(TOY, 1), held_in(refreshed(3, 2), 1)
    keys = member.settled_keys()
    assert keys is member.keys
    assert keys.current == old
    member.vault.store_key_share(2, encode(new.secret), PASSPHRASE)
    assert keys.current == old
    assert member.held_key() == new
    keys.renew()
    assert (keys.current, keys.of(old.epoch.digest)) == (new, old)
    member.vault.retire_key_share(1)
    keys.renew()
    assert (keys.current, keys.of(old.epoch.digest)) == (new, None)


def test_a_share_that_the_ring_has_is_not_opened_again(tmp_path: Path, monkeypatch) -> None:
    opened, honest = list[int](), Vault.read_key_share

    def read_key_share(vault: Vault, epoch: int, passphrase: Passphrase) -> bytes:
        opened.append(epoch)
        return honest(vault, epoch, passphrase)

    monkeypatch.setattr(Vault, "read_key_share", read_key_share)
    member = member_at(tmp_path / "home")
    opened.clear()
    member.keys.renew()
    assert opened == []
    member.keys.read()
    member.vault.store_key_share(2, encode(held_in(refreshed(3, 2), 1).secret), PASSPHRASE)
    member.keys.renew()
    member.vault.retire_key_share(1)
    member.keys.renew()
    assert opened == [1, 2]


def test_an_aggregator_that_has_moved_is_found_by_its_card_in_the_new_terms(tmp_path: Path) -> None:
    old, key = TOY.federation.terms, TOY.federation.keys[0]
    new = terms_of(old, [1, 2, 3, "G1"], 2)
    first, moved = (sign_card(key, k, f"wss://place-{k}", bytes(32)) for k in (1, 2))
    strange = sign_card(Ed25519PrivateKey.generate(), 3, "wss://elsewhere", bytes(32))
    for number, (card, found) in enumerate([(moved, moved), (first, first), (strange, first)]):
        home = tmp_path / f"home-{number}"
        member_at(home)
        place = enter_handover(
            TermsFile(home, "", old, {}, first),
            TermsFile(home, "", new, {}, card),
            home,
            PASSPHRASE,
        )
        assert place.address.newest == found
