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
from keyshare.rounds import Quantisation
from protocol.encoding import Message, digest, encode, encode_binary
from protocol.errors import BadSignature, BadTerms, UnsignedTerms
from protocol.signing import sign, verify
from protocol.terms.address_card import AddressCard, card_fields, read_card_table
from protocol.terms.names import fault_of_name, look_of, normal
from protocol.terms.toml_table import Table
from protocol.terms.toml_text import NotToml, read_toml
from protocol.words import shown

AGGREGATOR = 0  # the aggregator's number as a sender; members are 1..n in roster order
MAX_SECONDS = 365 * 24 * 3600  # of a round or a step that waits
MAX_ROUNDS = 1_000_000
MIN_CLIP, MAX_CLIP = 1e-9, 1e9
SUITES = ("auto", "paillier", "hybrid", "hybrid-s2")


def faults(n_members: int) -> int:
    """f = ⌊(n-1)/3⌋."""
    return (n_members - 1) // 3


def floor(n_members: int) -> int:
    """max(f, 1) + 2: f colluders take out their own, and two are left who hide each other.

    One at least is counted, though f is 0 with three members: everyone knows its own contribution,
    so that each of two reads the other's.
    """
    return max(faults(n_members), 1) + 2


class Member(Message, frozen=True):
    """One hospital: the name its people know, and its Ed25519 public key (32 bytes)."""

    name: str
    key: bytes


class RoundPolicy(Message, frozen=True):
    """How rounds go; ``seconds`` is how long one waits for the last contributors.

    ``min_contributors``: the fewest members of a sum; ``min_difference``: the fewest that a
    combination of sums from one model may hold, if it holds any. Both are ``Terms.floor`` at least.
    ``differencing``: what a hospital does about fewer (protocol/rounds/history.py).
    """

    count: int
    min_contributors: int
    seconds: int
    statistic_seconds: int
    min_difference: int
    differencing: Literal["warn", "refuse"] = "refuse"


class Terms(Message, frozen=True, dict=True):
    """A federation as signed by its members."""

    name: str
    members: tuple[Member, ...]
    quorum: int
    key_bits: int
    allow_minority_quorum: bool
    allow_small_key: bool
    aggregator_key: bytes  # Ed25519, 32 bytes
    rounds: RoundPolicy
    clip: float
    precision_bits: int
    max_examples: int
    suite: Literal["auto", "paillier", "hybrid", "hybrid-s2"] = "auto"
    step_seconds: int = 3600  # how long a step of a ceremony may last

    @property
    def n_members(self) -> int:
        return len(self.members)

    @property
    def has_small_key(self) -> bool:
        """Whether the key can be broken: it has fewer than LEAST_KEY_BITS bits."""
        return self.key_bits < LEAST_KEY_BITS

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
        return floor(self.n_members)

    @property
    def least_contributors(self) -> int:
        """Fewest members of a sum; never below the floor, whether or not terms were checked."""
        return max(self.rounds.min_contributors, self.floor)

    @property
    def least_agreeing(self) -> int:
        """So many must state one model before a round from it opens: enough to lock and to add."""
        return max(self.lock_threshold, self.least_contributors)

    @property
    def least_difference(self) -> int:
        """Fewest members of a combination of sums from one model; never below the floor."""
        return max(self.rounds.min_difference, self.floor)

    @property
    def quantisation(self) -> Quantisation:
        return Quantisation(self.clip, self.precision_bits, self.max_examples)

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
    _check_rounds(terms)
    _check_quantisation(terms)
    if terms.suite not in SUITES:
        allowed = ", ".join(SUITES)
        raise BadTerms("federation.suite", f"{shown(terms.suite)}, and it must be one of {allowed}")


def _check_quantisation(terms: Terms) -> None:
    if not MIN_CLIP <= terms.clip <= MAX_CLIP:
        allowed = f"it must be {MIN_CLIP:g} to {MAX_CLIP:g}"
        raise BadTerms("quantisation.clip", f"{terms.clip:g}, and {allowed}")
    try:
        most = terms.quantisation.max_members
    except BadParameters as error:
        said = f"{error.value}, and it must be {error.allowed}"
        raise BadTerms(f"quantisation.{error.field}", said) from None
    if terms.n_members > most:
        raise BadTerms("quantisation.bits", f"sums of {terms.n_members} members would not be exact")


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


