"""The terms of a federation: what every member signs before any cryptography.

Their hash is the federation's identity and is bound into every signature and seal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import asdict

from keyshare.ceremony import LEAST_KEY_BITS, MAX_MEMBERS, candidate_shape
from keyshare.errors import BadParameters
from protocol.encoding import Message, digest, encode, encode_binary
from protocol.errors import BadSignature, BadTerms, UnsignedTerms
from protocol.signing import sign, verify
from protocol.terms.address_card import AddressCard, card_fields, read_card_table
from protocol.terms.names import fault_of_name, look_of, normal
from protocol.terms.predecessor import (
    Predecessor,
    check_predecessor,
    predecessor_fields,
    read_predecessor,
)
from protocol.terms.toml_table import Table
from protocol.terms.toml_text import NotToml, read_toml
from protocol.words import shown

AGGREGATOR = 0  # the aggregator's number as a sender; members are 1..n in roster order
MAX_SECONDS = 365 * 24 * 3600  # of a step that waits


def faults(n_members: int) -> int:
    """f = ⌊(n-1)/3⌋."""
    return (n_members - 1) // 3


def floor(n_members: int, colluders: int = 1) -> int:
    """max(f, colluders, 1) + 2: so many take out their own, and two are left who hide each other.

    One at least is counted, though f is 0 with three members: everyone knows its own contribution,
    so that each of two reads the other's.
    """
    return max(faults(n_members), colluders, 1) + 2


class Member(Message, frozen=True):
    """One hospital: the name its people know, and its Ed25519 public key (32 bytes)."""

    name: str
    key: bytes


class Floors(Message, frozen=True):
    """What no study may fall below.

    ``least_contributors``: the fewest members of a sum. ``least_difference``: the fewest that a
    combination of sums may show, if it shows any. ``assumed_colluders``: how many members may put
    together what they know. Both other numbers are ``Terms.floor`` at least. ``differencing``: what
    a hospital does about fewer (protocol/rounds/history.py).
    """

    least_contributors: int
    least_difference: int
    assumed_colluders: int
    differencing: Literal["warn", "refuse"] = "refuse"


class Terms(Message, frozen=True, dict=True):
    """A federation as signed by its members.

    predecessor: the terms that these succeed, None in a first federation's.
    """

    name: str
    members: tuple[Member, ...]
    quorum: int
    key_bits: int
    allow_minority_quorum: bool
    allow_small_key: bool
    aggregator_key: bytes  # Ed25519, 32 bytes
    floors: Floors
    step_seconds: int = 3600  # how long a step of a ceremony or a handover may last
    predecessor: Predecessor | None = None

    @property
    def n_members(self) -> int:
        return len(self.members)

    @property
    def has_small_key(self) -> bool:
        """Whether the key can be broken: it has fewer than LEAST_KEY_BITS bits."""
        return self.key_bits < LEAST_KEY_BITS

    @property
    def takes_over_key(self) -> bool:
        """Whether the key is the predecessor's, with the same N, so that no ceremony makes one."""
        return self.predecessor is not None and self.predecessor.hands_over

    @cached_property
    def federation(self) -> bytes:
        """The federation's identity: 32 bytes."""
        return digest("quorate/terms", encode(self))

    @property
    def faults(self) -> int:
        """f: colluding members assumed by the set lock and by the floor."""
        return faults(self.n_members)

    @property
    def lock_threshold(self) -> int:
        """More than (n + f)/2 members, so that two sets of one round can never both be locked."""
        return (self.n_members + self.faults) // 2 + 1

    @property
    def floor(self) -> int:
        """Fewest members whom anything that is opened may show together (``floor``)."""
        return floor(self.n_members, self.floors.assumed_colluders)

    @property
    def least_contributors(self) -> int:
        """Fewest members of a sum; never below the floor, whether or not terms were checked."""
        return max(self.floors.least_contributors, self.floor)

    @property
    def least_difference(self) -> int:
        """Fewest members of a combination of sums; never below the floor."""
        return max(self.floors.least_difference, self.floor)

    def key_of(self, sender: int) -> bytes:
        """Public signing key of a sender, 0 for the aggregator; raises BadTerms for no one."""
        if sender == AGGREGATOR:
            return self.aggregator_key
        if 1 <= sender <= self.n_members:
            return self.members[sender - 1].key
        raise BadTerms("members", f"there is no member number {sender}")

    def name_of(self, sender: int) -> str:
        """A sender's name, for people."""
        if sender == AGGREGATOR:
            return "the aggregator"
        known = 1 <= sender <= self.n_members
        return self.members[sender - 1].name if known else f"member {sender}"

    def index_of(self, key: bytes) -> int | None:
        """The number of the member with this public key."""
        return next((k for k, m in enumerate(self.members, start=1) if m.key == key), None)


