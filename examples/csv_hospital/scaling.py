"""Mean and spread of each column over all hospitals, from sums that a statistic round adds.

    python scaling.py patients.csv numbers.csv

writes how many values each column has here, their sum, and the sum of their squares. Contribute
numbers.csv. What ``decrypt --json`` then prints of the round is the file ``scaling.json`` beside
this one, the same at every hospital.
"""

import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from pathlib import Path

from agreement import read_agreement
from csv_file import LIMIT, BadFile, counted, quoted, read_text, run, say
from patients import read_patients

DECIMALS = 6
_SUMS = ("values", "sum", "sum of squares")
HERE = Path(__file__).resolve().parent
_AGAIN = "Make it again: all hospitals, by a statistic of another name"


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each column; ``name`` tells one scale from another."""

    means: Mapping[str, float]
    deviations: Mapping[str, float]
    name: str

    def scaled(self, column: str, value: Decimal | None) -> float:
        """Deviations from the mean; a missing value counts as the mean."""
        if value is None:
            return 0.0
        return (float(value) - self.means[column]) / self.deviations[column]


def sums_of(values: Mapping[str, list[Decimal | None]]) -> dict[str, Decimal]:
    """What a hospital contributes, by label, to DECIMALS decimals."""
    found = {}
    with localcontext(prec=200):
        for column, cells in values.items():
            there = [cell for cell in cells if cell is not None]
            squares = sum((cell * cell for cell in there), Decimal(0))
            sums = (Decimal(len(there)), sum(there, Decimal(0)), squares)
            for what, number in zip(_SUMS, sums, strict=True):
                found[f"{column}: {what}"] = number.quantize(
                    Decimal(1).scaleb(-DECIMALS), ROUND_HALF_EVEN
                )
    return found


def read_scale(path: Path, columns: Iterable[str]) -> Scale:
    """The scale of exactly these columns; raises BadFile."""
    sums = _opened(path)
    wanted = [f"{column}: {what}" for column in columns for what in _SUMS]
    for label in (*wanted, *sums):
        if label not in sums or label not in wanted:
            where = (
                "lacks" if label not in sums else "has, beside those of the agreement's columns,"
            )
            raise BadFile(path, f"it {where} the sum {quoted(label)}. {_AGAIN}")
    means, deviations = {}, {}
    with localcontext(prec=200):
        for column in columns:
            count, total, squares = (sums[f"{column}: {what}"] for what in _SUMS)
            if count < 2:
                number = counted(int(count), "value")
                reason = f"column {quoted(column)} has {number} in all hospitals together"
                raise BadFile(path, f"{reason}. Leave it out of the agreement. {_AGAIN}")
            mean = total / count
            if count != int(count) or abs(mean) >= LIMIT:
                reason = f"the sums of column {quoted(column)} are no patients' sums"
                raise BadFile(path, f"{reason}. Some hospital's numbers are wrong. {_AGAIN}")
            variance = squares / count - mean * mean
            if variance <= Decimal(1).scaleb(3 - DECIMALS) or variance <= abs(mean) ** 2 / 10**12:
                reason = f"column {quoted(column)} has hardly any spread over all hospitals"
                raise BadFile(path, f"{reason}. Use another unit, or leave it out. {_AGAIN}")
            means[column], deviations[column] = float(mean), float(variance.sqrt())
    said = json.dumps([[label, f"{sums[label].normalize():f}"] for label in sorted(wanted)])
    return Scale(means, deviations, hashlib.sha256(said.encode()).hexdigest()[:16])


def _opened(path: Path) -> dict[str, Decimal]:
    """The sums of a statistic by label, as ``decrypt --json`` prints them."""
    for row in read_text(path, "the result of the statistic").splitlines():
        try:
            found = json.loads(row)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and found.get("event") == "decrypted" and found.get("sums"):
            return _numbers(path, found.get("labels"), found["sums"])
    reason = "it has no sums in it. It is what this prints: quorate-participant decrypt"
    raise BadFile(path, f"{reason} --study … --yes --json")


def _numbers(path: Path, labels: object, sums: object) -> dict[str, Decimal]:
    try:
        if not isinstance(labels, list) or not isinstance(sums, list):
            raise TypeError
        found = {str(k): Decimal(v) for k, v in zip(labels, sums, strict=True)}
        if not all(number.is_finite() for number in found.values()):
            raise TypeError
    except (TypeError, ValueError, InvalidOperation):
        raise BadFile(path, f"its sums and labels do not read. {_AGAIN}") from None
    return found


def write_numbers(path: Path, sums: Mapping[str, Decimal]) -> None:
    """A new file for ``quorate-participant contribute``, which only its owner reads.

    Raises BadFile.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", "number"])
    writer.writerows([label, f"{number:f}"] for label, number in sums.items())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(text.getvalue())
    except FileExistsError:
        raise BadFile(path, "it exists, and is never overwritten. Remove it first") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadFile(path, f"it cannot be written ({reason})") from None


def main(arguments: list[str]) -> int:
    """The command line; 0 if the file was written."""
    if len(arguments) != 2:
        say("usage: python scaling.py patients.csv numbers.csv", sys.stderr)
        return 2
    source, target = map(Path, arguments)
    try:
        patients = read_patients(source, read_agreement(HERE / "agreement.toml"))
        sums = sums_of(patients.values)
        write_numbers(target, sums)
    except BadFile as error:
        say(f"error: {error}", sys.stderr)
        return 1
    say(f"{target}: {len(sums)} numbers about {counted(len(patients.lines), 'patient')}")
    say("Next: quorate-participant contribute, all hospitals with the same --round")
    return 0


if __name__ == "__main__":
    run(main)
