"""A program of the hospital's own connects to a socket, and trains as an app does."""

import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.agent import Stopped
from participant.app import relay
from participant.app.apart import AppApart
from participant.app.process import AppFile
from participant.app.turns import TurnsBeside
from participant.errors import BadApp, DiskError
from participant.study import Surroundings, given_app
from quorate_client import Agent, AgentError, Closed, NoAgent, run, run_at
from quorate_client.quorate_client import CONNECTION

CONFIG = {"round": 0, "seed": 1}


class Plus:
    """Adds one to the model."""

    local_entries = ("own",)

    def initial_parameters(self, config: dict[str, Any]) -> Any:
        return {"w": np.zeros(2)}

    def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
        return {"w": parameters["w"] + config["round"]}, 3, {}

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> Any:
        return 0.5, 3, {}


Do = Callable[[Callable[[], Any]], "Future[Any]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    return folder / "own.sock"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def app(path: Path, tmp_path: Path, told: list[str]) -> Iterator[AppApart]:
    file = AppFile(path, connects=True)
    made = AppApart(file, tmp_path / "errors", {"rounds": 2}, lambda line, _: told.append(line))
    yield made
    made.close()


@pytest.fixture
def beside() -> Iterator[Do]:
    with ThreadPoolExecutor() as threads:
        yield threads.submit


def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def token(path: Path) -> str:
    until(path.exists)
    return Path(f"{path}.token").read_text()


def fitted(app: AppApart, number: int = 1) -> Any:
    return app.fit({"w": np.zeros(2)}, {"round": number, "seed": 1})


def test_a_program_that_connects_trains_as_an_app(
    app: AppApart, path: Path, told: list[str], beside: Do
) -> None:
    program = beside(lambda: run_at(str(path), Plus()))
    app.prepare(CONFIG)
    assert app.local_entries == ("own",)
    assert np.array_equal(app.initial_parameters(CONFIG)["w"], [0, 0])
    (parameters, examples, _) = fitted(app, 2)
    assert (list(parameters["w"]), examples) == ([2, 2], 3)
    assert app.evaluate(parameters, {"round": 2, "seed": 1}) == (0.5, 3, {})
    app.close()
    assert program.result(20) is None
    assert told == [f"waiting for a program to connect: QUORATE_CONNECTION=unix:{path}"]


def test_socket_and_token_are_the_users_alone_and_there_for_one_program(
    app: AppApart, path: Path, beside: Do
) -> None:
    begun = beside(app.start)
    first = token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{path}.token").stat().st_mode) == 0o600
    with Agent.connect(str(path)) as agent:
        said = beside(agent.hello)
        begun.result(20)
        until(lambda: not path.exists())
        assert not list(path.parent.iterdir())
        with pytest.raises(NoAgent, match="study approve"):
            Agent.connect(str(path))
        app.close()
        with pytest.raises(Closed):
            said.result(20)
    assert len(first) == 64


@pytest.mark.parametrize("wrong", ["", "0" * 64, "\u00e9"])
def test_a_program_without_the_token_is_sent_away(
    wrong: str, app: AppApart, path: Path, beside: Do
) -> None:
    begun = beside(app.start)
    right = token(path)
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(path))
    with Agent(line, wrong) as agent, pytest.raises(AgentError, match=r"own\.sock\.token") as said:
        agent.hello()
    assert said.value.rule == "token"
    assert not begun.done()
    with Agent.connect(str(path), right) as agent:
        beside(agent.hello)
        begun.result(20)


