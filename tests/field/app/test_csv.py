"""Files of patients as hospitals export them: read as they are meant, or refused by their place."""

import bz2
import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import csv_hospital
from agreement import Agreement
from csv_file import BadFile
from participant.app.app import load_app
from participant.errors import BadApp
from patients import read_patients

HEAD = "age,bp,y\n"
ROWS = "0.5,1.5,1\n-0.2,0.3,0\n0.1,0.2,1\n"
GOOD = HEAD + ROWS
AGREED = 'missing = ["", "?"]\n'


def put(folder: Path, text: str | bytes, agreement: str = "") -> Path:
    path = folder / "patients.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if agreement:
        (folder / "agreement.toml").write_text(agreement, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.encode("utf-16"),
        b"\xfe\xff" + GOOD.encode("utf-16-be"),
        GOOD.encode("utf-32"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace(",", ";").replace(".", ","),
        GOOD.replace(",", "\t").replace(".", ","),
        "sep=,\n" + GOOD,
        "sep=;\r\n" + GOOD.replace(",", ";"),
        '"sep=\t"\n' + GOOD.replace(",", "\t"),
        "sep=;;;\n" + GOOD.replace(",", ";"),
        HEAD + '"0.5","1.5","1"\n"-0.2","0.3","0"\n"0.1","0.2","1"\n',
        "\n\n" + HEAD + "0.5,1.5,1\n\n-0.2,0.3,0\n,,\n0.1,0.2,1\n\n \n,,,\n",
        GOOD.replace("\n", ",\n"),
        GOOD.replace("\n", ",,,\n"),
        HEAD + ROWS.replace("\n", ",\n"),
        GOOD.replace(",", " , "),
        GOOD.replace("-", "\N{MINUS SIGN}"),
        GOOD.replace("0.5,", "0.5\N{NO-BREAK SPACE},"),
        HEAD + "5e-1,1.5,1.0\n-.2,0.3,0\n+0.1,2E-1,01\n",
        "y,bp,age\n1,1.5,0.5\n0,0.3,-0.2\n1,0.2,0.1\n",
    ],
)
def test_what_is_a_matter_of_form_is_read_as_it_is_meant(folder: Path, text: str | bytes) -> None:
    first = "y,bp" if str(text).startswith("y,bp") else ""
    put(folder, text, 'outcome = "y"\n' if first else "")
    data = csv_hospital.load()
    assert data.columns == ("age", "bp")
    assert data.features.tolist() == [[0.5, 1.5], [-0.2, 0.3], [0.1, 0.2]]
    assert data.outcomes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('"age\n(years)";bp;y\n', ("age (years)", "bp")),
        ('"age, in years";bp;y\n', ("age, in years", "bp")),
        ("âge;tension é;y\n", ("tension é", "âge")),
        ("a\u0302ge;bp;y\n", ("bp", "âge")),
        ("E10;  1st   bp ;y\n", ("1st bp", "E10")),
    ],
)
def test_names_of_columns_are_compared_in_one_form(
    folder: Path, header: str, names: tuple[str, ...]
) -> None:
    put(folder, header + ROWS.replace(",", ";"))
    assert csv_hospital.load().columns == names


