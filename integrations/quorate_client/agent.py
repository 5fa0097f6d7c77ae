# SPDX-License-Identifier: Apache-2.0
"""One connection to a hospital's agent."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quorate_client.answer import Answer, Receipt
from quorate_client.entries import packed, read_tensors, value_of
from quorate_client.errors import AgentError, Closed, ForeignAgent, NoAgent, in_sentences
from quorate_client.form import Form, Plain

VERSION = 1
CONNECTION, TOKEN = "QUORATE_CONNECTION", "QUORATE_TOKEN"  # environment variables
MAX_HEADER = 8 << 20  # bytes
MAX_BODY = 1 << 36
MAX_TRACEBACK = 60_000  # characters
LOGGER = logging.getLogger("quorate_client")


Told = Callable[[str], object]  # called with why the answer to a question takes longer


class Agent:
    """A connection to the agent; one question at a time.

    form: how parameters become entries. told: what the agent says while a question waits, for whom
    and what to do about it.
    """

    def __init__(self, connection: socket.socket, token: str = "", form: Form | None = None):
        """token: that the agent has given out for this connection, if it is no inherited one."""
        self._socket, self._token = connection, token
        self.form: Form = form or Plain()
        self.told: Told = LOGGER.warning

    @classmethod
    def connect(cls, path: str, token: str = "") -> Agent:
        """To an agent's Unix socket. Raises NoAgent where nobody listens, and ForeignAgent.

        token: if not the one that the agent has left in a file beside the socket.
        """
        connection = socket.socket(socket.AF_UNIX)
        try:
            token = token or Path(f"{path}.token").read_text()
            connection.connect(path)
        except OSError as error:
            connection.close()
            raise NoAgent(path, error.strerror or str(error)) from None
        if (user := _user_at(connection)) != os.geteuid():
            connection.close()
            raise ForeignAgent(path, user)
        return cls(connection, token)

    @classmethod
    def of_environment(cls) -> Agent:
        """What QUORATE_CONNECTION says: ``fd:NUMBER`` inherited, or ``unix:PATH``.

        With a token in QUORATE_TOKEN, if it is not in a file beside the socket. Both are taken out
        of the environment, so that no other program gets them.
        """
        kind, _, where = os.environ.pop(CONNECTION, "").partition(":")
        token = os.environ.pop(TOKEN, "")
        if kind == "unix":
            return cls.connect(where, token)
        if kind != "fd":
            raise AgentError(
                "connection", f"{CONNECTION} is not set: an agent sets it, or gives it out"
            )
        os.set_inheritable(int(where), False)
        return cls(socket.socket(fileno=int(where)), token)

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation, in any thread."""
        with contextlib.suppress(OSError):  # the agent has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def hello(self, local_entries: Sequence[str] = (), run: str = "", app: str = "") -> Answer:
        """Say which entries stay at this hospital; ``config`` of the answer is for the model.

        run: of a framework, such as ``flower/1234``, for which this program trains; a study is
        trained for one. app: SHA-256 of what the framework runs here, in hex.
        """
        said: dict[str, Any] = {"version": VERSION, "token": self._token}
        named = {"run": run, "app": app}
        said |= {"local_entries": list(local_entries), **{k: v for k, v in named.items() if v}}
        return self._ask("hello", said)

    def begin(
        self,
        initial: Any = None,
        evaluation: Mapping[str, Any] | None = None,
        run: str = "",
        turn: str = "",
    ) -> Answer:
        """Ask to train; returns when a round is open, or a model is to be scored.

        initial: the model before the first round, the first time. evaluation: ``loss``,
        ``examples`` and ``metrics`` of the model that the answer before had. run: as in ``hello``,
        if it was not known then. turn: of a server, in hex; a second update in it is refused.
        """
        said: dict[str, Any] = {} if evaluation is None else {"evaluation": dict(evaluation)}
        named = {"run": run, "turn": turn}
        return self._ask("begin", said | {k: v for k, v in named.items() if v}, initial)

    def update(
        self, number: int, trained: Any, examples: int, metrics: Mapping[str, Any] | None = None
    ) -> Answer:
        """Contribute to a round; returns when it has ended."""
        said = {"round": number, "examples": examples, "metrics": dict(metrics or {})}
        return self._ask("update", said, trained)

    def model(self) -> Answer:
        """The model that the hospital stands at."""
        return self._ask("model", {})

    def failed(self, function: str, reason: str, details: str = "") -> None:
        """Tell that the app cannot go on, and why; there is no answer that matters."""
        said = {"function": function, "reason": reason, "traceback": details[-MAX_TRACEBACK:]}
        self._ask("failed", said)

    def _ask(self, op: str, said: dict[str, Any], parameters: Any = None) -> Answer:
        pieces: list[Any] = []
        if parameters is not None:
            said["form"], entries = self.form.entries(parameters)
            said["entries"], pieces = packed(entries)
        self._send({"op": op, **said}, pieces)
        header, body = self._receive()
        while header.get("answer") == "waits":  # and the answer is still to come
            self.told(in_sentences(header["reason"], header["remedy"]))
            header, body = self._receive()
        if error := header.get("error"):
            raise AgentError(error["rule"], error["reason"], error["member"], error["remedy"])
        made = self._parameters(header, body) if "form" in header else None
        kind, number, about = header["answer"], header.get("round", 0), header.get("receipt")
        receipt, reason = Receipt.of(about) if about else None, header.get("reason", "")
        return Answer(kind, number, header.get("config", {}), header, made, receipt, reason)

    def _parameters(self, header: Mapping[str, Any], body: memoryview) -> Any:
        values = read_tensors(body)
        found = {}
        for entry in header["entries"]:
            name = entry["name"]
            is_array = entry["at"] == "body"
            found[name] = (
                value_of(values[name], entry["tensor"]) if is_array else self.form.held(name, entry)
            )
        return list(found.values()) if header["form"] == "list" else found

    def _send(self, header: Mapping[str, Any], pieces: Sequence[Any]) -> None:
        encoded, size = json.dumps(header, default=_number).encode(), sum(map(len, pieces))
        if len(encoded) > MAX_HEADER:
            raise ValueError(f"names and metrics need more than {MAX_HEADER} bytes")
        start = struct.pack(">I", len(encoded)) + encoded + struct.pack(">Q", size)
        try:
            self._socket.sendall(start)
            for piece in pieces:
                self._socket.sendall(piece)
        except OSError as error:
            raise Closed(f"the agent has closed the connection ({error.strerror})") from None

    def _receive(self) -> tuple[dict[str, Any], memoryview]:
        (size,) = struct.unpack(">I", self._read(4, 4))
        header = json.loads(bytes(self._read(size, MAX_HEADER)))
        (size,) = struct.unpack(">Q", self._read(8, 8))
        return header, self._read(size, MAX_BODY)

    def _read(self, size: int, limit: int) -> memoryview:
        if size > limit:
            raise AgentError("frame", f"the agent announces {size} bytes, and {limit} are the most")
        data = np.empty(size, np.uint8).data
        done = 0
        while done < size:
            try:
                count = self._socket.recv_into(data[done:])
            except OSError as error:
                raise Closed(f"the connection has failed ({error.strerror})") from None
            if not count:
                raise Closed("the agent has closed the connection")
            done += count
        return data


def awaited(path: str, end: float) -> Agent:
    """The agent at a socket, once there is one. Raises NoAgent, if there is none by ``end``.

    end: as ``time.monotonic`` has it.
    """
    while True:
        try:
            return Agent.connect(path)
        except NoAgent:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _user_at(connection: socket.socket) -> int:
    """The user who listens at the other end, as the kernel says."""
    if sys.platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("3i", data)[1])
    data = connection.getsockopt(0, 1, 76)  # of macOS: LOCAL_PEERCRED, version and user
    return int(struct.unpack("2I", data[:8])[1])


def _number(value: Any) -> Any:
    """The number in a metric of numpy or torch, as JSON has it."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a metric is of type {type(value).__name__}: give a number or a text")