def test_a_program_of_another_user_is_sent_away(
    path: Path, monkeypatch: pytest.MonkeyPatch, beside: Do
) -> None:
    monkeypatch.setattr("participant.disk.sockets.peer_user", lambda line: os.geteuid() + 1)
    agent, theirs = socket.socketpair()
    with relay._listening(path) as (line, right), theirs:
        met = beside(lambda: relay._met(line, agent, right, path))
        with Agent.connect(str(path)) as one, pytest.raises(AgentError, match="alone") as said:
            one.hello()
        assert said.value.rule == "user"  # so that nobody connects again and again
        assert not met.done()
        theirs.close()
        with pytest.raises(SystemExit):
            met.result(20)
    agent.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0\0\0\2{}" + bytes(8),
        b"\xff\xff\xff\xff",
        b'\0\0\0\x0e{"op":"model"}' + bytes(8),
        b'\0\0\0\x1a{"op":"hello","version":1}' + bytes(7) + b"\1",
        b'\0\0\0\x2b{"op":"hello","version":1,"token":"\\ud800"}' + bytes(8),
    ],
)
def test_who_says_nothing_or_nonsense_is_given_up_and_the_next_one_comes_in(
    said: bytes, app: AppApart, path: Path, beside: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = beside(app.start)
    token(path)
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(str(path))
        other.sendall(said)
        with Agent.connect(str(path)) as agent:
            beside(agent.hello)
            begun.result(20)


def test_a_program_that_goes_may_come_back_and_the_round_goes_on(
    app: AppApart, path: Path, told: list[str], beside: Do
) -> None:
    class Leaves(Plus):
        def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
            raise KeyError("mine")

    program = beside(lambda: run_at(str(path), Leaves()))
    app.prepare(CONFIG)
    begun = beside(lambda: fitted(app))
    with pytest.raises(KeyError, match="mine"):
        program.result(20)
    program = beside(lambda: run_at(str(path), Plus()))
    assert list(begun.result(30)[0]["w"]) == [1, 1]
    app.close()
    assert program.result(20) is None
    assert "the program at own.sock has gone" in told


def test_a_program_that_goes_at_once_is_no_beginning(app: AppApart, path: Path, beside: Do) -> None:
    begun = beside(lambda: app.prepare(CONFIG))
    with Agent.connect(str(path), token(path)) as agent:
        agent.hello()
    until(path.exists)
    program = beside(lambda: run_at(str(path), Plus()))
    begun.result(30)
    app.close()
    program.result(20)


def test_a_fit_that_is_late_is_given_up_and_the_program_comes_back(
    app: AppApart, path: Path, beside: Do
) -> None:
    goes_on, calls, beginnings = threading.Event(), list[int](), list[int]()

    class Slow(Plus):
        def initial_parameters(self, config: dict[str, Any]) -> Any:
            beginnings.append(config["round"])
            return super().initial_parameters(config)

        def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
            calls.append(config["round"])
            if config["round"] == 1:
                assert goes_on.wait(20)
            return super().fit(parameters, config)

    program = beside(lambda: run_at(str(path), Slow()))
    app.prepare(CONFIG)
    app.initial_parameters(CONFIG)
    turns = TurnsBeside(app, lambda: None)
    late = turns.begin(lambda: fitted(app))
    until(lambda: calls)
    turns.give_up(late)
    with pytest.raises(Stopped):
        late.result(20)
    goes_on.set()
    until(lambda: len(beginnings) == 2)  # it need not wait for the next call
    assert list(turns.begin(lambda: fitted(app, 2)).result(30)[0]["w"]) == [2, 2]
    app.close()
    assert program.result(20) is None
    assert calls == [1, 2]


def test_what_is_closed_while_nobody_comes_stops_and_leaves_nothing(
    app: AppApart, path: Path, beside: Do
) -> None:
    begun = beside(app.start)
    token(path)
    app.close()
    with pytest.raises(Stopped):
        begun.result(20)
    assert not list(path.parent.iterdir())


def test_what_a_killed_relay_has_left_is_put_out_of_the_way(
    app: AppApart, path: Path, told: list[str], beside: Do
) -> None:
    begun = beside(app.start)
    first = token(path)
    assert app._process is not None
    os.kill(app._process._process.pid, signal.SIGKILL)
    with pytest.raises(BadApp, match="ended by SIGKILL"):
        begun.result(20)
    assert path.exists()
    app._is_gone = True
    told.clear()
    begun = beside(app.start)
    until(lambda: told)
    assert token(path) != first
    with Agent.connect(str(path)) as agent:
        beside(agent.hello)
        begun.result(20)


def test_a_folder_that_others_can_enter_is_named(app: AppApart, path: Path) -> None:
    path.parent.chmod(0o750)
    with pytest.raises(BadApp, match="sockets has mode 750: it has to be the program's user's own"):
        app.start()


def test_a_folder_in_the_tokens_place_is_named(app: AppApart, path: Path, told: list[str]) -> None:
    Path(f"{path}.token").mkdir()
    with pytest.raises(BadApp, match=r"own\.sock\.token"):
        app.start()
    app.close()
    assert not told


def test_a_second_relay_leaves_a_path_to_the_first(
    app: AppApart, path: Path, tmp_path: Path, beside: Do
) -> None:
    begun = beside(app.start)
    first = token(path)
    other = AppApart(AppFile(path, connects=True), tmp_path / "errors", {}, lambda *said: None)
    with pytest.raises(BadApp, match="a program is waited for there already"):
        other.start()
    other.close()
    assert token(path) == first
    with Agent.connect(str(path)) as agent:
        beside(agent.hello)
        begun.result(20)


def test_of_two_relays_that_begin_at_once_one_has_the_path(path: Path, beside: Do) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    met, are_over = list[str](), threading.Event()

    def begin() -> None:
        try:
            with relay._listening(path) as (_, token):
                met.append(token)
                are_over.wait(20)
        except DiskError as error:
            met.append(error.reason)

    all_begun = [beside(begin) for _ in range(4)]
    until(lambda: len(met) == 4)
    assert [Path(f"{path}.token").read_text()] == [one for one in met if len(one) == 64]
    are_over.set()
    for one in all_begun:
        one.result(20)
    assert not list(path.parent.iterdir())


def test_the_token_is_whole_before_the_socket_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[int]()
    listen = relay.listen

    def look(path: Path, backlog: int) -> socket.socket:
        seen.append(len(Path(f"{path}.token").read_text()))
        return listen(path, backlog)

    monkeypatch.setattr(relay, "listen", look)
    with relay._listening(path):
        assert seen == [64]


def test_an_agent_that_goes_during_a_hello_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, beside: Do
) -> None:
    monkeypatch.setattr(relay, "HELLO_SECONDS", 60.0)
    agent, theirs = socket.socketpair()
    with agent, theirs, relay._listening(path) as (line, right):
        met = beside(lambda: relay._met(line, agent, right, path))
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(path))
            time.sleep(0.2)
            theirs.shutdown(socket.SHUT_RDWR)
            with pytest.raises(SystemExit):
                met.result(20)


