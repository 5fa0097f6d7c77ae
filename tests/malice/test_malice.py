"""What a malicious aggregator learns; and that a rule is missed which hospitals leave out."""

from collections.abc import Callable, Sequence

import pytest

from protocol.board.suite import suite_of
from tests.malice.aggregator import Aggregator
from tests.malice.choices import Course
from tests.malice.consortium import consortium
from tests.malice.lies import MaliciousAggregator
from tests.malice.oracle import Violation, alone, rank, smallest_support
from tests.malice.planted import RULES, without
from tests.malice.reading import check_reading
from tests.malice.run import Tally, play
from tests.malice.studies import study_of
from tests.malice.theft import Theft

M = b"m"
WITHIN, FEW = 1_000, 40  # sequences, and those of a seed
FOUND = {  # within so many, when left out; the seed of the first few is near to where they are
    "the lock threshold": 8,
    "the least contributors": 2,
    "differencing": 1,
    "a sum whose row is open excuses nothing": 8,
}


def row(*members: int, of: bytes = M) -> dict[tuple[int, bytes, int], int]:
    return {(member, of, 0): 1 for member in members}


# ── the oracle ──


def test_the_oracle_subtracts_sums():
    assert alone([row(1, 2, 3), row(1, 2)]) == 3
    assert alone([row(1, 2, 3), row(1, 4, 5), row(2, 3, 4, 5)]) == 1
    assert alone([row(1, 2, 3), row(1, 4, 5)]) is None
    assert smallest_support([row(1, 2, 3), row(1, 2, 4)], 2) == ((3, M, 0), (4, M, 0))


def test_the_oracle_lets_colluders_show_what_is_their_own_and_nothing_beside_it():
    own, other = (2, M, -1), (2, b"o", -1)
    two_of_its_own = [row(1, 3) | {own: 1}, row(1, 3) | {other: 1}]
    assert smallest_support(two_of_its_own, 2) == (own, other)
    assert smallest_support(two_of_its_own, 2, frozenset({2})) is None
    with_another = [row(1, 3) | {own: 1}, row(3) | {own: 1}]
    assert smallest_support(with_another, 2, frozenset({2})) == ((1, M, 0),)
    beside_it = [row(1, 3) | {own: 1}, row(3) | {other: 1}, {own: 1}]
    assert smallest_support(beside_it, 2, frozenset({2})) == ((1, M, 0), other)


def test_the_oracle_counts_multiplicities_models_and_places():
    assert alone([{(1, M, 0): 2, (2, M, 0): 1}, row(1, 2)]) == 1
    other = row(1, 2, of=b"o")
    assert alone([row(1, 2, 3), other]) is None
    assert rank([row(1, 2), row(1, 2), other], sorted({*row(1, 2), *other})) == 2
    mixed = [{(1, M, 0): 1, (2, M, 0): 1}, {(1, M, 1): 1, (2, M, 0): 1}]
    assert alone(mixed) == 1  # the difference of two of its own numbers


def test_the_oracle_solves_for_what_counts_by_examples_once_and_alike_once():
    by_examples = {(1, M, 0): 11, (2, M, 0): 12}
    assert alone([by_examples, row(1, 2)]) == 1
    assert alone([by_examples | {(3, M, 0): 13}, row(1, 2, 3)]) is None
    assert smallest_support([by_examples | {(3, M, 0): 13}, row(1, 2, 3)], 2) is not None
    assert alone([{(1, M, 0): 11, (2, M, 0): 11}, row(1, 2)]) is None


# ── one federation, as it goes ──


def begun(*focus: str, n: int = 5, quorum: int = 3) -> MaliciousAggregator:
    machine = MaliciousAggregator()
    machine.begin(consortium(n, quorum), frozenset({n}), focus)
    return machine


def goes(machine: MaliciousAggregator, study: int, without: int = 0, spoils: bool = False) -> None:
    """A whole round of a study, over all hospitals but some."""
    machine.go_on(Course(study, 3, 0, without, spoils))  # opened, contributed to, closed