def _check_rounds(terms: Terms) -> None:
    rounds, least = terms.rounds, terms.floor
    if not least <= rounds.min_contributors <= terms.n_members:
        raise BadTerms(
            "rounds.min_contributors",
            f"{rounds.min_contributors}, and it must be {_span(least, terms.n_members)}. "
            f"{_why(terms)}",
        )
    if not least <= rounds.min_difference <= rounds.min_contributors:
        raise BadTerms(
            "rounds.min_difference",
            f"{rounds.min_difference}, and it must be "
            f"{_span(least, rounds.min_contributors)}, where {rounds.min_contributors} is "
            f"min_contributors. {_why(terms)}",
        )
    if rounds.differencing not in ("warn", "refuse"):
        found = shown(rounds.differencing)
        raise BadTerms("rounds.differencing", f"{found}, and it must be warn or refuse")
    for field, value, most in (
        ("count", rounds.count, MAX_ROUNDS),
        ("seconds", rounds.seconds, MAX_SECONDS),
        ("statistic_seconds", rounds.statistic_seconds, MAX_SECONDS),
    ):
        if not 1 <= value <= most:
            raise BadTerms(f"rounds.{field}", f"{value}, and it must be 1 to {most}")


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _why(terms: Terms) -> str:
    """Why there is a floor, and what to set."""
    able = max(terms.faults, 1)
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
    federation, rounds = document.table("federation"), document.table("rounds")
    quantisation = document.table("quantisation")
    members = document.tables("members")
    terms = Terms(
        name=normal(federation.text("name")),
        members=tuple(Member(normal(m.text("name")), m.binary("key", 32)) for m in members),
        quorum=federation.number("quorum"),
        key_bits=federation.number("key_bits"),
        allow_minority_quorum=federation.flag("allow_minority_quorum", default=False),
        allow_small_key=federation.flag("allow_small_key", default=False),
        aggregator_key=federation.binary("aggregator_key", 32),
        rounds=RoundPolicy(
            rounds.number("count"),
            rounds.number("min_contributors"),
            rounds.number("seconds"),
            rounds.number("statistic_seconds"),
            rounds.number("min_difference"),
            rounds.text("differencing"),  # type: ignore[arg-type]  # checked with all the rest
        ),
        clip=quantisation.real("clip"),
        precision_bits=quantisation.number("bits"),
        max_examples=quantisation.number("max_examples"),
        suite=federation.text("suite"),  # type: ignore[arg-type]  # checked with all the rest
        step_seconds=federation.number("step_seconds"),
    )
    for table in (federation, rounds, quantisation, *members):
        table.finish()
    return terms


def render(terms: Terms, card: AddressCard | None = None) -> str:
    """The text of ``federation.toml``, without signatures; with the aggregator's card, if given."""
    address = {} if card is None else {"address": card_fields(card)}
    return tomli_w.dumps(
        {
            "federation": {
                "name": terms.name,
                "quorum": terms.quorum,
                "key_bits": terms.key_bits,
                "allow_minority_quorum": terms.allow_minority_quorum,
                "allow_small_key": terms.allow_small_key,
                "suite": terms.suite,
                "step_seconds": terms.step_seconds,
                "aggregator_key": encode_binary(terms.aggregator_key),
            },
            "rounds": asdict(terms.rounds),
            "quantisation": {
                "clip": terms.clip,
                "bits": terms.precision_bits,
                "max_examples": terms.max_examples,
            },
            "members": [{"name": m.name, "key": encode_binary(m.key)} for m in terms.members],
            **address,
        }
    )


def render_signature(name: str, signature: bytes) -> str:
    """The block that a member adds at the end of ``federation.toml``."""
    block = {"member": name, "signature": encode_binary(signature)}
    return "\n" + tomli_w.dumps({"signatures": [block]}, multiline_strings=False)
