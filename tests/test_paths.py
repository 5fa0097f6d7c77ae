"""Nothing in the tree depends on, or tells, the machine that it was written on."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = (
    ".ci",
    "aggregator",
    "benchmarks",
    "docs",
    "examples",
    "keyshare",
    "participant",
    "protocol",
    "tests",
)
# An absolute path of one machine. A URL's or a relative path's inner folder does not count.
MACHINE_PATH = re.compile(r"(?<![\w.:/$}-])/(?:work|root|home|Users|tmp|opt)/\w")


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the project, at the top or in one of its folders."""
    top = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    inner = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted(top + inner):
        if "__pycache__" in path.parts:
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            yield path, content.decode(errors="replace")  # of fuzzing, some are no text


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "is_machine_path"),
    [
        ('open("/' + "home" + '/anna/key")', True),
        ("see /" + "tmp" + "/out.txt", True),
        ("https://example.org/" + "work" + "/paper", False),
        ("docs/" + "work" + "/notes.md", False),
        ("#!/usr/bin/env bash", False),
    ],
)
def test_a_machine_path_is_told_from_a_url_and_a_relative_path(
    line: str, is_machine_path: bool
) -> None:
    assert bool(MACHINE_PATH.search(line)) is is_machine_path
