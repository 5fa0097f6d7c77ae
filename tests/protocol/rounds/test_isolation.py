"""What a combination of sums shows of too few: exact, for rows over any variables."""

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from protocol.rounds import span
from protocol.rounds.isolation import Difference, Sums, fewest_missing, isolated, largest
from protocol.rounds.span import Effort, Row, Variable
from protocol.terms.terms import Terms
from tests.stage.elimination import rank
from tests.stage.toy import replace_terms, toy_epoch

START, OTHER = "model", "another model"


def row(members: str, start: str = START) -> Row:
    return frozenset((int(m), start) for m in members)


def rows(*found: str | Row) -> Sums:
    """Rows of members written as digits, named 1, 2, …"""
    named = enumerate(found, start=1)
    return {str(k): row(one) if isinstance(one, str) else one for k, one in named}


def of(members: str) -> frozenset[int]:
    return frozenset(map(int, members))


OWN: Mapping[int, Variable] = {m: (m, START) for m in range(1, 17)}


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
        (["12"], "1234", Difference(("1",), (3, 4))),
    ],
)
def test_the_fewest_members_that_come_out_are_named(opened, chosen, shown):
    assert isolated(row(chosen), rows(*opened), 3) == shown


def test_three_sums_of_which_all_pairs_differ_enough_show_two():
    found = isolated(row("3456"), rows("1234", "1256"), 4)
    assert found == Difference(("1", "2"), (1, 2))


def test_variables_of_another_start_cancel_nothing():
    assert isolated(row("1234"), rows(row("123", OTHER)), 3) is None
    mixed = row("12") | row("3", OTHER)  # what 3 adds is near to what it added to the other
    assert isolated(row("1234", OTHER), rows(mixed), 3) is None
    assert isolated(mixed | row("4"), rows(mixed), 3) == Difference(("1",), (4,))


# ── no excuse ──


@pytest.mark.parametrize("opened", [("1234", "123"), ("1234", "123", "1234")])
def test_the_row_of_another_sum_is_no_excuse(opened):
    """That one may be locked and never open, or be of other numbers."""
    assert isolated(row("1234"), rows(*opened), 3) == Difference(("2",), (4,))


def test_a_combination_of_others_is_no_excuse_either():
    found = isolated(row("123456"), rows("123", "456", "12345"), 3)
    assert found is not None
    assert found.members == (6,)


def test_a_repeated_sum_is_allowed_where_nothing_comes_out():
    assert isolated(row("1234"), rows("1234"), 3) is None


# ── against another computation ──


def brute(chosen: Row, others: Sums, least: int) -> int | None:
    """The fewest members that come out, below ``least``, by rational elimination of every set."""
    found = [*others.values()]
    variables = sorted({v for one in [chosen, *found] for v in one}, key=str)

    def matrix(rows: Sequence[Row], hidden: Sequence[int] = ()) -> list[list[int]]:
        return [[int(v in one) for v in variables if v[0] not in hidden] for one in rows]

    if not found:
        return None
    full = rank(matrix(found))
    is_new = rank(matrix([*found, chosen])) > full
    for size in range(1, least):
        for hidden in itertools.combinations(sorted({m for m, _ in variables}), size):
            left = rank(matrix(found, hidden))
            spans = rank(matrix([*found, chosen], hidden)) == left
            if spans and (is_new or left < full):
                return size
    return None


def brute_together(chosen: Row, others: Sums, least: int) -> int | None:
    """The same, of such combinations alone as do not fall apart: all of its sums hang together."""
    found = tuple(dict.fromkeys(others.values()))
    variables = sorted({v for one in [chosen, *found] for v in one}, key=str)
    hidings = [
        hidden
        for size in range(1, least)
        for hidden in itertools.combinations(sorted({m for m, _ in variables}), size)
    ]
    choices = [
        choice
        for size in range(1, len(found) + 1)
        for choice in itertools.combinations(found, size)
        if hang_together([chosen, *choice])
    ]
    sizes = [
        len(hidden)
        for hidden in hidings
        for choice in choices
        if uses_all(chosen, choice, variables, [v for v in variables if v[0] not in hidden])
    ]
    return min(sizes, default=None)


