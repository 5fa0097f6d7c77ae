# SPDX-License-Identifier: Apache-2.0
"""A ServerApp and ClientApps in this process; behind them real agents and a real aggregator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from quorate_flower.exchange import Exchange
from quorate_flower.records import Arrays, record_of
from quorate_flower.settings import read_settings
from staged import Staged

import quorate_client
from quorate_flower import QuorateFedAvg, quorate_mod
from tests.stage.apps import context_of
from tests.stage.example import EXAMPLES, App, before, load
from tests.stage.local_grid import LocalGrid, Node

pytestmark = pytest.mark.timeout(120)

CLIP, MOST = 8.0, 1000
PLAN: dict[str, Any] = {"clip": CLIP, "bits": 32, "max_examples": MOST, "suite": "paillier"}
BITS = 25  # the suite gives up to seven of them to its head
INITIAL: Arrays = {"w": np.zeros((20, 50), np.float32), "b": np.zeros(7, np.float32)}


@pytest.fixture(scope="module")
def staged() -> Iterator[Staged]:
    with Staged(4, "clear", rounds=4, seconds=5, **PLAN) as made:
        yield made


class Hospitals:
    """An app of numpy at each.

    given: what each trains from. trained: by round, what it has trained, from how many examples.
    """

    def __init__(self, sockets: list[Path], run: int, **settings: Any) -> None:
        self.trained: list[dict[int, tuple[Arrays, int]]] = [{} for _ in sockets]
        self.given: list[Arrays] = [{} for _ in sockets]
        self.run = run
        self.contexts = [context_of(quorate_socket=path, **settings) for path in sockets]
        for context in self.contexts:
            context.run_id = run
        self.returns: Callable[[int, int, Arrays], Arrays] = lambda hospital, number, trained: (
            trained
        )

    @property
    def nodes(self) -> list[Node]:
        return [self._node(k) for k in range(len(self.contexts))]

    def _node(self, k: int) -> Node:
        app = ClientApp(mods=[quorate_mod])

        @app.train()
        def train(message: Message, context: Context) -> Message:
            config = message.content.config_records["config"]
            number, examples = cast(int, config["server-round"]), 100 * (k + 1)
            given = {n: a.numpy() for n, a in message.content.array_records["arrays"].items()}
            self.given[k] = given
            random = np.random.default_rng([k, number])
            made = {
                n: a + random.normal(size=a.shape).astype(a.dtype) * np.float32(0.1)
                for n, a in given.items()
            }
            self.trained[k][number] = made, examples
            made = self.returns(k + 1, number, made)
            metrics = MetricRecord({"num-examples": examples, "loss": float(k)})
            return Message(
                RecordDict({"arrays": record_of(made), "metrics": metrics}), reply_to=message
            )

        @app.evaluate()
        def evaluate(message: Message, context: Context) -> Message:
            metrics = MetricRecord({"num-examples": 50, "loss": 0.5})
            return Message(RecordDict({"metrics": metrics}), reply_to=message)

        return lambda message: app(message, self.contexts[k])

    def model(self, k: int) -> Arrays:
        with Exchange(read_settings(self.contexts[k].node_config), self.run) as agent:
            found: Arrays = agent.model().parameters
            return found

    def average(self, number: int, *hospitals: int) -> Arrays:
        """What clear FedAvg makes of a round."""
        added = [self.trained[k - 1][number] for k in hospitals or range(1, len(self.trained) + 1)]
        total = sum(examples for _, examples in added)
        return {
            name: sum(one[name].astype(np.float64) * (n / total) for one, n in added)  # type: ignore[misc]
            for name in INITIAL
        }


def require_close(ours: Arrays, clear: Arrays, examples: int, hospitals: int = 4) -> None:
    """Within what rounding can change: 16 steps a hospital, and the last bit of a float32."""
    step = CLIP * MOST / ((1 << (BITS - 1)) - 1 - 16) / examples
    for name, values in clear.items():
        bound = 16 * hospitals * step + np.abs(values).max() * np.finfo(np.float32).eps
        assert np.abs(ours[name] - values).max() <= bound, name


def require_nothing_of_updates(received: list[Message], *allowed: str) -> None:
    """The ServerApp's log of all that it received."""
    for message in received:
        assert message.has_content(), message.error
        assert not message.content.array_records
        for record in message.content.metric_records.values():
            assert set(record) <= {"num-examples", *allowed}
            assert record["num-examples"] == 1


