"""Whatever is in a file: read as it was written, or refused in one sentence."""

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import csv_hospital
from csv_file import BadFile

SCRAPS = [
    "age",
    "bp",
    "y",
    "1",
    "0",
    "0.5",
    "63,5",
    "1,250",
    "?",
    "nan",
    "-",
    "#",
    "sep=",
    "é",
    "\ufeff",
]


FORMS = [",", ";", "\t", "\n", "\r\n", "\r", '"', " ", "\0", "|", "\N{NO-BREAK SPACE}"]


PIECES = st.lists(st.sampled_from([*SCRAPS, *FORMS]), max_size=40).map("".join)


ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])


def data_or_refusal() -> csv_hospital.Data | str:
    try:
        return csv_hospital.load()
    except BadFile as error:
        return str(error)


@given(st.binary(max_size=100) | st.builds(str.encode, PIECES, ENCODINGS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_file_it_is_read_as_finite_numbers_or_refused(
    folder: Path, data: bytes
) -> None:
    (folder / "patients.csv").write_bytes(data)
    found = data_or_refusal()
    if isinstance(found, str):
        assert found.startswith(str(folder / "patients.csv"))
        return
    assert np.isfinite(found.features).all()
    assert set(found.outcomes) == {0, 1}
    assert found.features.shape == (len(found.outcomes), len(found.columns))


@given(
    st.lists(st.tuples(*[st.decimals(-20, 20, places=3)] * 2), min_size=2, max_size=8),
    st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ",")]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_a_spreadsheet_writes_is_read_back_exactly_or_called_ambiguous(
    folder: Path,
    rows: list[tuple[Decimal, Decimal]],
    form: tuple[str, str],
    quoting: Literal[0, 1],
    end: str,
) -> None:
    separator, mark = form
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(["age", "bp", "y"])
    for k, row in enumerate(rows):
        writer.writerow([*(str(number).replace(".", mark) for number in row), k % 2])
    (folder / "patients.csv").write_bytes(text.getvalue().encode())
    found = data_or_refusal()
    if isinstance(found, str):
        assert "may be thousands or decimals" in found
        assert separator != ","
        return
    assert found.features.tolist() == [[float(number) for number in row] for row in rows]
