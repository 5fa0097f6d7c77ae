"""``federation.toml`` as a file: read it, sign it, and the aggregator's card that goes into it."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from participant.disk import read, replace, write_new
from participant.errors import AlreadySigned, BadCard, NotAMember
from participant.home.identity import Card, Identity
from participant.words.fingerprint import fingerprint
from protocol.errors import BadTerms, UnsignedTerms
from protocol.terms import (
    AddressCard,
    Member,
    Terms,
    check,
    parse,
    parse_card,
    render,
    render_signature,
    require_signed,
    sign_terms,
)
from protocol.words import decoded

_LIMIT = 1 << 20  # bytes of federation.toml
_CARD_LIMIT = 4096


@dataclass(frozen=True)
class TermsFile:
    """A ``federation.toml`` that reads; whether all have signed is another question."""

    path: Path
    text: str
    terms: Terms
    signatures: dict[str, bytes]
    card: AddressCard | None

    @property
    def fingerprint(self) -> str:
        """Twelve words for the terms, the same for everyone who is shown the same terms."""
        return fingerprint(self.terms.federation)

    def unsigned(self) -> UnsignedTerms | None:
        """Who has not signed, or not these terms; None if all have."""
        try:
            require_signed(self.terms, self.signatures)
        except UnsignedTerms as error:
            return error
        return None


def read_terms(path: Path) -> TermsFile:
    """The terms in a file; raises BadTerms, MissingFile, TooLarge or DiskError."""
    try:
        text = decoded(read(path, _LIMIT, "terms"))
    except UnicodeDecodeError:
        raise BadTerms("file", "it is not text in UTF-8: save it as UTF-8") from None
    found = parse(text)
    return TermsFile(path, text, found.terms, found.signatures, found.card)


def read_signed_terms(path: Path) -> TermsFile:
    """As ``read_terms``; raises UnsignedTerms unless every member has signed these terms."""
    file = read_terms(path)
    require_signed(file.terms, file.signatures)
    return file


def write_terms(path: Path, terms: Terms, card: AddressCard) -> None:
    """Create ``federation.toml``, unsigned; raises BadTerms or FileExists."""
    check(terms)
    write_new(path, render(terms, card).encode())
    path.chmod(0o644)  # the terms are no secret: the members pass the file around


def members_of(cards: Sequence[Card]) -> tuple[Member, ...]:
    """The roster, in the order of the cards."""
    return tuple(Member(card.name, card.key) for card in cards)


def check_may_sign(file: TermsFile, identity: Identity, home: Path) -> None:
    """Raises NotAMember or AlreadySigned, and UnsignedTerms if a signature there does not fit.

    Where it is another's, the terms were altered after that member had agreed to them.
    """
    card = identity.card
    if Member(card.name, card.key) not in file.terms.members:
        raise NotAMember(card.name, home)
    unsigned = file.unsigned()
    if unsigned is not None and unsigned.wrong:
        raise UnsignedTerms([], unsigned.wrong)
    if card.name in file.signatures:
        raise AlreadySigned(card.name)


def sign_file(file: TermsFile, identity: Identity, home: Path) -> str:
    """Add a member's signature at the end of the file, and return the block that was added.

    The text before it stays as it is. Raises what ``check_may_sign`` raises, and BadTerms if the
    file has been changed since it was read.
    """
    check_may_sign(file, identity, home)
    block = render_signature(identity.name, sign_terms(file.terms, identity.signing_key))
    if read_terms(file.path).text != file.text:
        raise BadTerms("file", "it was changed meanwhile. Look at it and sign again")
    mode = stat.S_IMODE(os.stat(file.path).st_mode)
    newline = "" if file.text.endswith("\n") else "\n"
    replace(file.path, (file.text + newline + block).encode())
    file.path.chmod(mode)
    return block


def read_aggregator_card(path: Path) -> AddressCard:
    """The card in a file ``aggregator.toml``; raises BadCard, MissingFile or TooLarge."""
    try:
        return parse_card(decoded(read(path, _CARD_LIMIT, "aggregator's card")))
    except UnicodeDecodeError:
        raise BadCard(path, "file", "not text in UTF-8") from None
    except BadTerms as error:
        raise BadCard(path, error.field, error.reason) from None
