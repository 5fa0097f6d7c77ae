"""An identity is made once, opens with its passphrase, and shows one card."""

import base64
import hmac
import os
import tomllib
from pathlib import Path

import pytest
import tomli_w
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from participant.errors import (
    BadCard,
    BadName,
    DamagedFile,
    DiskError,
    FileExists,
    ForeignSeal,
    MissingFile,
    WrongPassphrase,
)
from participant.home import identity as identities
from participant.home.identity import Card, Identity, create, load, read_card, write_card
from participant.home.passphrase import Passphrase
from participant.home.sealed_file import SealedFor, seal
from protocol.encoding import encode
from tests.stage.toy_home import CHEAP, PASSPHRASE


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return create(tmp_path, "St. Mary", PASSPHRASE, CHEAP)


def rewrite_card(folder: Path, **fields: object) -> Path:
    document = tomllib.loads((folder / "card.toml").read_text()) | fields
    (folder / "card.toml").write_text(tomli_w.dumps(document))
    return folder / "card.toml"


def test_a_loaded_identity_signs_for_the_card_that_was_made(
    identity: Identity, tmp_path: Path
) -> None:
    loaded = load(tmp_path, PASSPHRASE)
    assert loaded.name == "St. Mary"
    assert loaded.card == identity.card == read_card(tmp_path / "card.toml")
    public = Ed25519PublicKey.from_public_bytes(read_card(tmp_path / "card.toml").key)
    public.verify(loaded.signing_key.sign(b"post"), b"post")
    with pytest.raises(InvalidSignature):
        public.verify(loaded.signing_key.sign(b"post"), b"other")


def test_two_identities_of_one_name_differ(identity: Identity, tmp_path: Path) -> None:
    other = create(tmp_path / "other", "St. Mary", PASSPHRASE, CHEAP)
    assert other.card.key != identity.card.key
    assert other.card.fingerprint != identity.card.fingerprint


def test_the_card_shows_name_key_and_twelve_words(identity: Identity, tmp_path: Path) -> None:
    document = tomllib.loads((tmp_path / "card.toml").read_text())
    assert document["name"] == "St. Mary"
    assert base64.urlsafe_b64decode(document["key"] + "=") == identity.card.key
    assert len(document["fingerprint"].split()) == 12


def test_the_fingerprint_stands_for_the_name_too(identity: Identity) -> None:
    renamed = Card("St. Mark", identity.card.key)
    assert renamed.fingerprint != identity.card.fingerprint


def test_an_identity_is_never_overwritten(identity: Identity, tmp_path: Path) -> None:
    before = (tmp_path / "identity.sealed").read_bytes()
    with pytest.raises(FileExists) as caught:
        create(tmp_path, "Other", PASSPHRASE, CHEAP)
    assert caught.value.path == tmp_path / "identity.sealed"
    assert (tmp_path / "identity.sealed").read_bytes() == before
    assert load(tmp_path, PASSPHRASE).card == identity.card


def test_a_card_without_its_identity_stops_creation_before_anything_is_written(
    identity: Identity, tmp_path: Path
) -> None:
    (tmp_path / "identity.sealed").unlink()
    with pytest.raises(FileExists) as caught:
        create(tmp_path, "Other", PASSPHRASE, CHEAP)
    assert caught.value.path == tmp_path / "card.toml"
    assert os.listdir(tmp_path) == ["card.toml"]


