"""Four real hospitals that differ: none of them loses what averaging in the clear would give it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import csv_hospital
from agreement import read_agreement
from examples.demo.processes import ROOT
from patients import read_patients
from scaling import sums_of
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import training_study
from tests.stage.toy import toy_epoch

HEART = ROOT / "examples" / "heart"
HOSPITALS = ("cleveland", "budapest", "zurich", "long-beach")
COLUMNS = ("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak")
STUDY = f"""\
columns = {list(COLUMNS)}
outcome = "target"
zero = ["0"]
one = ["1", "2", "3", "4"]
missing = ["", "?"]
"""
ROUNDS = 5  # the model is nearly still by then; the tutorial goes on to 10


class At:
    """The CSV app at one hospital; the first call reads its file."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("QUORATE_CSV", str(file))
        self._data, self._patch = csv_hospital.load(), monkeypatch

    def initial_parameters(self, config: dict[str, Any]) -> Any:
        return self._here(csv_hospital.initial_parameters, config)

    def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
        return self._here(csv_hospital.fit, parameters, config)

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> Any:
        return self._here(csv_hospital.evaluate, parameters, config)

    def _here(self, function: Any, *arguments: Any) -> Any:
        self._patch.setattr(csv_hospital, "load", lambda: self._data)
        return function(*arguments)


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[At]:
    """The app at each hospital, with the scale of all four."""
    monkeypatch.setattr(csv_hospital, "HERE", tmp_path)
    (tmp_path / "agreement.toml").write_text(STUDY)
    agreed = read_agreement(tmp_path / "agreement.toml")
    files = [HEART / f"{name}.csv" for name in HOSPITALS]
    found = [sums_of(read_patients(file, agreed).values) for file in files]
    labels = list(found[0])
    sums = [str(sum(sums[label] for sums in found)) for label in labels]
    said = {"event": "decrypted", "labels": labels, "sums": sums}
    (tmp_path / "scaling.json").write_text(json.dumps(said))
    return [At(file, monkeypatch) for file in files]


def in_clear(apps: Sequence[At], model: Any) -> Iterator[Any]:
    """The model after each round of averaging in the clear."""
    while True:
        fitted = [app.fit(model, {})[:2] for app in apps]
        total = sum(examples for _, examples in fitted)
        model = {name: sum(f[name] * n for f, n in fitted) / total for name in model}
        yield model


def table_of_four() -> RoundTable:
    """Four hospitals and a study as ``study new`` plans it, with a small key."""
    toy = toy_epoch(len(HOSPITALS), 3, 512)
    plan: dict[str, Any] = {"bits": 32, "max_examples": 100_000, "suite": "auto"}
    return RoundTable(toy, training_study(toy.federation.terms, rounds=ROUNDS, **plan))


def test_every_round_is_as_good_at_every_hospital_as_averaging_in_the_clear(apps: list[At]) -> None:
    table = table_of_four()
    tasks = [table.train(k, app) for k, app in enumerate(apps, start=1)]
    clear = in_clear(apps, tasks[0].parameters)
    for number in range(1, ROUNDS + 1):
        table.play(f"study/cardio/{number}")
        there = next(clear)
        for name, app, task in zip(HOSPITALS, apps, tasks, strict=True):
            assert task.finished == number
            ours, theirs = (app.evaluate(m, {})[2]["accuracy"] for m in (task.parameters, there))
            assert abs(ours - theirs) <= 0.005, (number, name, ours, theirs)


def test_a_hospital_with_another_column_is_named_before_the_first_round(
    apps: list[At], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "agreement.toml").write_text(STUDY.replace("'fbs', ", ""))
    rows = (HEART / "zurich.csv").read_text(encoding="utf-8").splitlines()
    complete = [",".join(cell or "0" for cell in row.split(",")) for row in rows]
    (other / "zurich.csv").write_text("\n".join(complete).replace("?", "0"), encoding="utf-8")
    monkeypatch.setattr(csv_hospital, "HERE", other)
    monkeypatch.setattr(csv_hospital, "LARGEST", 1_000)
    apps[2] = At(other / "zurich.csv", monkeypatch)
    table, told = table_of_four(), []
    for k, app in enumerate(apps, start=1):
        table.train(k, app, lambda n, event, facts: told.append((event, facts)))
    table.settle()
    said = [facts for event, facts in told if event == "disagreement" and facts["entries"]]
    names = {one["name"] for facts in said for e in facts["entries"] for one in e["differences"]}
    assert "weight of fbs" in names
    assert any(name.endswith("no scale)") for name in names)
