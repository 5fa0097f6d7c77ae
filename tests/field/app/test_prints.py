"""What an app prints, or does with standard output, is not taken for what the program says."""

import json
import os
import subprocess
import sys

import pytest

from participant.cli.views.terminal import only_json, say, say_json

PRINTS = """
import os, subprocess, sys
from participant.cli.views.terminal import only_json, say, say_json

with only_json(sys.argv[1] == "json"):
    print("epoch 1", end="")
    subprocess.run([sys.executable, "-S", "-c", "print('of a program')"], check=True)
    os.write(1, b"of a library\\n")
    say("of this program")
    say_json({"event": "evaluated"})
say_json({"event": "done"})
"""
TEXTS = ("epoch 1", "of a program", "of a library", "of this program")


def printed(form: str) -> tuple[str, str]:
    command = [sys.executable, "-c", PRINTS, form]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return found.stdout, found.stderr


def test_standard_output_has_lines_of_json_alone() -> None:
    found, beside = printed("json")
    assert [json.loads(one)["event"] for one in found.splitlines()] == ["evaluated", "done"]
    assert all(text in beside for text in TEXTS)


@pytest.mark.slow
def test_where_a_person_reads_what_an_app_prints_is_among_the_rest() -> None:
    found, beside = printed("text")
    assert all(text in found for text in TEXTS)
    assert not beside


def test_a_stream_of_no_file_is_kept_for_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    with only_json(True):
        print("epoch 1")
        say_json({"event": "evaluated"})
    found, beside = capsys.readouterr()
    assert json.loads(found) == {"event": "evaluated"}
    assert beside == "epoch 1\n"


def test_an_error_under_way_gives_the_output_back(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), only_json(True):
        raise ZeroDivisionError
    say_json({"event": "failed"})
    assert json.loads(capsys.readouterr().out) == {"event": "failed"}


def test_an_output_that_an_app_has_closed_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(os.devnull, "w", encoding="utf-8") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
    say("a row of the table")
    monkeypatch.setattr(sys, "stdout", None)
    say("another")
