"""A dummy weight, after hospitals have let go of the models that they contributed from.

Source: our own. A hospital that has a sample of a model alone must still see that a study starts
near to it. Whoever knew the places of the sample could have a study start from a model that is
another one just there. Nobody else knows them, but each answer that hangs by them tells a bit: the
answers are on the board. To make such a model of many answers is the attack on a public leaderboard
by Blum and Hardt (ICML 2015, "The ladder").
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from participant.model import Layout, Model, checked, sample, sample_of
from participant.model.file import model_name
from participant.pruning import PruningTask, SampledModels, samples
from protocol.encoding import encode
from protocol.messages.rounds import Near
from tests.attacks.studies.test_near import FIVE, Dummy, rules, train
from tests.attacks.studies.test_near_to_before import FOUR, LEAVE, THREE, Far, is_open, named
from tests.simulator.disk import Disk
from tests.stage.handover.tables import table_after
from tests.stage.rounds.round_table import KeyedTable, RoundTable, Steps
from tests.stage.studies import STUDY, training_study
from tests.stage.toy import model_secret

LARGE = 6_000  # weights
WHERE = pytest.mark.parametrize("after", [lambda table: table, lambda t: table_after(t, LEAVE)])
After = Callable[[RoundTable], RoundTable]


class Large(Steps):
    """It begins with many weights, all 0."""

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.zeros(LARGE, dtype=np.float32)]


def app_from(start: np.ndarray) -> type[Steps]:
    """An app that begins with these weights."""

    class Begins(Steps):
        def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
            return [start.copy()]

    return Begins


def let_go(table: RoundTable) -> RoundTable:
    """All hospitals do, of the model from which they have contributed."""
    for i in FIVE:
        task = PruningTask(i, table.disks[i], model_secret(i), 2)
        if table.disks[i].read(model_name(STUDY, 0)):
            assert task._let_go(STUDY, 0)
        assert table.disks[i].read(model_name(STUDY, 0)) is None
    return table


def trained(app: type[Steps] = Steps) -> RoundTable:
    """A round over {1,2,3,4}, whose first model is let go of."""
    table = KeyedTable()
    train(table, app, FOUR)
    assert is_open(table)
    table.tasks.clear()
    return let_go(table)


def again(table: RoundTable, app: type[Steps]) -> RoundTable:
    """Another study, without hospital 4."""
    second = RoundTable(study=training_study(table.terms, "tumours"), at=table)
    train(second, app, THREE)
    return second


def said(table: RoundTable) -> set[Near]:
    return {near for i, near in named(table).items() if i in THREE}


@WHERE
def test_a_model_near_to_one_that_was_let_go_of_is_no_other_model(after: After) -> None:
    table = again(after(trained()), Dummy)
    assert said(table) in ({Near(("study/cardio/1",))}, {Near((), (0,))})
    assert {rule for rule, _ in rules(table)} == {"differencing"}
    assert not is_open(table)


@WHERE
def test_from_a_model_far_from_those_let_go_of_a_round_is_opened(after: After) -> None:
    table = again(after(trained()), Far)
    assert said(table) == {Near()}
    assert is_open(table)


@WHERE
def test_a_sample_that_is_gone_too_hides_no_difference(after: After) -> None:
    table = trained()
    for i in FOUR:
        table.disks[i].delete(f"studies/{STUDY}/sample-0")
    assert not is_open(again(after(table), Far))


@WHERE
def test_where_samples_are_not_asked_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch, after: After
) -> None:
    monkeypatch.setattr(SampledModels, "is_near", lambda *given: False)
    assert is_open(again(after(trained()), Dummy))


# ── who knows the places, and who does not ──


@pytest.fixture
def few_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "EVENLY", 1 << 9)
    monkeypatch.setattr(sample, "BY_SIZE", 1 << 9)


def places_of(table: RoundTable, index: int) -> np.ndarray:
    found = SampledModels(model_secret(index), table.disks[index]).kept(STUDY, 0)
    assert found is not None
    return np.frombuffer(found.entries[0].places, "<u4")


def test_a_model_that_is_another_one_at_a_few_weights_is_known_again(few_drawn: None) -> None:
    start = np.zeros(LARGE, dtype=np.float32)
    start[random.Random(1).sample(range(LARGE), LARGE // 3)] = 100
    assert not is_open(again(trained(Large), app_from(start)))


def test_where_the_places_of_two_hospitals_are_known_the_difference_is_open(
    few_drawn: None,
) -> None:
    """So all rests on their secrecy."""
    table, start = trained(Large), np.zeros(LARGE, dtype=np.float32)
    for i in (1, 2):
        start[places_of(table, i)] = 100
    assert 2 * np.count_nonzero(start == 0) > LARGE
    assert is_open(again(table, app_from(start)))


def test_hospitals_draw_other_places_so_that_one_liar_knows_none_of_the_others(
    few_drawn: None,
) -> None:
    """It deceives itself alone."""
    table, start = trained(Large), np.zeros(LARGE, dtype=np.float32)
    start[places_of(table, 1)] = 100
    second = again(table, app_from(start))
    found = named(second)
    assert found[1] == Near()
    assert {found[i] for i in (2, 3)} == {Near(("study/cardio/1",))}
    assert not is_open(second)


def test_nothing_of_a_sample_leaves_a_hospital(few_drawn: None) -> None:
    table = trained(Large)
    second = again(table, app_from(np.full(LARGE, 0.01, dtype=np.float32)))
    told = [*map(encode, second.entries), *second.blobs.values()]
    assert len(told) > 20
    for i in FIVE:
        stored = table.disks[i].read(f"studies/{STUDY}/sample-0")
        assert stored is not None
        raw = places_of(table, i).tobytes()
        pieces = [stored[k : k + 16] for k in range(0, 160, 16)]
        pieces += [raw[k : k + 16] for k in range(0, len(raw) - 16, 16)]
        assert not any(piece in data for data in told for piece in pieces)


# ── many answers ──


def model(values: np.ndarray) -> Model:
    entries = {"a": values}
    return Model.of(checked(entries, Layout.of(entries), "initial_parameters"))


OLD = model(np.zeros(LARGE, dtype=np.float32))


def at(places: np.ndarray) -> Model:
    """The old model, and another one at these places."""
    values = np.zeros(LARGE, dtype=np.float32)
    values[places] = 100
    return model(values)


def made_of_answers(n_answers: int) -> bool:
    """Whether a near model is called far that follows from so many answers, near or far.

    Each question is another one at some random half of the weights. Those that were so where the
    answer was far, more often than where it was near, are so in the last one.
    """
    draw, disk = np.random.default_rng(3), Disk()
    asked = SampledModels(model_secret(1), disk)
    drawn = sample_of(OLD)

    def is_near(start: Model) -> bool:
        return asked.is_near(drawn, start, 1.0)

    assert not is_near(at(np.arange(LARGE)))
    margin = np.sqrt(sample.BITS * np.log(2) / 2 / (sample.EVENLY + sample.BY_SIZE))
    n_far = round(LARGE * (0.5 + margin))  # so that either answer is as likely
    score = np.zeros(LARGE)
    for _ in range(n_answers):
        far = draw.permutation(LARGE)[:n_far]
        score[far] += -1 if is_near(at(far)) else 1
    last = np.argsort(score)[-(LARGE // 2 - 1) :]
    return not is_near(at(last))


ENOUGH = 900


def test_no_near_model_that_is_made_of_answers_is_called_far(few_drawn: None) -> None:
    assert not made_of_answers(ENOUGH)
    assert not made_of_answers(samples.MOST_CLOSE)


def test_where_a_sample_answers_without_end_one_is(
    few_drawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MOST_CLOSE", 1 << 20)
    assert made_of_answers(ENOUGH)