def test_rounds_end_as_clear_fedavg_has_them_with_and_without_a_hospital_that_fails(
    staged: Staged,
) -> None:
    """Hospital 4's app returns another shape in the third round, which is closed without it."""
    hospitals = Hospitals(staged.sockets, 11)
    averages: dict[int, Arrays] = {}

    def look(hospital: int, number: int, trained: Arrays) -> Arrays:
        if hospital == 1 and number > 1:
            averages[number - 1] = hospitals.given[0]
        return {"w": trained["w"][:3]} if (hospital, number) == (4, 3) else trained

    hospitals.returns = look
    grid, strategy = LocalGrid(hospitals.nodes), QuorateFedAvg()
    result = strategy.start(grid=grid, initial_arrays=record_of(INITIAL), num_rounds=4)
    assert [one.contributors for one in strategy.receipts.values()] == [4, 4, 3, 4]
    assert [one.round for one in strategy.receipts.values()] == [1, 2, 3, 4]
    require_close(averages[1], hospitals.average(1), 1000)
    require_close(averages[2], hospitals.average(2), 1000)
    require_close(averages[3], hospitals.average(3, 1, 2, 3), 600)
    models = [hospitals.model(k) for k in range(4)]
    require_close(models[0], hospitals.average(4), 1000)
    assert all(np.array_equal(models[0][n], one[n]) for one in models for n in INITIAL)
    (failed,) = (one for one in grid.received if one.has_error())
    assert "refused, by its rule 'model'" in str(failed.error.reason)
    require_nothing_of_updates([one for one in grid.received if one is not failed])
    assert not result.arrays


def test_a_study_is_trained_for_one_run(staged: Staged) -> None:
    """The study of the test before."""
    hospitals = Hospitals(staged.sockets, 12)
    grid = LocalGrid(hospitals.nodes)
    QuorateFedAvg().start(grid=grid, initial_arrays=record_of(INITIAL), num_rounds=1)
    assert all("rule 'run'" in str(reply.error.reason) for reply in grid.received)
    assert not any(hospitals.trained)


def run_example(folder: Path, sockets: list[Path], run: int, **settings: Any) -> LocalGrid:
    """The example's own ServerApp for two rounds; each hospital has a fourth of the digits."""
    app = load(folder)
    contexts = [context_of(dict(app.config), quorate_socket=one, **settings) for one in sockets]
    for k, context in enumerate(contexts):
        context.run_id = run
        context.node_config |= {"partition-id": k, "num-partitions": 4}
    grid = LocalGrid([partial(_answer, app, context) for context in contexts])
    app.run(grid, **{"num-server-rounds": 2})
    assert not any(reply.has_error() for reply in grid.received)
    return grid


def _answer(app: App, context: Context, message: Message) -> Message:
    reply: Message = app.client(message, context)
    return reply


def last_sent(grid: LocalGrid) -> Arrays:
    """The server's model, which it sends for the last evaluation."""
    (record,) = grid.sent[-1].content.array_records.values()
    return {name: array.numpy() for name, array in record.items()}


def test_an_app_of_the_older_api_comes_to_the_same_model_as_without_quorate(
    staged: Staged, tmp_path: Path
) -> None:
    sockets = staged.study("digits", rounds=2, **{**PLAN, "clip": 16.0})
    ours = run_example(EXAMPLES / "sklearn", sockets, 51, quorate_reveal="average")
    clear = last_sent(run_example(before("sklearn", tmp_path), sockets, 51))
    for name, values in last_sent(ours).items():
        assert np.allclose(values, clear[name], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_an_app_of_pytorch_comes_to_the_same_model_as_without_quorate(
    staged: Staged, tmp_path: Path
) -> None:
    sockets = staged.study("torch", rounds=2, seconds=60, **PLAN)
    ours = run_example(EXAMPLES / "pytorch", sockets, 61, quorate_metrics="train_loss")
    require_nothing_of_updates(ours.received, "train_loss")
    clear = last_sent(run_example(before("pytorch", tmp_path), sockets, 61))
    with quorate_client.Visits(str(sockets[0]), "flower/61") as agent:
        model = agent.model().parameters
    for name, values in clear.items():
        if values.dtype.kind == "f":
            assert np.allclose(model[name], values, rtol=0, atol=1e-3), name
