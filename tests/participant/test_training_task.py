"""Rounds of training, as one hospital's task sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keyshare.encryption import Encryptor, randomiser_base
from keyshare.packing import ciphertext_count
from keyshare.randomness import Stream
from participant.errors import BadApp, ModelMismatch
from participant.training_task import TrainingTask
from protocol.ciphertexts import Encrypted, write_ciphertexts
from protocol.errors import Refused
from protocol.messages import Contribution, Partial, Refusal, SetLock, Statement
from protocol.suite import packing_of
from tests.participant.round_table import RoundTable, Steps


def test_a_round_gives_everyone_the_weighted_average() -> None:
    table = RoundTable()
    tasks = [table.train(i, Steps(i / 10)) for i in table.toy.federation.members]
    table.play("round/1")
    for task in tasks:
        assert task.finished == 1
        weights, bias = task.parameters
        assert weights.shape == (1, 2)
        assert bias.dtype == np.float32
        np.testing.assert_allclose(weights, 0.3, atol=1e-4)
        np.testing.assert_allclose(bias, 0.3, atol=1e-4)
    assert len({task.parameters[0].tobytes() for task in tasks}) == 1


def test_a_hospital_that_was_away_catches_up_with_the_others() -> None:
    table = RoundTable()
    present = [table.train(i, Steps()) for i in (1, 2, 3, 4)]
    table.play("round/1")
    late = table.train(5, Steps())
    table.settle()
    assert late.finished == 1
    assert np.array_equal(late.parameters[0], present[0].parameters[0])
    assert 5 not in table.view("round/1").contributions


def test_a_restart_goes_on_from_the_stored_model() -> None:
    table = RoundTable()
    for i in table.toy.federation.members:
        table.train(i, Steps())
    table.play("round/1")
    app = Steps()
    again = table.train(2, app)
    assert (again.finished, app.fits) == (1, 0)
    assert again.due() is None


def test_a_round_from_another_model_is_refused() -> None:
    table = RoundTable()
    task = table.train(1, Steps())
    table.settle()
    table.open("round/1", model=b"x" * 32)
    with pytest.raises(ModelMismatch) as caught:
        task.due()
    assert caught.value.round_name == "1"


def test_a_round_under_another_key_is_refused() -> None:
    table = RoundTable()
    task = table.train(1, Steps())
    table.settle()
    table.open("round/1", epoch=b"x" * 32)
    with pytest.raises(ModelMismatch):
        task.due()


@pytest.mark.parametrize("changes", [{"length": 4}, {"kind": "statistic"}])
def test_a_round_of_another_length_or_kind_is_refused(changes: dict[str, Any]) -> None:
    table = RoundTable()
    task = table.train(1, Steps())
    table.settle()
    table.open("round/1", **changes)
    with pytest.raises(ModelMismatch):
        task.due()


def test_rounds_beyond_the_terms_are_not_listened_to() -> None:
    table = RoundTable()
    task = table.train(1, Steps())
    last = table.terms.rounds.count
    assert task.wants(f"round/{last}")
    assert not task.wants(f"round/{last + 1}")


class Wrong(Steps):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def fit(self, parameters: list[np.ndarray], config: Any) -> Any:
        return self.answer


GOOD = [np.zeros((1, 2)), np.zeros(1, dtype=np.float32)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (([np.array([[np.nan, 0]]), GOOD[1]], 10, {}), "entry 0, 'parameter_0', holds NaN"),
        (
            ([GOOD[0], np.array([np.inf], dtype=np.float32)], 10, {}),
            "'parameter_1', holds NaN or inf",
        ),
        ((GOOD[:1], 10, {}), "entry 1, 'parameter_1', is missing"),
        (
            ([np.zeros((2, 2)), GOOD[1]], 10, {}),
            r"entry 0, 'parameter_0', has shape \(2, 2\) instead of \(1, 2\)",
        ),
        (([np.zeros(2), GOOD[1]], 10, {}), r"entry 0, 'parameter_0', has shape \(2,\)"),
        (
            ([GOOD[0], np.zeros(1, dtype=int)], 10, {}),
            "'parameter_1', has dtype int64 instead of float32",
        ),
        (
            ([[0.0, 0.0], GOOD[1]], 10, {}),
            "entry 0, 'parameter_0', is of type list, not a numpy array",
        ),
        ((GOOD, 0, {}), "0 examples"),
        ((GOOD, 5_000, {}), "5000 examples"),
        ((GOOD, 10.0, {}), "num_examples is float"),
        ((GOOD, True, {}), "num_examples is bool"),
        (GOOD, "it must return"),
        (None, "it must return"),
    ],
)
def test_an_unusable_update_is_refused_before_anything_is_said(answer: Any, reason: str) -> None:
    table = RoundTable()
    task = table.train(1, Wrong(answer))
    table.settle()
    table.open("round/1")
    with pytest.raises(BadApp, match=reason) as caught:
        task.due()
    assert caught.value.function == "fit"


def test_clipped_values_are_counted() -> None:
    reports: list[tuple[int, str, dict[str, Any]]] = []
    table = RoundTable()
    task = table.train(1, Steps(100.0))
    task._report = lambda *report: reports.append(report)
    table.settle()
    table.open("round/1")
    assert isinstance(task.due().body, Contribution)  # type: ignore[union-attr]
    assert (1, "clipped", {"values": 3}) in reports


def test_a_closing_over_one_update_is_refused_by_every_hospital() -> None:
    table = RoundTable()
    for i in table.toy.federation.members:
        table.train(i, Steps())
    table.settle()
    table.open("round/1")
    table.settle()
    table.close("round/1", [3])
    for index, task in list(table.tasks.items()):
        draft = task.due()
        assert draft is not None
        with pytest.raises(Refused) as caught:
            table.publish(index, draft)
        assert (caught.value.round_name, caught.value.rule) == ("1", "min-contributors")
        del table.tasks[index]
    view = table.view("round/1")
    assert set(view.refusals) == set(table.toy.federation.members)
    assert all(isinstance(r, Refusal) for r in view.refusals.values())
    assert {r.rule for r in view.refusals.values()} == {"min-contributors"}
    assert not view.locks
    assert not view.partials


def test_nothing_is_released_before_enough_hospitals_have_locked_the_set() -> None:
    table = RoundTable()
    for i in table.toy.federation.members:
        table.train(i, Steps())
    table.settle()
    table.open("round/1")
    table.settle()
    table.close("round/1")
    del table.tasks[4], table.tasks[5]  # three locks, four are needed
    table.settle()
    view = table.view("round/1")
    assert len(view.locks) == 3
    assert not view.partials
    chosen = view.chosen(table.terms.federation)
    assert chosen is not None
    table.train(4, Steps())
    table.settle()
    assert len(table.view("round/1").partials) >= table.terms.quorum
    locks = [p for p in table.board.session("round/1") if p.post.body == SetLock(chosen)]
    assert len(locks) == 4


@pytest.mark.parametrize("restarted", [False, True])
def test_whoever_locked_the_set_helps_though_it_knows_the_sum_already(restarted: bool) -> None:
    table = RoundTable()
    for i in table.toy.federation.members:
        table.train(i, Steps())
    table.settle()
    table.open("round/1")
    table.settle()
    table.close("round/1")
    while not table.view("round/1").partials.keys() >= {1, 2, 3}:
        for i in (1, 2, 3, 4):
            said = {Partial, Statement} if i == 4 else {Statement}
            draft = table.tasks[i].due()
            if draft and type(draft.body) not in said:
                table.publish(i, draft)
    last = table.tasks[4]
    assert isinstance(last, TrainingTask)
    assert last.finished == 1
    if restarted:
        last = table.train(4, Steps())
    table.settle()
    assert 4 in table.view("round/1").partials
    assert 4 in table.view("round/1").statements


def test_a_hospital_at_another_model_is_reported_and_can_mend_it() -> None:
    class Other(Steps):
        def initial_parameters(self, config: Any) -> list[np.ndarray]:
            return [np.ones((1, 2)), np.zeros(1, dtype=np.float32)]

    reports: list[tuple[int, str, dict[str, Any]]] = []
    table = RoundTable()
    for i in (1, 2, 3):
        table.train(i, Steps())._report = lambda *report: reports.append(report)
    table.train(4, Other())
    table.settle()
    assert reports == [(0, "disagreement", {"members": ["H4"]})] * 3
    assert len({s.result for s in table.view("round/0").statements.values()}) == 2
    del table.tasks[4]
    table.train(4, Steps())
    table.settle()
    assert len({s.result for s in table.view("round/0").statements.values()}) == 1
    assert len(table.board.session("round/0")) == 5


def test_a_garbage_contribution_voids_the_round_and_not_the_training() -> None:
    class Garbage(TrainingTask):
        def _encrypt(self, number: int, update: Any, examples: int) -> bytes:
            n = self._epoch.joint_key().n
            encryptor = Encryptor(n, randomiser_base(n, self._epoch.digest))
            stream = Stream(bytes(32))
            count = ciphertext_count(len(update) + 1, packing_of(self._terms))
            values = tuple(encryptor.encrypt(n - 1, stream) for _ in range(count))
            return write_ciphertexts(Encrypted(values), n)

    table = RoundTable()
    tasks = [table.train(i, Steps()) for i in (1, 2, 3, 4)]
    bad = Garbage(table.terms, table.secret(5), Steps(), table.disks[5])
    table.seat(5, bad)
    reports: list[tuple[int, str, dict[str, Any]]] = []
    tasks[0]._report = lambda *report: reports.append(report)
    table.play("round/1")
    assert "void" in [event for _, event, _ in reports]
    assert all(task.finished == 1 for task in tasks)
    assert all(not task.parameters[0].any() for task in tasks)
    assert len({s.result for s in table.view("round/1").statements.values()}) == 1


def test_a_sum_is_not_applied_to_another_model_than_the_rounds() -> None:
    class Other(Steps):
        def initial_parameters(self, config: Any) -> list[np.ndarray]:
            return [np.ones((1, 2)), np.zeros(1, dtype=np.float32)]

    table = RoundTable()
    for i in (1, 2, 3, 4):
        table.train(i, Steps())
    table.play("round/1")
    with pytest.raises(ModelMismatch):
        table.train(5, Other())
    assert table.disks[5].read("models/round-1.safetensors") is None
