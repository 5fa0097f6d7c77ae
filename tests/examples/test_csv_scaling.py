"""The numbers of a hospital's columns, the scale that their sums give, and predictions with it."""

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import csv_hospital
import predict
import scaling
from csv_file import BadFile
from participant.statistic.number_files import read_numbers
from tests.field.rounds.test_heart import COLUMNS, HEART, HOSPITALS, STUDY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The app's folder, with the agreement of the four hospitals."""
    for module in (csv_hospital, predict, scaling):
        monkeypatch.setattr(module, "HERE", tmp_path)
    (tmp_path / "agreement.toml").write_text(STUDY)
    return tmp_path


def write_scale(folder: Path, labels: Sequence[str], sums: Sequence[object]) -> None:
    """What ``decrypt --json`` prints of the round."""
    facts = {"event": "decrypted", "round": "scale", "labels": labels, "sums": list(map(str, sums))}
    (folder / "scaling.json").write_text(json.dumps(facts) + "\n")


def heart_scale(folder: Path) -> None:
    """The scale of all four hospitals, by way of their files of numbers."""
    found = []
    for name in HOSPITALS:
        target = folder / f"{name}-numbers.csv"
        assert scaling.main([str(HEART / f"{name}.csv"), str(target)]) == 0
        found.append(read_numbers(target, 0))
    assert len({numbers.labels for numbers in found}) == 1
    sums = [sum(column) for column in zip(*(n.values for n in found), strict=True)]
    write_scale(folder, found[0].labels, sums)


def all_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    rows = []
    for name in HOSPITALS:
        monkeypatch.setenv("QUORATE_CSV", str(HEART / f"{name}.csv"))
        rows.append(csv_hospital.load().features)
    return np.concatenate(rows)


def test_the_sums_of_four_hospitals_bring_their_columns_to_mean_0_and_deviation_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart_scale(folder)
    features = all_columns(folder, monkeypatch)
    there = np.where(features == 0, np.nan, features)  # missing values count as the mean
    assert features.shape == (920, 10)
    assert np.abs(np.nanmean(there, axis=0)).max() < 1e-9
    assert np.abs(np.nanstd(there, axis=0) - 1).max() < 1e-9


def test_a_file_of_numbers_is_for_its_owner_alone_and_overwrites_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = HEART / "zurich.csv", folder / "numbers.csv"
    assert scaling.main([str(source), str(target)]) == 0
    assert target.stat().st_mode & 0o077 == 0
    assert scaling.main([str(source), str(target)]) == 1
    assert "it exists, and is never overwritten" in capsys.readouterr().err
    assert scaling.main([str(source), str(folder / "no" / "numbers.csv")]) == 1
    assert "it cannot be written" in capsys.readouterr().err
    assert scaling.main([str(source)]) == 2
    bad = folder / "bad.csv"
    bad.write_text("age,target\nold,1\n")
    assert scaling.main([str(bad), str(folder / "n.csv")]) == 1
    assert 'line 1: there is no column "chol"' in capsys.readouterr().err


def test_sums_are_exact_to_their_decimals() -> None:
    values = [Decimal("0.1")] * 10 + [None, Decimal("-999999999999999.5")]
    found = scaling.sums_of({"a": values})
    assert found == {
        "a: values": Decimal(11),
        "a: sum": Decimal("-999999999999998.5"),
        "a: sum of squares": Decimal("999999999999999000000000000000.35"),
    }


LABELS = ["age: values", "age: sum", "age: sum of squares"]


@pytest.mark.parametrize(
    ("labels", "sums", "reason"),
    [
        (LABELS, [10, 500], "do not read"),
        (LABELS, [10, 500, "many"], "do not read"),
        (LABELS, [10, 500, "NaN"], "do not read"),
        (LABELS[:2], [10, 500], 'lacks the sum "age: sum of squares"'),
        ([*LABELS, "bp: sum"], [10, 500, 25_100, 3], 'beside those of the agreement\'s columns'),
        (LABELS, [1, 50, 2_500], 'column "age" has 1 value in all'),
        (LABELS, ["10.5", 500, 25_100], "are no patients' sums"),
        (LABELS, [10, 10**400, 10**900], "are no patients' sums"),
        (LABELS, [-10, 500, 25_100], "has -10 values"),
        (LABELS, [10, 500, 25_000], "hardly any spread"),
        (LABELS, [10, 500, 24_000], "hardly any spread"),
        ([], [], "it has no sums in it"),
    ],
)  # fmt: skip
def test_a_scale_that_does_not_fit_is_refused(
    folder: Path, labels: list[str], sums: list[object], reason: str
) -> None:
    write_scale(folder, labels, sums)
    with pytest.raises(BadFile) as caught:
        scaling.read_scale(folder / "scaling.json", ["age"])
    assert reason in str(caught.value)