def check(terms: Terms) -> None:
    """Raises BadTerms, naming the field, on terms that no federation can have."""
    _check_name("federation.name", terms.name)
    _check_members(terms)
    n, quorum = terms.n_members, terms.quorum
    try:
        candidate_shape(terms.key_bits, n)
    except BadParameters as error:
        field = "federation.key_bits" if error.field == "key bits" else "members"
        raise BadTerms(field, f"{error.value}, allowed: {error.allowed}") from None
    if terms.has_small_key and not terms.allow_small_key:
        raise BadTerms(
            "federation.key_bits",
            f"{terms.key_bits} bits protect no data: use {LEAST_KEY_BITS} or more, or, for a test "
            "or a demonstration, set allow_small_key = true (--allow-small-key)",
        )
    if not 2 <= quorum <= n:
        raise BadTerms(
            "federation.quorum", f"{quorum}, and it must be 2 to {n}, the members' number"
        )
    if 2 * quorum <= n and not terms.allow_minority_quorum:
        raise BadTerms(
            "federation.quorum",
            f"{quorum} of {n} is not a majority, so two separate groups could each decrypt. "
            "Set allow_minority_quorum = true (--allow-minority-quorum) if all members accept that",
        )
    if not 1 <= terms.step_seconds <= MAX_SECONDS:
        allowed = f"it must be 1 to {MAX_SECONDS}"
        raise BadTerms("federation.step_seconds", f"{terms.step_seconds}, and {allowed}")
    _check_floors(terms)
    if terms.predecessor is not None:
        check_predecessor(terms.predecessor)


def _check_name(field: str, name: str) -> None:
    if fault := fault_of_name(name):
        raise BadTerms(field, fault)


def _check_members(terms: Terms) -> None:
    if not 3 <= terms.n_members <= MAX_MEMBERS:
        raise BadTerms("members", f"{terms.n_members}, and a federation has 3 to {MAX_MEMBERS}")
    looks: dict[str, str] = {}
    keys: dict[bytes, str] = {terms.aggregator_key: "the aggregator"}
    for number, member in enumerate(terms.members, start=1):
        _check_name(f"members[{number}].name", member.name)
        if other := looks.get(look_of(member.name)):
            alike = "there twice" if other == member.name else f"too much like {other!r}"
            raise BadTerms(f"members[{number}].name", f"{member.name!r} is {alike}")
        if member.key in keys:
            raise BadTerms(
                f"members[{number}].key", f"{member.name!r} has the key of {keys[member.key]!r}"
            )
        looks[look_of(member.name)] = member.name
        keys[member.key] = member.name


def _check_floors(terms: Terms) -> None:
    floors, n = terms.floors, terms.n_members
    if not 1 <= floors.assumed_colluders <= n - 2:
        raise BadTerms(
            "floors.assumed_colluders",
            f"{floors.assumed_colluders}, and it must be {_span(1, n - 2)}: two members must be "
            "left who hide each other",
        )
    least = terms.floor
    if not least <= floors.least_contributors <= n:
        raise BadTerms(
            "floors.least_contributors",
            f"{floors.least_contributors}, and it must be {_span(least, n)}. {_why(terms)}",
        )
    if not least <= floors.least_difference <= floors.least_contributors:
        raise BadTerms(
            "floors.least_difference",
            f"{floors.least_difference}, and it must be "
            f"{_span(least, floors.least_contributors)}, where {floors.least_contributors} is "
            f"least_contributors. {_why(terms)}",
        )
    if floors.differencing not in ("warn", "refuse"):
        found = shown(floors.differencing)
        raise BadTerms("floors.differencing", f"{found}, and it must be warn or refuse")


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _why(terms: Terms) -> str:
    """Why there is a floor, and what to set."""
    able = max(terms.faults, terms.floors.assumed_colluders)
    return (
        f"Of {terms.n_members} members {able} may subtract what {'it' if able == 1 else 'they'} "
        f"added, and two must be left who hide each other: set {terms.floor} or more"
    )


