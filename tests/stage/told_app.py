"""An app's process that a test plays: it speaks the data conversation, or something like it."""

import contextlib
import json
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from participant.app import apart
from participant.app.apart import AppApart
from participant.app.process import AppFile
from participant.conversation.channel import Channel

CONFIG = {"round": 0, "seed": 1}
Talk = Callable[["Peer"], object]


class Peer:
    """The end that an app's process has."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

    def say(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        encoded = json.dumps(header).encode()
        self.raw(struct.pack(">I", len(encoded)) + encoded + struct.pack(">Q", len(body)) + body)

    def hear(self) -> dict[str, Any]:
        """The next answer; raises EOFError where there is none."""
        (size,) = struct.unpack(">I", self._read(4))
        header = json.loads(self._read(size))
        self._read(struct.unpack(">Q", self._read(8))[0])
        return header

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not (piece := self.connection.recv(size - len(data))):
                raise EOFError
            data += piece
        return data

    def hello(self, **changes: Any) -> None:
        self.say({"op": "hello", "version": 1, **changes})
        self.hear()

    def begin(self, **changes: Any) -> dict[str, Any]:
        """Begin with a model of three numbers; what is to be done."""
        self.say({"op": "begin", "form": "list", "entries": ENTRIES, **changes}, model())
        return self.hear()

    def update(self, number: int, body: bytes | None = None, **changes: Any) -> None:
        said = {"op": "update", "round": number, "examples": 5, "form": "list", "entries": ENTRIES}
        self.say({**said, **changes}, model() if body is None else body)


ENTRIES = [{"name": "parameter_0", "at": "body"}]


def model(size: int = 3) -> bytes:
    return save({"parameter_0": np.ones(size)})


class ToldProcess:
    """In the place of AppProcess: what a test says, in a thread."""

    was_left = False

    def __init__(self, talk: Talk) -> None:
        self.connection, theirs = socket.socketpair()
        self.is_ended = False
        self._thread = Thread(target=self._talk, args=(talk, theirs), daemon=True)
        self._thread.start()

    def _talk(self, talk: Talk, theirs: socket.socket) -> None:
        with theirs, contextlib.suppress(EOFError, OSError):
            talk(Peer(theirs))

    def ended(self) -> str:
        self.end()
        return "has ended by itself, with code 0"

    def end(self, is_idle: bool = False) -> None:
        self.is_ended = True
        self._thread.join(20)


def told_app(
    monkeypatch: pytest.MonkeyPatch, folder: Path, talk: Talk, stall_seconds: float = 20.0
) -> AppApart:
    """An app whose process a test plays; not yet started."""
    path = folder / "told_app.py"
    path.write_text("")
    monkeypatch.setattr(apart, "AppProcess", lambda file, show: ToldProcess(talk))
    monkeypatch.setattr(apart, "Channel", lambda connection: Channel(connection, stall_seconds))
    about = {"federation": "Toy", "rounds": 3}
    return AppApart(AppFile(path), folder / "errors", about, lambda line, is_error: None)
