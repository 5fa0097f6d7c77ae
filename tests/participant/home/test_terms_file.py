"""``federation.toml`` as a file that members sign one after the other."""

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from participant.errors import AlreadySigned, BadCard, FileExists, MissingFile, NotAMember
from participant.home.identity import Identity, keep
from participant.home.membership import enter
from participant.home.terms_file import (
    read_aggregator_card,
    read_signed_terms,
    read_terms,
    sign_file,
    write_terms,
)
from protocol.encoding import encode_binary
from protocol.errors import BadTerms, UnsignedTerms
from protocol.terms.address_card import PUBLIC, card_fields, sign_card
from tests.stage.toy import Federation, toy_federation
from tests.stage.toy_home import CHEAP, PASSPHRASE

HOME = Path("home")


@pytest.fixture
def federation() -> Federation:
    return toy_federation(3, 2)


@pytest.fixture
def path(tmp_path: Path, federation: Federation) -> Path:
    path = tmp_path / "federation.toml"
    write_terms(path, federation.terms, federation.card)
    return path


def identity(federation: Federation, index: int) -> Identity:
    return Identity(f"H{index}", federation.keys[index])


def test_terms_signed_by_all_read_as_signed(path: Path, federation: Federation) -> None:
    for index in federation.members:
        with pytest.raises(UnsignedTerms):
            read_signed_terms(path)
        sign_file(read_terms(path), identity(federation, index), HOME)
    assert read_signed_terms(path).terms == federation.terms


def test_signing_leaves_the_text_before_as_it_is(path: Path, federation: Federation) -> None:
    text = path.read_text().rstrip("\n") + "\n\n# checked by Dr. Ĥ, no newline at the end"
    path.write_text(text)
    path.chmod(0o640)
    block = sign_file(read_terms(path), identity(federation, 1), HOME)
    assert path.read_text() == text + "\n" + block
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_block_can_be_pasted_by_another(path: Path, federation: Federation) -> None:
    original = path.read_text()
    blocks = []
    for index in federation.members:
        path.write_text(original)
        blocks.append(sign_file(read_terms(path), identity(federation, index), HOME))
    path.write_text(original + "".join(blocks))
    assert read_signed_terms(path).unsigned() is None


def test_who_has_signed_does_not_sign_again(path: Path, federation: Federation) -> None:
    sign_file(read_terms(path), identity(federation, 2), HOME)
    text = path.read_text()
    with pytest.raises(AlreadySigned) as caught:
        sign_file(read_terms(path), identity(federation, 2), HOME)
    assert caught.value.name == "H2"
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["H1", "Somebody"])
def test_an_unknown_key_does_not_sign(path: Path, name: str) -> None:
    with pytest.raises(NotAMember):
        sign_file(read_terms(path), Identity(name, Ed25519PrivateKey.generate()), HOME)


def test_a_members_key_under_anothers_name_is_no_member(
    path: Path, federation: Federation, tmp_path: Path
) -> None:
    keep(tmp_path, stranger := Identity("H2", federation.keys[1]), PASSPHRASE, CHEAP)
    with pytest.raises(NotAMember):
        sign_file(read_terms(path), stranger, HOME)
    with pytest.raises(NotAMember):
        enter(read_terms(path), tmp_path, PASSPHRASE)


def test_terms_altered_after_signing_name_whose_signature_does_not_fit(
    path: Path, federation: Federation
) -> None:
    for index in (1, 3):
        sign_file(read_terms(path), identity(federation, index), HOME)
    path.write_text(path.read_text().replace("quorum = 2", "quorum = 3"))
    with pytest.raises(UnsignedTerms) as caught:
        read_signed_terms(path)
    assert (caught.value.missing, caught.value.wrong) == (["H2"], ["H1", "H3"])
    with pytest.raises(UnsignedTerms) as caught:
        sign_file(read_terms(path), identity(federation, 1), HOME)
    assert caught.value.wrong == ["H1", "H3"]
    with pytest.raises(UnsignedTerms):
        sign_file(read_terms(path), identity(federation, 2), HOME)


def test_a_file_that_changed_between_the_look_and_the_signature_is_not_signed(
    path: Path, federation: Federation
) -> None:
    seen = read_terms(path)
    path.write_text(path.read_text().replace("quorum = 2", "quorum = 3"))
    with pytest.raises(BadTerms, match="changed meanwhile"):
        sign_file(seen, identity(federation, 1), HOME)
    assert "[[signatures]]" not in path.read_text()


def test_terms_are_never_written_over(path: Path, federation: Federation) -> None:
    with pytest.raises(FileExists):
        write_terms(path, federation.terms, federation.card)


def test_text_that_is_not_utf8_is_refused(path: Path) -> None:
    path.write_bytes(b"n\xe4me = 1")
    with pytest.raises(BadTerms, match="UTF-8"):
        read_terms(path)


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
CARD = sign_card(KEY, 3, "wss://a:1", b"p" * 32)


def write_card(folder: Path, **changes: Any) -> Path:
    path = folder / "aggregator.toml"
    fields = {**card_fields(CARD), **changes}
    path.write_text(tomli_w.dumps({k: v for k, v in fields.items() if v is not None}))
    return path


@pytest.mark.parametrize("pin", [b"p" * 32, PUBLIC])
def test_an_aggregators_card_reads(tmp_path: Path, pin: bytes) -> None:
    card = sign_card(KEY, 3, "wss://a:1", pin)
    assert read_aggregator_card(write_card(tmp_path, **card_fields(card))) == card


@pytest.mark.parametrize("field", list(card_fields(CARD)))
def test_a_card_without_a_field_names_it(tmp_path: Path, field: str) -> None:
    with pytest.raises(BadCard) as caught:
        read_aggregator_card(write_card(tmp_path, **{field: None}))
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["", "?", "short", encode_binary(b"k" * 31), "p" * 43])
def test_a_card_whose_pin_is_not_32_bytes_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadCard) as caught:
        read_aggregator_card(write_card(tmp_path, tls=text))
    assert caught.value.field == "tls"


def test_a_card_with_more_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCard) as caught:
        read_aggregator_card(write_card(tmp_path, port="1"))
    assert caught.value.field == "port"


@pytest.mark.parametrize(
    "changes",
    [{"number": 4}, {"url": "wss://b:1"}, {"tls": "public"}, {"tls": encode_binary(bytes(32))}],
)
def test_a_card_that_says_what_its_key_has_not_signed_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(BadCard) as caught:
        read_aggregator_card(write_card(tmp_path, **changes))
    assert caught.value.field == "signature"


def test_no_card_is_told_as_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        read_aggregator_card(tmp_path / "aggregator.toml")
