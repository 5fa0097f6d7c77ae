"""Sums from one model: what a combination of them shows, and when hospitals refuse."""

import itertools

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocol.board.messages import Closing, Opening, SetLock
from protocol.rounds.history import Difference, OpenedSets, fewest_missing, isolated, largest
from protocol.rounds.view import RoundView
from protocol.terms.terms import RoundPolicy
from tests.stage.elimination import rank
from tests.stage.rounds import toy_round
from tests.stage.rounds.toy_round import TERMS, TOY, Round, contributed, training
from tests.stage.toy import replace_terms, toy_epoch

N = 5
MODEL, OTHER = bytes(32), b"o" * 32


def sets(*found: str) -> dict[str, frozenset[int]]:
    """Sets of members written as digits, named 1, 2, …"""
    return {str(k): frozenset(map(int, one)) for k, one in enumerate(found, start=1)}


def of(members: str) -> frozenset[int]:
    return frozenset(map(int, members))


@pytest.mark.parametrize(
    ("opened", "chosen", "shown"),
    [
        ([], "123", None),
        (["123"], "123", None),
        (["123"], "145", None),
        (["123"], "1234", Difference(("1",), (4,))),
        (["1234"], "123", Difference(("1",), (4,))),
        (["123"], "124", Difference(("1",), (3, 4))),
        (["123", "145"], "1345", Difference(("2",), (3,))),
        (["1234", "123"], "1235", Difference(("2",), (5,))),
        (["123", "145"], "2345", Difference(("1", "2"), (1,))),  # though all pairs differ by 3
        (["12", "34"], "1234", None),  # a combination of the two: nothing new
        (["12"], "1234", Difference(("1",), (3, 4))),
    ],
)
def test_the_fewest_members_that_come_out_are_named(opened, chosen, shown):
    assert isolated(of(chosen), sets(*opened), 3) == shown


def brute(chosen: frozenset[int], opened: list[frozenset[int]], least: int) -> int | None:
    """The fewest members of chosen + Σ a_j·opened_j below ``least``, by rational elimination."""

    for size in range(least):
        for hidden in itertools.combinations(range(1, 7), size):
            columns = [m for m in range(1, 7) if m not in hidden]
            rows = [[int(m in one) for m in columns] for one in opened]
            if rank(rows) == rank([*rows, [int(m in chosen) for m in columns]]):
                return size
    return None


some = st.frozensets(st.integers(1, 6), min_size=3)


@settings(max_examples=200)
@given(chosen=some, opened=st.lists(some, min_size=1, max_size=5), least=st.integers(2, 3))
def test_what_comes_out_is_what_rational_elimination_finds(chosen, opened, least):
    found = isolated(chosen, {str(k): one for k, one in enumerate(opened)}, least)
    size = brute(chosen, opened, least)
    assert (len(found.members) if found else None) == (size or None)
    if found:  # the rounds that are named suffice, and the members are a sharp choice
        named = [opened[int(name)] for name in found.rounds]
        assert brute(chosen, named, least) == len(found.members)


# ── what counts ──


def closed(session: str, contributors: tuple[int, ...], **changes: object) -> Round:
    """A round whose contributions and closing are on a board of its own."""
    found = Round(session=session)
    found.open(**changes)
    for i in contributors:
        found.contribute(i, training(i))
    found.close()
    return found


def history(*rounds: Round) -> OpenedSets:
    """What a board says that has all entries of these."""
    return OpenedSets(TERMS, [p for one in rounds for p in one.board.entries])


def test_a_set_counts_that_anybody_has_locked_and_no_other_lock_does():
    first, second = closed("round/1", (1, 2, 3)), closed("round/2", (1, 2, 4))
    view = second.members[1].view
    chosen = first.chosen
    first.publish(5, SetLock(b"x" * 32))
    assert history(first).difference(view) is None
    first.publish(2, SetLock(chosen))
    assert history(first).difference(view) == Difference(("1",), (3, 4))


