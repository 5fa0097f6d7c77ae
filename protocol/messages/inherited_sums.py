"""The sums that may be open under the terms before, as a new federation takes them over.

And the models that studies trained there: a study of the new federation may go on from one.

They have one encoding, in parts that fit into posts. The key's word names the parts by their
hashes, so that whoever has a part may put it on the board.
"""

import itertools
from typing import Annotated, Literal

from msgspec import Meta

from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed
from protocol.messages.fields import NAME, Count, Digest, StudyName
from protocol.terms import fault_of_name

PART_BYTES = 128 << 10
MAX_PARTS = 256
MAX_INHERITED_BYTES = MAX_PARTS * PART_BYTES  # some 300,000 sums
MAX_HOSPITALS = 1_024  # of all federations before

RoundName = Annotated[str, Meta(pattern=rf"^{NAME}/[1-9][0-9]{{0,8}}\Z")]
PartNames = Annotated[tuple[Digest, ...], Meta(max_length=MAX_PARTS)]
_WHAT = "inherited sums"


class InheritedStart(Message, frozen=True):
    """What a round started from: a model's digest, or the name that a statistic has for its data.

    It is a ``Start`` of protocol/rounds/history.py.
    """

    kind: Literal["model", "data"]
    name: Annotated[bytes, Meta(max_length=64)]


class InheritedSum(Message, frozen=True):
    """round: as people say it. start, hospitals: by their places in the lists, ascending.

    weights: by what hospitals count in it, as its plan says; nothing for a statistic.
    """

    round: RoundName
    start: Count
    hospitals: tuple[Count, ...]
    weights: Literal["", "examples", "equal"] = ""


class AlikeStarts(Message, frozen=True):
    """Starts from which a hospital has added the same, or nearly, as its contributions say."""

    hospital: Count
    starts: tuple[Count, ...]


class InheritedModels(Message, frozen=True):
    """What a study trained; ``federation``: the digest of the terms that it was under.

    models: the digests of those after its rounds 1, 2 and so on, as enough members have stated them
    (``Study.least_agreeing``). Nothing where they have not.
    """

    federation: Digest
    study: StudyName
    models: tuple[Annotated[bytes, Meta(max_length=32)], ...]


class InheritedSums(Message, frozen=True):
    """All that counts as open. A hospital is known by its name, in whichever federation it was."""

    hospitals: Annotated[tuple[str, ...], Meta(max_length=MAX_HOSPITALS)] = ()
    starts: tuple[InheritedStart, ...] = ()
    sums: tuple[InheritedSum, ...] = ()
    alike: tuple[AlikeStarts, ...] = ()
    models: tuple[InheritedModels, ...] = ()

    def model_after(self, federation: bytes, study: str, number: int) -> bytes | None:
        """The digest of the model after a round of a study; None if it is not known.

        federation: the digest of the terms that the study was under. number: from 1 on.
        """
        for one in self.models:
            if (one.federation, one.study) == (federation, study):
                return one.models[number - 1] or None if number <= len(one.models) else None
        return None

    def parts(self) -> tuple[bytes, ...]:
        """What is put on the board; nothing where nothing is inherited.

        Raises Malformed for more than the board takes.
        """
        if self == InheritedSums():
            return ()
        if (count := len(self.hospitals)) > MAX_HOSPITALS:
            raise Malformed(_WHAT, f"{count} hospitals, at most {MAX_HOSPITALS} are allowed")
        data = encode(self)
        if len(data) > MAX_INHERITED_BYTES:
            raise Malformed(_WHAT, f"{len(data)} bytes, at most {MAX_INHERITED_BYTES} are allowed")
        return parts_of(data)


class InheritedPart(Message, frozen=True, tag="inherited part"):
    """A part of what the key's word names, by its place there, from 0 on."""

    number: Annotated[int, Meta(ge=0, lt=MAX_PARTS)]
    data: Annotated[bytes, Meta(max_length=PART_BYTES)]


def parts_of(data: bytes) -> tuple[bytes, ...]:
    """The parts of the encoding, in their order."""
    return tuple(data[k : k + PART_BYTES] for k in range(0, len(data), PART_BYTES))


def part_name(data: bytes) -> bytes:
    """The name of a part: its SHA-256 with a domain."""
    return digest("quorate/inherited part", data)


def read_inherited_sums(parts: tuple[bytes, ...]) -> InheritedSums:
    """What the parts say together; raises Malformed."""
    if not parts:
        return InheritedSums()
    found = decode(b"".join(parts), InheritedSums, _WHAT, MAX_INHERITED_BYTES)
    if any(len(set(one)) < len(one) for one in (found.hospitals, found.starts)):
        raise Malformed(_WHAT, "a hospital or a start is listed twice")
    for name in found.hospitals:
        if fault := fault_of_name(name):
            raise Malformed(_WHAT, f"a hospital's name: {fault}")
    n_hospitals, n_starts = len(found.hospitals), len(found.starts)
    for one in found.sums:
        _check_places(one.hospitals, n_hospitals)
        _check_places((one.start,), n_starts)
    for alike in found.alike:
        _check_places(alike.starts, n_starts)
        _check_places((alike.hospital,), n_hospitals)
    _check_models(found.models)
    return found


def _check_models(studies: tuple[InheritedModels, ...]) -> None:
    if len({(one.federation, one.study) for one in studies}) < len(studies):
        raise Malformed(_WHAT, "a study is listed twice")
    if any(len(model) not in (0, 32) for one in studies for model in one.models):
        raise Malformed(_WHAT, "a model is no digest")


def _check_places(places: tuple[int, ...], count: int) -> None:
    is_ascending = all(a < b for a, b in itertools.pairwise(places))
    if not (places and is_ascending and places[-1] < count):
        raise Malformed(_WHAT, "a place that is none in its list, or not in ascending order")
