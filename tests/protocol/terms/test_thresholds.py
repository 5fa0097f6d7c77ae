"""What follows from how many members there are and how many may collude."""

import itertools

import pytest

from protocol.errors import BadTerms
from protocol.terms.terms import Floors, check
from tests.stage.toy import replace_terms, toy_federation


@pytest.mark.parametrize(
    ("n", "faults", "threshold"),
    [(3, 0, 2), (4, 1, 3), (5, 1, 4), (6, 1, 4), (7, 2, 5), (10, 3, 7), (16, 5, 11)],
)
def test_the_lock_threshold_is_above_half_of_members_and_faults(n, faults, threshold):
    terms = toy_federation(n, n).terms
    assert (terms.faults, terms.lock_threshold) == (faults, threshold)
    # Two sets locked at once would have an honest member in common, who locks only one.
    assert 2 * terms.lock_threshold - n > terms.faults
    assert 2 * (terms.lock_threshold - 1) - n <= terms.faults


FLOORS = {
    3: 3, 4: 3, 5: 3, 6: 3, 7: 4, 8: 4, 9: 4, 10: 5, 11: 5, 12: 5, 13: 6, 14: 6, 15: 6, 16: 7
}  # fmt: skip


@pytest.mark.parametrize(("n", "floor"), FLOORS.items())
def test_a_sum_and_a_difference_hold_two_more_than_may_collude_and_three_at_least(n, floor):
    terms = toy_federation(n, n).terms
    assert terms.floor == floor
    for contributors, difference in itertools.product(range(n + 2), repeat=2):
        changed = replace_terms(terms, floors=Floors(contributors, difference, 1))
        if floor <= difference <= contributors <= n:
            check(changed)
            continue
        with pytest.raises(BadTerms) as raised:
            check(changed)
        is_sum = not floor <= contributors <= n
        assert raised.value.field == f"floors.least_{'contributors' if is_sum else 'difference'}"
        assert f"set {floor} or more" in raised.value.reason


def test_terms_that_nobody_checked_have_the_floor_all_the_same():
    """Two of three would each read the other; whoever builds such terms does not get there."""
    terms = toy_federation(3, 2, floors=Floors(2, 2, 1)).terms
    assert (terms.least_contributors, terms.least_difference) == (3, 3)
    high = replace_terms(terms, floors=Floors(5, 4, 1))
    assert (high.least_contributors, high.least_difference) == (5, 4)


def test_the_refusal_says_why_and_what_to_set():
    with pytest.raises(BadTerms) as raised:
        check(toy_federation(3, 2, floors=Floors(2, 2, 1)).terms)
    assert raised.value.reason == (
        "2, and it must be 3. Of 3 members 1 may subtract what it added, and two must be left who "
        "hide each other: set 3 or more"
    )
    with pytest.raises(BadTerms) as raised:
        check(toy_federation(7, 4, floors=Floors(5, 3, 1)).terms)
    assert raised.value.reason == (
        "3, and it must be 4 to 5, where 5 is least_contributors. Of 7 members 2 may subtract what "
        "they added, and two must be left who hide each other: set 4 or more"
    )
