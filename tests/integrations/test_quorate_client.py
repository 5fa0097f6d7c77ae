"""The client is a folder that needs nothing of quorate, and says what the agent understands."""

import ast
import json
import math
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import quorate_client
from participant.conversation import Channel, parameters_in, parameters_said, read_tensors
from quorate_client import Agent, AgentError, Closed

FOLDER = Path(quorate_client.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))


class Hospital(Channel):
    """The agent's end: what is asked, as it is understood, and answers."""

    def asked(self) -> tuple[Any, Any]:
        message, body = self.receive()
        entries = getattr(message, "entries", None)
        if entries is None:
            return message, None
        return message, parameters_in(message.form, entries, read_tensors(body))

    def answer(self, kind: str, parameters: Any = None, **facts: Any) -> None:
        header: dict[str, Any] = {"answer": kind, **facts}
        pieces: list[Any] = []
        if parameters is not None:
            said, pieces = parameters_said(parameters)
            header |= said
        self.send(header, pieces)


@pytest.fixture
def ends() -> Iterator[tuple[Hospital, Agent]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Hospital(ours), Agent(theirs, "token")


def meanwhile(talk: Callable[[], object]) -> Thread:
    thread = Thread(target=talk, daemon=True)
    thread.start()
    return thread


def test_the_folder_imports_numpy_and_the_standard_library_alone() -> None:
    found = set()
    for node in (node for file in FILES for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    assert found - sys.stdlib_module_names == {"numpy", "quorate_client", "torch"}


def test_each_file_says_its_licence_and_the_folder_has_it() -> None:
    assert not [
        file for file in FILES if "SPDX-License-Identifier: Apache-2.0" not in file.read_text()
    ]
    assert "Apache License" in (FOLDER / "LICENSE").read_text()


def test_what_is_asked_is_understood_and_the_answer_is(ends: tuple[Hospital, Agent]) -> None:
    hospital, agent = ends
    heard: list[Any] = []

    def talk() -> None:
        heard.append(hospital.asked())
        hospital.answer("hello", round=0, config={"seed": 5}, federation="Toy")
        heard.append(hospital.asked())
        hospital.answer("train", {"w": np.arange(3.0), "n": np.array(2)}, round=1, config={})
        heard.append(hospital.asked())
        hospital.answer("late", round=1)

    thread = meanwhile(talk)
    said = agent.hello(["*.mean"])
    assert (said.kind, said.config["seed"], said.facts["federation"]) == ("hello", 5, "Toy")
    answer = agent.begin({"w": np.zeros(3), "b": np.zeros(2, np.float32)})
    assert (answer.kind, answer.round) == ("train", 1)
    assert np.array_equal(answer.parameters["w"], [0, 1, 2])
    answer.parameters["w"] += 1  # it is the caller's own
    late = agent.update(1, answer.parameters, 10, {"loss": np.float32(0.5), "nan": math.nan})
    assert (late.kind, late.parameters) == ("late", None)
    thread.join(20)
    (hello, _), (begin, initial), (update, trained) = heard
    assert (hello.token, hello.local_entries) == ("token", ("*.mean",))
    assert list(initial) == ["b", "w"]
    assert begin.evaluation is None
    assert np.array_equal(trained["w"], [1, 2, 3])
    assert (update.examples, update.metrics["loss"]) == (10, 0.5)


def test_a_refusal_has_its_rule_its_member_and_its_remedy(ends: tuple[Hospital, Agent]) -> None:
    hospital, agent = ends

    def talk() -> None:
        hospital.asked()
        error = {"rule": "agreement", "member": 3, "reason": "H3 has another", "remedy": "ask H3"}
        hospital.send({"error": error})

    meanwhile(talk)
    with pytest.raises(AgentError, match="H3 has another") as caught:
        agent.begin([np.zeros(2)])
    assert (caught.value.rule, caught.value.member, caught.value.remedy) == (
        "agreement",
        3,
        "ask H3",
    )


@pytest.mark.parametrize("parameters", [3, {"w": "text"}, {"w": [1.0]}, [np.array(["a"])]])
def test_what_is_no_model_is_refused_before_it_is_sent(
    ends: tuple[Hospital, Agent], parameters: Any
) -> None:
    with pytest.raises(TypeError):
        ends[1].begin(parameters)


def test_an_agent_that_goes_or_says_too_much_ends_the_conversation(
    ends: tuple[Hospital, Agent],
) -> None:
    hospital, agent = ends
    hospital.close()
    with pytest.raises(Closed):
        agent.hello()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(struct.pack(">I", 1 << 31))
        with pytest.raises(AgentError, match="are the most"):
            Agent(theirs).hello()


def test_a_socket_of_an_agent_is_reached_by_its_path(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()

        def talk() -> None:
            with listening.accept()[0] as connection:
                hospital = Hospital(connection)
                message, _ = hospital.asked()
                hospital.answer("end", token=message.token)

        meanwhile(talk)
        with Agent.connect(str(tmp_path / "socket"), "secret") as agent:
            assert agent.hello().facts["token"] == "secret"


def test_without_a_connection_it_says_who_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUORATE_CONNECTION", raising=False)
    with pytest.raises(AgentError, match="QUORATE_CONNECTION is not set"):
        Agent.of_environment()


APP = """
import sys
import numpy as np

def initial_parameters(config):
    assert not {"participant", "keyshare", "protocol"} & sys.modules.keys()
    return {"w": np.full(2, float(config["seed"]))}

def fit(parameters, config):
    if config["round"] == 2:
        raise ValueError("no data")
    return {"w": parameters["w"] + 1}, 4, {}

def evaluate(parameters, config):
    return float(parameters["w"].sum()), 4, {"round": config["round"]}
"""


def test_the_folder_alone_runs_an_app_of_three_functions(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "quorate_client")
    (tmp_path / "app.py").write_text(APP)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "quorate_client", "app.py"],
                cwd=tmp_path,
                env=os.environ | {"QUORATE_CONNECTION": f"fd:{theirs.fileno()}"},
                pass_fds=(theirs.fileno(),),
                stderr=subprocess.PIPE,
            )
        hospital = Hospital(ours)
        hospital.asked()
        hospital.answer("hello", config={"seed": 3})
        _, initial = hospital.asked()
        assert np.array_equal(initial["w"], [3, 3])
        hospital.answer("train", initial, round=1, config={"round": 1})
        _, trained = hospital.asked()
        assert np.array_equal(trained["w"], [4, 4])
        hospital.answer("void", round=1)
        assert hospital.asked()[0].evaluation is None
        hospital.answer("evaluate", trained, round=1, config={"round": 1})
        message, _ = hospital.asked()
        assert (message.evaluation.loss, message.evaluation.metrics) == (8.0, {"round": 1})
        hospital.answer("train", trained, round=2, config={"round": 2})
        message, _ = hospital.asked()
        assert "ValueError: no data" in message.reason
        assert "Traceback" in message.traceback
        hospital.answer("end")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"no data" in errors


def test_what_it_writes_is_a_safetensors_file() -> None:
    from safetensors.numpy import load

    ours, theirs = socket.socketpair()
    with ours, theirs:
        hospital, heard = Hospital(ours), list[Any]()

        def talk() -> None:
            heard.append(hospital.receive())
            hospital.answer("end")

        meanwhile(talk)
        Agent(theirs).begin({"w": np.arange(4.0), "b": np.array([True])})
    message, body = heard[0]
    found = load(bytes(body))
    assert np.array_equal(found["w"], np.arange(4.0))
    assert json.dumps([entry.name for entry in message.entries]) == '["b", "w"]'
