"""A dummy weight, or another name of the data, on the board that comes after a handover of the key.

Source: our own. What was opened before can be subtracted from what is opened after it, as on one
board. The new board has nothing of what hospitals had contributed. So each compares what it adds
with what lies in its folder of the federation before, and says so. It says the same of what it
has no more.
"""

from collections.abc import Sequence

import pytest

from participant.model.file import model_name
from protocol.messages.rounds import Near
from protocol.rounds.history import OpenedSets
from tests.attacks.studies.test_near import Dummy, add, rules, study_of, train
from tests.stage.handover.rosters import Who
from tests.stage.handover.tables import table_after
from tests.stage.rounds.round_table import KeyedTable, RoundTable, Steps
from tests.stage.studies import statistic_study, training_study

STAY: Who = [1, 2, 3, 4, "G1"]
LEAVE: Who = [1, 2, 3, 5, "G1"]  # 4 leaves
FOUR, THREE = (1, 2, 3, 4), (1, 2, 3)


class Far(Steps):
    """``Steps`` from another model, which is beyond the clip."""

    def initial_parameters(self, config):
        return [parameter + 100 for parameter in super().initial_parameters(config)]


def named(table: RoundTable) -> dict[int, Near]:
    contributions = table.view(table.session(1)).contributions
    return {i: posted.post.body.near for i, posted in contributions.items()}


def is_open(table: RoundTable) -> bool:
    return len(table.view(table.session(1)).partials) >= table.terms.quorum


def lines(table: RoundTable) -> set[str]:
    return {r.reason for r in table.view(table.session(1)).refusals.values()}


# ── numbers ──


def asked() -> RoundTable:
    """The mean over {1,2,3,4}, in the federation before."""
    first = KeyedTable(study=study_of(None, "mean-age", "patients"))
    add(first, FOUR, (7, 9))
    assert is_open(first)
    return first


def asked_again(table: RoundTable, data: str, values: Sequence[int]) -> RoundTable:
    """Over {1,2,3}, in the federation that it is."""
    second = RoundTable(study=study_of(table, "ages", data), at=table)
    add(second, THREE, values)
    return second


@pytest.mark.parametrize("who", [STAY, LEAVE], ids=["stays", "leaves"])
@pytest.mark.parametrize(
    ("data", "values"), [("patients", (7, 9)), ("patients", (1, 2)), ("visits", (7, 9))]
)
def test_the_same_data_or_the_same_numbers_as_before_are_refused(
    who: Who, data: str, values: Sequence[int]
) -> None:
    table = asked_again(table_after(asked(), who), data, values)
    reason = "with the sum of mean-age/1 (taken over, 1) it shows what H4 alone added"
    assert all(line.startswith(reason) for line in lines(table))
    assert {rule for rule, _ in rules(table)} == {"differencing"}
    assert not is_open(table)


def test_other_numbers_of_other_data_than_before_are_opened() -> None:
    table = asked_again(table_after(asked(), STAY), "visits", (1, 2))
    assert set(named(table).values()) == {Near()}
    assert is_open(table)


def test_where_hospitals_do_not_know_what_they_added_before_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OpenedSets, "added_before", lambda *place: [])
    table = asked_again(table_after(asked(), LEAVE), "visits", (7, 9))
    assert is_open(table)


@pytest.mark.parametrize("left", ["no note", "no folder", "no numbers", "damaged", "another key"])
def test_what_a_hospital_cannot_compare_counts_as_near(left: str) -> None:
    old = asked()
    new = table_after(old, STAY, noted=left != "no note")
    for i in FOUR:
        disk = old.disks[i]
        if left == "no folder":
            new.disks[i].beside = {}
        if left == "no numbers":
            disk.delete("studies/mean-age/numbers")
        if left == "damaged":
            disk.write("studies/mean-age/numbers", b"x" * 40)
        if left == "another key":  # that of another hospital, as after a replaced identity
            kept = old.disks[i % 4 + 1].read("studies/mean-age/numbers")
            assert kept is not None
            new.disks[i].beside = {name: type(disk)() for name in new.disks[i].beside}
            for other in new.disks[i].beside.values():
                other.write("studies/mean-age/numbers", kept)
    table = asked_again(new, "visits", (1, 2))
    assert {i: near.before for i, near in named(table).items()} == {
        1: (0,),
        2: (0,),
        3: (0,),
        4: (0,),
        5: (),  # it has never added anything
    }
    assert not is_open(table)


