"""A dummy weight changes a model's digest, another name is given to data: the numbers are the same.

Source: our own. Whoever proposes studies chooses what they start from and what data is called. So
each hospital compares what it adds itself, with what it added to other studies, and says so.
"""

import contextlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.same_numbers import SameNumbers
from participant.statistic.task import StatisticTask
from participant.training import course, starts
from participant.training.starts import Alike
from protocol.board.draft import Draft
from protocol.board.study import Study
from protocol.errors import Refused
from protocol.messages.plan import Ending
from protocol.messages.rounds import Near
from protocol.messages.session import round_session
from tests.stage.rounds.contribution import near_to
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import statistic_study, training_study
from tests.stage.toy import number_secret

FIVE = (1, 2, 3, 4, 5)


class Dummy(Steps):
    """``Steps`` with another dummy weight, so small that it changes no update."""

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        weights, bias = super().initial_parameters(config)
        return [weights, bias + bias.dtype.type(1e-6)]


def until_refused(table: RoundTable) -> None:
    """Everybody speaks; who refuses has ended."""
    while table.tasks:
        try:
            return table.settle()
        except Refused:
            view = table.view(table.session(1))
            for i in view.refusals.keys() & table.tasks.keys():
                del table.tasks[i]


def rules(table: RoundTable) -> set[tuple[str, int]]:
    found = table.view(table.session(1)).refusals.values()
    return {(refusal.rule, refusal.member) for refusal in found}


# ── models ──


def train(table: RoundTable, app: type[Steps], contributors: Sequence[int]) -> None:
    """A study's first round, closed over some hospitals; all of them help with what they may."""
    for i in FIVE:
        table.train(i, app(i / 8))
    until_refused(table)
    table.open(table.session(1))
    until_refused(table)
    table.close(table.session(1), contributors)
    until_refused(table)


def after_four() -> RoundTable:
    table = RoundTable()
    train(table, Steps, (1, 2, 3, 4))
    assert len(table.view(table.session(1)).partials) >= table.terms.quorum
    table.tasks.clear()
    return table


def trained_again(app: type[Steps]) -> RoundTable:
    first = after_four()
    study = training_study(first.terms, "tumours")
    second = RoundTable(study=study, at=first)
    train(second, app, (1, 2, 3))
    return second


@pytest.mark.parametrize("app", [Steps, Dummy])
def test_a_model_that_differs_in_a_dummy_weight_is_no_other_model(app: type[Steps]) -> None:
    table = trained_again(app)
    view = table.view("study/tumours/1")
    named = {posted.post.body.near.rounds for posted in view.contributions.values()}
    assert named == {() if app is Steps else ("study/cardio/1",)}
    assert rules(table) == {("differencing", 4)}
    assert not view.partials


def test_where_hospitals_do_not_compare_models_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(course, "alike_before", lambda *arguments: Alike())
    table = trained_again(Dummy)
    assert len(table.view("study/tumours/1").partials) >= table.terms.quorum


def twins() -> RoundTable:
    """Two studies from one model, each of whose first rounds is over all; then one without 5."""
    first = RoundTable()
    second = RoundTable(study=training_study(first.terms, "tumours"), at=first)
    for table in (first, second):
        for i in FIVE:
            table.train(i, Steps(i / 8))
    for number in (1, 2):
        for table in (first, second):
            table.settle()
            table.open(table.session(number))
            first.settle()
            second.settle()
            chosen = FIVE if (table, number) != (second, 2) else FIVE[:4]
            table.close(table.session(number), chosen)
            with contextlib.suppress(Refused):
                table.settle()
    return second


def test_models_of_studies_that_go_the_same_way_are_near_after_each_round() -> None:
    view = twins().view("study/tumours/2")
    assert {posted.post.body.near.rounds for posted in view.contributions.values()} == {
        ("study/cardio/2",)
    }
    assert {(r.rule, r.member) for r in view.refusals.values()} == {("differencing", 5)}
    assert not view.partials


def test_where_only_first_models_are_compared_the_second_round_shows_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starts, "LATER", -1.0)  # two models may be the very same, by rounding
    table = twins()
    assert len(table.view("study/tumours/2").partials) >= table.terms.quorum


# ── numbers ──


def add(table: RoundTable, contributors: Sequence[int], values: Sequence[int]) -> None:
    """A statistic: hospitals contribute the same numbers as ever, and help to open the sum."""
    held = {i: table.ring(i) for i in FIVE}
    for i in FIVE:
        numbers = Numbers("numbers.csv", tuple(Decimal(100 * i + value) for value in values))
        place = table.terms, table.study, held[i], numbers, table.disks[i]
        table.seat(i, StatisticTask(*place, number_secret(i)))
    table.open(table.session(1))
    until_refused(table)
    table.tasks.clear()
    table.close(table.session(1), contributors)
    for i in FIVE:
        helping = table.terms, table.study, 1, held[i], table.disks[i]
        table.seat(i, DecryptionTask(*helping, lambda question: True))
    until_refused(table)
    table.tasks.clear()


def study_of(table: RoundTable | None, name: str, data: str) -> Study:
    terms = (table or RoundTable()).terms
    return statistic_study(terms, 2, name, data=data)


def asked_twice(data: str, values: Sequence[int]) -> RoundTable:
    first = RoundTable(study=study_of(None, "mean-age", "patients"))
    add(first, (1, 2, 3, 4), (7, 9))
    assert len(first.view("study/mean-age/1").partials) >= first.terms.quorum
    second = RoundTable(study=study_of(first, "ages", data), at=first)
    add(second, (1, 2, 3), values)
    return second


@pytest.mark.parametrize(
    ("data", "values"), [("patients", (7, 9)), ("patients", (1, 2)), ("visits", (7, 9))]
)
def test_the_same_data_or_the_same_numbers_are_refused(data: str, values: Sequence[int]) -> None:
    table = asked_twice(data, values)
    assert rules(table) == {("differencing", 4)}
    assert not table.view("study/ages/1").partials


def test_other_numbers_of_other_data_are_opened() -> None:
    table = asked_twice("visits", (1, 2))
    assert not rules(table)
    assert len(table.view("study/ages/1").partials) >= table.terms.quorum


def test_where_hospitals_do_not_compare_their_numbers_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SameNumbers, "near", lambda *arguments: Near())
    table = asked_twice("visits", (7, 9))
    assert len(table.view("study/ages/1").partials) >= table.terms.quorum


def test_what_was_contributed_while_a_round_waited_is_named() -> None:
    """A statistic waits for another over its data; meanwhile the same numbers go elsewhere."""
    first = RoundTable(study=study_of(None, "a", "visits"))
    second = RoundTable(study=study_of(first, "b", "visits"), at=first)
    third = RoundTable(study=study_of(first, "c", "patients"), at=first)
    for table in (first, second, third):
        table.open(round_session(table.study, 1))
    numbers = Numbers("numbers.csv", (Decimal(7), Decimal(9)))
    for table in (second, third):
        place = first.terms, table.study, first.ring(1), numbers, first.disks[1]
        table.seat(1, StatisticTask(*place, number_secret(1)))
    assert second.due(1) is None  # the first is open
    third.settle()
    assert third.view("study/c/1").contributions.keys() == {1}
    for name in "ac":  # of which nothing comes any more
        digest = first.study_of(round_session(name, 1)).digest
        for i in FIVE:
            first.say(i, Draft(f"study/{name}", Ending(digest)))
    draft = second.due(1)
    assert draft is not None
    assert draft.body.near == near_to("study/c/1")