def rules_of(a: Aggregator) -> set[str]:
    failures = [failure for hospital in a.hospitals.values() for failure in hospital.failures]
    return {getattr(failure, "rule", type(failure).__name__) for failure in failures}


def studies_of(a: Aggregator) -> list[str]:
    return [a.knowledge.closed[chosen].session for chosen in a.knowledge.opened]


@pytest.mark.parametrize(
    ("n", "quorum"), [(4, 2), (5, 3), pytest.param(6, 4, marks=pytest.mark.slow)]
)
def test_what_is_called_open_decrypts_to_the_sum_of_the_contributions(n, quorum):
    machine = begun("cardio", "age", n=n, quorum=quorum)
    goes(machine, 0)
    goes(machine, 1)
    a: Aggregator = machine.a
    assert studies_of(a) == ["study/cardio/1", "study/age/1"]
    for chosen in a.knowledge.opened:
        check_reading(a, chosen)
    assert all(hospital.finished("cardio") == 1 for hospital in a.hospitals.values())


def test_a_void_round_is_not_repeated_over_nearly_the_same_hospitals():
    machine = begun("cardio")
    goes(machine, 0, spoils=True)
    a: Aggregator = machine.a
    assert len(a.models) == 1
    goes(machine, 0, without=1)
    assert rules_of(a) == {"differencing"}
    assert len(a.models) == len(a.knowledge.opened) == 1


# What is asked in each of two studies, without whom, and the rule that stands against it.
PAIRS = [
    (("cardio", "cardio"), "differencing"),
    (("cardio", "tumours"), "differencing over studies"),
    (("cardio", "twin"), "near models"),
    (("age", "ages"), "differencing over studies"),
    (("age", "stay"), "near numbers"),
]


def both(focus: Sequence[str]) -> Aggregator:
    """A round of one study over all, and of the other over all but one; the first is void."""
    machine = begun(*dict.fromkeys(focus))
    goes(machine, 0, spoils=True)
    goes(machine, len(set(focus)) - 1, without=1)
    return machine.a


@pytest.mark.parametrize(("focus", "rule"), PAIRS)
def test_two_studies_show_nobody_and_where_a_rule_is_left_out_they_do(focus, rule):
    a = both(focus)
    assert "differencing" in rules_of(a)
    assert len(a.knowledge.opened) == 1
    with without(rule), pytest.raises(Violation, match=r"member 1 alone|members \[1\]"):
        both(focus)


def test_studies_that_go_the_same_way_are_compared_after_the_first_round_too():
    """From one model, over the same hospitals: their next models differ by rounding alone."""

    def moves() -> Aggregator:
        machine = begun("cardio", "tumours")
        for study in (0, 1, 0):
            goes(machine, study)
        a: Aggregator = machine.a
        honest = a.hospitals[min(a.hospitals)]
        if honest.model("tumours") in a.sources.weights.values():
            return moves()  # rounding has made them the very same, which needs no comparison
        goes(machine, 1, without=1)
        return a

    a = moves()
    assert studies_of(a) == ["study/cardio/1", "study/tumours/1", "study/cardio/2"]
    assert "differencing" in rules_of(a)
    with without("near models"), pytest.raises(Violation, match="member 1 alone"):
        moves()


def test_a_hospital_adds_to_a_study_of_one_weighting_alone():
    machine = begun("cardio", "peers")
    goes(machine, 0)
    goes(machine, 1)
    a: Aggregator = machine.a
    assert studies_of(a) == ["study/cardio/1"]
    assert set(machine.branch.view("study/peers/1").contributions) == a.colluders
    assert not rules_of(a)


def test_studies_of_both_weightings_have_their_numbers_at_the_same_places():
    terms = consortium(5, 3).federation.terms
    cardio, peers = (suite_of("paillier", study_of(terms, name)) for name in ("cardio", "peers"))
    assert cardio.ciphertext_count(3) == peers.ciphertext_count(3) == 1