def hang_together(rows: Sequence[Row]) -> bool:
    """Whether each is connected with the first, by variables that they share."""
    first, *left = rows
    variables = set(first)
    while near := [one for one in left if not variables.isdisjoint(one)]:
        variables.update(*near)
        left = [one for one in left if one not in near]
    return not left


def uses_all(
    chosen: Row, choice: Sequence[Row], variables: Sequence[Variable], seen: Sequence[Variable]
) -> bool:
    """Whether some combination with all of a choice is not 0, and 0 in the columns given.

    The coefficients are an affine space. A point of it where none is 0, and neither is what
    comes out, is there unless one of them is 0 everywhere.
    """

    def freedom(rows: Sequence[Row], columns: Sequence[Variable]) -> int | None:
        """The dimension of the space, None if it is empty."""
        matrix = [[int(v in one) for v in columns] for one in rows]
        of_rows = rank(matrix) if rows and columns else 0
        with_chosen = rank([*matrix, [int(v in chosen) for v in columns]]) if columns else 0
        return len(rows) - of_rows if with_chosen == of_rows else None

    free = freedom(choice, seen)
    if free is None or freedom(choice, variables) == free:
        return False
    return all(
        freedom([other for other in choice if other is not one], seen) != free for one in choice
    )


def some_rows(n: int = 6) -> st.SearchStrategy[Row]:
    """Of three or more members, whose variables are of up to three starts."""
    members = st.frozensets(st.integers(1, n), min_size=3)
    starts = st.lists(st.sampled_from("aaab"), min_size=n, max_size=n)
    return st.builds(
        lambda found, of_member: frozenset((m, of_member[m - 1]) for m in found), members, starts
    )


def test_what_comes_out_of_others_alone_forbids_nothing():
    """Whoever released the later one of these was asked."""
    apart = row("245") | row("136", OTHER), row("25") | row("1346", OTHER)
    named = {"1": row("136"), "2": apart[0], "3": apart[1]}
    assert isolated(row("136"), named, 2) is None
    assert brute(row("136"), named, 2) == 1
    assert brute_together(row("136"), named, 2) is None
    assert brute_together(apart[0], {"3": apart[1]}, 2) == 1
    assert isolated(apart[0], {"3": apart[1]}, 2) == Difference(("3",), (4,))


@settings(max_examples=150, deadline=None)
@given(
    chosen=some_rows(), found=st.lists(some_rows(), min_size=1, max_size=6), least=st.integers(2, 3)
)
def test_what_comes_out_is_what_rational_elimination_finds(chosen, found, least):
    named = {str(k): one for k, one in enumerate(found)}
    shown = isolated(chosen, named, least)
    size, fewest = len(shown.members) if shown else None, brute(chosen, named, least)
    if size != fewest:  # what comes out of sums that hang together with this one by nothing
        assert fewest is not None
        assert (size or least) > fewest
        assert (size or least) <= (brute_together(chosen, named, least) or least)
    if shown:  # the rounds that are named suffice, and the members are a sharp choice
        needed = {name: named[name] for name in shown.rounds}
        assert brute(chosen, needed, least) == len(shown.members)


@settings(max_examples=150, deadline=None)
@given(found=st.lists(some_rows(5), min_size=2, max_size=7), least=st.integers(3, 4))
def test_what_is_allowed_in_turn_never_shows_too_few(found, least):
    """The induction that the theorem rests on: whatever is opened by the rule, nobody is alone."""
    opened: dict[str, Row] = {}
    for k, one in enumerate(found):
        if len(one) >= least and isolated(one, opened, least) is None:
            opened[str(k)] = one
    variables = sorted({v for one in opened.values() for v in one})
    matrix = [[int(v in one) for v in variables] for one in opened.values()]
    full = rank(matrix)
    for hidden in itertools.combinations(range(1, 6), least - 1):
        columns = [k for k, v in enumerate(variables) if v[0] not in hidden]
        assert rank([[line[k] for k in columns] for line in matrix]) == full


