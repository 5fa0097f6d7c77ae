"""Calls of an app beside the agent: what is closed stays closed, and nothing is left behind."""

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from participant.agent.steps import Stopped
from participant.app.apart import AppApart
from participant.app.calls import config_of
from participant.app.process import AppFile, AppProcess
from participant.app.turns import TurnsBeside
from participant.errors import BadApp
from participant.study import Surroundings, given_app
from protocol.board import Study
from protocol.messages import Plan, Training
from tests.participant.app.test_apart import CONFIG, gone
from tests.stage.toy import toy_federation

APP = """
    import os, time
    from pathlib import Path
    import numpy as np

    Path({pids!r}).open("a").write(f"{{os.getpid()}}\\n")

    def initial_parameters(config):
        return [np.zeros(2)]

    def fit(parameters, config):
        time.sleep(60 if config["round"] == 1 else 0)
        return parameters, 1, {{}}

    def evaluate(parameters, config):
        return 0.5, 1, {{}}
"""
TERMS = toy_federation().terms
STUDY = Study(TERMS, "cardio", Plan("to try", (1, 2, 3), 3, 30, Training(2, 8.0, 24, 1_000)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "app.py"
    made.write_text(dedent(APP.format(pids=str(tmp_path / "pids"))))
    return made


def pids(path: Path) -> list[int]:
    """Of all processes that have run the app so far."""
    kept = path.parent / "pids"
    return [int(line) for line in kept.read_text().split()] if kept.exists() else []


def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_closed_before_it_began_is_not_begun(path: Path, tmp_path: Path) -> None:
    app = AppApart(AppFile(path), tmp_path, {"rounds": 1}, lambda *said: None)
    app.close()
    given = given_app(path, Surroundings(tmp_path))
    given.close()
    for begin in (app.start, lambda: app.prepare(CONFIG), lambda: given.prepare(STUDY)):
        with pytest.raises(Stopped):
            begin()
    assert not pids(path)


def test_no_process_comes_after_the_close_that_met_a_new_beginning(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = AppApart(AppFile(path), tmp_path, {"rounds": 1}, lambda *said: None)
    app.prepare(CONFIG)
    model, ends, is_closed = app.initial_parameters(CONFIG), threading.Event(), threading.Event()
    end = AppProcess.end

    def slow(process: AppProcess, is_idle: bool = False) -> None:
        if threading.current_thread().name == "app":
            ends.set()
            assert is_closed.wait(20)
        end(process, is_idle)

    monkeypatch.setattr(AppProcess, "end", slow)
    turns = TurnsBeside(app, lambda: None)
    late = turns.begin(lambda: app.fit(model, {"round": 1, "seed": 1}))
    until(late.running)
    turns.give_up(late)
    scored = turns.begin(lambda: app.evaluate(model, {"round": 1, "seed": 1}))
    assert ends.wait(20)  # of the process that was given up
    app.close()
    is_closed.set()
    with pytest.raises(Stopped):
        scored.result(20)
    assert len(pids(path)) == 1
    assert all(map(gone, pids(path)))


def test_an_app_that_was_changed_meanwhile_is_not_begun_anew(path: Path, tmp_path: Path) -> None:
    given = given_app(path, Surroundings(tmp_path))
    given.prepare(STUDY)
    app, turns = given.load(STUDY), given.turns()
    model = app.initial_parameters(config_of(STUDY, 0))
    try:
        late = turns.begin(lambda: app.fit(model, {"round": 1, "seed": 1}))
        until(late.running)
        ran = tmp_path / "ran"
        path.write_text(f"open({str(ran)!r}, 'w')\n" + path.read_text())
        turns.give_up(late)
        scored = turns.begin(lambda: app.evaluate(model, {"round": 1, "seed": 1}))
        with pytest.raises(BadApp, match="it was changed meanwhile"):
            scored.result(30)
        assert not ran.exists()
    finally:
        given.close()


def test_the_thread_of_an_app_ends_with_its_turns(path: Path, tmp_path: Path) -> None:
    app = AppApart(AppFile(path), tmp_path, {"rounds": 1}, lambda *said: None)
    turns = TurnsBeside(app, lambda: None)
    assert turns.begin(lambda: np.zeros(1)).result(20) is not None
    thread = turns._thread
    assert thread is not None
    del turns
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()


def test_a_call_that_is_given_up_as_it_begins_is_given_up(path: Path, tmp_path: Path) -> None:
    app = AppApart(AppFile(path), tmp_path, {"rounds": 1}, lambda *said: None)
    app.prepare(CONFIG)
    model, begins, goes_on = app.initial_parameters(CONFIG), threading.Event(), threading.Event()

    def fit() -> None:
        begins.set()
        assert goes_on.wait(20)
        app.fit(model, {"round": 1, "seed": 1})

    turns = TurnsBeside(app, lambda: None)
    try:
        late = turns.begin(fit)
        assert begins.wait(20)
        turns.give_up(late)
        goes_on.set()
        with pytest.raises(Stopped):
            late.result(20)
        scored = turns.begin(lambda: app.evaluate(model, {"round": 1, "seed": 1}))
        assert scored.result(30) == (0.5, 1, {})
        assert len(pids(path)) == 2
    finally:
        app.close()