def test_a_colluder_that_calls_its_own_numbers_near_opens_a_difference_of_its_own_alone():
    """From a board over the same hospitals: honest numbers are the same, and cancel out."""
    machine = MaliciousAggregator()
    machine.begin(consortium(4, 3), frozenset({2}), ("age", "stay"))
    goes(machine, 0)
    machine.lie_of_near(Course(1, 1, 0, 0, False), mask=1, which=1)
    goes(machine, 1)
    a: Aggregator = machine.a
    assert sorted(studies_of(a)) == ["study/age/1", "study/stay/1"]
    assert not rules_of(a)


# ── thefts ──

# The latest ciphertexts are the round's sums and the statistic's, then H4's update.
A_COPY = Theft(4, 0, "re-randomised", "of others of its own")


def with_a_stolen_update() -> MaliciousAggregator:
    """A round of training; then a colluder gives another's update as its number for a statistic."""
    machine = begun("cardio", "beds")
    goes(machine, 0)
    machine.go_on(Course(1, 1, 0, 0, False))
    machine.steal(Course(1, 0, 0, 0, False), 1, A_COPY)
    goes(machine, 1)
    return machine


def test_an_update_that_is_stolen_for_a_statistic_is_refused_for_lack_of_its_proof():
    machine = with_a_stolen_update()
    view = machine.branch.view("study/beds/1")
    assert set(view.contributions) == {1, 2, 3, 4, 5}
    assert {(r.rule, r.member) for r in view.refusals.values()} == {("proof-of-plaintext", 5)}
    assert len(machine.a.knowledge.opened) == 1


def test_the_same_moves_read_the_update_where_statistics_are_not_proved():
    found = pytest.raises(
        Violation, match=r"the sum of \[1, 2, 3, 4\] holds|alone are open \(model"
    )
    with without("the proof of plaintext in statistics"), found:
        with_a_stolen_update()


# ── each rule, and the moves that it stands against ──

NOTHING = Course(0, 0, 0, 0, False)
ADDED = Course(0, 2, 0, 0, False)  # opened, and contributed to by all


def two_boards(machine: MaliciousAggregator) -> None:
    """Half of the hospitals are shown one closing, half another one."""
    machine.go_on(ADDED)
    machine.split(NOTHING, "cut", 0)
    machine.show(NOTHING, 0b1100)
    goes(machine, 0, without=1)
    machine.branch = machine.a.branches[0]
    goes(machine, 0)


def set_back(machine: MaliciousAggregator) -> None:
    """After a sum is open all are shown a board without its closing, and remember no other."""
    goes(machine, 0)
    machine.split(NOTHING, "before closing", 0)
    machine.restart(NOTHING, 0, False, 1)
    goes(machine, 0, without=1)


def close_with(lie: str) -> Callable[[MaliciousAggregator], None]:
    def moves(machine: MaliciousAggregator) -> None:
        machine.go_on(ADDED)
        machine.close(NOTHING, 0, 0, lie, False)
        machine.a.run(machine.honest)

    return moves


def copied(machine: MaliciousAggregator) -> None:
    machine.open(NOTHING, 0, 0, "as it stands")
    machine.a.run(machine.honest)
    machine.copy(NOTHING, 0, 0, 2)
    goes(machine, 0)


def unapproved(machine: MaliciousAggregator) -> None:
    """The fourth begins with a study that nobody there has approved."""
    machine.focus = ("beds",)
    machine.propose("beds", 0, machine.honest[:3])
    machine.a.tell(4, "take part", "beds")
    machine.a.run(machine.honest)
    goes(machine, 0)


def same_row(machine: MaliciousAggregator) -> None:
    """The numbers of a sum that is open come again, over one more, as those of another open one."""
    machine.focus = ("age", "nights", "stay")
    for name in machine.focus[1:]:
        machine.propose(name, 0, machine.honest)
    goes(machine, 0, without=1)
    goes(machine, 1)
    goes(machine, 2)


