# SPDX-License-Identifier: Apache-2.0
"""An agent that answers as a test says, at a socket; nothing is encrypted."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Arrays = dict[str, NDArray[Any]]
TOKEN = "aa" * 32
HELLO = {"federation": "Toy", "study": "cardio", "identity": "ab" * 32, "config": {}}


class ScriptedAgent:
    """Serves one program after the other. ``asked``: what they said, without arrays.

    outcome: what is answered to an update. waits: what is said before that, if anything is.
    refuses: what of which it refuses. The model after a round is what was trained, and 1 more, as
    if another hospital had been in the sum.
    """

    def __init__(self, folder: Path, model: Arrays | None = None) -> None:
        self.path = folder / "agent.sock"
        self.model, self.round = model, 1
        self.outcome, self.waits = "applied", ""
        self.refuses: dict[str, dict[str, Any]] = {}
        self.ended = False
        self.asked: list[dict[str, Any]] = []
        self.trained: list[Arrays] = []
        Path(f"{self.path}.token").write_text(TOKEN)
        self._line = socket.socket(socket.AF_UNIX)
        self._line.bind(str(self.path))
        self._line.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._line.close()
        self.path.unlink()

    @property
    def said(self) -> list[str]:
        return [one["op"] for one in self.asked]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._line.accept()
            except OSError:
                return
            with connection, contextlib.suppress(EOFError, OSError):
                while True:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        said, arrays = _receive(connection)
        self.asked.append(said)
        op = said["op"]
        if op in self.refuses:
            _send(connection, {"error": self.refuses[op]})
        elif op == "hello":
            assert said["token"] == TOKEN
            _send(connection, {**HELLO, "answer": "hello", "version": 1, "round": 0})
        elif self.ended:
            _send(connection, {"answer": "end"})
        else:
            if self.waits and op == "update":
                why = {"round": self.round, "reason": self.waits, "remedy": "start its SuperNode"}
                _send(connection, {"answer": "waits", **why})
            _send(connection, *getattr(self, f"_{op}")(said, arrays))

    def _begin(self, said: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        self.model = self.model or arrays
        return {"answer": "train", "round": self.round, "config": {}}, self.model

    def _update(self, said: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays | None]:
        self.trained.append(arrays)
        if self.outcome != "applied":
            about = {"receipt": self._receipt(self.round - 1)}
            return {"answer": self.outcome, "round": self.round, **about}, None
        self.model = {n: a + 1 if a.dtype.kind == "f" else a for n, a in arrays.items()}
        self.round += 1
        about = {"receipt": self._receipt(self.round - 1)}
        return {"answer": "applied", "round": self.round - 1, "config": {}, **about}, self.model

    def _model(self, said: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays | None]:
        if self.model is None:
            error = {"rule": "model", "member": 0, "reason": "none so far", "remedy": ""}
            return {"error": error}, None
        about = {"receipt": self._receipt(self.round - 1)}
        return {"answer": "model", "round": self.round - 1, **about}, self.model

    def _receipt(self, number: int) -> dict[str, Any]:
        return {
            "study": "cardio",
            "run": "flower/7",
            "round": number,
            "model": f"{number:064x}",
            "contributors": ["A", "B"],
            "in_sum": self.outcome == "applied",
            "sum": "00",
        }


def _receive(connection: socket.socket) -> tuple[dict[str, Any], Arrays]:
    header = json.loads(_read(connection, int.from_bytes(_read(connection, 4), "big")))
    body = _read(connection, int.from_bytes(_read(connection, 8), "big"))
    found = load(body) if body else {}
    return header, {one["name"]: found[one["name"]] for one in header.get("entries") or ()}


def _send(
    connection: socket.socket, header: Mapping[str, Any], arrays: Arrays | None = None
) -> None:
    body = b""
    if arrays is not None:
        entries = [{"name": name, "at": "body", "tensor": False} for name in arrays]
        header = {**header, "form": "dict", "entries": entries}
        body = save({name: np.asarray(values, order="C") for name, values in arrays.items()})
    encoded = json.dumps(header).encode()
    connection.sendall(len(encoded).to_bytes(4, "big") + encoded)
    connection.sendall(len(body).to_bytes(8, "big") + body)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (part := connection.recv(size - len(data))):
            raise EOFError
        data += part
    return data
