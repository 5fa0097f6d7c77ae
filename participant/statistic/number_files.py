"""Files of numbers for a statistic: CSV, JSON, or numbers that ``phe`` encrypted with known r.

    number                 label,number          [3, 5.25, -1e-3]        {"men": 3, "women": 5}
    3                      men,3
    5.25                   women,5

Numbers are exact decimals. A CSV file is one column of numbers, or labels and numbers. Its first
line is a header if it is ``number`` or ``label,number``: no other word is taken for one, since it
may be meant as a number. Where there is no header, labels must not look like numbers:
``1,5`` may be meant as one number.
"""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from gmpy2 import mpz

from participant.disk import read
from participant.errors import UnfitNumbers
from participant.statistic.numbers import MAX_DIGITS, Numbers, parse_number
from participant.statistic.phe_files import Each, PheReader, is_of_phe
from protocol.programs.file_kind import Kind, kind_of_data
from protocol.terms import normal
from protocol.words import decoded
from protocol.words.counted import counted

FILE_LIMIT = 64 << 20  # bytes
_SEPARATORS = {";": "semicolons", "\t": "tabs"}  # of other programs and languages
_AS_CSV = "save it as CSV UTF-8"


def read_numbers(path: Path, n: mpz) -> Numbers:
    """The numbers in a file, under the joint key's N if phe encrypted them.

    Raises UnfitNumbers on anything that is not wholly understood; MissingFile, TooLarge or
    DiskError.
    """
    return numbers_in(number_file(path), str(path), n)


def number_file(path: Path) -> bytes:
    """What is in a file of numbers; raises MissingFile, TooLarge or DiskError."""
    return read(path, FILE_LIMIT, "file of numbers")


def numbers_in(data: bytes, path: str, n: mpz, each: Each = lambda: None) -> Numbers:
    """The numbers in what a file has. Raises UnfitNumbers, naming it.

    each: called for each number that phe encrypted, which takes long; it may raise.
    """
    return _Reader(path, n, each).numbers(data)


class _Reader:
    """Strict reading of one file, for errors that name it."""

    def __init__(self, path: str, n: mpz, each: Each) -> None:
        self._path, self._n, self._each = path, n, each

    def _refuse(self, reason: str) -> NoReturn:
        raise UnfitNumbers(self._path, reason)

    def numbers(self, data: bytes) -> Numbers:
        """All numbers of the file, in order."""
        if kind_of_data(data) is Kind.SPREADSHEET:
            self._refuse(f"it is a spreadsheet, not text: {_AS_CSV}")
        try:
            text = normal(decoded(data))  # labels are compared between hospitals
        except ValueError:
            self._refuse(f"it is not text in UTF-8: {_AS_CSV}")
        if text.lstrip()[:1] in ("[", "{"):
            return self._of_json(text)
        return self._of_csv(text)

    # ── JSON ──

    def _of_json(self, text: str) -> Numbers:
        document = self._document(text)
        if is_of_phe(document):
            values = PheReader(self._path, self._n, self._each).numbers(document)
            return Numbers(self._path, tuple(values))
        if isinstance(document, dict):
            numbers = [self._json_number(v, k) for k, v in document.items()]
            return Numbers(self._path, tuple(numbers), tuple(document))
        assert isinstance(document, list)
        values = [self._json_number(v, f"number {k}") for k, v in enumerate(document, start=1)]
        return Numbers(self._path, tuple(values))

    def _document(self, text: str) -> Any:
        try:
            return json.loads(
                text,
                object_pairs_hook=self._object,
                parse_int=self._integer,
                parse_float=self._fraction,
                parse_constant=lambda word: self._refuse(f"{word} is not a number"),
            )
        except (ValueError, RecursionError):
            self._refuse("it is not JSON text")

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            self._refuse(f"the label {twice[:100]!r} is there twice. Each number has its own")
        return found

    def _integer(self, digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            self._refuse(f"a number has more than {MAX_DIGITS} digits")
        return int(digits)

    def _fraction(self, text: str) -> Decimal:
        number = parse_number(text)
        if number is None:
            self._refuse(f"{text[:40]} has too many digits")
        return number

    def _json_number(self, value: Any, what: str) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self._refuse(f"{what[:100]!r} is not a number")
        return Decimal(value)

    # ── CSV ──

    def _of_csv(self, text: str) -> Numbers:
        rows = self._rows(text)
        has_header = rows[0][1] in (["number"], ["label", "number"])
        columns = len(rows[0][1])
        for line, row in rows:
            for sign, name in _SEPARATORS.items():
                if any(sign in cell for cell in row):
                    self._refuse(
                        f"line {line}: {name} between columns. Put a comma between them and a "
                        "point for decimals"
                    )
            if not any(row):
                self._refuse(f"line {line} is empty. Leave it out")
            if len(row) != columns or columns > 2:
                self._refuse(
                    f"line {line} has {counted(len(row), 'column')}. A line is one number, or a "
                    "label and a number, with a comma between them and a point for decimals"
                )
        body = rows[has_header:]
        values = [self._cell(row[-1], line) for line, row in body]
        labels = [row[0] for _, row in body if columns == 2]
        if not has_header and any(parse_number(label) is not None for label in labels):
            self._refuse(
                "it has two numbers in a line, and no header. If the first are labels, begin the "
                "file with the line: label,number"
            )
        return Numbers(self._path, tuple(values), tuple(labels), tuple(line for line, _ in body))

    def _rows(self, text: str) -> list[tuple[int, list[str]]]:
        """The cells of each line with its number, from 1; without empty lines at the end."""
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = []
        try:
            for row in lines:
                rows.append((lines.line_num, [cell.strip() for cell in row]))
        except csv.Error as error:
            self._refuse(f"line {lines.line_num} is not CSV text ({error})")
        while rows and not any(rows[-1][1]):
            rows.pop()
        if not rows:
            self._refuse("there is nothing in it")
        return rows

    def _cell(self, text: str, line: int) -> Decimal:
        number = parse_number(text)
        if number is None:
            is_first = line == 1 and text[:1].isalpha()
            header = " (a header is: number, or label,number)" if is_first else ""
            self._refuse(f"line {line}: {text[:40]!r} is not a number, as 12 or -0.5 are{header}")
        return number