@pytest.mark.parametrize("earlier", ["round/1", "round/9"])
def test_rounds_before_and_after_count(earlier):
    first, second = closed(earlier, (1, 2, 3)), closed("round/2", (1, 2, 4))
    first.settle()
    found = history(first).difference(second.members[1].view)
    assert found == Difference((earlier[6:],), (3, 4))


def test_a_round_from_another_model_does_not_count():
    first, second = closed("round/1", (1, 2, 3), model=OTHER), closed("round/2", (1, 2, 4))
    first.settle()
    assert history(first).difference(second.members[1].view) is None


def test_a_statistic_does_not_count_and_is_not_judged():
    first = closed("round/1", (1, 2, 3))
    first.settle()
    view = RoundView("statistic/age")
    other = closed("round/2", (1, 2, 4)).members[1].view
    view.opening, view.closing = other.opening, other.closing
    assert history(first).difference(view)
    assert other.opening
    body = other.opening.post.body
    statistic = Opening("statistic", body.epoch, body.model, body.length)
    post = msgspec.structs.replace(other.opening.post, body=statistic)
    view.opening = other.opening._replace(post=post)
    assert history(first).difference(view) is None


def test_a_round_is_not_compared_with_itself():
    first = closed("round/1", (1, 2, 3))
    first.settle()
    assert history(first).difference(first.members[1].view) is None


# ── what hospitals do ──


def after(first: Round, contributors: tuple[int, ...], differencing: str = "refuse") -> Round:
    """The next round from the same model on the same board, closed; its hospitals know both."""
    found = Round(session="round/2")
    found.board, found.blobs, found.ledgers = first.board, first.blobs, first.ledgers
    policy = type(TERMS.rounds)(5, 3, 10, 10, 3, differencing)  # type: ignore[arg-type]
    for i in TOY.federation.members:
        found.members[i] = found.member(i)
        found.members[i].terms = replace_terms(TERMS, rounds=policy)
    found.open()
    for i in contributors:
        found.contribute(i, training(i, "next"))
    found.close()
    return found


def void(contributors: tuple[int, ...] = (1, 2, 3)) -> Round:
    found = toy_round.closed(contributors)
    found.settle()
    return found


def test_hospitals_refuse_a_sum_that_differs_by_too_few():
    found = after(void(), (1, 2, 3, 4))
    found.settle()
    assert found.refusals == {("differencing", 4)}
    view = found.members[1].view
    assert set(view.refusals) == set(TOY.federation.members)
    assert not view.locks
    assert all(member.plaintexts is None for member in found.members.values())
    assert all("round/2" not in ledger.chosen for ledger in found.ledgers.values())
    reason = view.refusals[1].reason
    assert "round 1" in reason
    assert "H4 alone" in reason


@pytest.mark.parametrize("contributors", [(1, 2, 3), (3, 4, 5)])
def test_hospitals_help_with_the_same_set_and_with_one_that_differs_enough(contributors):
    found = after(void(), contributors)
    found.settle()
    assert not found.refusals
    assert all(member.plaintexts for member in found.members.values())


def test_where_the_terms_warn_hospitals_help():
    found = after(void(), (1, 2, 3, 4), "warn")
    assert found.members[1].difference == Difference(("1",), (4,))
    found.settle()
    assert not found.refusals
    assert all(member.plaintexts for member in found.members.values())


def test_a_part_is_not_released_when_others_have_locked_a_close_set_meanwhile():
    """Only more liars than are assumed can do that; who is honest stops all the same."""
    first = contributed((1, 2, 3))
    found = Round(session="round/2")
    found.board, found.blobs = first.board, first.blobs
    found.members = {i: found.member(i) for i in TOY.federation.members}
    found.open()
    for i in (1, 2, 3, 4):
        found.contribute(i, training(i, "next"))
    found.close()
    found.settle((1,))  # its lock
    first.close()
    chosen = first.chosen
    for i in (2, 3, 4, 5):
        first.publish(i, SetLock(chosen))
    ours = found.chosen
    for i in (2, 3, 4, 5):
        found.publish(i, SetLock(ours))
    assert found.members[1].owes_partial
    found.settle((1,))
    assert found.refusals == {("differencing", 4)}
    assert not found.members[1].view.partials


