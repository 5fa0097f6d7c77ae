"""What the hospitals agree on: which columns the model sees, and what it predicts.

A file ``agreement.toml`` beside this one, the same at every hospital:

    columns = ["age", "blood pressure"]  # left out: all columns but the outcome
    outcome = "died"                     # left out: the last column
    zero = ["no"]                        # how the outcome is written; left out: 0 and 1
    one = ["yes"]
    missing = ["", "?"]                  # cells that count as the mean; left out: none do
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from csv_file import BadFile, Table, as_word, quoted, read_text, tidy

_KEYS = ("columns", "outcome", "zero", "one", "missing")


@dataclass(frozen=True)
class Agreement:
    """``columns`` and ``outcome`` are None where the file of patients decides."""

    columns: tuple[str, ...] | None = None
    outcome: str | None = None
    zero: tuple[str, ...] = ("0",)
    one: tuple[str, ...] = ("1",)
    missing: tuple[str, ...] = ()

    def outcome_of(self, table: Table) -> str:
        """The name of the column that is predicted."""
        return self.outcome or table.names[-1]

    def columns_of(self, table: Table) -> tuple[str, ...]:
        """The columns that the model sees, by name: their order in a file means nothing."""
        found = self.columns or tuple(n for n in table.names if n != self.outcome_of(table))
        return tuple(sorted(found))


def read_agreement(path: Path) -> Agreement:
    """The agreement of a file, or the one that says nothing if there is no file.

    Raises BadFile.
    """
    if not path.exists():
        return Agreement()
    try:
        found = tomllib.loads(read_text(path, "the agreement"))
    except tomllib.TOMLDecodeError as error:
        raise BadFile(path, f"it is not TOML: {error}") from None
    for key in found:
        if key not in _KEYS:
            raise BadFile(path, f"{quoted(key)} is not known. It may have {', '.join(_KEYS)}")
    lists = {key: _texts(path, key, found[key]) for key in _KEYS if key in found}
    outcome = lists.pop("outcome", (None,))[0]
    agreement = Agreement(outcome=outcome, **lists)
    _check(path, agreement)
    return agreement


def _texts(path: Path, key: str, value: object) -> tuple[str, ...]:
    """A list of texts, or one text for the outcome; whole numbers are as good as texts."""
    values = [value] if key == "outcome" else value
    wanted = "a text" if key == "outcome" else 'a list of texts, such as ["0"]'
    if not isinstance(values, list) or not values:
        raise BadFile(path, f"{key} must be {wanted}")
    if not all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
        raise BadFile(path, f"{key} must be {wanted}, in double quotes")
    return tuple(tidy(str(v)) for v in values)


def _check(path: Path, agreement: Agreement) -> None:
    columns = agreement.columns or ()
    for name in columns:
        if not name:
            raise BadFile(path, "columns has an empty name")
        if columns.count(name) > 1:
            raise BadFile(path, f"columns has {quoted(name)} twice")
    if agreement.outcome in columns:
        raise BadFile(
            path, f"{quoted(agreement.outcome or '')} is the outcome, and among the columns"
        )
    for word in agreement.zero:
        if as_word(word) in map(as_word, agreement.one):
            raise BadFile(path, f"{quoted(word)} is in zero and in one")
