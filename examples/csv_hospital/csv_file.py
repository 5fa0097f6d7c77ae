"""A CSV file as programs of hospitals export it: its columns and rows, each with its line.

What is only a matter of form is read as it is meant: a byte order mark, UTF-16 with one, commas,
semicolons or tabs between columns, a first line ``sep=;``, quotes, any line ends, empty lines, and
empty columns at the end. What could be meant in two ways is refused with file and line.
"""

import codecs
import csv
import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NoReturn, TextIO

MISSING = frozenset({"", "?", ".", "-", "na", "n/a", "#n/a", "nan", "null", "#null!", "none"})
_AS_UTF8 = 'save it as "CSV UTF-8"'
_NO_TEXT = {  # how files of other kinds begin
    b"PK\x03\x04": f"a spreadsheet or an archive: {_AS_UTF8}",  # .xlsx, .ods, .zip
    b"\xd0\xcf\x11\xe0": f"a spreadsheet: {_AS_UTF8}",  # .xls
    b"\x1f\x8b": "compressed (gzip): unpack it",
    b"BZh": "compressed (bzip2): unpack it",
    b"\xfd7zXZ": "compressed (xz): unpack it",
    b"SQLite format 3": "a database: export the table as CSV",
    b"PAR1": "a Parquet file: export it as CSV",
}
_MARKS = (  # the longer first: a mark of UTF-32 begins like one of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_SEPARATOR = re.compile(r'"?sep=(.)"?[,;]*', re.IGNORECASE)
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
MINUS = "\N{MINUS SIGN}"
NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]{1,3})?")
MAX_DIGITS = 40  # characters of a number
LIMIT = Decimal(10) ** 15  # which no number reaches
_VALUE = re.compile(r"(?=.*[0-9])[0-9\s.,:/+\-\N{MINUS SIGN}'%<>=]+|[+-]?[0-9.,]+[eE][+-]?[0-9]+")
_MAX_NAME = 80  # characters of a column's name
_HEAD = 1 << 16  # characters among which the header is
_MAX_SHOWN = 40  # characters of a value in a refusal


class BadFile(ValueError):
    """A file that is not used, for a reason that says where, what, and what to do."""

    def __init__(self, path: Path, reason: str, line: int = 0, column: str = "") -> None:
        """``line`` counts from 1 as an editor does; 0 and "" where there is none to name."""
        place = f", line {line}" * bool(line) + f", column {quoted(column)}" * bool(column)
        super().__init__(f"{path}{place}: {reason}")
        self.path, self.line, self.column = path, line, column


@dataclass(frozen=True)
class Row:
    """One patient's cells, without the blanks around them; ``line`` is where they begin."""

    line: int
    cells: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Table:
    """Names of columns, which are in ``line``, and rows that have a cell for each."""

    path: Path
    line: int
    names: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)
    separator: str

    def column(self, name: str) -> list[tuple[int, str]]:
        """The lines and cells of a column; raises BadFile if there is none of this name."""
        if name not in self.names:
            there = ", ".join(quoted(n) for n in self.names[:20])
            reason = f"there is no column {quoted(name)}. The columns are {there}"
            raise BadFile(self.path, reason, self.line)
        place = self.names.index(name)
        return [(row.line, row.cells[place]) for row in self.rows]


def quoted(text: str) -> str:
    """A value or a name as refusals show it: in quotes, on one line, not longer than needed."""
    cut = text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def as_word(text: str) -> object:
    """How a cell is compared with a word of the agreement: -9 is -9.0, and Yes is yes."""
    if len(text) <= MAX_DIGITS and NUMBER.fullmatch(plain := text.replace(MINUS, "-", 1)):
        return Decimal(plain.replace(",", "."))
    return text.casefold()


