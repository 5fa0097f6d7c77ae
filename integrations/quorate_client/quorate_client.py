# SPDX-License-Identifier: Apache-2.0
"""A program's side of the data conversation with a hospital's quorate agent, version 1.

The agent has the model, the key share and the link to the other hospitals. A program has the
patients' data and trains. Between them goes this conversation: the program asks, the agent answers.

    hello    who speaks, and with which model the agent begins
    begin    the program can train; the answer is the model to train from, when a round is open
    update   what training made of it; the answer is the model after the round, once it is opened
    model    the model that the hospital stands at

An app of Flower's three functions needs no more than ``run``::

    quorate_client.run(MyApp())

This file is all there is. It needs numpy, and PyTorch only where the program itself has imported
it. It may be copied into another project, under the licence that is beside it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

VERSION = 1
CONNECTION, TOKEN = "QUORATE_CONNECTION", "QUORATE_TOKEN"  # environment variables
MAX_HEADER = 8 << 20  # bytes
MAX_BODY = 1 << 36
MAX_TRACEBACK = 60_000  # characters
_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "C64": "complex64",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "BOOL": "bool",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
_CODES = {name: code for code, name in _TYPES.items()}
_SIZES = {"F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4,
          "F16": 2, "BF16": 2, "I16": 2, "U16": 2}  # fmt: skip


class AgentError(Exception):
    """The agent refused. ``rule``: which one; ``member``: of which hospital, 0 of none."""

    def __init__(self, rule: str, reason: str, member: int = 0, remedy: str = "") -> None:
        super().__init__(f"{reason}. {remedy}".rstrip(". ") if remedy else reason)
        self.rule, self.reason, self.member, self.remedy = rule, reason, member, remedy


class Closed(AgentError):
    """The agent has closed the connection."""

    def __init__(self, reason: str) -> None:
        super().__init__("connection", reason)


class ForeignAgent(AgentError):
    """Another user of the machine listens at the socket: it is told nothing."""

    def __init__(self, path: str, user: int) -> None:
        super().__init__(
            "user",
            f"user {user} of this machine listens at {path}, and this program runs as user "
            f"{os.geteuid()}",
            remedy="run it as the user for which the agent listens, at a path in a folder of that "
            "user's own",
        )


class NoAgent(AgentError):
    """Nobody listens at the socket: no agent, or no study that was approved with this path."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            "agent",
            f"no agent listens at {path} ({reason})",
            remedy="start quorate-participant serve as this user, and approve the study with "
            f"quorate-participant study approve STUDY --app unix:{path}",
        )


@dataclass(frozen=True)
class Tensor:
    """The values of an entry: flat little-endian bytes, a safetensors type and a shape."""

    code: str
    shape: tuple[int, ...]
    data: memoryview = field(repr=False)
    is_torch: bool = False


@dataclass(frozen=True)
class Held:
    """An entry that is no array: facts of it for the agent (docs/data-conversation.md)."""

    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Receipt:
    """What a round came to, without anything of the model but its hash.

    round: after which the hospital stands at the model with that digest. contributors: whose
    updates are in the sum, by name. in_sum: whether this hospital's is. sum: digest of the word
    that closed the round, and named them. All but in_sum is the same at every hospital.
    """

    study: str
    run: str
    round: int
    model: str
    contributors: tuple[str, ...]
    in_sum: bool
    sum: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Receipt:
        """As an agent has said it."""
        return cls(**{**facts, "contributors": tuple(facts["contributors"])})


@dataclass(frozen=True)
class Answer:
    """What the agent answers.

    kind: of a ``begin`` ``train`` or ``evaluate``; of an ``update`` ``applied``, ``late`` (the
    round went on without it) or ``void`` (it gave no result); of ``model`` ``model``; of any
    ``end``, when there is no more. round: that it is about. parameters: the model that belongs to
    it, in the form in which the program gave it. config: what an app's functions are given.
    receipt: where the hospital stands. reason: why a round is void.
    """

    kind: str
    round: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    parameters: Any = field(default=None, repr=False)
    receipt: Receipt | None = None
    reason: str = ""


class Form(Protocol):
    """How parameters become entries and back."""

    def entries(self, parameters: Any) -> tuple[str, Mapping[str, Any]]:
        """``list`` or ``dict``, and each entry by name: array, torch tensor, Tensor or Held."""

    def held(self, name: str, facts: Mapping[str, Any]) -> Any:
        """The value of an entry that is no array."""


class Plain:
    """A list of arrays, or a dict of names to arrays or torch tensors, sorted by name."""

    def entries(self, parameters: Any) -> tuple[str, Mapping[str, Any]]:
        """Raises TypeError for anything else."""
        if isinstance(parameters, Mapping):
            return "dict", {name: parameters[name] for name in sorted(parameters)}
        if isinstance(parameters, list | tuple):
            return "list", {f"parameter_{k}": entry for k, entry in enumerate(parameters)}
        raise TypeError("parameters must be a list of arrays, or a dict of names to arrays")

    def held(self, name: str, facts: Mapping[str, Any]) -> Any:
        """Nothing of this form stays with the agent or with the program."""
        raise AgentError("form", f"entry {name!r} has no values")