MISSING = "the value is missing"
NO_NUMBER = "is not a number"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        # the file
        ("", "", "it is empty"),
        ("\n\n", "", "it is empty"),
        (b"PK\x03\x04...", "", "a spreadsheet"),
        (gzip.compress(GOOD.encode(), mtime=0), "", "compressed (gzip): unpack it"),
        (bz2.compress(GOOD.encode()), "", "compressed (bzip2): unpack it"),
        (b"SQLite format 3\0", "", "a database: export the table as CSV"),
        (GOOD.encode("utf-16-le"), "line 1", "UTF-16 without a mark"),
        (GOOD.encode() + b"0.5,1.5,1\0\n", "line 5", "character of number 0"),
        ("âge,bp,y\n".encode("latin-1") + ROWS.encode(), "line 1", "CSV UTF-8"),
        (HEAD.encode() + b"0.5,1.5,1\n0.5,1.5,\xe9\n", "line 3", "CSV UTF-8"),
        # the header
        (ROWS, "line 1", '"0.5" looks like a value'),
        (b"\xef\xbb\xbf" + ROWS.encode(), "line 1", '"0.5" looks like a value'),
        ("63,5;1\n12,5;0\n", "line 1", "It must name the columns"),
        ("m,1.5,yes\nf,0.3,no\n", "line 1", '"1.5" looks like a value'),
        ("?,x,1\n3,2,0\n", "line 1", '"?" looks like a value'),
        ("2020-01-01,x,yes\n", "line 1", '"2020-01-01" looks like a value'),
        ("1e3,x,yes\n", "line 1", '"1e3" looks like a value'),
        (HEAD, "line 1", "there is no patient below"),
        (HEAD + "\n,,\n", "line 1", "there is no patient below"),
        ("Export 2024-01-01\n" + GOOD, "line 1", "If it is a title, remove it"),
        ("# export\n" + GOOD, "line 1", "it begins with #"),
        ("age bp y\n0.5 1.5 1\n", "line 1", "one column only"),
        ("age;bp,y\n0.5;1.5,1\n", "line 1", "it has commas and semicolons"),
        ("sep=|\nage|bp|y\n", "line 1", '"|" between columns is not read'),
        ("age,bp,bp,y\n0.5,1,1,1\n", "line 1, column \"bp\"", "columns 2 and 3"),
        ("age,bp,AGE,y\n0.5,1,1,1\n", "line 1, column \"AGE\"", "columns 1 and 3"),
        ("age,,y\n0.5,1.5,1\n", "line 1", "column 2 has no name"),
        ("age,y,\n0.5,1,1.5\n", "line 1", "column 3 has no name"),
        ("age\u200b,bp,y\n" + ROWS, "line 1", "column 1"),
        (f"{'a' * 81},bp,y\n" + ROWS, "line 1", "longer than 80"),
        # the rows
        (HEAD + "0.5,1.5,1\n-0.2,0\n", "line 3", "it has 2 cells, and there are 3 columns"),
        (HEAD + "0.5,1.5,1\n0,2,0.3,0\n", "line 3", "it has 4 cells"),
        (HEAD + "0.5,1.5,1\n# checked by a nurse\n-0.2,0.3,0\n", "line 3", "begins with #"),
        (HEAD + "#0.5,1.5,1\n-0.2,0.3,0\n", "line 2", "begins with #"),
        ("id,bp,y\n#1001,1.5,1\n#1002,0.3,0\n", "line 2", "begins with #"),
        (HEAD + "0.5,1.5,1 # checked\n-0.2,0.3,0\n", 'line 2, column "y"', "is not an outcome"),
        ("t,bp,y\nfine,1.5,1\n\"bad,0.3,0\ngood\",0.3,0\n", "line 3", "goes on in the next line"),
        (HEAD + '0.5,"1.5,1\n-0.2,0.3,0\n', "line 2", "Is a double quote left open"),
        (HEAD + '0.5,"1"5,1\n', "line 2", "Is a double quote left open"),
        # the cells
        (HEAD + "0.5,,1\n-0.2,0.3,0\n", 'line 2, column "bp"', MISSING),
        (HEAD + "0.5,1.5,1\n-0.2,NA,0\n", 'line 3, column "bp"', 'missing = ["NA"]'),
        (HEAD + "0.5,nan,1\n-0.2,0.3,0\n", 'line 2, column "bp"', MISSING),
        (HEAD + "0.5,?,1\n", 'line 2, column "bp"', MISSING),
        (HEAD + "0.5,#N/A,1\n", 'line 2, column "bp"', MISSING),
        (HEAD + "0.5,#NULL!,1\n", 'line 2, column "bp"', MISSING),
        (HEAD + "0.5,inf,1\n", 'line 2, column "bp"', "not a finite number"),
        (HEAD + "0.5,-Infinity,1\n", 'line 2, column "bp"', "not a finite number"),
        (HEAD + "0.5,1e400,1\n", 'line 2, column "bp"', "too large"),
        (HEAD + "0.5,1e15,1\n", 'line 2, column "bp"', "too large"),
        (HEAD + '0.5,"1,200",1\n', 'line 2, column "bp"', '"1,200" has a comma'),
        (HEAD + '"63,5",1.5,1\n', 'line 2, column "age"', '"63,5" has a comma'),
        ("a;y\n1.234,5;1\n", 'line 2, column "a"', NO_NUMBER),
        ("a;b;y\n63,5;1;1\n12.5;2;0\n", 'line 3, column "a"', "a point, and line 2 has a comma"),
        ("a;b;y\n6.5;1;1\n12.5;2,5;0\n", 'line 3, column "b"', "a comma, and line 2 has a point"),
        ("a;y\n7,200;1\n12;0\n11,050;0\n", 'line 2, column "a"', "thousands or decimals"),
        ("a\ty\n7.200\t1\n12\t0\n", 'line 2, column "a"', "thousands or decimals"),
        (HEAD + "1 200,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "1'200,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "1_200,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "0x10,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "<0.5,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "50 %,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "2020-01-01,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "\u0663,1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + f"{'1' * 41},1.5,1\n", 'line 2, column "age"', NO_NUMBER),
        (HEAD + "54,1.5,1\n3,1,0\n", 'line 2, column "age"', "large for a column that is not"),
        # the outcome
        (HEAD + "0.5,1.5,1\n-0.2,0.3,2\n", 'line 3, column "y"', '"2" is not an outcome'),
        (HEAD + "0.5,1.5,yes\n-0.2,0.3,no\n", 'line 2, column "y"', '"yes" is not an outcome'),
        (HEAD + "0.5,1.5,\n-0.2,0.3,0\n", 'line 2, column "y"', '"" is not an outcome'),
        (HEAD + "0.5,1.5,nan\n-0.2,0.3,0\n", 'line 2, column "y"', "is not an outcome"),
        ("y,age,bp\n1,0.5,1\n0,-0.2,0.5\n", 'line 3, column "bp"', '"0.5" is not an outcome'),
        (HEAD + "0.5,1.5,1\n0.2,0.3,1\n", 'column "y"', '2 patients, and no outcome but "1"'),
        (HEAD + "0.5,1.5,1\n", 'column "y"', '1 patient, and no outcome but "1"'),
    ],
)  # fmt: skip
def test_what_could_be_meant_otherwise_is_refused_by_file_line_and_column(
    folder: Path, text: str | bytes, place: str, reason: str
) -> None:
    path = put(folder, text)
    with pytest.raises(BadFile) as caught:
        csv_hospital.load()
    said = str(caught.value)
    assert said.startswith(f"{path}, {place}: " if place else f"{path}: ")
    assert reason in said
    assert len(said) < len(str(path)) + 300


