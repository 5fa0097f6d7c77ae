"""What the tests of the CSV app share."""

from pathlib import Path

import pytest

import csv_hospital


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The app's folder at a hospital, with no agreement in it yet."""
    monkeypatch.setattr(csv_hospital, "HERE", tmp_path)
    monkeypatch.setenv("QUORATE_CSV", str(tmp_path / "patients.csv"))
    return tmp_path
