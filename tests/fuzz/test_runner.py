"""What ``python -m tests.fuzz`` makes of a target's run."""

import importlib.util
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import MEMORY_MIB, Job, finish, main

DONE = (
    "slowest execution: 8.5 ms\nslowest execution: 12.5 ms\n"
    "#1000\tDONE   cov: 27 ft: 29 corp: 9/1043b lim: 8192 exec/s: 500 rss: 73Mb\n"
    "stat::number_of_executed_units: 1000\n"
)


def job(folder: Path, log: str) -> Job:
    (folder / "log").write_text(log)
    return Job("post", folder, time.monotonic() - 2)


def test_a_run_gives_a_row_of_the_table(tmp_path: Path) -> None:
    row, passed = finish(job(tmp_path, DONE), 0, 80)
    assert passed
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "`post`"
    assert cells[2:] == ["1,000", "2", cells[4], "80", "12.5", "27"]


@pytest.mark.parametrize(
    ("log", "status", "peak_mib"),
    [
        ("ERROR: libFuzzer: fuzz target exited\n", 77, 80),
        ("", 0, 80),  # ended before its last execution
        (DONE, 0, MEMORY_MIB + 1),
        (DONE, 256, 80),
    ],
)
def test_everything_else_has_failed(tmp_path: Path, log: str, status: int, peak_mib: int) -> None:
    _, passed = finish(job(tmp_path, log), status, peak_mib)
    assert not passed


def test_without_atheris_it_says_so_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["post"]) == 2
    assert "atheris" in capsys.readouterr().err