def test_lines_are_counted_as_an_editor_counts_them(folder: Path) -> None:
    put(folder, '\n"age\n(years)",bp,y\n\n0.5,1.5,1\n\n0.5,x,1\n')
    with pytest.raises(BadFile) as caught:
        csv_hospital.load()
    assert caught.value.line == 7


def test_a_refusal_shows_one_value_of_one_patient_at_most(folder: Path) -> None:
    put(folder, "name,age,bp,y\nAda Lovelace,0.5,high,1\n" + "x" * 100 + ",1,1,0\n")
    (folder / "agreement.toml").write_text('columns = ["bp", "age"]')
    with pytest.raises(BadFile) as caught:
        csv_hospital.load()
    assert '"high"' in str(caught.value)
    assert "Ada" not in str(caught.value)
    (folder / "agreement.toml").write_text('columns = ["name", "age"]')
    put(folder, "name,age,y\n1,1,1\n" + "x" * 100 + ",1,0\n")
    with pytest.raises(BadFile, match=r'"x{39}…" is not a number'):
        csv_hospital.load()


def test_no_patient_is_in_what_python_shows_of_the_data(folder: Path) -> None:
    put(folder, HEAD + "0.12345,1.5,1\n-0.2,0.3,0\n")
    patients = read_patients(folder / "patients.csv", Agreement())
    shown = repr((csv_hospital.load(), patients, patients.table, patients.table.rows[0]))
    assert "12345" not in shown
    assert "bp" in shown


