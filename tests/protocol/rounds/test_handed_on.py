"""Which sums and models a board hands on, and what they are under other terms."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from protocol.board.draft import Draft
from protocol.messages.inherited_sums import (
    AlikeStarts,
    InheritedModels,
    InheritedStart,
    InheritedSum,
    InheritedSums,
)
from protocol.messages.rounds import Near, SetLock, Statement
from protocol.messages.session import round_session
from protocol.rounds.history import OpenedSets, sums_up_to
from protocol.rounds.isolation import Difference
from protocol.rounds.variables import Classes, OpenSum, Start, TakenOver, Variables, hand_on
from protocol.rounds.view import models_up_to
from protocol.terms.terms import Member, Terms
from tests.protocol.rounds.test_history import lock, play
from tests.stage.rounds.delayed import LENGTH, DelayedTable
from tests.stage.rounds.toy_round import TERMS
from tests.stage.studies import statistic_plan
from tests.stage.toy import Table, replace_terms, toy_epoch

MODEL, OTHER = Start("model", b"m" * 32), Start("model", b"o" * 32)


def handed_on(table: Table) -> InheritedSums:
    return sums_up_to(table.board, len(table.entries))


def terms_of(*names: str) -> Terms:
    return replace_terms(TERMS, members=tuple(Member(name, name.encode()) for name in names))


def test_all_sums_with_a_lock_are_handed_on_with_their_starts() -> None:
    first = lock(play("cardio", (1, 2, 3, 4), model=MODEL.name), 1)
    second = lock(play("age", (2, 3, 5), first, plan=statistic_plan(TERMS)), 5)
    play("unlocked", (1, 2, 3), first, model=OTHER.name)
    second.publish(1, SetLock(b"x" * 32))
    assert handed_on(first) == InheritedSums(
        ("H1", "H2", "H3", "H4", "H5"),
        (InheritedStart("model", MODEL.name), InheritedStart("data", b"patients")),
        (
            InheritedSum("cardio/1", 0, (0, 1, 2, 3), "examples"),
            InheritedSum("age/1", 1, (1, 2, 4)),
        ),
    )


def test_what_stands_behind_the_release_is_not_handed_on() -> None:
    first = lock(play("cardio", (1, 2, 3, 4)), 1)
    until = len(first.entries)
    lock(play("tumours", (1, 2, 3, 4, 5), first, model=OTHER.name), 1)
    assert [one.round for one in sums_up_to(first.board, until).sums] == ["cardio/1"]
    assert len(handed_on(first).sums) == 2


def test_starts_that_are_one_are_handed_on_though_no_sum_is_of_them() -> None:
    first = lock(play("cardio", (1, 2, 3), model=MODEL.name), 1)
    play("near", (1, 2, 4), first, near={2: ("study/cardio/1",)}, model=OTHER.name)
    found = handed_on(first)
    assert [one.round for one in found.sums] == ["cardio/1"]
    assert found.starts == tuple(InheritedStart(*start) for start in (MODEL, OTHER))
    assert found.alike == (AlikeStarts(1, (0, 1)),)


def test_a_row_is_handed_on_once_for_each_weighting() -> None:
    row = frozenset({1, 2, 3})
    sums = [OpenSum(k, f"r/{k}", MODEL, row, "examples") for k in range(1, 4)]
    sums.append(OpenSum(4, "r/4", MODEL, row, "equal"))
    found = hand_on(sums, Classes(), TERMS.name_of)
    assert found.sums == (
        InheritedSum("r/1", 0, (0, 1, 2), "examples"),
        InheritedSum("r/4", 0, (0, 1, 2), "equal"),
    )


def test_who_added_to_the_other_weighting_of_a_start_is_known() -> None:
    sums = [OpenSum(1, "r/1", MODEL, frozenset({1, 2, 3}), "examples")]
    sums.append(OpenSum(2, "r/2", OTHER, frozenset({1, 2, 3}), "examples"))
    taken = TakenOver(hand_on(sums, Classes(), TERMS.name_of), terms_of("New", "H3", "H1"))
    assert taken.weighed_otherwise(2, [MODEL], "equal") == ("r/1 (taken over, 1)",)
    assert taken.weighed_otherwise(2, [MODEL], "examples") == ()
    assert taken.weighed_otherwise(1, [MODEL], "equal") == ()


def test_a_hospital_is_known_by_its_name_and_has_a_number_after_them_if_it_left() -> None:
    sums = [OpenSum(1, "r/1", MODEL, frozenset({1, 2, 3}))]
    classes = Classes()
    classes.join(2, MODEL, OTHER)
    found = TakenOver(hand_on(sums, classes, TERMS.name_of), terms_of("New", "H3", "H1"))
    assert found.gone == {4: "H2"}
    (one,) = found.of_start[MODEL]
    assert one.members == {2, 3, 4}
    known = Classes()
    found.join(known)
    assert known.variable(4, MODEL) == known.variable(4, OTHER)
    assert known.variable(2, MODEL) != known.variable(2, OTHER)


def test_what_was_taken_over_is_handed_on_again_by_the_names_of_its_rounds() -> None:
    sums = [OpenSum(1, "r/1", MODEL, frozenset({1, 2, 3}))]
    first = hand_on(sums, Classes(), TERMS.name_of)
    taken = TakenOver(first, terms_of("New", "H3", "H1"))
    names = {1: "New", 2: "H3", 3: "H1", **taken.gone}
    again = hand_on(taken.handed_on, Classes(), names.__getitem__)
    assert again.sums[0].round == "r/1"
    assert sorted(again.hospitals) == sorted(first.hospitals)


def test_two_that_left_are_named_where_a_sum_would_show_them() -> None:
    found = Difference(("age/1",), (), ("Lake", "River"))
    assert found.member == 0
    assert "it shows what Lake, River alone added" in found.reason(TERMS)
    many = Difference(("age/1",), (1,), tuple(f"{k} of a long name" * 3 for k in range(9)))
    assert "members 1, one that has left" in many.reason(TERMS)
    assert "too much work" in Difference(("age/1",), ()).reason(TERMS)


def test_without_a_board_nothing_is_taken_over() -> None:
    assert OpenedSets(TERMS).handed_on() == InheritedSums()


# ── the models that studies may go on from ──


A, B = b"a" * 32, b"b" * 32


def table() -> DelayedTable:
    """Five hospitals; three state a model before a round goes on from it."""
    return DelayedTable(toy_epoch(5, 3))


def state(at: DelayedTable, number: int, model: bytes, members: Iterable[int] = (1, 2, 3)) -> None:
    for member in members:
        said = Statement(model, LENGTH, 8.0, 1_000)
        at.say(member, Draft(round_session("cardio", number), said))


def models(at: DelayedTable, position: int = 1 << 30) -> tuple[bytes, ...]:
    found = models_up_to(at.board, position)
    assert all((one.federation, one.study) == (at.terms.federation, "cardio") for one in found)
    return found[0].models if found else ()


def test_the_models_after_all_rounds_are_handed_on_as_enough_have_stated_them() -> None:
    at = table()
    at.begin("cardio")
    at.begin("age", statistic_plan(at.terms))
    state(at, 0, B)
    assert models(at) == ()
    state(at, 1, A)
    at.open_round(round_session("cardio", 2))
    state(at, 2, B, (3, 4, 5))
    assert models(at) == (A, B)


def test_what_too_few_have_stated_is_no_model_of_a_round() -> None:
    at = table()
    at.begin("cardio")
    state(at, 1, A, (1, 2))
    state(at, 1, B, (3, 4))
    assert models(at) == ()
    at.open_round(round_session("cardio", 2))
    state(at, 2, B)
    assert models(at) == (b"", B)


def test_what_is_stated_after_the_release_is_not_handed_on() -> None:
    at = table()
    at.begin("cardio")
    state(at, 1, A)
    assert models(at, len(at.entries)) == (A,)
    assert models(at, len(at.entries) - 1) == ()
    assert sums_up_to(at.board, len(at.entries)) == InheritedSums(
        models=(InheritedModels(at.terms.federation, "cardio", (A,)),)
    )


def test_the_last_word_of_a_hospital_counts() -> None:
    at = table()
    at.begin("cardio")
    state(at, 1, A)
    state(at, 1, B)
    assert models(at) == (B,)


def test_a_later_federation_hands_on_what_it_took_over() -> None:
    at, older = table(), InheritedModels(b"f" * 32, "cardio", (A,))
    at.board.key.inheritance.sums = InheritedSums(models=(older,))
    at.begin("cardio")
    state(at, 1, B)
    own = InheritedModels(at.terms.federation, "cardio", (B,))
    assert models_up_to(at.board, len(at.entries)) == (older, own)


# ── what is near, as on one board ──

MOST = 2  # rounds that a contribution names, in here
NAMES = ("H1", "H2", "H3")
STARTS = [Start("model", bytes([k]) * 32) for k in range(5)]
STARTS += [Start("data", b"patients"), Start("data", b"visits")]


class Said(NamedTuple):
    """A round of a start, to which members contribute, and what each names: rounds before it."""

    start: int
    named: dict[int, frozenset[int]]


@st.composite
def rounds(draw: st.DrawFn) -> list[Said]:
    """Of each start no more than one is named: the newest."""
    found = list[Said]()
    for _ in range(draw(st.integers(2, 10))):
        start = draw(st.integers(0, len(STARTS) - 1))
        newest = {one.start: j for j, one in enumerate(found)}
        before = [j for s, j in newest.items() if STARTS[s].kind == STARTS[start].kind]
        some = st.frozensets(st.sampled_from(before), max_size=MOST) if before else NOTHING
        found.append(Said(start, draw(st.dictionaries(st.integers(1, 3), some, min_size=1))))
    return found


NOTHING = st.just(frozenset[int]())


def classes_after(
    said: Sequence[Said], variables: Variables, from_: int, number: dict[int, int]
) -> None:
    """Say the rounds from that one on; those before it are known by their starts alone."""
    for k, one in enumerate(said):
        if k >= from_:
            variables.starts[f"study/s{k}/1"] = STARTS[one.start]
    starts = variables.taken.starts
    for k, one in enumerate(said[from_:], from_):
        for member, named in one.named.items():
            here = tuple(f"study/s{j}/1" for j in sorted(named) if j >= from_)
            places = {starts.index(STARTS[said[j].start]) for j in named if j < from_}
            near = Near(here, tuple(sorted(places)))
            variables.add(f"study/s{k}/1", number[member], near)


def alike(variables: Variables, number: int) -> set[frozenset[Start]]:
    return {frozenset(variables.classes.starts((number, start))) for start in STARTS}


@given(rounds(), st.data())
def test_a_handover_between_two_rounds_changes_nothing_of_what_is_one(
    said: list[Said], data: st.DataObject
) -> None:
    """Whenever the key goes to others, and whatever numbers these have."""
    at = data.draw(st.integers(0, len(said)))
    order = data.draw(st.permutations(NAMES))
    with patch("protocol.messages.rounds.MAX_NEAR", MOST):
        one_board = Variables(terms_of(*NAMES))
        classes_after(said, one_board, 0, {1: 1, 2: 2, 3: 3})
        old = Variables(terms_of(*NAMES))
        classes_after(said[:at], old, 0, {1: 1, 2: 2, 3: 3})
        sums = [
            OpenSum(k, f"s{k}/1", STARTS[one.start], frozenset(one.named))
            for k, one in enumerate(said[:at])
        ]
        handed = hand_on(sums, old.classes, lambda member: NAMES[member - 1])
        new = Variables(terms_of(*order))
        assert new.take_over(handed)
        number = {k: order.index(name) + 1 for k, name in enumerate(NAMES, start=1)}
        classes_after(said, new, at, number)
    for member in (1, 2, 3):
        assert alike(new, number[member]) == alike(one_board, member)
        assert all(len({kind for kind, _ in one}) == 1 for one in alike(new, number[member]))


def test_one_more_start_is_joined_to_many_without_going_through_them() -> None:
    """A full list joins as many as were ever taken over, one after the other."""
    classes = Classes()
    classes.join(1, STARTS[0], STARTS[1])
    many = classes.starts((1, STARTS[0]))
    for first, second in ((STARTS[0], STARTS[2]), (STARTS[3], STARTS[0])):
        classes.join(1, first, second)
        assert classes.starts((1, first)) is classes.starts((1, second)) is many
    assert set(many) == set(STARTS[:4])
