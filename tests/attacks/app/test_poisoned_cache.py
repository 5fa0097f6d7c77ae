"""Bytecode beside an app's sources says something else than they do; its hash does not show it."""

import os
import py_compile
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from participant.app.apart import AppApart
from participant.app.pin import hash_of_app
from participant.app.process import AppFile

SOURCES = {
    "__init__.py": """
        import multiprocessing

        import numpy as np

        from pinned.parts.net import step

        def initial_parameters(config):
            return [np.zeros(1)]

        def fit(parameters, config):
            if config["round"] == 2:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    return [np.full(1, pool.apply(step))], 1, {}
            return [np.full(1, step())], 1, {}

        def evaluate(parameters, config):
            return 0.0, 1, {}
    """,
    "parts/net.py": """
        def step():
            return 1.0
    """,
}
POISON = "step = float; step.__doc__"  # float() is 0
CONFIG = {"round": 0, "seed": 1}
BY_TIME = py_compile.PycInvalidationMode.TIMESTAMP  # and size: as Python itself makes them
BY_NOTHING = py_compile.PycInvalidationMode.UNCHECKED_HASH


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An app, a folder whose hash is what its sources say."""
    for name, source in SOURCES.items():
        path = tmp_path / "pinned" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
    return tmp_path / "pinned"


@pytest.fixture
def app(folder: Path, tmp_path: Path) -> Iterator[AppApart]:
    made = AppApart(AppFile(folder), tmp_path / "errors", {"rounds": 1}, lambda *said: None)
    yield made
    made.close()


def poison(folder: Path, mode: py_compile.PycInvalidationMode) -> None:
    """Other bytecode in place of what Python makes of the source."""
    source = folder / "parts" / "net.py"
    text, stat = source.read_text(), source.stat()
    source.write_text(POISON.ljust(len(text)))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    py_compile.compile(str(source), cache_from_source(str(source)), invalidation_mode=mode)
    source.write_text(text)
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def step_of_plain_python(folder: Path) -> str:
    code = "from pinned.parts.net import step; print(step())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def fitted(app: AppApart, number: int) -> Any:
    app.start()
    (found,), _, _ = app.fit(app.initial_parameters(CONFIG), {"round": number, "seed": 1})
    return found[0]


@pytest.mark.parametrize("mode", [BY_TIME, BY_NOTHING])
def test_an_app_runs_what_its_sources_say_whatever_lies_in_its_cache(
    folder: Path, app: AppApart, mode: py_compile.PycInvalidationMode
) -> None:
    pinned = hash_of_app(folder)
    poison(folder, mode)
    assert hash_of_app(folder) == pinned
    assert step_of_plain_python(folder) == "0.0", "the poison works where nobody heeds it"
    assert fitted(app, 1) == 1.0


def test_so_do_its_workers(folder: Path, app: AppApart) -> None:
    poison(folder, BY_NOTHING)
    assert fitted(app, 2) == 1.0


def test_an_app_leaves_no_bytecode(folder: Path, app: AppApart) -> None:
    assert fitted(app, 1) == 1.0
    assert not list(folder.rglob("__pycache__"))