@pytest.mark.parametrize("path", ["nothing.csv", ".", "nothing/at/all.csv"])
def test_a_file_that_cannot_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("QUORATE_CSV", str(folder / path))
    with pytest.raises(BadFile, match="the file of patients cannot be read"):
        csv_hospital.load()
    monkeypatch.setenv("QUORATE_CSV", "")
    with pytest.raises(ValueError, match="QUORATE_CSV is not set"):
        csv_hospital.load()


SUMS = {"age: values": 4, "age: sum": 4, "age: sum of squares": 8,
        "bp: values": 4, "bp: sum": 0, "bp: sum of squares": 4}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("?,1.5,1\n-1,,0\n", ["", "?"]),
        ("-9.0,1.5,1\n-1,nA,0\n", [-9, "NA"]),
        ("#NULL!,1.5,1\n-1,#N/A,0\n", ["#NULL!", "#N/A"]),
    ],
)
def test_missing_values_count_as_the_mean_where_the_study_says_so(
    folder: Path, rows: str, words: list[object]
) -> None:
    put(folder, HEAD + rows, f"missing = {json.dumps(words)}")
    with pytest.raises(BadFile, match='line 2, column "age": the value is missing, and without'):
        csv_hospital.load()
    sums = {"labels": list(SUMS), "sums": [str(number) for number in SUMS.values()]}
    (folder / "scaling.json").write_text(json.dumps({"event": "decrypted", **sums}))
    assert csv_hospital.load().features.tolist() == [[0, 1.5], [-2, 0]]


def test_other_values_are_no_missing_ones(folder: Path) -> None:
    put(folder, HEAD + "NA,1.5,1\n-0.2,,0\n", AGREED)
    with pytest.raises(BadFile, match=MISSING):
        csv_hospital.load()


def test_columns_that_the_study_leaves_out_may_hold_anything(folder: Path) -> None:
    text = 'name,age,seen,bp,y\n"Lovelace, Ada",0.5,2020-01-01,1.5,dead\nN.N.,-0.2,,0.3,Alive\n'
    put(folder, text, 'columns = ["bp", "age"]\nzero = ["alive"]\none = ["dead"]\n')
    data = csv_hospital.load()
    assert data.columns == ("age", "bp")
    assert data.outcomes.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("agreement", "reason"),
    [
        ('columns = ["Age", "bp"]', 'there is no column "Age". The columns are "age", "bp", "y"'),
        ('outcome = "died"', 'there is no column "died"'),
        ("columns = [", "it is not TOML"),
        ('colums = ["age"]', '"colums" is not known'),
        ('columns = "age"', "columns must be a list"),
        ("columns = []", "columns must be a list"),
        ("one = [1.5]", "one must be a list"),
        ("one = [true]", "one must be a list"),
        ('outcome = ["y"]', "outcome must be a text"),
        ('columns = ["age", "age"]', '"age" twice'),
        ('columns = ["age", ""]', "an empty name"),
        ('columns = ["age", "y"]\noutcome = "y"', '"y" is the outcome'),
        ('one = ["1"]\nzero = ["1.0"]', '"1.0" is in zero and in one'),
    ],
)
def test_an_agreement_that_does_not_fit_is_refused(
    folder: Path, agreement: str, reason: str
) -> None:
    put(folder, GOOD, agreement)
    with pytest.raises(BadFile) as caught:
        csv_hospital.load()
    assert reason in str(caught.value)


