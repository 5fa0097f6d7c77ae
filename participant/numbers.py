"""The numbers that a hospital contributes to a statistic, as a file has them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from gmpy2 import mpz

from keyshare.errors import UnfitNumber
from keyshare.statistic import decimals_of, encode
from participant.errors import BadStatisticFile
from protocol.foreign import is_plain
from protocol.messages import MAX_LABELS_BYTES, MAX_NUMBERS, labels_bytes

MAX_DIGITS = 4_000  # of a number in a file; N² of a 4096-bit key has 2467
_MAX_LABEL = 100  # characters
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


@dataclass(frozen=True)
class Numbers:
    """Numbers with a label each, or with none, and the file that they are from."""

    path: str
    values: tuple[Decimal, ...] = field(repr=False)
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises BadStatisticFile on a count or labels that no statistic has."""
        if not 1 <= len(self.values) <= MAX_NUMBERS:
            self._refuse(f"{len(self.values)} numbers; 1 to {MAX_NUMBERS} can be contributed")
        for place, label in enumerate(self.labels, start=1):
            if not 1 <= len(label) <= _MAX_LABEL or label != label.strip():
                self._refuse(
                    f"label {place} has {len(label)} characters; 1 to {_MAX_LABEL} are allowed, "
                    "without blanks at its ends"
                )
            if not is_plain(label):
                self._refuse(f"label {place} has control or invisible characters")
        if len(set(self.labels)) < len(self.labels):
            self._refuse("a label occurs twice")
        if labels_bytes(self.labels) > MAX_LABELS_BYTES:
            self._refuse(f"its labels take more than {MAX_LABELS_BYTES >> 10} kB")

    @property
    def decimals(self) -> int:
        """The fewest decimals that hold all numbers exactly."""
        return max(decimals_of(value) for value in self.values)

    def name(self, place: int) -> str:
        """How messages name a number, by its place from 0."""
        return f"number {place + 1}" + (f" ({self.labels[place]})" if self.labels else "")

    def plaintexts(self, decimals: int, members: int, n: mpz) -> list[mpz]:
        """All numbers as plaintexts. Raises UnfitNumber naming the first that does not fit."""
        found = []
        for place, value in enumerate(self.values):
            try:
                found.append(encode(value, decimals, members, n))
            except UnfitNumber as error:
                raise UnfitNumber(f"{self.name(place)}: {error.reason}") from None
        return found

    def _refuse(self, reason: str) -> None:
        raise BadStatisticFile(self.path, reason)


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
