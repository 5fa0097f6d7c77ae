"""The data conversation, whose other end is a program with code of anybody's."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
from safetensors.numpy import save

from participant.conversation.entries import parameters_in, parameters_said
from participant.conversation.frames import Frames, Limits
from participant.conversation.messages import AppBegins, AppUpdate, read_message
from participant.conversation.tensors import read_tensors
from participant.errors import DamagedFile
from participant.program.beginning import keep_beginning, kept_beginning
from protocol.errors import Malformed
from tests.fuzz.codecs import SAFETENSORS, Codec
from tests.fuzz.target import Case, target
from tests.simulator.disk import Disk

_LIMITS = Limits(header=8_192, body=8_192)


def _frame(header: bytes, body: bytes) -> bytes:
    return len(header).to_bytes(4, "big") + header + len(body).to_bytes(8, "big") + body


def _from_frame(data: bytes) -> Any:
    end = 4 + int.from_bytes(data[:4], "big")
    body = data[end + 8 :]
    return [json.loads(data[4:end]), SAFETENSORS.decode(body) if body else []]


def _to_frame(tree: Any) -> bytes:
    header, body = tree
    return _frame(json.dumps(header).encode(), SAFETENSORS.encode(body) if body else b"")


FRAME = Codec(_from_frame, _to_frame)


def take(data: bytes) -> None:
    """All that an agent does with what a process sends, until it is a model."""
    frames, rest = Frames(_LIMITS), memoryview(data)
    while rest:
        room = frames.room()
        count = min(len(room), len(rest), 1_000)
        room[:count] = rest[:count]
        rest = rest[count:]
        if frame := frames.filled(count):
            _read(*frame)


def _read(header: bytes, body: memoryview) -> None:
    message = read_message(header)
    values = read_tensors(body)
    assert sum(len(one.data) for one in values.values()) <= len(body)
    if isinstance(message, AppUpdate | AppBegins) and message.entries is not None:
        arrays = [msgspec.structs.replace(entry, tensor=False) for entry in message.entries]
        found = parameters_in(message.form, arrays, values)  # torch needs more memory than we have
        assert len(found) == len(message.entries)
        parameters_said(found)


@target(
    "data-conversation",
    "participant.conversation.strict_json, and frames, messages, tensors and entries on it",
)
def data_conversation() -> Case:
    """An input is what an app's process sends: one frame, or several."""

    def run(data: bytes) -> None:
        with suppress(Malformed):
            take(data)

    model = {"w": np.arange(4, dtype=np.float32), "n": np.array([True]), "extra": "text"}
    said = parameters_said(model)[0]["entries"]
    said.append({"name": "own", "at": "app", "what": "of type Own", "why": "it is no array"})
    body = save({"w": model["w"], "n": model["n"]})  # type: ignore[dict-item]
    scored = {"loss": 0.5, "examples": 9, "metrics": {"accuracy": 0.75}}
    update = {"op": "update", "round": 1, "examples": 9, "form": "dict", "entries": said}
    messages: list[tuple[Any, bytes]] = [
        ({"op": "hello", "version": 1, "token": "t", "local_entries": ["*.mean"]}, b""),
        ({"op": "hello", "version": 1, "run": "flower/7", "app": "ab" * 32}, b""),
        ({"op": "begin", "form": "dict", "entries": said, "run": "flower/7"}, body),
        ({"op": "begin", "evaluation": scored}, b""),
        ({**update, "metrics": {"loss": 0.5}}, body),
        ({"op": "model"}, b""),
        ({"op": "failed", "function": "fit", "reason": "ValueError", "traceback": "line"}, b""),
    ]
    return Case(run, [_frame(json.dumps(m).encode(), b) for m, b in messages], FRAME)


@target("program-beginning", "participant.program.beginning")
def program_beginning() -> Case:
    """An input is what is kept of the first program of a study."""

    def run(data: bytes) -> None:
        disk = Disk()
        disk.files["studies/cardio/beginning"] = data
        with suppress(DamagedFile):
            found = kept_beginning(disk, "cardio")
            assert found is not None
            assert found[0].size <= len(data)

    disk, model = Disk(), {"w": np.arange(4, dtype=np.float32), "b": np.zeros(2)}
    said, pieces = parameters_said(model)
    header = json.dumps({"op": "begin", **said}).encode()
    begin = read_message(header)
    assert isinstance(begin, AppBegins)
    body = memoryview(b"".join(pieces))
    keep_beginning(disk, "cardio", "flower/7", ("*.mean",), begin, body)
    return Case(run, list(disk.files.values()), None)