def entries(folder: Path, text: str, agreement: str = "") -> list[str]:
    """The names of the entries of the model that a hospital with this file begins with."""
    (folder / "agreement.toml").unlink(missing_ok=True)
    put(folder, text, agreement)
    return list(csv_hospital.initial_parameters({"seed": 1}))


def test_the_order_of_columns_in_a_file_means_nothing(folder: Path) -> None:
    here = entries(folder, GOOD)
    model = csv_hospital.initial_parameters({"seed": 1})
    moved = "bp,age,y\n1.5,0.5,1\n0.3,-0.2,0\n0.2,0.1,1\n"
    fitted = csv_hospital.fit(model, {})[0]
    assert entries(folder, moved) == here
    again = csv_hospital.fit(model, {})[0]
    assert all(np.array_equal(fitted[name], again[name]) for name in here)


def test_a_file_that_becomes_another_while_training_goes_on_is_told(folder: Path) -> None:
    put(folder, GOOD)
    model = csv_hospital.initial_parameters({"seed": 1})
    for other in (GOOD.replace("bp", "pulse"), GOOD.replace("y", "died")):
        put(folder, other)
        for function in (csv_hospital.fit, csv_hospital.evaluate):
            with pytest.raises(ValueError, match="no longer those that training began with"):
                function(model, {})
    put(folder, GOOD + "0.3,0.1,0\n")  # patients may come
    assert csv_hospital.fit(model, {})[1] == 4


@pytest.mark.parametrize(
    ("text", "agreement"),
    [
        (GOOD.replace("bp", "pulse"), ""),
        ("age,bp,pulse,y\n0.5,1.5,1,1\n-0.2,0.3,1,0\n", ""),
        (GOOD.replace("y", "died"), ""),
        (GOOD, "zero = [1]\none = [0]"),
        ("y,age,bp\n1,0.5,1\n0,-0.2,0\n", ""),
    ],
)
def test_other_columns_and_other_outcomes_are_other_entries(
    folder: Path, text: str, agreement: str
) -> None:
    assert entries(folder, text, agreement) != entries(folder, GOOD)


def test_the_first_model_is_the_same_for_every_machine_and_another_for_every_seed(
    folder: Path,
) -> None:
    put(folder, GOOD)
    first = csv_hospital.initial_parameters({"seed": 1})
    assert first["weight of age"].tolist() == [-0.0063211584836244585]
    assert first["weight of bp"].tolist() != first["weight of age"].tolist()
    other = csv_hospital.initial_parameters({"seed": 2})
    assert other["weight of age"].tolist() != first["weight of age"].tolist()


def test_a_refusal_reaches_the_terminal_as_one_sentence_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, HEAD + "0.5,1.5,1\n0.5,\x1b[2Jhigh,1\n")
    monkeypatch.setenv("QUORATE_CSV", str(path))
    app = load_app(Path(csv_hospital.__file__), tmp_path / "errors")
    with pytest.raises(BadApp) as caught:
        app.initial_parameters({"seed": 1, "round": 0})
    assert f'{path}, line 3, column "bp": ' in caught.value.reason
    assert "\x1b" not in caught.value.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "code", "err"),
    [
        ("> /dev/full", 1, "error: the output cannot be written (No space left on device)\n"),
        ("| true; exit ${PIPESTATUS[0]}", 0, ""),
        (">&-", 0, ""),
    ],
)
def test_a_command_line_whose_output_ends_says_so(
    tmp_path: Path, redirection: str, code: int, err: str
) -> None:
    (tmp_path / "p.csv").write_text("age,outcome\n1,0\n2,1\n3,1\n4,0\n5,1\n")
    script = Path(csv_hospital.__file__).with_name("scaling.py")
    line = f"{sys.executable} {script} p.csv n.csv {redirection}"
    ended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
    )
    assert (ended.returncode, ended.stderr) == (code, err)
    assert (tmp_path / "n.csv").exists()
