"""An agent that is gone for a while, and one that is no agent of this user's."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from participant.conversation import Channel
from quorate_client import Agent, Closed, ForeignAgent, Visits

Meets = Callable[[Channel], None]


@contextlib.contextmanager
def agent_at(path: Path, *meets: Meets) -> Iterator[None]:
    """Who listens there, and meets one connection after the other; the last one all the rest."""
    Path(f"{path}.token").write_text("token")

    def serve(line: socket.socket) -> None:
        left = list(meets)
        with contextlib.suppress(OSError):
            while True:
                connection, _ = line.accept()
                with connection, contextlib.suppress(EOFError):
                    (left.pop(0) if left[1:] else left[0])(Channel(connection))

    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(path))
        line.listen()
        thread = threading.Thread(target=serve, args=(line,), daemon=True)
        thread.start()
        yield
        line.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def greets(channel: Channel) -> None:
    channel.receive()
    channel.send({"answer": "hello"})
    channel.receive()


def works_and_dies(channel: Channel) -> None:
    greets(channel)
    time.sleep(0.6)


def answers(channel: Channel) -> None:
    greets(channel)
    channel.send({"answer": "end"})


def test_an_agent_that_is_lost_after_hours_of_a_round_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "own.sock"
    with agent_at(path, works_and_dies, answers), Visits(str(path), patience=0.3) as visits:
        assert visits.begin().kind == "end"


def test_an_agent_that_hangs_up_on_each_question_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "own.sock"
    with agent_at(path, greets), Visits(str(path), patience=0.3) as visits, pytest.raises(Closed):
        visits.begin()


def test_nothing_is_said_to_another_user_who_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, heard, is_over = tmp_path / "own.sock", list[bool](), threading.Event()

    def hears(channel: Channel) -> None:
        try:
            channel.receive()
            heard.append(True)
        finally:
            is_over.set()

    own = os.geteuid()
    with agent_at(path, hears), monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: own + 1)
        with pytest.raises(ForeignAgent, match=f"user {own} .* runs as user {own + 1}"):
            Agent.connect(str(path)).hello()
        assert is_over.wait(20)
    assert not heard
