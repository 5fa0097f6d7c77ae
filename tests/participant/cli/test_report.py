"""``report``: what it prints, how it ends, and typical mistakes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from participant.cli import app
from tests.stage.record.good import good
from tests.stage.record.memory import write_folder
from tests.stage.record.story import write

CHECK_FAILED = 5


@pytest.fixture
def record(tmp_path: Path) -> Path:
    folder = tmp_path / "record"
    write_folder(write(good().story).files, folder)
    return folder


def run(*words: object, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == expect, result.output
    assert "Traceback" not in result.output
    return result


def test_a_good_record_gives_a_page_and_says_where(record: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    said = run("report", record, "--out", out).stdout
    assert said == f"All checks that were run hold. Report of Toy: {out}\n"
    page = out.read_bytes()
    assert b"No journal was given" in page
    assert out.stat().st_mode & 0o777 == 0o644
    out.write_text("an older page")
    run("report", record, "--out", out)
    assert out.read_bytes() == page


def test_a_journal_adds_this_hospitals_figures(record: Path, tmp_path: Path) -> None:
    out, journal = tmp_path / "report.html", tmp_path / "rounds.jsonl"
    event = {"round": 1, "event": "evaluated", "loss": 0.5, "metrics": {"accuracy": 0.75}}
    journal.write_text(json.dumps(event) + "\n")
    run("report", record, "--out", out, "--journal", journal)
    assert "accuracy: 0.75 after the last round" in out.read_text()


def test_a_broken_record_gives_a_page_that_says_so_and_another_exit_code(
    record: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    path = max((record / "entries").iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    said = run("report", record, "--out", out, expect=CHECK_FAILED).stdout
    assert said.startswith("This record FAILED 2.1")
    assert str(out) in said
    assert "✗ This record FAILED" in out.read_text()


def test_no_page_is_written_where_there_is_no_record(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        said = run("report", place, "--out", out, expect=1)
        assert "no record at" in said.output
    assert not out.exists()


def test_a_journal_that_is_none_is_named_with_its_line(record: Path, tmp_path: Path) -> None:
    out, journal = tmp_path / "report.html", tmp_path / "rounds.jsonl"
    journal.write_text('{"round": 1, "event": "fitted"}\nhello\n')
    said = run("report", record, "--out", out, "--journal", journal, expect=1).output
    assert f"{journal} is no journal of training: line 2: it is not JSON" in said
    assert "studies/NAME/rounds.jsonl" in said
    said = run("report", record, "--out", out, "--journal", tmp_path / "no", expect=1).output
    assert "no journal at" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("no-folder/report.html", "there is no folder {}/no-folder"),
        ("file/report.html", "{}/file is a file, not a folder"),
        (".", "{} is a folder, not a file"),
    ],
)
def test_a_page_that_cannot_be_written_is_told_before_the_record_is_checked(
    record: Path, tmp_path: Path, place: str, named: str
) -> None:
    (tmp_path / "file").write_text("")
    said = run("report", record, "--out", tmp_path / place, expect=1).output
    assert named.format(tmp_path) in said
    assert "checking the record" not in said
