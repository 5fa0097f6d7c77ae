"""Who may come to a socket, and what is left of it."""

import json
import os
import signal
import socket
import stat
import threading
from pathlib import Path

import pytest

from participant.agent import Stopped
from participant.errors import BadApp, DiskError
from participant.program import doorkeeper
from participant.program.at_socket import _next
from participant.study import Surroundings, given_app
from protocol.errors import Malformed
from quorate_client import Agent, AgentError, Closed, NoAgent
from tests.participant.program.conftest import MODEL, Do, Training, token, until


def test_socket_and_token_are_the_users_alone(training: Training, path: Path) -> None:
    training.app.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{path}.token").stat().st_mode) == 0o600
    assert len(token(path)) == 64
    until(lambda: training.told)  # a line of another process
    assert training.told == [f"waiting for a program to connect: QUORATE_CONNECTION=unix:{path}"]
    assert training.freed == [path]


@pytest.mark.parametrize("wrong", ["", "0" * 64, "\u00e9"])
def test_a_program_without_the_token_is_sent_away(
    wrong: str, training: Training, path: Path
) -> None:
    training.app.start()
    right = token(path)
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(path))
    with Agent(line, wrong) as agent, pytest.raises(AgentError, match=r"own\.sock\.token") as said:
        agent.hello()
    assert (said.value.rule, "file beside the socket" in said.value.remedy) == ("token", True)
    with Agent.connect(str(path), right) as agent:
        assert agent.hello().kind == "hello"


def test_a_program_of_another_user_is_sent_away(
    path: Path, monkeypatch: pytest.MonkeyPatch, beside: Do
) -> None:
    monkeypatch.setattr("participant.disk.sockets.peer_user", lambda line: os.geteuid() + 1)
    agent, theirs = socket.socketpair()
    with agent, theirs, doorkeeper._listening(path) as (line, right):
        with Agent.connect(str(path)) as one:
            come = beside(lambda: doorkeeper._let_in(line, agent, right, path))
            one._socket.settimeout(10)
            with pytest.raises(AgentError, match="alone") as said:
                one.hello()
        assert said.value.rule == "user"  # so that nobody connects again and again
        come.result(20)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


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
    said: bytes, training: Training, path: Path
) -> None:
    training.app.start()
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(str(path))
        other.sendall(said)
        with Agent.connect(str(path)) as agent:
            assert agent.hello().kind == "hello"


def test_a_long_hello_in_any_script_ends_nothing(training: Training, path: Path) -> None:
    training.app.start()
    with Agent.connect(str(path)) as agent:
        said = {
            "op": "hello",
            "version": 1,
            "token": token(path),
            "local_entries": ["é" * 999] * 500,
        }
        header = json.dumps(said, ensure_ascii=False).encode()
        agent._socket.sendall(len(header).to_bytes(4, "big") + header + bytes(8))
        assert agent._receive()[0]["answer"] == "hello"
    with Agent.connect(str(path)) as agent:
        assert agent.hello().kind == "hello"


def _fifo(folder: Path) -> int:
    os.mkfifo(folder / "fifo")
    return os.open(folder / "fifo", os.O_RDWR)


@pytest.mark.parametrize(("count", "why"), [(1, "no connection"), (3, "more than one")])
def test_a_doorkeeper_that_was_taken_over_hands_over_nothing_else(
    count: int, why: str, tmp_path: Path
) -> None:
    said, number = b'{"op":"hello","version":1}', _fifo(tmp_path)
    frame = len(said).to_bytes(4, "big") + said + bytes(8)
    agent, theirs = socket.socketpair()
    with agent, theirs:
        before = os.listdir("/dev/fd")
        for k in range(count):
            socket.send_fds(theirs, [frame[k : k + 1]], [number])
        theirs.sendall(frame[count:])
        with pytest.raises(Malformed, match=why):
            _next(agent)
        assert os.listdir("/dev/fd") == before
    os.close(number)


