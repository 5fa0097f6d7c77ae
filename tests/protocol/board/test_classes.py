"""Who deals and who computes again, for every size of a consortium."""

import itertools
import math
from collections import Counter

import pytest

from keyshare.ceremony.modulus import expected_candidates
from protocol.board.classes import CandidateLayout
from tests.stage.toy import toy_federation

SIZES = range(3, 17)


def layout(n: int, bits: int = 256) -> CandidateLayout:
    return CandidateLayout(toy_federation(n, n // 2 + 1, bits).terms)


def t(n: int) -> int:
    return (n - 1) // 2


@pytest.mark.parametrize("n", SIZES)
def test_the_dealers_are_every_circle_of_t_plus_1_members(n):
    found = [layout(n).dealers(c) for c in layout(n).classes]
    assert len({frozenset(dealers) for dealers in found}) == n
    for dealers in found:
        assert len(set(dealers)) == t(n) + 1
        assert set(dealers) <= set(range(1, n + 1))
        assert all(b == a % n + 1 for a, b in itertools.pairwise(dealers))
    assert [dealers[0] for dealers in found] == list(range(1, n + 1))  # each leads one class


@pytest.mark.parametrize("n", SIZES)
def test_each_class_has_t_plus_1_checkers_and_together_they_are_as_many_as_can_be(n):
    for c in layout(n).classes:
        dealers, checkers = layout(n).dealers(c), layout(n).checkers(c)
        assert len(set(checkers)) == t(n) + 1
        assert len(set(dealers) | set(checkers)) == min(n, 2 * (t(n) + 1))


@pytest.mark.parametrize("n", SIZES)
def test_no_t_members_are_all_the_dealers_or_all_the_checkers_of_a_class(n):
    """The honest majority has a part in every candidate, and a look at every candidate."""
    assert all(len(layout(n).dealers(c)) > t(n) < len(layout(n).checkers(c)) for c in range(n))
    assert t(n) < n - t(n)


@pytest.mark.parametrize("n", SIZES)
def test_all_members_deal_and_check_equally_often(n):
    dealt = Counter(i for c in range(n) for i in layout(n).dealers(c))
    checked = Counter(i for c in range(n) for i in layout(n).checkers(c))
    assert set(dealt.values()) == set(checked.values()) == {t(n) + 1}
    assert set(dealt) == set(checked) == set(range(1, n + 1))
    for i in dealt:
        assert layout(n).dealt_by(i) == [c for c in range(n) if i in layout(n).dealers(c)]


@pytest.mark.parametrize("n", [3, 4, 5, 10, 16])
@pytest.mark.parametrize("bits", [256, 1024, 2048, 4096])
def test_a_batch_is_about_half_of_the_expected_candidates(n, bits):
    expected = expected_candidates(bits, n)
    size = layout(n, bits).batch_size
    assert expected / 2 <= size < expected / 2 + n
    assert size % n == 0


@pytest.mark.parametrize("n", [3, 4, 5])
def test_with_such_batches_two_and_a_half_are_needed_in_the_mean(n):
    success = 1 / expected_candidates(2048, n)
    failing_batch = math.exp(layout(n, 2048).batch_size * math.log1p(-success))
    assert 2.3 < 1 / (1 - failing_batch) < 2.6


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_every_candidate_belongs_to_one_class(n):
    plan = layout(n)
    everything = [k for c in plan.classes for k in plan.candidates(c)]
    assert everything == list(range(plan.batch_size))
    assert all(k in plan.candidates(plan.class_of(k)) for k in everything)
    for i in range(1, n + 1):
        chosen = plan.chosen(everything[::3], i)
        assert chosen == [k for k in everything[::3] if i in plan.dealers(plan.class_of(k))]