def counted(number: int, noun: str) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line, whatever a file or a column is called and the terminal can show."""
    stream = stream or sys.stdout
    if stream is None:
        return  # closed before Python began
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """End with a command line's exit code; 1 where its output could not be written.

    A reader that has gone has seen enough.
    """
    try:
        code: int | str = main(sys.argv[1:])
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        code = f"error: the output cannot be written ({error.strerror})"
        if isinstance(error, BrokenPipeError):
            code = 0
        # Else Python fails once more at its end, on what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def tidy(name: str) -> str:
    """A name as it is compared: in Unicode normal form C, with single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def read_text(path: Path, what: str) -> str:
    """The text in a file, whichever Unicode encoding it has; raises BadFile."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadFile(path, f"{what} cannot be read ({reason})") from None
    for mark, kind in _NO_TEXT.items():
        if data.startswith(mark):
            raise BadFile(path, f"it is no text, but {kind}")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1 if encoding.startswith("utf-8") else 0
        reason = f"it is not text in {encoding.removesuffix('-sig').upper()}: {_AS_UTF8}"
        raise BadFile(path, reason, line) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        reason = f"it has a character of number 0, as UTF-16 without a mark has: {_AS_UTF8}"
        raise BadFile(path, reason, line)
    return text


def read_table(path: Path) -> Table:
    """Columns and patients of a CSV file with a header; raises BadFile."""
    text = read_text(path, "the file of patients")
    separator, skipped = _separator(path, text)
    records = [
        row
        for row in _records(path, text, separator)
        if row.line > skipped and any(cell for cell in row.cells)
    ]
    if not records:
        raise BadFile(path, "it is empty. Its first line must name the columns")
    header, *rows = records
    widest = max((_width(row) for row in rows), default=0)
    names = tuple(tidy(cell) for cell in header.cells)
    names = names[: max(_width(header), min(widest, len(names)))]
    _check_header(path, header.line, names, rows)
    for row in rows:
        _check_row(path, row, len(names))
    if not rows:
        reason = "there is no patient below the names of columns. Is it the right file?"
        raise BadFile(path, reason, header.line)
    cut = tuple(Row(row.line, row.cells[: len(names)]) for row in rows)
    return Table(path, header.line, names, cut, separator)


def _separator(path: Path, text: str) -> tuple[str, int]:
    """What is between columns, and how many lines at the top only say so."""
    number, first = _first_line(text)
    if found := _SEPARATOR.fullmatch(first.strip("\r\n ")):
        if found[1] not in _SEPARATORS:
            reason = f"{quoted(found[1])} between columns is not read: use commas or semicolons"
            raise BadFile(path, reason, number)
        return found[1], number
    _, bare = _first_line(re.sub(r'"[^"]*("|$)', '""', text[:_HEAD]))
    there = [separator for separator in _SEPARATORS if separator in bare]
    if len(there) > 1:
        both = " and ".join(_SEPARATORS[s] for s in there)
        reason = f"it has {both}. It must name the columns, and a name with one of them needs"
        raise BadFile(path, f"{reason} double quotes", number)
    return (there[0] if there else ","), 0


def _first_line(text: str) -> tuple[int, str]:
    """The first line that is not empty, and its number; 0 and nothing if all are."""
    lines = enumerate(io.StringIO(text, newline=""), start=1)
    return next(((number, line) for number, line in lines if line.strip()), (0, ""))


def _records(path: Path, text: str, separator: str) -> Iterator[Row]:
    """All rows of the file, the header among them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            yield Row(line, stripped)
            line = reader.line_num + 1
    except csv.Error as error:
        reason = f"it is not CSV ({error}). Is a double quote left open, or one too many?"
        raise BadFile(path, reason, line) from None


def _width(row: Row) -> int:
    """Cells up to the last that is not empty."""
    return max((k for k, cell in enumerate(row.cells, start=1) if cell), default=0)


def _check_header(path: Path, line: int, names: tuple[str, ...], rows: list[Row]) -> None:
    """Raises BadFile unless these are the names of columns, not a title and not a patient."""
    _check_comment(path, line, names[0], "begin the line with the name of a column")
    if len(names) < 2:
        if rows and _width(rows[0]) > 1:
            what = "it has one cell, and the next line has more. If it is a title, remove it"
        else:
            what = "there is one column only. Put commas or semicolons between columns"
        raise BadFile(path, what, line)
    for place, name in enumerate(names, start=1):
        if _VALUE.fullmatch(name) or (name and name.casefold() in MISSING):
            reason = f"{quoted(name)} looks like a value, and the first line must name the columns"
            raise BadFile(
                path,
                f"{reason}. Put a line of names above the patients, or rename the column",
                line,
            )
        if not name:
            raise BadFile(path, f"column {place} has no name. Name it, or remove it", line)
        if len(name) > _MAX_NAME or not name.isprintable():
            reason = f"the name of column {place} is longer than {_MAX_NAME} characters, or has"
            raise BadFile(path, f"{reason} some that are invisible. Choose another", line)
    alike = [name.casefold() for name in names]
    for place, name in enumerate(alike):
        if (first := alike.index(name)) < place:
            reason = f"columns {first + 1} and {place + 1} are both called so. Rename or remove one"
            raise BadFile(path, reason, line, names[place])


def _check_row(path: Path, row: Row, columns: int) -> None:
    """Raises BadFile unless a row is surely one patient."""
    _check_comment(path, row.line, row.cells[0], "remove the #")
    if any("\n" in cell or "\r" in cell for cell in row.cells):
        reason = "a cell goes on in the next line. Is a double quote left open? If it is meant so"
        raise BadFile(path, f"{reason}, remove the line break", row.line)
    if len(row.cells) < columns or _width(row) > columns:
        reason = f"it has {counted(len(row.cells), 'cell')}, and there are {columns} columns"
        raise BadFile(
            path, f"{reason}. A value with a separator in it needs double quotes", row.line
        )


def _check_comment(path: Path, line: int, cell: str, otherwise: str) -> None:
    if cell.startswith("#") and cell.casefold() not in MISSING:
        reason = "it begins with #, as comments do. Remove the line if it is none of the patients"
        raise BadFile(path, f"{reason}, or else {otherwise}", line)
