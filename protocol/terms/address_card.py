"""The aggregator's card: where it is reached, and how one knows it there, signed by its key.

An address changes more often than a federation: with a certificate, a machine, a provider. So the
terms name the aggregator's signing key alone, and whoever holds that key writes numbered cards. A
newer card takes the place of an older one, and never the other way round.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from protocol.encoding import Message, encode, encode_binary
from protocol.errors import BadSignature, BadTerms, CardConflict, ForeignCard, OlderCard
from protocol.signing import public_bytes, sign, verify
from protocol.terms.names import MAX_URL, fault_of_url
from protocol.terms.toml_table import Table
from protocol.terms.toml_text import NotToml, read_toml
from protocol.words import shown

MAX_CARD_NUMBER = 1_000_000
PUBLIC = b""  # in place of a pin: the public certificate authorities vouch for the server
_PUBLIC_TEXT = "public"
_DOMAIN = "quorate/address card"
_PIN = re.compile(rb"|.{32}", re.DOTALL)

CardNumber = Annotated[int, Meta(ge=1, le=MAX_CARD_NUMBER)]
Url = Annotated[str, Meta(min_length=7, max_length=MAX_URL)]


class AddressCard(Message, frozen=True):
    """Where the aggregator with this Ed25519 key (32 bytes) is, by its own word.

    pin: the SHA-256 of the key of its TLS certificate (SPKI, DER), 32 bytes; or empty, where the
    public certificate authorities vouch for the host. signature: 64 bytes, of that Ed25519 key.
    """

    number: CardNumber
    url: Url
    pin: Annotated[bytes, Meta(max_length=32)]
    key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]

    @property
    def is_public(self) -> bool:
        """Whether the public certificate authorities vouch for the server."""
        return self.pin == PUBLIC

    @property
    def trust(self) -> str:
        """How TLS is trusted, in a word of the file: ``public``, or the pin in base64."""
        return _PUBLIC_TEXT if self.is_public else encode_binary(self.pin)


def sign_card(key: Ed25519PrivateKey, number: int, url: str, pin: bytes) -> AddressCard:
    """A card; what can be wrong with it, ``check_card`` says."""
    public = public_bytes(key)
    signature = sign(key, _DOMAIN, _signed(number, url, pin))
    return AddressCard(number, url, pin, public, signature)


def check_card(card: AddressCard) -> None:
    """Raises BadTerms, naming the field, on a card that nobody can have signed or used."""
    if not 1 <= card.number <= MAX_CARD_NUMBER:
        raise BadTerms("number", f"{card.number}, and it must be 1 to {MAX_CARD_NUMBER}")
    if fault := fault_of_url(card.url):
        raise BadTerms("url", fault)
    if not _PIN.fullmatch(card.pin):
        raise BadTerms("tls", "it must be public, or 32 bytes in base64")
    try:
        verify(card.key, card.signature, 0, _DOMAIN, _signed(card.number, card.url, card.pin))
    except BadSignature:
        raise BadTerms("signature", "it does not fit what the card says") from None


def check_newer(card: AddressCard, key: bytes, held: AddressCard | None) -> bool:
    """Whether a card that reads takes the place of the one that is held, if one is.

    key: the aggregator's, by the terms. Raises ForeignCard, OlderCard, and CardConflict for another
    card of the same number.
    """
    if card.key != key:
        raise ForeignCard(card.number, card.key)
    if held is None or card.number > held.number:
        return True
    if card.number < held.number:
        raise OlderCard(card.number, held.number)
    if card != held:
        raise CardConflict(card.number)
    return False


def _signed(number: int, url: str, pin: bytes) -> bytes:
    return encode((number, url, pin))


def read_card_table(table: Table) -> AddressCard:
    """The card in a table of TOML; raises BadTerms, naming the field with the table's path."""
    number, url, trust = table.number("number"), table.text("url"), table.text("tls")
    pin = PUBLIC if trust == _PUBLIC_TEXT else table.binary("tls", 32)
    card = AddressCard(number, url, pin, table.binary("key", 32), table.binary("signature", 64))
    table.finish()
    try:
        check_card(card)
    except BadTerms as error:
        raise BadTerms(table.name(error.field), error.reason) from None
    return card


def parse_card(text: str) -> AddressCard:
    """The card in the text of ``aggregator.toml``; raises BadTerms, naming the field."""
    try:
        document = read_toml(text)
    except NotToml as error:
        raise BadTerms("file", f"not TOML: {shown(str(error))}") from None
    return read_card_table(Table("", document))


def card_fields(card: AddressCard) -> Mapping[str, Any]:
    """The card as a table of TOML, the same in ``aggregator.toml`` and in ``federation.toml``."""
    return {
        "number": card.number,
        "url": card.url,
        "tls": card.trust,
        "key": encode_binary(card.key),
        "signature": encode_binary(card.signature),
    }


def render_card(card: AddressCard) -> str:
    """The text of ``aggregator.toml``."""
    return tomli_w.dumps(card_fields(card))
