"""A study goes on from an early model of a federation before, and trains the later rounds again.

Source: our own. A study that goes on from an old one is not compared with the rounds that led to
its first model, as rounds of one study are not with each other. Whoever proposes plans chooses that
model. After an early one each round's model is nearly that of an old round. The difference of the
two sums shows what a hospital has added that is in the old one alone.
"""

import contextlib
from collections.abc import Mapping, Sequence

import pytest

from participant.study import earlier
from participant.study.earlier import Earlier
from protocol.errors import Refused
from protocol.messages.rounds import Near
from tests.attacks.studies.test_near_to_before import FOUR, STAY, THREE
from tests.stage.handover.rosters import Who
from tests.stage.handover.tables import table_after
from tests.stage.rounds.round_table import KeyedTable, RoundTable, Steps
from tests.stage.studies import training_study

LATER: Who = [1, 2, 3, 4, "G2"]


def play(table: RoundTable, number: int, members: Sequence[int]) -> None:
    """A round, closed over some."""
    table.settle()
    table.open(table.session(number))
    table.settle()
    table.close(table.session(number), members)
    with contextlib.suppress(Refused):
        table.settle()


def trained(table: RoundTable, step: float = 1 / 8) -> RoundTable:
    """Hospitals 1 to 4 train; each adds so many steps as its number."""
    for i in FOUR:
        table.train(i, Steps(i * step))
    return table


def rounds(table: RoundTable, number: int) -> RoundTable:
    """So many of them, over all four."""
    for k in range(1, number + 1):
        play(table, k, FOUR)
    return table


def going_on(old: RoundTable, start: RoundTable, number: int, step: float = 0.1251) -> RoundTable:
    """A study of the federation after ``old``, from a model of ``start``'s study.

    step: a bit more than before, as training on other machines is never quite the same.
    """
    new = table_after(old, STAY if old is start else LATER)
    place = {"start_study": start.study, "start_federation": start.terms.federation}
    plan = training_study(new.terms, "again", start_round=number, **place)
    return trained(RoundTable(study=plan, at=new), step)


def is_open(table: RoundTable, number: int) -> bool:
    return len(table.view(table.session(number)).partials) >= table.terms.quorum


def refused(table: RoundTable, number: int) -> set[str]:
    return {one.rule for one in table.view(table.session(number)).refusals.values()}


def near(table: RoundTable, number: int) -> set[Near]:
    contributions = table.view(table.session(number)).contributions
    return {posted.post.body.near for posted in contributions.values()}


def without_four(table: RoundTable) -> RoundTable:
    """Its first round is open, and its second one is closed without hospital 4."""
    assert is_open(table, 1)
    play(table, 2, THREE)
    return table


def trained_again() -> RoundTable:
    """From the model after the first of three rounds."""
    old = rounds(trained(KeyedTable()), 3)
    return without_four(rounds(going_on(old, old, 1), 1))


def test_a_later_round_that_is_trained_again_is_compared() -> None:
    table = trained_again()
    assert near(table, 2) == {Near((), (2,))}
    assert refused(table, 2) == {"differencing"}
    assert not is_open(table, 2)


def test_where_all_old_rounds_count_as_the_study_s_own_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_of_those(one: Earlier, rounds: Mapping[tuple[bytes, str], int]) -> bool:
        return all((kept.federation, kept.study) in rounds for kept in one.kept)

    monkeypatch.setattr(earlier, "_has_led", is_of_those)
    assert is_open(trained_again(), 2)


def test_two_studies_of_two_federations_that_go_on_from_one_model_are_compared() -> None:
    old = rounds(trained(KeyedTable()), 1)
    middle = rounds(going_on(old, old, 1, 0.125), 2)
    table = without_four(rounds(going_on(middle, old, 1), 1))
    assert refused(table, 2) == {"differencing"}
    assert not is_open(table, 2)


def test_a_study_that_stood_still_leads_to_no_later_rounds_of_the_one_before() -> None:
    """Three rounds in which the model stays as it was, as liars can bring about."""
    old = rounds(trained(KeyedTable()), 3)
    middle = rounds(going_on(old, old, 1, 0.0), 3)
    table = without_four(rounds(going_on(middle, middle, 3), 1))
    assert refused(table, 2) == {"differencing"}
    assert not is_open(table, 2)
