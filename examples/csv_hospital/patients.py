"""A hospital's patients, as its file and the agreement say: numbers by column, and outcomes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from agreement import Agreement
from cells import Numbers
from csv_file import BadFile, Table, as_word, counted, quoted, read_table


@dataclass(frozen=True)
class Patients:
    """``values``: a list for each column, None where a value is missing; all in order of lines."""

    table: Table
    values: dict[str, list[Decimal | None]] = field(repr=False)

    @property
    def lines(self) -> list[int]:
        """Where in the file each patient is, counted from 1."""
        return [row.line for row in self.table.rows]


def read_patients(
    path: Path, agreement: Agreement, columns: Iterable[str] | None = None
) -> Patients:
    """All patients of a file; raises BadFile. ``columns``: others than the agreement's."""
    table = read_table(path)
    names = agreement.columns_of(table) if columns is None else tuple(columns)
    numbers = Numbers(table, names, agreement.missing)
    return Patients(table, {name: numbers.column(name) for name in names})


def outcomes(table: Table, agreement: Agreement) -> list[int]:
    """0 or 1 for each patient; raises BadFile on any other, or where all have the same."""
    name = agreement.outcome_of(table)
    meant = {
        as_word(word): k
        for k, words in enumerate((agreement.zero, agreement.one))
        for word in words
    }
    found = []
    for line, text in table.column(name):
        if as_word(text) not in meant:
            words = ", ".join(quoted(word) for word in agreement.zero + agreement.one)
            reason = f"{quoted(text)} is not an outcome. It must be one of {words}. Correct it, "
            reason += "or change outcome, zero and one in agreement.toml, all hospitals alike"
            raise BadFile(table.path, reason, line, name)
        found.append(meant[as_word(text)])
    if len(set(found)) == 1:
        text = table.column(name)[0][1]
        reason = f"{counted(len(found), 'patient')}, and no outcome but {quoted(text)}"
        if len({as_word(cell) for _, cell in table.column(name)}) > 1:
            reason = f"{counted(len(found), 'patient')}, and all outcomes count as {found[0]}"
        remedy = "Is it the right column? Who has one outcome only cannot train with the others"
        raise BadFile(table.path, f"{reason}. {remedy}", column=name)
    return found
