# SPDX-License-Identifier: Apache-2.0
"""A SuperLink and SuperNodes as processes, with agents and an aggregator behind."""

import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from staged import Staged

from tests.stage.deployment import BIN, RUN, SUPERLINK, SUPERNODE, Deployment, run_of, until
from tests.stage.federation import Federation
from tests.stage.plus import APP, clear_model, model_at, received


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (("flower-superlink",), SUPERLINK),
        (("flower-supernode",), SUPERNODE),
        (("flwr", "run"), RUN),
    ],
)
def test_the_options_of_flowers_commands_that_are_used_are_there(
    command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """Flower drops options every few versions: NVFlare cannot run Flower 1.36 or later for one."""
    words = [str(BIN / command[0]), *command[1:], "--help"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert not [option for option in options if option not in said]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.fixture(scope="module")
def federation(folder: Path) -> Iterator[Federation]:
    with Federation(folder) as made:
        yield made


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tmp_path) as made:
        made.superlink()
        yield made


def start_supernodes(deployment: Deployment, sockets: list[Path]) -> None:
    for k, path in enumerate(sockets):
        deployment.supernode(k + 1, {"partition-id": k, "quorate-socket": str(path)})


def restart_supernodes(deployment: Deployment, sockets: list[Path]) -> None:
    for k in range(1, len(sockets) + 1):
        deployment.stop(f"supernode-{k}")
    start_supernodes(deployment, sockets)


@pytest.mark.slow
def test_an_agent_and_the_aggregator_are_started_anew_in_the_middle_of_a_run(
    federation: Federation, deployment: Deployment, tmp_path: Path
) -> None:
    sockets = federation.study("plus", 3, 120, suite="paillier")
    start_supernodes(deployment, sockets)
    log = tmp_path / "received.jsonl"

    def crash() -> None:
        until(lambda: len(received(log)) >= 3, 200)
        federation.stop_agent(federation.hospitals[0])
        federation.stop_aggregator()
        federation.start_aggregator()
        federation.start_agent(federation.hospitals[0])

    crashing = threading.Thread(target=crash)
    crashing.start()
    said = deployment.run(APP, num_server_rounds=3, log=f'"{log}"')
    crashing.join()
    replies = received(log)
    assert len(replies) == 9, said
    assert not [reply for reply in replies if "error" in reply]
    assert not any(reply["arrays"] for reply in replies)
    assert {str(reply["metrics"]) for reply in replies} == {"{'metrics': {'num-examples': 1}}"}
    assert [reply["configs"]["quorate"]["round"] for reply in replies] == [
        1,
        1,
        1,
        2,
        2,
        2,
        3,
        3,
        3,
    ]
    models = [model_at(path, run_of(said)) for path in sockets]
    assert {one.receipt.model for one in models} == {replies[-1]["configs"]["quorate"]["model"]}
    assert np.allclose(models[0].parameters["w"], clear_model(3, 1000), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_hospitals_behind_gates_train_and_the_server_gets_receipts(
    federation: Federation, deployment: Deployment, tmp_path: Path
) -> None:
    app, log = tmp_path / "plus", tmp_path / "received.jsonl"
    shutil.copytree(APP, app, ignore=shutil.ignore_patterns("__pycache__"))
    sockets = federation.study("gated", 1, 120, suite="paillier")
    options = ("--app", deployment.bundle(app), "--metrics", "loss,mean")
    for k, path in enumerate(sockets):
        settings = {"partition-id": k, "quorate-socket": str(path), "quorate-metrics": "loss,mean"}
        deployment.supernode(k + 1, settings, deployment.gate(k + 1, *options))
    said = deployment.run(app, num_server_rounds=1, fraction_evaluate=1.0, log=f'"{log}"')
    replies = received(log)
    assert not [reply for reply in replies if "error" in reply], said
    assert len(replies) == 6, said  # of training and evaluation, at three hospitals
    assert not any(reply["arrays"] for reply in replies)
    assert {reply["configs"]["quorate"]["round"] for reply in replies} == {1}
    models = [model_at(path, run_of(said)) for path in sockets]
    assert {one.receipt.model for one in models} == {replies[-1]["configs"]["quorate"]["model"]}
    assert np.allclose(models[0].parameters["w"], clear_model(1, 1000), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_in_a_study_that_starts_from_the_first(
    federation: Federation, deployment: Deployment, tmp_path: Path
) -> None:
    """The SuperLink crashes. Another run needs another study, and SuperNodes told of it.

    A SuperNode that had been asked for the next round waits for those that had not. So all of them
    are started anew.
    """
    sockets = federation.study("first", 3, 120, suite="paillier")
    start_supernodes(deployment, sockets)
    log, refused, second = (tmp_path / f"{name}.jsonl" for name in ("log", "refused", "second"))

    def crash() -> None:
        until(lambda: len(received(log)) >= 3, 200)
        deployment.stop("superlink", signal.SIGKILL)

    crashing = threading.Thread(target=crash)
    crashing.start()
    deployment.run(APP, num_server_rounds=3, log=f'"{log}"')
    crashing.join()
    deployment.superlink()
    restart_supernodes(deployment, sockets)
    deployment.run(APP, num_server_rounds=1, log=f'"{refused}"')
    assert {"rule 'run'" in reply["error"] for reply in received(refused)} == {True}

    sockets = federation.study("second", 1, 120, suite="paillier", start="first/1")
    restart_supernodes(deployment, sockets)
    said = deployment.run(APP, num_server_rounds=1, log=f'"{second}"')
    assert [reply["configs"]["quorate"]["round"] for reply in received(second)] == [1, 1, 1]
    again = clear_model(1, 1000)  # of a first round, from the model after a first round
    model = model_at(sockets[0], run_of(said)).parameters["w"]
    assert np.allclose(model, 2 * again, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_supernode_that_is_killed_while_its_app_trains_is_missing_in_that_round_alone(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Four hospitals, three of whom are enough. The new SuperNode is a new node to the SuperLink,
    and the ServerApp waits until the old one counts as gone.
    """
    with Staged(4, "killed", rounds=2, seconds=30, suite="paillier") as staged:
        log = tmp_path / "received.jsonl"
        start_supernodes(deployment, staged.sockets[:3])
        fourth = {"partition-id": 3, "quorate-socket": str(staged.sockets[3])}
        deployment.supernode(4, {**fourth, "train-seconds": 600})

        def crash() -> None:
            until(lambda: "plus: training in round 1" in deployment.log("supernode-4"), 100)
            deployment.stop("supernode-4", signal.SIGKILL)
            deployment.supernode(4, fourth)

        crashing = threading.Thread(target=crash)
        crashing.start()
        said = deployment.run(APP, num_server_rounds=2, hospitals=4, log=f'"{log}"')
        crashing.join()
        replies = received(log)
        models = [model_at(path, run_of(said)) for path in staged.sockets]
    (error,) = (one["error"] for one in replies if "error" in one)
    assert "Node Unavailable" in error, said
    receipts = [one["configs"]["quorate"] for one in replies if "error" not in one]
    assert [(one["round"], one["contributors"]) for one in receipts] == [(1, 3)] * 3 + [(2, 4)] * 4
    assert all(one["in_sum"] for one in receipts)
    second = clear_model(2, 1000, 4) - clear_model(1, 1000, 4)
    for model in models:
        expected = clear_model(1, 1000, 3) + second
        assert np.allclose(model.parameters["w"], expected, rtol=0, atol=1e-4)
    assert {model.receipt.model for model in models} == {receipts[-1]["model"]}
