"""The tutorial does what it says: its own commands, over real processes and real sockets."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import csv_hospital
from csv_file import BadFile
from examples.demo.processes import ROOT, free_port

HEART = ROOT / "examples" / "heart"
TUTORIAL = ROOT / "docs" / "tutorial.md"
HOSPITALS = ("cleveland", "budapest", "zurich", "long-beach")
STUDY, ROUNDS = "heart-disease", 10
END = "kill $aggregator"
CLEAN_UP = "trap 'kill $(jobs -p) 2> /dev/null' EXIT\n"


def blocks(language: str) -> list[str]:
    """The tutorial's blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL.read_text(), re.M | re.S)


def script(port: int) -> str:
    """All commands of the tutorial; only the aggregator's port is another."""
    commands = "".join(blocks("bash"))
    assert commands.count("--port 8443") == 1
    assert commands.rstrip().endswith(END)
    return CLEAN_UP + commands.replace("--port 8443", f"--port {port}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tutorial's commands have been typed."""
    made = tmp_path_factory.mktemp("tutorial")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("QUORATE_", "PYTHON"))}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script(free_port())],
        cwd=ROOT, env={**outside, "PATH": path, "TMPDIR": str(made)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    (found,) = made.iterdir()
    said = {p.parent.name: p.read_text() for p in found.glob("*/said.txt")}
    assert done.returncode == 0, (done.stdout, done.stderr, said)
    return found


def model_of(folder: Path, hospital: str, number: int = ROUNDS) -> dict[str, np.ndarray]:
    (path,) = (folder / hospital / "home").glob(f"*/studies/{STUDY}/model-{number}.safetensors")
    return load_file(path)


def in_clear(
    folder: Path, monkeypatch: pytest.MonkeyPatch, first: csv_hospital.Parameters
) -> csv_hospital.Parameters:
    """The model that averaging in the clear gives, from the same first one."""
    model = first
    for _ in range(ROUNDS):
        fitted = []
        for hospital in HOSPITALS:
            monkeypatch.setenv("QUORATE_CSV", str(folder / hospital / "patients.csv"))
            fitted.append(csv_hospital.fit(model, {})[:2])
        total = sum(examples for _, examples in fitted)
        model = {n: sum(f[n] * k for f, k in fitted) / total for n in model}  # type: ignore[misc]
    return model


@pytest.mark.slow
def test_every_hospital_ends_with_the_model_of_training_in_the_clear(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [model_of(folder, hospital) for hospital in HOSPITALS]
    for model in models[1:]:
        assert {k: v.tobytes() for k, v in model.items()} == {
            k: v.tobytes() for k, v in models[0].items()
        }
    monkeypatch.setattr(csv_hospital, "HERE", folder / "zurich" / "app")
    monkeypatch.setenv("QUORATE_CSV", str(folder / "zurich" / "patients.csv"))
    config = {"seed": 1}  # ten rounds later nothing is left of where it began
    clear = in_clear(folder, monkeypatch, csv_hospital.initial_parameters(config))
    for hospital in HOSPITALS:
        monkeypatch.setenv("QUORATE_CSV", str(folder / hospital / "patients.csv"))
        _, _, here = csv_hospital.evaluate(models[0], {})
        _, _, there = csv_hospital.evaluate(clear, {})
        assert abs(here["accuracy"] - there["accuracy"]) <= 0.005, hospital


@pytest.mark.slow
def test_the_tutorial_shows_what_its_commands_say(folder: Path) -> None:
    shown, found = blocks("text")[1], (folder / "budapest" / "said.txt").read_text()
    assert probabilities(found) == pytest.approx(probabilities(shown), abs=0.003)
    log = next((folder / "zurich" / "home").glob(f"*/studies/{STUDY}/rounds.jsonl"))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    for event in events:
        if event["event"] == "evaluated" and event["round"] in (2, ROUNDS):
            (row,) = re.findall(rf"^ +{event['round']} .*$", blocks("text")[0], re.M)
            loss, _, accuracy = row.split()[-3:]
            assert float(loss) == pytest.approx(event["loss"], abs=0.002)
            assert float(accuracy) == pytest.approx(event["metrics"]["accuracy"], abs=0.001)


def probabilities(text: str) -> dict[str, float]:
    """By line; raises ValueError on anything but what predict.py prints."""
    header, *rows = text.splitlines()
    assert header == "line,probability"
    return {line: float(value) for line, value in (row.split(",") for row in rows)}


def test_the_tutorial_shows_the_refusal_that_its_files_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (agreed,) = re.findall(r"agreement.toml <<'END'\n(.*?)^END$", script(1), re.M | re.S)
    (tmp_path / "agreement.toml").write_text(agreed.replace('missing = ["?", ""]', ""))
    (tmp_path / "patients.csv").write_bytes((HEART / "budapest.csv").read_bytes())
    monkeypatch.setattr(csv_hospital, "HERE", tmp_path)
    monkeypatch.setenv("QUORATE_CSV", "patients.csv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadFile) as caught:
        csv_hospital.load()
    assert str(caught.value).split() == blocks("text")[2].split()


@pytest.mark.slow
def test_all_hospitals_hold_one_scale_and_no_file_of_patients_but_their_own(folder: Path) -> None:
    scales = {(folder / h / "app" / "scaling.json").read_bytes() for h in HOSPITALS}
    assert len(scales) == 1
    assert json.loads(scales.pop())["sums"][0] == "920.000000"


def test_the_tutorial_runs_what_a_hospital_types() -> None:
    typed = re.findall(r"^everywhere '(.*)'$", script(1), re.M)
    assert len(typed) == 10
    assert {t.split()[1] for t in typed if t.startswith("quorate-participant")} == {
        "init", "ceremony", "study", "contribute", "decrypt", "train",
    }  # fmt: skip