def test_it_is_known_over_two_handovers_and_by_the_right_federation() -> None:
    """Both federations have a study of one name, over data of two."""
    middle = table_after(asked(), STAY)
    again = RoundTable(study=study_of(middle, "mean-age", "visits"), at=middle)
    add(again, FOUR, (1, 2))
    assert is_open(again)
    newest = table_after(again, STAY_ON)
    for values, places in (((7, 9), (0,)), ((1, 2), (1,)), ((3, 4), ())):
        name = f"again-{values[0]}"
        table = RoundTable(study=study_of(newest, name, name), at=newest)
        add(table, THREE, values)
        assert {i: near.before for i, near in named(table).items() if i in FOUR} == dict.fromkeys(
            FOUR, places
        )
        assert is_open(table) == (not places)


@pytest.mark.parametrize("handovers", [1, 2])
def test_what_was_added_before_a_note_was_lost_stays_unknown_though_more_was_added(
    handovers: int,
) -> None:
    """Machines are put back from backups of the key alone, and add over data of the same name."""
    middle = table_after(asked(), STAY, noted=False)
    newest = RoundTable(study=study_of(middle, "more", "patients"), at=middle)
    add(newest, FOUR, (1, 2))
    for number in range(handovers):
        newest = table_after(newest, [1, 2, 3, 4, f"G{number + 2}"])
    table = asked_again(newest, "visits", (7, 9))
    assert {near.before for i, near in named(table).items() if i in FOUR} == {(0,)}
    assert not is_open(table)


STAY_ON: Who = [1, 2, 3, 4, "G2"]


# ── models ──


def trained() -> RoundTable:
    """A round over {1,2,3,4}, in the federation before."""
    first = KeyedTable()
    train(first, Steps, FOUR)
    assert is_open(first)
    return first


def trained_again(table: RoundTable, app: type[Steps]) -> RoundTable:
    second = RoundTable(study=training_study(table.terms, "tumours"), at=table)
    train(second, app, THREE)
    return second


@pytest.mark.parametrize("who", [STAY, LEAVE], ids=["stays", "leaves"])
@pytest.mark.parametrize("app", [Steps, Dummy])
def test_a_model_that_differs_in_a_dummy_weight_from_one_before_is_no_other_model(
    who: Who, app: type[Steps]
) -> None:
    table = trained_again(table_after(trained(), who), app)
    near = Near((), (0,)) if app is Dummy else Near()
    assert {i: one for i, one in named(table).items() if i in THREE} == dict.fromkeys(THREE, near)
    assert {rule for rule, _ in rules(table)} == {"differencing"}
    assert not is_open(table)


def test_from_a_model_far_from_those_before_a_round_is_opened() -> None:
    table = trained_again(table_after(trained(), STAY), Far)
    assert set(named(table).values()) == {Near()}
    assert is_open(table)


@pytest.mark.parametrize("left", ["no note", "no folder", "no model"])
def test_a_model_of_before_that_is_here_no_more_counts_as_near(left: str) -> None:
    old = trained()
    new = table_after(old, STAY, noted=left != "no note")
    for i in FOUR:
        if left == "no folder":
            new.disks[i].beside = {}
        old.disks[i].delete(model_name("cardio", 0))
    table = trained_again(new, Far)
    assert {i for i, near in named(table).items() if near.before == (0,)} == {*FOUR}
    assert not is_open(table)


def test_where_models_of_before_are_not_compared_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OpenedSets, "added_before", lambda *place: [])
    assert is_open(trained_again(table_after(trained(), LEAVE), Dummy))


# ── both ──


def test_numbers_are_not_compared_with_models_nor_models_with_numbers() -> None:
    old = trained()
    both = RoundTable(study=study_of(old, "mean-age", "patients"), at=old)
    old.tasks.clear()
    add(both, FOUR, (7, 9))
    new = table_after(both, STAY)
    for i in FOUR:
        new.disks[i].beside = {}  # all is lost
    statistic = asked_again(new, "visits", (1, 2))
    training = trained_again(new, Far)
    data, model = (one.before for one in (named(statistic)[1], named(training)[1]))
    assert len(data) == len(model) == 1
    assert data != model


def test_what_was_near_to_a_sum_in_a_round_of_which_nothing_came_is_compared_too() -> None:
    """The first list is near to the second one, and the second to the third."""
    old = asked()
    second = RoundTable(study=statistic_study(old.terms, 4, "second", data="second"), at=old)
    add(second, (1, 2), (7, 9, 11, 13))
    assert not is_open(second)
    new = table_after(second, LEAVE)
    table = asked_again(new, "visits", (11, 13))
    (places,) = {near.before for i, near in named(table).items() if i in THREE}
    assert len(places) == 1
    assert {rule for rule, _ in rules(table)} == {"differencing"}