# ── exact modulo a prime ──


# The greatest determinants of zeros and ones, by order [Hadamard's problem; OEIS A003432].
GREATEST = (1, 1, 2, 3, 5, 9, 32, 56, 144, 320, 1458, 3645, 9477, 25515, 131072, 327680)


def test_primes_are_above_all_minors():
    for order, greatest in enumerate(GREATEST, start=1):
        assert (order + 1) ** (order + 1) >= 4**order * greatest**2  # the bound is none too low
    for order in range(1, 400):
        prime = span._prime_for(order)
        assert 4**order * prime**2 > (order + 1) ** (order + 1)
    assert span._prime_for(36) == 2**61 - 1
    assert span._prime_for(37) == 2**127 - 1
    with pytest.raises(span.TooMuch):
        span._prime_for(5_000)


def circulant(order: int, steps: Sequence[int]) -> list[Row]:
    return [frozenset((1 + (k + step) % order, START) for step in steps) for k in range(order)]


def test_a_prime_that_divides_a_determinant_would_be_wrong(monkeypatch):
    """det of the circulant of (1, 1, 1, 0, 0, 0, 0) is 3: modulo 3 its rows are dependent."""
    *known, last = circulant(7, (0, 1, 2))
    others = rows(*known)
    right = isolated(last, others, 3)
    assert right is not None
    assert len(right.members) == brute(last, others, 3)
    monkeypatch.setattr(span, "_prime_for", lambda order: 3)
    assert isolated(last, others, 3) != right


# ── what is too much ──


def test_what_cannot_be_decided_is_not_allowed():
    found = isolated(row("3478"), rows("1234", "1256"), 3, Effort(5))
    assert found == Difference(("1", "2"), ())
    assert found.member == 0
    assert isolated(row("3478"), rows("1234", "1256"), 3) is None


def test_more_rows_than_a_prime_is_known_for_are_not_allowed(monkeypatch):
    monkeypatch.setattr(span, "_EXPONENTS", ())
    found = isolated(row("3478"), rows("1234", "1256"), 3)
    assert found is not None
    assert not found.members


def test_sixteen_members_with_many_sums_are_within_the_effort():
    """All of a model's sums that sixteen hospitals may open, and as many near it."""
    opened: dict[str, Row] = {}
    for k in range(12):
        start, left = ("a", "b")[k % 2], {1 + k, 1 + (k * 5 + 3) % 16}
        one = frozenset((m, "a" if m % 3 else start) for m in range(1, 17) if m not in left)
        opened[str(k)] = one
    effort = Effort()
    found = isolated(frozenset((m, "a") for m in range(1, 17)), opened, 7, effort)
    assert found is not None
    assert found.members
    assert effort.spent < effort.limit
    alone = Effort()
    clean = {"1": row("1234567"), "2": frozenset((m, START) for m in range(1, 17))}
    assert isolated(frozenset((m, START) for m in range(3, 15)), clean, 4, alone) is None
    assert alone.spent < alone.limit


# ── words ──


