"""The home of a member of a toy federation whose key is made, its terms, and its record."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from participant.home import identity as identities
from participant.home.address import Address
from participant.home.folders import federation_folder
from participant.home.identity import Identity
from participant.home.key_notes import keep_share, now_ms
from participant.home.membership import Membership
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import Argon2Cost
from participant.home.vault import Vault
from protocol.board.post import Entry
from protocol.key.epoch import HeldKey
from protocol.terms.address_card import render_card, sign_card
from tests.stage.record.memory import files_of, write_folder
from tests.stage.toy import Federation, ToyEpoch, toy_epoch

PASSPHRASE = Passphrase("correct horse")
CHEAP = Argon2Cost(memory_kib=64, iterations=1, lanes=1)


def cheap_argon2id(**asked: Any) -> Argon2id:
    """In place of sealed_file's: the least cost, whatever the header of a file asks for.

    For tests of whole commands, which offer no other cost; test_sealed_file has the real one.
    """
    cheap = {"memory_cost": CHEAP.memory_kib, "iterations": CHEAP.iterations, "lanes": CHEAP.lanes}
    return Argon2id(**asked | cheap)


def member_at(home: Path, index: int = 1, toy: ToyEpoch | None = None) -> Membership:
    """A member that has an identity and, of epoch 1, its key share."""
    toy = toy or toy_epoch(3, 2)
    terms = toy.federation.terms
    identity = Identity(terms.name_of(index), toy.federation.keys[index])
    home.mkdir(parents=True)
    identities.keep(home, identity, PASSPHRASE, CHEAP)
    identities.load(home, PASSPHRASE)
    folder = federation_folder(home, terms.federation)
    vault = Vault(folder / "vault", terms.federation, index, CHEAP)
    keep_share(vault, HeldKey(toy.epoch, toy.secrets[index]), PASSPHRASE, now_ms())
    address = address_of(toy.federation, folder)
    return Membership(terms, index, identity, folder, vault, PASSPHRASE, address)


def address_of(federation: Federation, folder: Path) -> Address:
    """Where a hospital looks for the aggregator of a toy federation."""
    return Address(federation.terms.aggregator_key, federation.card, folder)


def write_aggregator_card(folder: Path) -> None:
    """``aggregator.toml``, of an aggregator that nobody reaches."""
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    card = sign_card(key, 1, "wss://localhost:1", b"p" * 32)
    (folder / "aggregator.toml").write_text(render_card(card))


def write_cards(folder: Path, count: int = 3) -> list[str]:
    """An aggregator's card, and hospitals h1, h2, ...: the options that name them all."""
    write_aggregator_card(folder)
    for i in range(1, count + 1):
        identities.create(folder / f"h{i}", f"H{i}", PASSPHRASE, CHEAP)
    members = [word for i in range(1, count + 1) for word in ("--member", f"h{i}/card.toml")]
    return ["--aggregator", "aggregator.toml", *members]


def write_record(folder: Path, toy: ToyEpoch, entries: Sequence[Entry] | None = None) -> Path:
    """A record of these entries, or of the whole ceremony, without its blobs."""
    entries = toy.table.entries if entries is None else entries
    return write_folder(files_of(toy.federation, entries, {}), folder)
