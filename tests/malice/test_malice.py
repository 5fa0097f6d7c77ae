"""What a malicious aggregator learns; and that a rule is missed which hospitals leave out."""

import pytest

from tests.malice.aggregator import Aggregator
from tests.malice.consortium import consortium
from tests.malice.machine import Course, MaliciousAggregator
from tests.malice.oracle import Violation, alone, rank, smallest_support
from tests.malice.planted import OF_STATISTICS, RULES, without
from tests.malice.reading import check_reading
from tests.malice.run import Tally, play
from tests.malice.statistic_moves import MaliciousStatistics
from tests.malice.theft import Theft

M = b"m"
WITHIN = 800  # sequences


def row(*members: int, of: bytes = M) -> dict[tuple[int, bytes, int], int]:
    return {(member, of, 0): 1 for member in members}


# ── the oracle ──


def test_the_oracle_subtracts_sums():
    assert alone([row(1, 2, 3), row(1, 2)]) == 3
    assert alone([row(1, 2, 3), row(1, 4, 5), row(2, 3, 4, 5)]) == 1
    assert alone([row(1, 2, 3), row(1, 4, 5)]) is None
    assert smallest_support([row(1, 2, 3), row(1, 2, 4)], 2) == ((3, M, 0), (4, M, 0))


def test_the_oracle_counts_multiplicities_models_and_places():
    assert alone([{(1, M, 0): 2, (2, M, 0): 1}, row(1, 2)]) == 1
    other = row(1, 2, of=b"o")
    assert alone([row(1, 2, 3), other]) is None
    assert rank([row(1, 2), row(1, 2), other], sorted({*row(1, 2), *other})) == 2
    mixed = [{(1, M, 0): 1, (2, M, 0): 1}, {(1, M, 1): 1, (2, M, 0): 1}]
    assert alone(mixed) == 1  # the difference of two of its own numbers


def course(steps: int, without_mask: int = 0, spoils: bool = False) -> Course:
    return Course(steps, 0, without_mask, spoils)


def begun(n: int = 5, quorum: int = 3) -> MaliciousStatistics:
    machine = MaliciousStatistics()
    machine.begin(consortium(n, quorum), frozenset({n}))
    return machine


@pytest.mark.parametrize(
    ("n", "quorum"), [(4, 2), (5, 3), pytest.param(6, 4, marks=pytest.mark.slow)]
)
def test_what_is_called_open_decrypts_to_the_sum_of_the_contributions(n, quorum):
    machine = begun(n, quorum)
    machine.go_on(course(4))
    a: Aggregator = machine.a
    assert len(a.knowledge.opened) == 1
    check_reading(a, next(iter(a.knowledge.opened)))
    assert all(hospital.finished == 1 for hospital in a.hospitals.values())


def test_a_void_round_is_not_repeated_over_nearly_the_same_hospitals():
    machine = begun()
    machine.go_on(course(4, spoils=True))
    a: Aggregator = machine.a
    assert len(a.models) == 1
    machine.go_on(course(4, without_mask=1))
    assert {getattr(h.failure, "rule", "") for h in a.hospitals.values()} == {"differencing"}
    assert len(a.models) == len(a.knowledge.opened) == 1


def test_the_same_moves_isolate_a_hospital_where_the_rule_is_left_out():
    with without("differencing"):
        machine = begun()
        machine.go_on(course(4, spoils=True))
        with pytest.raises(Violation, match="the numbers of member 1 alone"):
            machine.go_on(course(4, without_mask=1))


# The latest ciphertexts are two of the round's sum and four of the statistic, then H4's update.
A_COPY = Theft(6, 0, "re-randomised", "of others of its own")


def after_a_statistic_with_a_stolen_update() -> MaliciousStatistics:
    """A round of training; then a colluder gives another's update as its number for a statistic."""
    machine = begun()
    machine.go_on(course(4))
    machine.statistic(course(0), "ages", 0, A_COPY, True, "as asked", "none", 0)
    return machine


def test_an_update_that_is_stolen_for_a_statistic_is_refused_for_lack_of_its_proof():
    machine = after_a_statistic_with_a_stolen_update()
    view = machine.branch.view("statistic/ages")
    assert set(view.contributions) == {1, 2, 3, 4, 5}
    assert {(r.rule, r.member) for r in view.refusals.values()} == {("proof-of-plaintext", 5)}
    assert len(machine.a.knowledge.opened) == 1


def test_the_same_moves_read_the_update_where_statistics_are_not_proved():
    found = pytest.raises(Violation, match=r"the numbers of member 4 alone are open \(model")
    with without("the proof of plaintext in statistics"), found:
        after_a_statistic_with_a_stolen_update()


def test_a_statistic_without_theft_opens_the_sum_of_all():
    machine = begun()
    machine.go_on(course(4))
    machine.statistic(course(0), "ages", 0, A_COPY, False, "as asked", "none", 0)
    a: Aggregator = machine.a
    assert len(a.knowledge.opened) == 2
    for chosen in a.knowledge.opened:
        check_reading(a, chosen)
    machine.go_on(course(4))
    assert len(a.knowledge.opened) == 3


@pytest.mark.parametrize("how", ["decimals", "length", "labels", "model"])
def test_a_statistic_that_is_opened_otherwise_than_asked_gets_no_number(how):
    machine = begun()
    machine.statistic(course(0), "age", 0, A_COPY, False, how, "none", 0)
    view = machine.branch.view("statistic/age")
    assert view.opening is not None
    assert not view.contributions.keys() & machine.a.hospitals.keys()
    assert not machine.a.knowledge.opened


# ── the machine ──


def test_some_sequences_teach_the_aggregator_nothing():
    tally = Tally()
    play(12, first=1, tally=tally)
    play(12, first=1, tally=tally, machine=MaliciousStatistics)
    assert tally.sequences >= 24
    assert tally.opened


@pytest.mark.slow
def test_two_thousand_sequences_teach_the_aggregator_nothing():
    tally = Tally()
    play(2_000, tally=tally)
    print(tally)
    assert tally.sequences >= 2_000
    assert tally.opened >= 1_000  # or they were too shallow to mean anything
    reached = {"one-set", "differencing", "min-contributors", "recomputed-sum", "contributors"}
    assert reached | {"proof-of-plaintext"} <= set(tally.stopped)


@pytest.mark.slow
def test_two_thousand_sequences_with_statistics_teach_it_nothing_either():
    tally = Tally()
    play(2_000, tally=tally, machine=MaliciousStatistics)
    print(tally)
    assert tally.sequences >= 2_000
    assert tally.statistics >= 100
    assert {"proof-of-plaintext", "min-contributors"} <= set(tally.stopped)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_hospitals_leave_out_is_found(rule):
    machine = MaliciousStatistics if rule in OF_STATISTICS else MaliciousAggregator
    with without(rule), pytest.raises(Violation):
        play(WITHIN, machine=machine)
