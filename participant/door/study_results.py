"""How studies stand, as it crosses the door: the plan itself, of which the digest is made anew."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from participant.hospital import Contributed, Decrypted
from participant.study import Phase, StudyStanding
from protocol.board import Study
from protocol.encoding import Message, decode, encode
from protocol.messages import Plan, StudyName
from protocol.terms import Terms

MAX_STUDIES_BYTES = 1 << 30  # the agent that runs says it, which has all of it in memory
_Names = tuple[str, ...]
_Round = Annotated[int, Meta(ge=0)]


class SaidStanding(Message, frozen=True):
    """A ``StudyStanding``, with name and plan of the study in its place."""

    name: StudyName
    plan: Plan
    proposer: str
    phase: Phase
    contributors: _Names
    openers: _Names
    votes: _Names
    contributes: bool
    opens: bool
    withdrawn: bool
    opened: _Round
    locked: _Round


class StudyTrained(Message, frozen=True):
    """The result of ``TrainStudy``: the last round whose model is here."""

    finished: _Round


def encode_standings(found: Iterable[StudyStanding]) -> bytes:
    """As ``read_standings`` reads them."""
    return encode([_said(one) for one in found])


def read_standings(data: bytes, terms: Terms) -> tuple[StudyStanding, ...]:
    """How studies of a federation stand; raises Malformed."""
    said = decode(data, tuple[SaidStanding, ...], "studies", MAX_STUDIES_BYTES)
    return tuple(_heard(one, terms) for one in said)


def read_contributed(data: bytes) -> Contributed:
    """What a contribution came to; raises Malformed."""
    return decode(data, Contributed, "contribution", MAX_STUDIES_BYTES)


def read_decrypted(data: bytes) -> Decrypted:
    """What a decryption came to; raises Malformed."""
    return decode(data, Decrypted, "sums", MAX_STUDIES_BYTES)


def read_trained(data: bytes) -> StudyTrained:
    """What a training came to; raises Malformed."""
    return decode(data, StudyTrained, "training", MAX_STUDIES_BYTES)


def _said(found: StudyStanding) -> SaidStanding:
    rest = {f: getattr(found, f) for f in SaidStanding.__struct_fields__[2:]}
    return SaidStanding(found.study.name, found.study.plan, **rest)


def _heard(said: SaidStanding, terms: Terms) -> StudyStanding:
    rest = {f: getattr(said, f) for f in SaidStanding.__struct_fields__[2:]}
    return StudyStanding(Study(terms, said.name, said.plan), **rest)