def test_no_terms_let_a_difference_show_two_hospitals():
    """Each of the two would read the other; and nobody has checked these terms."""
    terms = replace_terms(TERMS, rounds=RoundPolicy(5, 3, 10, 10, 2))
    first, again = closed("round/1", (1, 2, 3)), closed("round/2", (1, 2, 4))
    chosen = first.members[1].view.chosen(terms.federation)
    assert chosen is not None
    first.publish(1, SetLock(chosen))
    known = OpenedSets(terms, first.board.entries)
    assert known.difference(again.members[1].view) == Difference(("1",), (3, 4))


def test_a_reason_is_short_enough_for_the_board():
    toy = toy_epoch(5, 3).federation
    members = tuple(
        type(m)(f"{'x' * 62}{k:2}".replace(" ", "-"), m.key)
        for k, m in enumerate(toy.terms.members)
    )
    terms = replace_terms(toy.terms, members=members * 3)
    found = Difference(tuple(map(str, range(1, 16))), tuple(range(1, 15)))
    assert len(found.reason(terms)) <= 500


def test_the_set_is_the_closings():
    found = closed("round/2", (1, 2, 4))
    assert isinstance(found.members[1].view.closed, Closing)
    assert history(void()).difference(found.members[1].view) == Difference(("1",), (3, 4))
    empty = RoundView("round/3")
    assert history(void()).difference(empty) is None


# ── the largest set that may be added ──


@pytest.mark.parametrize(
    ("opened", "given", "found"),
    [
        (["12345"], "12345", "12345"),
        (["12345"], "1234", ""),  # any difference shows fewer than three
        (["123456"], "12345", "123"),
        (["123"], "12345", "1245"),
        (["123"], "1234", "123"),
        (["123"], "1456", "1456"),
        (["123", "145"], "2345", ""),  # twice the update of 1
        (["1234567"], "123456", "1234"),
    ],
)
def test_the_largest_set_that_isolates_nobody(opened, given, found):
    assert largest(of(given), sets(*opened), 3, 3) == of(found)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_larger_set_isolates_nobody(data):
    """By trying all of them."""
    n = data.draw(st.integers(4, 8))
    some = st.sets(st.integers(1, n), min_size=3).map(frozenset)
    opened = dict[str, frozenset[int]]()
    for one in data.draw(st.lists(some, min_size=1, max_size=3)):
        if isolated(one, opened, 3) is None:
            opened[str(len(opened))] = one
    given = data.draw(some)
    sizes = [
        size
        for size in range(3, len(given) + 1)
        for chosen in itertools.combinations(sorted(given), size)
        if isolated(frozenset(chosen), opened, 3) is None
    ]
    found = largest(given, opened, 3, 3)
    assert len(found) == max(sizes, default=0)
    assert found <= given
    assert not found or isolated(found, opened, 3) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 7), st.data())
def test_no_fewer_could_let_a_round_go_on(n: int, data: st.DataObject) -> None:
    everybody = frozenset(range(1, n + 1))
    subsets = st.frozensets(st.sampled_from(sorted(everybody)), min_size=3)
    opened: dict[str, frozenset[int]] = {}
    for one in data.draw(st.lists(subsets, min_size=1, max_size=3)):
        if isolated(one, opened, 3) is None:
            opened[str(len(opened))] = one
    given_by = data.draw(subsets)
    absent = everybody - given_by
    assume(opened and not largest(given_by, opened, 3, 3))
    found = fewest_missing(given_by, absent, opened, 3, 3)
    enough = [
        len(choice)
        for size in range(1, len(absent) + 1)
        for choice in itertools.combinations(absent, size)
        if largest(given_by.union(choice), opened, 3, 3)
    ]
    assert len(found) == min(enough, default=0)
    assert not found or largest(given_by | found, opened, 3, 3)


def test_one_who_lets_another_sum_be_opened_is_named_before_two() -> None:
    opened = {"1": frozenset({1, 2, 4, 5, 6})}
    assert fewest_missing(frozenset({1, 2, 4}), frozenset({3, 5, 6}), opened, 3, 3) == {3}