class App(Protocol):
    """The functions of an app."""

    def initial_parameters(self, config: dict[str, Any]) -> Any:
        """The model before the first round."""

    def fit(self, parameters: Any, config: dict[str, Any]) -> tuple[Any, int, dict[str, Any]]:
        """Parameters, number of examples, metrics."""

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> tuple[float, int, Any]:
        """Loss, number of examples, metrics."""


class Agent:
    """A connection to the agent; one question at a time."""

    def __init__(self, connection: socket.socket, token: str = "", form: Form | None = None):
        """token: that the agent has given out for this connection, if it is no inherited one."""
        self._socket, self._token = connection, token
        self.form: Form = form or Plain()

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
            said["entries"], pieces = _packed(entries)
        self._send({"op": op, **said}, pieces)
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
                _value(values[name], entry["tensor"]) if is_array else self.form.held(name, entry)
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


def _user_at(connection: socket.socket) -> int:
    """The user who listens at the other end, as the kernel says."""
    if sys.platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("3i", data)[1])
    data = connection.getsockopt(0, 1, 76)  # of macOS: LOCAL_PEERCRED, version and user
    return int(struct.unpack("2I", data[:8])[1])


def read_tensors(body: memoryview) -> dict[str, Tensor]:
    """The tensors of a safetensors file that lies in memory; the agent's are well-formed."""
    if not len(body):
        return {}
    end = 8 + int.from_bytes(body[:8], "little")
    header = json.loads(bytes(body[8:end]))
    return {
        name: Tensor(
            one["dtype"],
            tuple(one["shape"]),
            body[end + one["data_offsets"][0] : end + one["data_offsets"][1]],
        )
        for name, one in header.items()
    }


def _packed(entries: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """What is said of each entry, and the pieces of a safetensors file of those with values."""
    said: list[dict[str, Any]] = []
    tensors: dict[str, Tensor] = {}
    for name, entry in entries.items():
        if isinstance(entry, Held):
            said.append({"name": name, **entry.facts})
            continue
        tensors[name] = one = entry if isinstance(entry, Tensor) else _tensor(name, entry)
        said.append({"name": name, "at": "body", "tensor": one.is_torch})
    at, header = 0, {}
    order = sorted(tensors, key=lambda name: (-_SIZES.get(tensors[name].code, 1), name))
    for name in order:  # the widest first, so that each lies at a multiple of its width
        one = tensors[name]
        offsets = [at, at + len(one.data)]
        header[name] = {"dtype": one.code, "shape": one.shape, "data_offsets": offsets}
        at = offsets[1]
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    start = len(encoded).to_bytes(8, "little") + encoded
    return said, [start, *(tensors[name].data for name in order)] if tensors else []


def _tensor(name: str, entry: Any) -> Tensor:
    """The values of an array or a torch tensor; raises TypeError for anything else."""
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)  # not there while another thread imports torch
    if torch is not None and tensor is not None and isinstance(entry, tensor):
        code = _CODES.get(str(entry.dtype).removeprefix("torch."))
        if code is None or entry.layout is not torch.strided:
            raise TypeError(f"entry {name!r} is a tensor of a kind that cannot be sent")
        flat = entry.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return Tensor(code, tuple(entry.shape), flat.numpy().data, True)
    if isinstance(entry, np.ndarray | np.generic) and entry.dtype.name in _CODES:
        order = entry.dtype.newbyteorder("<")
        flat = np.ascontiguousarray(entry, dtype=order).reshape(-1).view(np.uint8)
        return Tensor(_CODES[entry.dtype.name], entry.shape, flat.data)
    raise TypeError(f"entry {name!r} is of type {type(entry).__name__}: give an array of numbers")


def _value(found: Tensor, is_tensor: bool) -> Any:
    """An array, or a torch tensor, that lies in the bytes of the answer."""
    if not is_tensor:
        dtype = np.dtype(_TYPES[found.code]).newbyteorder("<")
        return np.frombuffer(found.data, dtype).reshape(found.shape)
    import torch

    dtype = getattr(torch, _TYPES[found.code])
    if not math.prod(found.shape):
        return torch.empty(found.shape, dtype=dtype)
    return torch.frombuffer(found.data, dtype=dtype).reshape(found.shape)


