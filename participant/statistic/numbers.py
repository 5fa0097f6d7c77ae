"""The numbers that a hospital contributes to a statistic, as a file has them."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal

from gmpy2 import mpz

from keyshare.errors import UnfitNumber
from keyshare.rounds import decimals_of, encode
from participant.errors import UnfitNumbers
from protocol.board import labels_bytes
from protocol.messages import MAX_LABELS_BYTES, MAX_NUMBERS
from protocol.terms import normal
from protocol.words import is_plain, shown
from protocol.words.counted import counted

MAX_DIGITS = 4_000  # of a number in a file; N² of a 4096-bit key has 2467
_MAX_LABEL = 100  # characters
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


@dataclass(frozen=True)
class Numbers:
    """Numbers with a label each, or with none, and the file that they are from.

    lines: of the file, from 1, that each is in; none where lines say nothing, as in JSON.
    """

    path: str
    values: tuple[Decimal, ...] = field(repr=False)
    labels: tuple[str, ...] = ()
    lines: tuple[int, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises UnfitNumbers on a count or labels that no statistic has."""
        if not 1 <= len(self.values) <= MAX_NUMBERS:
            have = counted(len(self.values), "number")
            self._refuse(f"it has {have}. 1 to {MAX_NUMBERS} can be contributed")
        first: dict[str, int] = {}
        for place, label in enumerate(self.labels):
            self._check_label(label, self.where(place))
            if first.setdefault(label, place) != place:
                here = f"{self.where(first[label])} and {self.where(place)}"
                self._refuse(f"{here} have the same label, {shown(label)!r}. Each has its own")
        if labels_bytes(self.labels) > MAX_LABELS_BYTES:
            self._refuse(f"its labels take more than {MAX_LABELS_BYTES >> 10} kB")

    @property
    def decimals(self) -> int:
        """The fewest decimals that hold all numbers exactly."""
        return max(decimals_of(value) for value in self.values)

    def where(self, place: int) -> str:
        """Where a number is in the file, by its place from 0."""
        return f"line {self.lines[place]}" if self.lines else f"number {place + 1}"

    def name(self, place: int) -> str:
        """How messages name a number, by its place from 0."""
        return self.where(place) + (f" ({shown(self.labels[place])})" if self.labels else "")

    def plaintexts(self, decimals: int, members: int, n: mpz) -> list[mpz]:
        """All numbers as plaintexts. Raises UnfitNumber naming the first that does not fit."""
        found = []
        for place, value in enumerate(self.values):
            try:
                found.append(encode(value, decimals, members, n))
            except UnfitNumber as error:
                raise UnfitNumber(f"{self.name(place)}: {error.reason}") from None
        return found

    def _check_label(self, label: str, where: str) -> None:
        if not label:
            self._refuse(f"{where} has an empty label. Give each number one, or none")
        if len(label) > _MAX_LABEL:
            self._refuse(f"the label of {where} has more than {_MAX_LABEL} characters: shorten it")
        if label != label.strip():
            self._refuse(f"the label of {where}, {shown(label)!r}, begins or ends with a blank")
        if not is_plain(label):
            self._refuse(f"the label of {where} has control or invisible characters")

    def _refuse(self, reason: str) -> None:
        raise UnfitNumbers(self.path, reason)


def numbers_of(given: Mapping[str, object] | Sequence[object]) -> Numbers:
    """A program's numbers, each exactly as it prints; raises UnfitNumbers."""
    what = "the numbers"
    if isinstance(given, Set | bytes | bytearray | memoryview):  # a set is in any order
        raise UnfitNumbers(what, f"{type(given).__name__} is no list of numbers")
    labels = tuple(map(normal, given)) if isinstance(given, Mapping) else ()
    values = []
    for one in given.values() if isinstance(given, Mapping) else given:
        if (number := None if isinstance(one, bool) else parse_number(str(one))) is None:
            raise UnfitNumbers(what, f"{shown(str(one))} is not a number")
        values.append(number)
    return Numbers(what, tuple(values), labels)


def parse_number(text: str) -> Decimal | None:
    """A number written with digits, a point and perhaps an exponent of ten; None if it is none."""
    text = text.replace("\N{MINUS SIGN}", "-", 1)
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    try:
        decimals_of(number)
    except UnfitNumber:
        return None
    return number