def test_a_scale_is_read_whatever_shell_has_written_it(folder: Path) -> None:
    write_scale(folder, LABELS, [10, "500.000000", 25_100])
    path = folder / "scaling.json"
    first = scaling.read_scale(path, ["age"])
    assert (first.means, first.deviations) == ({"age": 50}, {"age": math.sqrt(10)})
    path.write_bytes(f"Waiting.\r\n{path.read_text()}".encode("utf-16"))
    assert scaling.read_scale(path, ["age"]) == first


def test_another_scale_is_another_entry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "agreement.toml").write_text('columns = ["age"]')
    (folder / "patients.csv").write_text("age,y\n50,1\n60,0\n")
    monkeypatch.setenv("QUORATE_CSV", str(folder / "patients.csv"))
    found = set()
    for squares in (25_100, "25100.0", 25_200):
        write_scale(folder, LABELS, [10, 500, squares])
        found.add(tuple(csv_hospital.initial_parameters({"seed": 1})))
    assert len(found) == 2


def test_a_column_far_off_the_scale_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "agreement.toml").write_text('columns = ["age"]')
    monkeypatch.setenv("QUORATE_CSV", str(folder / "patients.csv"))
    write_scale(folder, LABELS, [10, 500, 25_100])  # 50, and sqrt(10) around it
    (folder / "patients.csv").write_text("age,y\n50,1\n60,0\n50,1\n170,1\n")
    csv_hospital.load()  # one patient is far off
    (folder / "patients.csv").write_text("age,y\n600,1\n720,0\n")
    with pytest.raises(BadFile, match='column "age": its values lie 193 deviations'):
        csv_hospital.load()


def trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that one hospital has made alone."""
    monkeypatch.setenv("QUORATE_CSV", str(HEART / "cleveland.csv"))
    model = csv_hospital.fit(csv_hospital.initial_parameters({"seed": 1}), {})[0]
    save_file(model, folder / "model.safetensors")
    return folder / "model.safetensors"


def test_a_model_predicts_from_its_columns_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heart_scale(folder)
    model = trained(folder, monkeypatch)
    names = ", ".join(COLUMNS)
    ill = "67,1,4,160,286,0,2,108,1,1.5"
    (folder / "new.csv").write_text(f"{names}\n{ill}\n\n40,0,2,110,200,0,0,180,0,0\n")
    capsys.readouterr()
    assert predict.main([str(model), str(folder / "new.csv")]) == 0
    said = [row.split(",") for row in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in said] == ["line", "2", "4"]
    assert float(said[1][1]) > 0.8 > 0.2 > float(said[2][1])


def test_a_model_is_not_used_with_another_scale(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heart_scale(folder)
    model = trained(folder, monkeypatch)
    text = (folder / "scaling.json").read_text()
    (folder / "scaling.json").write_text(text.replace("2715970", "2715971"))
    with pytest.raises(BadFile, match=r"trained with another scaling\.json"):
        list(predict.predictions(model, HEART / "zurich.csv"))
    model.write_bytes(b"nothing")
    assert predict.main([str(model), str(HEART / "zurich.csv")]) == 1
    assert "not a whole safetensors file" in capsys.readouterr().err
    assert predict.main([str(folder / "none"), str(HEART / "zurich.csv")]) == 1
    assert "the model cannot be read" in capsys.readouterr().err
    save_file({"w": np.zeros(1)}, model)
    assert predict.main([str(model), str(HEART / "zurich.csv")]) == 1
    assert "not a model of this app" in capsys.readouterr().err
