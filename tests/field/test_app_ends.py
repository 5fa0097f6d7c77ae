"""However an app's function ends, or a process that it forks, its hospital is told and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from participant.app import LoadedApp, load_app
from participant.errors import BadApp

APP = """
    import asyncio, os, sys

    def initial_parameters(config):
        return []

    def evaluate(parameters, config):
        return 0.5, 5, {}

    class Panic(BaseException):
        pass

    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

"""
FORKS = """
    child = os.fork()
    if child == 0:
        END
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def with_fit(folder: Path, body: str, head: str = "def fit(parameters, config):") -> LoadedApp:
    path = folder / "ending_app.py"
    path.write_text(f"{dedent(APP)}\n{head}\n{body}\n")
    return load_app(path, folder / "errors")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("asyncio.CancelledError('inner')", "CancelledError: inner"),
        ("Panic('unwrap on None')", "Panic: unwrap on None"),
        ("GeneratorExit", "GeneratorExit"),
        ("SystemExit(3)", "SystemExit: 3"),
        ("Silent", "Silent: .it does not say what."),
    ],
)
def test_whatever_is_raised_is_the_apps_error(tmp_path: Path, raised: str, said: str) -> None:
    app = with_fit(tmp_path, f"    raise {raised}")
    with pytest.raises(BadApp, match=f"{said}.*ending_app.py:"):
        app.fit([], {})


def test_an_interruption_stays_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        with_fit(tmp_path, "    raise KeyboardInterrupt").fit([], {})


@pytest.mark.parametrize("head", ["def fit(parameters):", "def fit(*, parameters, config):"])
def test_a_function_that_cannot_be_called_is_told_by_the_apps_file(
    tmp_path: Path, head: str
) -> None:
    with pytest.raises(BadApp, match=r"TypeError: fit\(\) takes .*\(ending_app.py\)"):
        with_fit(tmp_path, "    return 1", head).fit([], {})


@pytest.mark.parametrize(
    ("end", "code"),
    [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("sys.exit('why')", 1), ("return 1", 0),
     ("raise ValueError", 1), ("raise KeyboardInterrupt", 1), ("os._exit(4)", 4)],
)  # fmt: skip
def test_a_process_that_an_app_forks_never_goes_on_as_the_hospital(
    tmp_path: Path, end: str, code: int
) -> None:
    app = with_fit(tmp_path, FORKS.replace("END", end))
    process, found = os.getpid(), in_this_process(app)
    if os.getpid() != process:
        os._exit(99)  # else it would go on as this test
    assert found == code


def in_this_process(app: LoadedApp) -> Any:
    process = os.getpid()
    try:
        return app.fit([], {})
    except BaseException:
        if os.getpid() != process:
            os._exit(98)
        raise


WORKERS = """
import multiprocessing, sys, threading
from concurrent.futures import ProcessPoolExecutor
import participant.cli as cli

def pid(_):
    return multiprocessing.current_process().pid

def command():
    global kept
    kept = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
    print(*set(kept.map(pid, range(8))), flush=True)
    raise SystemExit(3)

cli.app = command
cli.main()
"""


@pytest.mark.slow
def test_no_worker_of_an_app_outlives_its_hospitals_process() -> None:
    found = subprocess.run(
        [sys.executable, "-c", WORKERS], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 3, found.stderr
    workers = [int(pid) for pid in found.stdout.split()]
    assert workers
    deadline = time.monotonic() + 10
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