def sign_terms(terms: Terms, key: Ed25519PrivateKey) -> bytes:
    """A member's signature under the terms."""
    return sign(key, "quorate/terms signature", terms.federation)


def require_signed(terms: Terms, signatures: Mapping[str, bytes]) -> None:
    """Raises UnsignedTerms naming the members whose signature is missing or does not fit."""
    missing, wrong = [], []
    for number, member in enumerate(terms.members, start=1):
        signature = signatures.get(member.name)
        if signature is None:
            missing.append(member.name)
            continue
        try:
            verify(member.key, signature, number, "quorate/terms signature", terms.federation)
        except BadSignature:
            wrong.append(member.name)
    if missing or wrong:
        raise UnsignedTerms(missing, wrong)


@dataclass(frozen=True)
class TermsText:
    """What ``federation.toml`` says: the terms, the signatures under them by the members' names.

    card: the aggregator's first one, which no member signs. A record has none.
    """

    terms: Terms
    signatures: dict[str, bytes]
    card: AddressCard | None


def parse(text: str) -> TermsText:
    """What the text of ``federation.toml`` says.

    Raises BadTerms naming the field on anything missing, unknown, of another type or out of range.
    """
    try:
        document = read_toml(text)
    except NotToml as error:
        raise BadTerms("file", f"not TOML: {shown(str(error))}") from None
    reader = Table("", document)
    terms = _read_terms(reader)
    signatures: dict[str, bytes] = {}
    for number, table in enumerate(reader.tables("signatures", optional=True), start=1):
        name = normal(table.text("member"))
        if name in signatures:
            raise BadTerms(f"signatures[{number}]", f"{shown(name)} signed twice. Keep one")
        if name not in {member.name for member in terms.members}:
            raise BadTerms(f"signatures[{number}]", f"{shown(name)} is not a member")
        signatures[name] = table.binary("signature", 64)
        table.finish()
    card = _read_address(reader, terms)
    reader.finish()
    check(terms)
    return TermsText(terms, signatures, card)


def _read_address(document: Table, terms: Terms) -> AddressCard | None:
    if (table := document.table("address", optional=True)) is None:
        return None
    card = read_card_table(table)
    if card.key != terms.aggregator_key:
        raise BadTerms("address.key", "it is another one than federation.aggregator_key")
    return card


def _read_terms(document: Table) -> Terms:
    federation, floors = document.table("federation"), document.table("floors")
    members = document.tables("members")
    terms = Terms(
        name=normal(federation.text("name")),
        members=tuple(Member(normal(m.text("name")), m.binary("key", 32)) for m in members),
        quorum=federation.number("quorum"),
        key_bits=federation.number("key_bits"),
        allow_minority_quorum=federation.flag("allow_minority_quorum", default=False),
        allow_small_key=federation.flag("allow_small_key", default=False),
        aggregator_key=federation.binary("aggregator_key", 32),
        floors=Floors(
            floors.number("least_contributors"),
            floors.number("least_difference"),
            floors.number("assumed_colluders"),
            floors.text("differencing"),  # type: ignore[arg-type]  # checked with all the rest
        ),
        step_seconds=federation.number("step_seconds"),
        predecessor=read_predecessor(document.table("predecessor", optional=True)),
    )
    for table in (federation, floors, *members):
        table.finish()
    return terms


def render(terms: Terms, card: AddressCard | None = None) -> str:
    """The text of ``federation.toml``, without signatures; with the aggregator's card, if given."""
    address = {} if card is None else {"address": card_fields(card)}
    before = terms.predecessor
    predecessor = {} if before is None else {"predecessor": predecessor_fields(before)}
    return tomli_w.dumps(
        {
            "federation": {
                "name": terms.name,
                "quorum": terms.quorum,
                "key_bits": terms.key_bits,
                "allow_minority_quorum": terms.allow_minority_quorum,
                "allow_small_key": terms.allow_small_key,
                "step_seconds": terms.step_seconds,
                "aggregator_key": encode_binary(terms.aggregator_key),
            },
            "floors": asdict(terms.floors),
            **predecessor,
            "members": [{"name": m.name, "key": encode_binary(m.key)} for m in terms.members],
            **address,
        }
    )


def render_signature(name: str, signature: bytes) -> str:
    """The block that a member adds at the end of ``federation.toml``."""
    block = {"member": name, "signature": encode_binary(signature)}
    return "\n" + tomli_w.dumps({"signatures": [block]}, multiline_strings=False)
