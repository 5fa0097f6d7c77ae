"""Files of plain numbers: what is read exactly, and what is refused rather than guessed."""

from decimal import Decimal
from pathlib import Path

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.errors import UnfitNumber
from participant.errors import MissingFile, UnfitNumbers
from participant.statistic.number_files import read_numbers
from participant.statistic.numbers import Numbers

N = mpz(2) ** 512 - 569


def read(folder: Path, text: str | bytes) -> Numbers:
    path = folder / "numbers"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_numbers(path, N)


@pytest.mark.parametrize(
    ("text", "values", "labels"),
    [
        ("3\n", "3", ""),
        ("3\n5.25\n-1e-3\n", "3 5.25 -0.001", ""),
        ("number\n3\n5\n\n\n", "3 5", ""),
        ("3\r\n5", "3 5", ""),
        ("\ufeff3\n5", "3 5", ""),
        (" 3 \n+5\n.5\n5.\n", "3 5 0.5 5", ""),
        ("\u22123\n-5\n", "-3 -5", ""),
        ("men,3\nwomen,5\n", "3 5", "men women"),
        ("label,number\nmen,3\nwomen,5\n", "3 5", "men women"),
        ("label,number\n2024,3\n2025,5\n", "3 5", "2024 2025"),
        ('"men, old",3\n', "3", "men,_old"),
        ("[3, 5.25, -1e-3, 0]", "3 5.25 -0.001 0", ""),
        (' {"men": 3, "women": 5.0}', "3 5", "men women"),
        ("[123456789012345678901234567890.000000000000000000001]",
         "123456789012345678901234567890.000000000000000000001", ""),
    ],
)  # fmt: skip
def test_numbers_are_read_exactly(tmp_path: Path, text: str, values: str, labels: str) -> None:
    found = read(tmp_path, text)
    assert found.values == tuple(map(Decimal, values.split()))
    assert found.labels == tuple(label.replace("_", " ") for label in labels.split())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing in it"),
        ("\n\n", "nothing in it"),
        ("number\n", "0 numbers"),
        ("[]", "0 numbers"),
        ("{}", "0 numbers"),
        ("3\n\n5\n", "line 2 is empty"),
        ("3\nfive\n", "line 2: 'five'"),
        ("NaN\n3\n", "line 1: 'NaN'"),
        ("n/a\n3\n", "line 1: 'n/a'"),
        ("men,3\nwomen,\n", "line 2: ''"),
        ("3\ninf\n", "line 2: 'inf'"),
        ("12 kg\n", "line 1: '12 kg'"),
        ("1_000\n", "line 1: '1_000'"),
        ("٣\n", "line 1"),
        ("0x10\n", "line 1"),
        ("1,5\n2,5\n", "two numbers in a line, and no header"),
        ("1;5\n", "line 1: semicolons"),
        ("label,unknown\nmen,3\n", "line 1: 'unknown' is not a number"),
        ("\u22121,5\n\u22122,5\n", "two numbers in a line, and no header"),
        ("visits;3\nstays;0,5\n", "line 1: semicolons"),
        ("visits,3\nstays;0,5\n", "line 2: semicolons"),
        ("visits\t3\nstays\t0.5\n", "line 1: tabs"),
        ("visits,unknown\nstays,0.5\n", "line 1: 'unknown' is not a number.* header is"),
        ("k.A.\n5\n", "line 1: 'k.A.' is not a number"),
        ("O5\n7\n", "line 1: 'O5' is not a number"),
        ("approx 12\n5\n", "line 1: 'approx 12'"),
        ("weight\n5\n", "line 1: 'weight' is not a number.* header is: number"),
        (b"PK\x03\x04zzzz", "spreadsheet.*CSV UTF-8"),
        ("3\n".encode("utf-16-le"), "UTF-8: save it as CSV UTF-8"),
        ("a,b,3\n", "line 1 has 3 columns"),
        ("men,3\n5\n", "line 2 has 1 column."),
        ("men,3\nmen,5\n", "line 1 and line 2 have the same label, 'men'"),
        (",3\n", "line 1 has an empty label"),
        (f"{'x' * 101},3\n", "line 1 has more than 100 characters"),
        ('"a\nb",3\n', "control or invisible characters"),
        ("\x1b[2Jmen,3\n", "line 1|control or invisible"),
        ('"men,3\n', "not CSV"),
        ("1e20000\n", "line 1"),
        ("1" * 4_001 + "\n", "line 1"),
        (b"\xff3\n", "UTF-8"),
        ("[3, true]", "number 2"),
        ("[3, null]", "number 2"),
        ('[3, "5"]', "number 2"),
        ("[3, [5]]", "number 2"),
        ("[NaN]", "NaN is not a number"),
        ("[Infinity]", "Infinity is not a number"),
        ("[1e20000]", "too many digits"),
        ("[" + "1" * 5_000 + "]", "more than 4000 digits"),
        ("[3", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"men": 3, "men": 5}', "twice"),
        ('{"men": "3"}', "'men' is not a number"),
        ('{"": 3}', "number 1 has an empty label"),
        ('{" men": 3}', "begins or ends with a blank"),
        ('{"men\\u0007": 3}', "control or invisible characters"),
        ("3\n" * 100_001, "100001 numbers"),
    ],
)  # fmt: skip
def test_what_is_not_wholly_understood_is_refused(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    with pytest.raises(UnfitNumbers, match=reason) as caught:
        read(tmp_path, text)
    assert len(caught.value.reason) < 200


def test_labels_that_no_post_has_room_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitNumbers, match="more than 64 kB"):
        read(tmp_path, "".join(f"{'x' * 90}{k},1\n" for k in range(3_000)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        read_numbers(tmp_path / "none.csv", N)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=5), min_size=1))
def test_any_column_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[Decimal]):
    text = "\n".join(f"{value:f}" for value in values)
    assert read(tmp_path_factory.mktemp("n"), text).values == tuple(values)


def test_the_number_that_does_not_fit_is_named() -> None:
    numbers = Numbers("n.csv", (Decimal(3), Decimal("5.25")), ("men", "women"))
    assert numbers.decimals == 2
    with pytest.raises(UnfitNumber, match=r"number 2 \(women\): it needs 2 decimals"):
        numbers.plaintexts(1, 3, N)
    assert "5.25" not in repr(numbers)