def test_creation_cut_off_before_the_card_is_made_good_by_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise DiskError(tmp_path, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(identities, "write_card", cut_off)
        with pytest.raises(DiskError):
            create(tmp_path, "St. Mary", PASSPHRASE, CHEAP)
    assert os.listdir(tmp_path) == ["identity.sealed"]
    loaded = load(tmp_path, PASSPHRASE)
    assert read_card(tmp_path / "card.toml") == loaded.card


def test_a_wrong_passphrase_and_a_missing_identity_are_told(
    identity: Identity, tmp_path: Path
) -> None:
    with pytest.raises(WrongPassphrase):
        load(tmp_path, Passphrase("wrong horse"))
    with pytest.raises(MissingFile) as caught:
        load(tmp_path / "nowhere", PASSPHRASE)
    assert caught.value.what == "identity"


def test_another_sealed_file_in_its_place_is_told(tmp_path: Path) -> None:
    seal(tmp_path / "identity.sealed", SealedFor("seed"), b"", PASSPHRASE, CHEAP)
    with pytest.raises(ForeignSeal):
        load(tmp_path, PASSPHRASE)


@pytest.mark.parametrize("payload", [b"", b"\x92\xa1a\xc4\x01x", b"\x92\xa1a\xc4\x20" + bytes(31)])
def test_a_payload_that_is_no_identity_is_told(payload: bytes, tmp_path: Path) -> None:
    seal(tmp_path / "identity.sealed", SealedFor("identity"), payload, PASSPHRASE, CHEAP)
    with pytest.raises(DamagedFile):
        load(tmp_path, PASSPHRASE)


def test_the_card_of_another_beside_the_identity_is_told(
    identity: Identity, tmp_path: Path
) -> None:
    create(tmp_path / "other", "Other", PASSPHRASE, CHEAP)
    (tmp_path / "other" / "card.toml").rename(tmp_path / "card.toml")
    with pytest.raises(BadCard):
        load(tmp_path, PASSPHRASE)


BAD_NAMES = ["", " ", " St. Mary", "St. Mary ", "St.\nMary", "St.\x00Mary", "St.\u202eyraM"]
BAD_NAMES += ["x" * 65, "a\u00a0b", "\ud800"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadName) as caught:
        create(tmp_path / "home", name, PASSPHRASE, CHEAP)
    assert caught.value.name == name
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["x", "x" * 64, "St. Mary's", "Zürich", "Clínica 7", "東京病院"])
def test_names_people_have_are_kept(name: str, tmp_path: Path) -> None:
    assert create(tmp_path, name, PASSPHRASE, CHEAP).name == name
    assert load(tmp_path, PASSPHRASE).name == name


def test_a_decomposed_name_is_composed_when_made(tmp_path: Path) -> None:
    assert create(tmp_path, "Zu\u0308rich", PASSPHRASE, CHEAP).name == "Z\u00fcrich"


BAD_KEYS = [
    "", "AAAA", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "=", "A" * 42 + "+", "ä" * 43,
    "A" * 43 + "\n", "A" * 21 + " " + "A" * 21, 7,
]  # fmt: skip


@pytest.mark.parametrize(
    ("named", "fields"),
    [
        *(pytest.param("name", {"name": name}, id=f"name {name!a}") for name in BAD_NAMES[:-1]),
        *(pytest.param("key", {"key": key}, id=f"key {key!a}") for key in BAD_KEYS),
        pytest.param("fingerprint", {"name": "St. Mark"}, id="words of another"),
        pytest.param("role", {"role": "admin"}, id="unknown field"),
    ],
)
def test_a_card_is_refused_by_the_field_that_is_wrong(
    identity: Identity, tmp_path: Path, named: str, fields: dict[str, object]
) -> None:
    """A key is 32 bytes in canonical base64."""
    with pytest.raises(BadCard) as caught:
        read_card(rewrite_card(tmp_path, **fields))
    assert caught.value.field == named


@given(st.binary(max_size=64))
def test_only_32_bytes_decode_as_a_key(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    found: bytes | None = None
    if len(data) == 32:
        found = identities.binary_field(Path("card.toml"), {"key": text}, "key")
    else:
        with pytest.raises(BadCard):
            identities.binary_field(Path("card.toml"), {"key": text}, "key")
    assert found == (data if len(data) == 32 else None)


@pytest.mark.parametrize("content", [b"", b"name", b"\xff", b"[name]\n", b"a = " + b"[" * 2000])
def test_a_file_that_is_no_card_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_bytes(content)
    with pytest.raises(BadCard):
        read_card(tmp_path / "card.toml")


def test_a_card_is_never_overwritten(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(FileExists):
        write_card(tmp_path / "card.toml", identity.card)


def test_the_signing_key_is_not_shown(identity: Identity) -> None:
    secret = identity.signing_key.private_bytes_raw()
    sealed = identities._SealedIdentity("St. Mary", secret)
    for shown in (repr(identity), str(identity), repr(sealed), str(sealed)):
        assert "<secret>" in shown
        assert secret.hex() not in shown
        assert repr(secret) not in shown


def test_a_secret_of_an_identity_is_for_one_purpose(identity: Identity, tmp_path: Path) -> None:
    found = identity.derived("one"), identity.derived("other")
    assert len({*found, identity.signing_key.private_bytes_raw()}) == 3
    assert load(tmp_path, PASSPHRASE).derived("one") == found[0]
    other = Identity(identity.name, Ed25519PrivateKey.generate())
    assert other.derived("one") != found[0]


def test_it_is_hkdf_of_the_signing_key(identity: Identity) -> None:
    """RFC 5869 by hand: extract without salt, and one block."""
    info = encode(("quorate/derived from an identity", "one"))
    extracted = hmac.digest(bytes(32), identity.signing_key.private_bytes_raw(), "sha256")
    assert identity.derived("one") == hmac.digest(extracted, info + b"\x01", "sha256")