def test_the_own_fault_of_a_program_is_no_reason_to_connect_again(
    app: AppApart, path: Path, beside: Do
) -> None:
    class Wrong(Plus):
        def initial_parameters(self, config: dict[str, Any]) -> Any:
            raise OSError("mine")

    begun = beside(lambda: app.prepare(CONFIG))
    with pytest.raises(OSError, match="mine"):
        run_at(str(path), Wrong())
    app.close()
    with pytest.raises(Stopped):
        begun.result(20)


def test_a_program_waits_for_an_agent_that_is_started_anew(path: Path) -> None:
    with pytest.raises(NoAgent, match="study approve"):
        run_at(str(path), Plus(), patience=0.2)


def test_a_program_may_take_the_connection_from_its_environment(
    app: AppApart, path: Path, beside: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = beside(lambda: app.prepare(CONFIG))
    token(path)
    monkeypatch.setenv(CONNECTION, f"unix:{path}")
    program = beside(lambda: run(Plus()))
    begun.result(20)
    app.close()
    program.result(20)


@pytest.mark.parametrize(
    ("source", "why"), [("unix:", "names no path"), ("unix:/run/" + 200 * "x", "bytes at most")]
)
def test_a_path_that_no_socket_can_have_is_refused_before_it_is_approved(
    source: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(BadApp, match=why):
        given_app(source, Surroundings(tmp_path))