def two_weightings(machine: MaliciousAggregator) -> None:
    """One model is trained by examples and with all alike, over two hospitals and a colluder."""
    machine.focus = ("cardio", "peers")
    for name in machine.focus:
        machine.propose(name, 0, machine.honest)
    for study in (0, 1):
        goes(machine, study, without=0b11)


def late(machine: MaliciousAggregator) -> None:
    """Two hospitals come too late with what joins a second name of their numbers to the first."""
    machine.focus = ("age", "stay", "cases")
    for name in machine.focus[1:]:
        machine.propose(name, 0, machine.honest)
    goes(machine, 0)
    machine.close_early(NOTHING, 1, 0b11)
    assert set(machine.branch.view("study/stay/1").late) == {1, 2}
    goes(machine, 2, without=0b1000)


def word(said: str) -> Callable[[MaliciousAggregator], None]:
    """A hospital withdraws, or all vote to end the study, before the closing."""

    def moves(machine: MaliciousAggregator) -> None:
        machine.go_on(ADDED)
        machine.say_of_study(NOTHING, 0, said, 1 if said == "withdraw" else 0)
        goes(machine, 0)

    return moves


MOVES = [
    ("one set in a round", set_back, "two sets"),
    ("the lock threshold", two_boards, "two sets|member 1 alone"),
    ("the least contributors", close_with("too few"), "alone"),
    ("the recomputed sum", close_with("one alone"), "holds|alone"),
    ("the proof of plaintext", copied, "holds"),
    ("a sum whose row is open excuses nothing", same_row, "member 1 alone"),
    ("late contributions are not heard", late, "member 3 alone"),
    ("two weightings", two_weightings, "member 3 alone"),
    ("approvals", unapproved, "has not approved it|unasked"),
    ("withdrawals", word("withdraw"), "had withdrawn"),
    ("the end of a study", word("end"), "had withdrawn, or all"),
]


@pytest.mark.parametrize(("rule", "moves", "shown"), MOVES, ids=[rule for rule, *_ in MOVES])
def test_moves_that_a_rule_stands_against_are_found_where_it_is_left_out(rule, moves, shown):
    moves(begun("age"))
    with without(rule), pytest.raises(Violation, match=shown):
        moves(begun("age"))


def test_every_rule_is_left_out_once():
    scripted = {rule for rule, *_ in MOVES} | {rule for _, rule in PAIRS}
    assert set(RULES) == scripted | {"the proof of plaintext in statistics"}


@pytest.mark.parametrize("how", ["other length", "other plan", "unknown", "other epoch"])
def test_a_statistic_that_is_opened_otherwise_than_planned_gets_no_number(how):
    machine = begun("age")
    machine.open(Course(0, 0, 0, 0, False), 0, 0, how)
    machine.a.run(machine.honest)
    view = machine.branch.view("study/age/1")
    assert view.opening is not None
    assert not view.contributions.keys() & machine.a.hospitals.keys()
    assert not machine.a.knowledge.opened


# ── the machine ──


def test_some_sequences_teach_the_aggregator_nothing():
    tally = Tally()
    play(16, first=1, tally=tally)
    assert tally.sequences >= 16
    assert tally.opened


@pytest.mark.slow
@pytest.mark.timeout(2_400)
def test_two_thousand_sequences_teach_the_aggregator_nothing():
    tally = Tally()
    play(2_000, tally=tally)
    print(tally)
    assert tally.sequences >= 2_000
    assert tally.opened >= 1_000  # or they were too shallow to mean anything
    assert tally.statistics >= 300
    assert tally.parallel >= 200
    reached = {"one-set", "differencing", "min-contributors", "recomputed-sum", "contributors"}
    assert reached | {"proof-of-plaintext", "withdrawn", "approved"} <= set(tally.stopped)


@pytest.mark.slow
@pytest.mark.parametrize("rule", FOUND)
def test_a_rule_that_hospitals_leave_out_is_found_by_chance_too(rule):
    with without(rule), pytest.raises(Violation):
        play_few_at_a_time(FOUND[rule])


def play_few_at_a_time(first):
    for seed in range(first, first + WITHIN // FEW):
        play(FEW, seed)