def _number(value: Any) -> Any:
    """The number in a metric of numpy or torch, as JSON has it."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a metric is of type {type(value).__name__}: give a number or a text")


def run(app: App, agent: Agent | None = None) -> None:
    """Take part in rounds until the agent says that there are no more; all in this thread.

    Raises what the app raises, Closed when the agent goes, AgentError when it refuses.
    """
    agent = agent or Agent.of_environment()
    said = agent.hello(getattr(app, "local_entries", ()))
    if said.kind == "end":
        return
    answer = agent.begin(app.initial_parameters(dict(said.config)))
    while answer.kind != "end":
        config = dict(answer.config)
        if answer.kind == "train":
            trained, examples, metrics = app.fit(answer.parameters, config)
            answer = agent.update(answer.round, trained, examples, metrics)
        elif answer.kind in ("evaluate", "applied"):
            loss, examples, metrics = app.evaluate(answer.parameters, config)
            found = {"loss": float(loss), "examples": examples, "metrics": metrics}
            answer = agent.begin(evaluation=found)
        else:  # the round gave no model, or not with this update
            answer = agent.begin()


def run_at(path: str, app: App, patience: float = 60.0) -> None:
    """As ``run``, at an agent's socket, and again where the agent has given up a late ``fit``.

    patience: seconds that an agent may be gone, while it is started anew. Raises NoAgent where it
    does not come in time, and what ``run`` raises but Closed.
    """
    while True:
        with _connected(path, time.monotonic() + patience) as agent:
            try:
                return run(app, agent)
            except Closed:
                pass


def _connected(path: str, end: float) -> Agent:
    while True:
        try:
            return Agent.connect(path)
        except NoAgent:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


class Visits:
    """The conversation at an agent's socket, over as many connections as it takes.

    For a framework that begins a process for each message, or whose agent may be started anew: each
    question is asked again where the connection was lost before the answer. One question at a time.
    """

    def __init__(
        self,
        path: str,
        run: str = "",
        app: str = "",
        local_entries: Sequence[str] = (),
        patience: float = 60.0,
        form: Form | None = None,
        waits_if_busy: bool = True,
    ) -> None:
        """run, app, local_entries: as in ``hello``. patience: seconds that the agent may be gone.

        So long it may be busy with another program, too, unless that is to be an error. While it is
        there, a question takes as long as it takes.
        """
        self._path, self._patience, self._form = path, patience, form or Plain()
        self._hello = tuple(local_entries), run, app
        self._passing = {"token", "busy"} if waits_if_busy else {"token"}
        self._agent: Agent | None = None
        self._said = Answer("hello")

    def __enter__(self) -> Visits:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation; the agent and its study go on."""
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.close()

    def hello(self) -> Answer:
        """What the agent says of itself: ``facts`` has its ``federation``, ``study``, ``identity``.

        Raises NoAgent and AgentError.
        """
        return self._asked(lambda _: self._said)

    def begin(self, initial: Any = None, turn: str = "") -> Answer:
        """``train`` when a round is open, or ``end``. A round that was begun is begun again.

        initial: the model before the first round; needed until a hospital has one. turn: as in
        ``Agent.begin``. Raises NoAgent and AgentError.
        """
        return self._asked(lambda agent: agent.begin(initial, turn=turn))

    def update(
        self, number: int, trained: Any, examples: int, metrics: Mapping[str, Any] | None = None
    ) -> Answer:
        """``applied``, ``late`` or ``void``, when the round has ended; or ``end``."""
        return self._asked(lambda agent: agent.update(number, trained, examples, metrics))

    def model(self) -> Answer:
        """The model that the hospital stands at now, with its receipt."""
        return self._asked(lambda agent: agent.model())

    def _asked(self, question: Callable[[Agent], Answer]) -> Answer:
        end = time.monotonic() + self._patience
        while True:
            try:
                if self._agent is None:
                    self._agent = _connected(self._path, end)
                    self._agent.form = self._form
                    self._said = self._agent.hello(*self._hello)
                asked = time.monotonic()
                try:
                    return question(self._agent)
                finally:
                    end += time.monotonic() - asked  # the agent was there
            except AgentError as error:
                self.close()
                is_passing = isinstance(error, Closed) or error.rule in self._passing
                if not is_passing or time.monotonic() > end:
                    raise
                time.sleep(0.1)


def load(path: Path) -> Any:
    """The app in a Python file, or in a folder with ``__init__.py``: its ``app``, or itself."""
    place = path / "__init__.py" if path.is_dir() else path
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # so that worker processes find its classes
    spec.loader.exec_module(module)
    return getattr(module, "app", module)


def main() -> None:
    """``python quorate_client.py APP``: run a file or a folder under the agent that starts it."""
    if len(sys.argv) != 2:
        sys.exit("usage: python quorate_client.py APP.py")
    with Agent.of_environment() as agent:
        try:
            run(load(Path(sys.argv[1])), agent)
        except AgentError as error:
            sys.exit(f"quorate_client: {error}")
        except Exception as error:
            agent.failed("run", f"{type(error).__name__}: {error}", traceback.format_exc())
            raise


if __name__ == "__main__":
    main()