def test_what_is_closed_while_nobody_comes_stops_and_leaves_nothing(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()  # here: with the thread that has begun it, the doorkeeper ends
    begun = beside(training.begin)
    token(path)
    training.app.close()
    with pytest.raises(Stopped):
        begun.result(20)
    assert not list(path.parent.iterdir())
    with pytest.raises(Stopped):
        training.app.start()


def test_what_a_killed_doorkeeper_has_left_is_put_out_of_the_way(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    begun = beside(training.begin)
    first = token(path)
    assert training.app._process is not None
    os.kill(training.app._process._process.pid, signal.SIGKILL)
    with pytest.raises(BadApp, match="ended by SIGKILL"):
        begun.result(20)
    assert path.exists()
    training.app.close()
    training.app = training.made()
    training.app.start()
    assert token(path) != first
    with Agent.connect(str(path)) as agent:
        assert agent.hello().kind == "hello"


def test_a_folder_that_others_can_enter_is_named(training: Training, path: Path) -> None:
    path.parent.chmod(0o750)
    with pytest.raises(BadApp, match="sockets has mode 750: it has to be the program's user's own"):
        training.app.start()


def test_a_folder_in_the_tokens_place_is_named(training: Training, path: Path) -> None:
    Path(f"{path}.token").mkdir()
    with pytest.raises(BadApp, match=r"own\.sock\.token"):
        training.app.start()
    assert not training.told


def test_a_second_study_leaves_a_path_to_the_first(training: Training, path: Path) -> None:
    training.app.start()
    first = token(path)
    other = training.made()
    with pytest.raises(BadApp, match="another study waits for programs there"):
        other.start()
    other.close()
    assert token(path) == first
    with Agent.connect(str(path)) as agent:
        assert agent.hello().kind == "hello"


def test_of_two_that_begin_at_once_one_has_the_path(path: Path, beside: Do) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    met, are_over = list[str](), threading.Event()

    def begin() -> None:
        try:
            with doorkeeper._listening(path) as (_, token):
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
    listen = doorkeeper.listen

    def look(path: Path, backlog: int) -> socket.socket:
        seen.append(len(Path(f"{path}.token").read_text()))
        return listen(path, backlog)

    monkeypatch.setattr(doorkeeper, "listen", look)
    with doorkeeper._listening(path):
        assert seen == [64]


def test_an_agent_that_goes_during_a_hello_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, beside: Do
) -> None:
    monkeypatch.setattr(doorkeeper, "HELLO_SECONDS", 60.0)
    agent, theirs = socket.socketpair()
    silent = socket.socket(socket.AF_UNIX)
    with agent, theirs, silent, doorkeeper._listening(path) as (line, right):
        silent.connect(str(path))
        come = beside(lambda: doorkeeper._let_in(line, agent, right, path))
        until(come.running)
        theirs.shutdown(socket.SHUT_RDWR)
        with pytest.raises(SystemExit):
            come.result(20)


def test_a_second_program_is_refused_and_the_first_goes_on(
    training: Training, path: Path, beside: Do
) -> None:
    training.app.start()
    with Agent.connect(str(path)) as first:
        first.hello()
        with Agent.connect(str(path)) as second, pytest.raises(AgentError) as said:
            second.hello()
        error = said.value
        assert (error.rule, "one at a time" in error.reason) == ("busy", True)
        assert "a path of its own" in error.remedy
        asked = beside(lambda: first.begin(MODEL))
        training.begin()
        fitting = beside(lambda: training.fit(1, MODEL))
        assert asked.result(20).kind == "train"
        training.app.give_up()
        with pytest.raises(Stopped):
            fitting.result(20)
    until(lambda: not _is_busy(path))  # the first has gone


def _is_busy(path: Path) -> bool:
    with Agent.connect(str(path)) as agent:
        try:
            agent.hello()
        except AgentError:
            return True
    return False


def test_nobody_at_the_socket_is_an_error_with_a_remedy(path: Path) -> None:
    with pytest.raises(NoAgent, match="study approve STUDY --app unix:") as said:
        Agent.connect(str(path))
    assert said.value.rule == "agent"


def test_a_program_that_waits_is_hung_up_on_where_the_agent_stops(
    training: Training, path: Path, beside: Do
) -> None:
    """It may come back: training is not over."""
    training.app.start()
    with Agent.connect(str(path)) as agent:
        agent.hello()
        asked = beside(lambda: agent.begin(MODEL))
        until(lambda: training.app.is_asked)
        training.app.close()
        with pytest.raises(Closed):
            asked.result(20)


@pytest.mark.parametrize(
    ("source", "why"), [("unix:", "names no path"), ("unix:/run/" + 200 * "x", "bytes at most")]
)
def test_a_path_that_no_socket_can_have_is_refused_before_it_is_approved(
    source: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(BadApp, match=why):
        given_app(source, Surroundings(tmp_path))