def terms_of(n: int) -> Terms:
    toy = toy_epoch(5, 3).federation
    members = tuple(
        type(m)(f"{'x' * 62}{k:2}".replace(" ", "-"), m.key)
        for k, m in enumerate(toy.terms.members * (n // 5 + 1))
    )
    return replace_terms(toy.terms, members=members[:n])


@pytest.mark.parametrize("shown", [(), (3,), tuple(range(1, 15))])
def test_a_reason_is_short_enough_for_the_board(shown):
    rounds = tuple(f"{'s' * 64}/{k}" for k in range(99))
    assert len(Difference(rounds, shown).reason(terms_of(15))) <= 500


def test_a_reason_names_rounds_and_members():
    terms = toy_epoch(5, 3).federation.terms
    reason = Difference(("age/1", "cardio/7"), (4,)).reason(terms)
    assert "age/1, cardio/7" in reason
    assert "H4 alone" in reason
    assert "too much" in Difference(("age/1",), ()).reason(terms)


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
    assert largest(of(given), OWN, rows(*opened), 3, 3) == of(found)


def allowed(found: Sequence[Row]) -> dict[str, Row]:
    opened = dict[str, Row]()
    for one in found:
        if isolated(one, opened, 3) is None:
            opened[str(len(opened))] = one
    return opened


def sets(given: frozenset[int], size: int) -> list[frozenset[int]]:
    return [frozenset(c) for c in itertools.combinations(sorted(given), size)]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_larger_set_isolates_nobody(data):
    """By trying all of them; what members add is now from one start, now from another."""
    n = data.draw(st.integers(4, 7))
    others = allowed(data.draw(st.lists(some_rows(n), min_size=1, max_size=3)))
    own = {m: (m, data.draw(st.sampled_from("aab"))) for m in range(1, n + 1)}
    given = data.draw(st.frozensets(st.integers(1, n), min_size=3))

    def fits(chosen: frozenset[int]) -> bool:
        return isolated(frozenset(own[m] for m in chosen), others, 3) is None

    sizes = [size for size in range(3, len(given) + 1) if any(map(fits, sets(given, size)))]
    found = largest(given, own, others, 3, 3)
    assert len(found) == max(sizes, default=0)
    assert found <= given
    assert not found or fits(found)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)  # there often is a set to close over already
@given(st.integers(4, 7), st.data())
def test_no_fewer_could_let_a_round_go_on(n: int, data: st.DataObject) -> None:
    everybody = frozenset(range(1, n + 1))
    subsets = st.frozensets(st.sampled_from(sorted(everybody)), min_size=3)
    found = data.draw(st.lists(subsets, min_size=1, max_size=3))
    others = allowed([frozenset(OWN[m] for m in one) for one in found])
    given_by = data.draw(subsets)
    absent = everybody - given_by
    assume(not largest(given_by, OWN, others, 3, 3))
    missing = fewest_missing(given_by, absent, OWN, others, 3, 3)
    enough = [
        size
        for size in range(1, len(absent) + 1)
        for choice in itertools.combinations(absent, size)
        if largest(given_by.union(choice), OWN, others, 3, 3)
    ]
    assert len(missing) == min(enough, default=0)
    assert not missing or largest(given_by | missing, OWN, others, 3, 3)


def test_one_who_lets_another_sum_be_opened_is_named_before_two() -> None:
    opened = rows("12456")
    assert fewest_missing(of("124"), of("356"), OWN, opened, 3, 3) == {3}


def test_who_voids_round_after_round_does_not_stop_the_aggregator() -> None:
    """The sets that are open already are found, however much work the others would be."""
    opened = rows("12345678", "1234")
    found = largest(of("1234567"), OWN, opened, 3, 3, limit=1)
    assert found in (of("1234"), of("123456"), of("1234567"))
    assert isolated(frozenset(OWN[m] for m in found), opened, 3) is None


# ── liars that call everything near ──


def test_what_a_liar_connects_with_everything_is_left_out() -> None:
    """5 says of each of 300 rounds that it is near the others; each has members of its own."""
    lie = (5, START)
    others: dict[str, Row] = {
        str(k): frozenset((m, str(k)) for m in range(1, 5)) | {lie} for k in range(300)
    }
    others["again"] = row("12345")
    effort = Effort()
    assert isolated(row("12345"), others, 3, effort) is None
    assert effort.spent < 10_000
    found = isolated(row("1245"), others, 3, Effort())
    assert found == Difference(("again",), (3,))
