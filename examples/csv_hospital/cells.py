"""The numbers in the cells of a table, exactly as decimals; no cell is guessed at.

Between columns that commas separate, numbers have a decimal point. Elsewhere a decimal comma will
do, one or the other in a whole file: ``1.250`` beside ``63,5`` would be read as 1.25 or as 1250.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NoReturn

from csv_file import LIMIT, MAX_DIGITS, MINUS, MISSING, NUMBER, BadFile, Table, as_word, quoted

_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")  # 1.250 or 1,250
_MARKS = {",": "comma", ".": "point"}


class Numbers:
    """Reads the number columns of one table; ``missing`` are the cells that count as none."""

    def __init__(self, table: Table, columns: Sequence[str], missing: Sequence[str]) -> None:
        """Raises BadFile where the file's numbers are written in more ways than one."""
        self._table = table
        self._missing = {as_word(word) for word in missing}
        self._cells = {
            name: [(line, cell.replace(MINUS, "-", 1)) for line, cell in table.column(name)]
            for name in columns
        }
        if table.separator != ",":
            self._check_marks()

    def column(self, name: str) -> list[Decimal | None]:
        """The numbers of a column, None where one is missing; raises BadFile."""
        return [self._value(name, line, text) for line, text in self._cells[name]]

    def _value(self, column: str, line: int, text: str) -> Decimal | None:
        if not NUMBER.fullmatch(text) or len(text) > MAX_DIGITS:
            if text.casefold() in self._missing:
                return None
            self._refuse(column, line, text)
        if "," in text and self._table.separator == ",":
            raise BadFile(
                self._table.path,
                f"{quoted(text)} has a comma, where commas separate the columns. Write a decimal "
                "point, and no separator of thousands",
                line, column,
            )  # fmt: skip
        number = Decimal(text.replace(",", "."))
        if self._missing and number in self._missing:
            return None
        if abs(number) >= LIMIT:
            reason = f"{quoted(text)} is too large. Numbers up to 10^15 are read. Correct it"
            raise BadFile(self._table.path, reason, line, column)
        return number

    def _refuse(self, column: str, line: int, text: str) -> NoReturn:
        if text.casefold().lstrip("+-") in MISSING:
            reason = (
                f"the value is missing ({quoted(text)}). Fill it in, leave the patient out, or let "
                f"such cells count as the mean: missing = [{quoted(text)}] in agreement.toml"
            )
        elif re.fullmatch(r"[+-]?inf(inity)?", text, re.IGNORECASE):
            reason = f"{quoted(text)} is not a finite number. Correct it"
        else:
            reason = f"{quoted(text)} is not a number, as 12 or 63.5 are. Write it as one, or leave"
            reason += " the column out of columns in agreement.toml"
        raise BadFile(self._table.path, reason, line, column)

    def _check_marks(self) -> None:
        """Raises BadFile where a comma or point may stand for decimals or for thousands."""
        first: dict[str, int] = {}  # where a mark was seen first
        for name, cells in self._cells.items():
            marked = [(line, t) for line, t in cells if NUMBER.fullmatch(t) and {".", ","} & {*t}]
            for line, text in marked:
                mark, other = (",", ".") if "," in text else (".", ",")
                first.setdefault(mark, line)
                if other in first:
                    reason = f"{quoted(text)} has a {_MARKS[mark]}, and line {first[other]} has a"
                    self._ambiguous(f"{reason} {_MARKS[other]}", line, name)
            if marked and all(_THOUSANDS.fullmatch(text) for _, text in marked):
                line, text = marked[0]
                self._ambiguous(f"{quoted(text)} may be thousands or decimals", line, name)

    def _ambiguous(self, reason: str, line: int, column: str) -> None:
        remedy = "Separate columns by commas, and write numbers with a decimal point: 1250 or 1.25"
        raise BadFile(self._table.path, f"{reason}. {remedy}", line, column)
