"""``serve`` as a process: what it logs, how it ends, and what other commands then show."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from participant.home.folders import federation_folder
from tests.stage.consortium import Consortium, ended, found, run_all

pytestmark = pytest.mark.slow  # they start whole processes

SERVE = ["-m", "participant", "serve", "federation.toml"]


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    made = found(tmp_path)
    with made.relay.running():
        yield made


@contextmanager
def serving(
    consortium: Consortium, number: int, *options: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A member's agent, killed at the end of the block unless it has ended."""
    root = str(Path(__file__).parents[3])
    known = os.environ | consortium.environment(number) | {"PYTHONPATH": root}
    with subprocess.Popen(
        [sys.executable, *SERVE, *options],
        cwd=consortium.folder,
        env=known | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], **facts: Any) -> dict[str, Any]:
    """The next event that has these facts."""
    assert process.stdout is not None
    for row in process.stdout:
        event = json.loads(row)
        assert {"time", "level", "event"} <= event.keys()
        if facts.items() <= event.items():
            return event
    raise AssertionError(process.stderr and process.stderr.read())


def running(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    until(process, event="state", state="running")
    return process


def stop(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    process.send_signal(signal.SIGTERM)
    output, errors = ended(process, expect=0)
    assert not errors
    return [json.loads(row) for row in output.splitlines()]


def test_an_agent_tells_systemd_and_ends_gracefully_at_a_signal(
    consortium: Consortium, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        with serving(consortium, 1, "--json", **environment) as process:
            told = manager.recv(4096)
            while b"READY=1" not in told:
                assert told == b"WATCHDOG=1" or told.startswith(b"STATUS=")
                told = manager.recv(4096)
            while manager.recv(4096) != b"WATCHDOG=1":
                pass
            until(process, event="began", task="ceremony", session="ceremony/1")
            *_, last = stop(process)
            assert last["event"] == "stopped"
            assert last["left"] == ["ceremony (ceremony/1)"]
            while not manager.recv(4096).startswith(b"STOPPING=1"):
                pass
    assert not list(tmp_path.rglob("agent.sock"))


def test_the_others_commands_speak_with_the_agent_and_show_the_same(consortium: Consortium) -> None:
    with serving(consortium, 1, "--json") as process:
        running(process)
        others = [consortium.session(i) for i in (2, 3)]
        watching = consortium.start(1, "ceremony", "--timeout", "60")
        until(process, event="job", job="make key")
        assert run_all(others) == [None, None]
        output, _ = ended(watching)
        assert "The key ceremony took" in output
        assert "2 of 3 decrypt, epoch 1" in output
        until(process, event="done", task="ceremony", session="ceremony/1")
        without = {"QUORATE_PASSPHRASE": ""}  # which no command needs now
        assert typed(consortium, 1, "ceremony", **without).startswith("The key ceremony has been")
        check = typed(consortium, 1, "key", "check", **without)
        assert "the key share is whole" in check
        assert "Key share of H1 in Toy" in check
        status = typed(consortium, 1, "status", **without)
        assert "Agent: process" in status
        assert "at work" in status
        facts = json.loads(typed(consortium, 1, "status", "--json", **without))
        assert facts["agent"]["ready"] == 1
        assert facts["here"]["key_share_epochs"] == [1]
        assert facts["aggregator"]["entries"] > 10
        record = typed(consortium, 1, "export", "--out", "record", **without)
        assert "countersigned  H1" in record
        assert "finishes what it is writing" in typed(consortium, 1, "stop", **without)
        ended(process)
    # And with no agent they work by themselves, and say the same.
    assert typed(consortium, 1, "key", "check") == check
    assert typed(consortium, 1, "export", "--out", "record") == record
    _, errors = ended(consortium.start(1, "stop"), expect=1)
    assert "no agent listens at" in errors


def typed(consortium: Consortium, number: int, *words: str, **environment: str) -> str:
    """A command of a member: its output."""
    root = str(Path(__file__).parents[3])
    known = os.environ | consortium.environment(number) | {"PYTHONPATH": root} | environment
    done = subprocess.run(
        [sys.executable, "-m", "participant", *words],
        cwd=consortium.folder,
        env=known,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_second_agent_and_a_command_that_is_locked_out_are_told(consortium: Consortium) -> None:
    with serving(consortium, 1, "--json") as process:
        running(process)
        _, errors = ended(consortium.start(1, "serve"), expect=1)
        assert f"is in use by process {process.pid} (serve)" in errors
        assert "quorate-participant stop federation.toml" in errors
        assert stop(process)


def test_an_agent_that_is_killed_leaves_a_socket_that_the_next_one_replaces(
    consortium: Consortium,
) -> None:
    home = consortium.folder / "h1"
    path = federation_folder(home, consortium.terms.federation) / "agent.sock"
    with serving(consortium, 1, "--json") as process:
        running(process).kill()
        process.wait()
    assert path.is_socket()
    output, _ = ended(consortium.start(1, "status"))  # which works by itself
    assert "Agent:" not in output
    with serving(consortium, 1, "--json") as process:
        running(process)
        assert "at work" in typed(consortium, 1, "status")
        stop(process)
    assert not path.exists()


def test_a_wrong_passphrase_ends_the_agent_with_one_sentence(consortium: Consortium) -> None:
    with serving(consortium, 1, QUORATE_PASSPHRASE="another one altogether") as process:
        _, errors = ended(process, expect=1)
    assert errors.count("\n") == 2
    assert "passphrase" in errors


def test_a_home_whose_path_is_too_long_for_a_socket_is_named(consortium: Consortium) -> None:
    deep = consortium.folder / ("d" * 100)
    (consortium.folder / "h1").rename(deep)
    with serving(consortium, 1, "--home", str(deep)) as process:
        _, errors = ended(process, expect=1)
    assert "is longer than a socket's path can be" in errors
    output, _ = ended(consortium.start(1, "status", "--home", str(deep)))  # needs no socket
    assert "Here: H1" in output


def test_an_agent_in_clear_words_says_what_it_does(consortium: Consortium) -> None:
    with serving(consortium, 1) as process:
        assert process.stdout is not None
        for row in process.stdout:
            if "ceremony (ceremony/1): begun" in row:
                break
        process.send_signal(signal.SIGINT)
        output, errors = ended(process, expect=0)
    assert "Left, and gone on with at the next start: ceremony (ceremony/1)." in output
    assert not errors
