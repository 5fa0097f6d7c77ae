"""Ranges: Λ³ and G by other formulas, and that honest values fill them without leaving them."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare.ceremony import MAX_MEMBERS, evaluate
from keyshare.errors import BadIndices, BadParameters
from keyshare.handover import (
    LAMBDA,
    Drawn,
    HandoverPlan,
    KeyState,
    deal,
    draw,
    normal_factor,
    spread,
)
from keyshare.key import key_shape
from tests.keyshare.handover.histories import (
    PHI,
    N,
    at,
    first_epoch,
    lagrange_at,
    plan_for,
    vanishing,
)
from tests.keyshare.key.test_joint_key import dealt

ROSTERS = [(n, k) for n in range(2, MAX_MEMBERS + 1) for k in range(2, n + 1)]


@st.composite
def corruptions(draw):
    """A roster, a dealer i, dealers D with i, and quorum-1 members C without i."""
    n, quorum = draw(st.sampled_from(ROSTERS))
    i = draw(st.integers(1, n))
    others = st.permutations([j for j in range(1, n + 1) if j != i])
    dealers, corrupted = draw(others)[: quorum - 1], draw(others)[: quorum - 1]
    return n, quorum, i, [i, *dealers], corrupted


def moves(i: int, dealers: list[int], corrupted: list[int]) -> Fraction:
    """λ_i·∏ (1 - i/j)."""
    return lagrange_at(0, dealers, i) * at(vanishing(corrupted), i)


def test_lambda_is_twice_the_factorial_of_the_largest_roster():
    assert LAMBDA == 2 * math.factorial(16) == 41_845_579_776_000
    assert MAX_MEMBERS == 16


@settings(max_examples=200, deadline=None)
@given(corruptions())
def test_masks_move_by_integers_within_the_spread(case):
    n, quorum, i, dealers, corrupted = case
    move = moves(i, dealers, corrupted)
    assert (move * int(LAMBDA) ** 2).denominator == 1
    assert abs(move) < spread(n, quorum)
    for coefficient in vanishing(corrupted):
        assert (coefficient * int(LAMBDA) / 2).denominator == 1
        assert abs(coefficient) <= 2 ** (quorum - 1)


def valuation(prime: int, number: int) -> int:
    count = 0
    while number % prime == 0:
        number, count = number // prime, count + 1
    return count


def test_masks_move_by_integers_for_every_roster_dealers_and_corrupted():
    """Exhaustively: the valuations of factors add up, so the worst sets take the worst factors."""
    for prime in (2, 3, 5, 7, 11, 13):
        most = 2 * valuation(prime, int(LAMBDA))
        for n, quorum in ROSTERS:
            for i in range(1, n + 1):
                others = [j for j in range(1, n + 1) if j != i]
                top = sorted(valuation(prime, abs(j - i)) - valuation(prime, j) for j in others)
                needed = sum(top[-(quorum - 1) :]) - sum(top[: quorum - 1])
                assert needed <= most, (n, quorum, i, prime)


def test_a_square_of_lambda_would_not_do_for_the_secret():
    """Two of 16, dealers 1 and 14, corrupted 13: 13² in the denominator, and Λ has one 13."""
    move = moves(1, [1, 14], [13])
    assert move.denominator % 13**2 == 0
    assert (move * int(LAMBDA) ** 2 / int(LAMBDA)).denominator % 13 == 0


@pytest.mark.parametrize(("n", "quorum"), [case for case in ROSTERS if case[0] <= 6])
def test_the_spread_is_the_least_integer_above_all_moves(n, quorum):
    largest = Fraction(0)
    for i in range(1, n + 1):
        others = [j for j in range(1, n + 1) if j != i]
        sets = [list(some) for some in itertools.combinations(others, quorum - 1)]
        largest = max(
            [largest, *(abs(moves(i, [i, *d], c)) for d, c in itertools.product(sets, sets))]
        )
    assert spread(n, quorum) == math.floor(largest) + 1


def test_the_spreads_that_the_page_names():
    assert spread(5, 3) == 46
    assert int(spread(16, 9)).bit_length() == 28


@settings(max_examples=60, deadline=None)
@given(
    before=st.sampled_from([(2, 2), (3, 2), (5, 3), (7, 4), (16, 9)]),
    after=st.sampled_from(ROSTERS),
    ends=st.lists(st.booleans(), min_size=18, max_size=18),
    rng=st.randoms(use_true_random=False),
)
def test_what_honest_dealers_say_is_in_range_at_all_ends(before, after, ends, rng):
    epoch = first_epoch(*before)
    plan = plan_for(epoch, after[0], after[1], rng.sample(epoch.members, epoch.quorum))
    top = [plan.mask_bound - 1, *[plan.coefficient_bound - 1] * (plan.quorum - 1)]
    numbers = [high if end else mpz(0) for high, end in zip(top, ends, strict=False)]
    drawn = Drawn(numbers[0], tuple(numbers[1:]))
    dealer = rng.choice(plan.dealers)
    for point in (mpz(0), epoch.state.point_bound - 1, epoch.points[dealer]):
        said = deal(plan, dealer, point, drawn)
        assert abs(said.difference) < plan.difference_bound(dealer)
    for j in range(1, plan.n_members + 1):
        assert 0 <= evaluate(drawn.polynomial, j) < plan.dealt_bound
    assert plan.point_bound == len(plan.dealers) * plan.dealt_bound


@settings(max_examples=60, deadline=None)
@given(
    before=st.sampled_from([(2, 2), (3, 2), (5, 3), (7, 4), (16, 9)]),
    after=st.sampled_from(ROSTERS),
)
def test_ranges_are_2_128_times_what_they_hide(before, after):
    epoch = first_epoch(*before)
    plan = plan_for(epoch, after[0], after[1], epoch.members[: epoch.quorum])
    first, k = 2**128, math.factorial(before[0])
    furthest = k * before[0] * first * int(N)  # |δ|
    assert plan.mask_bound == first * spread(*before) * LAMBDA**2 * furthest
    most = LAMBDA * plan.mask_bound * 2 ** (plan.quorum - 1) // 2  # of a shift of Λ·ρ_i, halved
    assert plan.coefficient_bound == first * most


def test_the_secret_of_a_ceremony_lies_within_the_furthest_shift():
    """s = S/Λ³ = φ·Δβ is below N times the bound of δ, with room for another dealer's mask."""
    for n, quorum in ((3, 2), (5, 3), (7, 4)):
        made, secret = dealt(n, quorum), first_epoch(n, quorum).secret
        assert secret == LAMBDA**3 * PHI * made.shape.delta * made.beta
        furthest = math.factorial(n) * n * 2**128 * N
        assert 0 < secret // LAMBDA**3 < N * furthest * ((n - 1) // 2 + 1) // n


@pytest.mark.parametrize("n", [3, 5, 7, 16])
def test_a_dealer_of_the_ceremony_cannot_widen_what_is_hidden_by_a_large_mask(n):
    """Only its points are checked. It knows N·B itself, and (p+q-1)·B stays below Δ·K·N²."""
    shape, degree = key_shape(mpz(1) << 2_047, n, 2), (n - 1) // 2
    most = Fraction(0)
    for first in range(1, n - degree + 1):
        honest = range(first, first + degree + 1)
        weights = sum((abs(lagrange_at(0, honest, j)) for j in honest), Fraction(0))
        most = max(most, weights * int(shape.point_bound(shape.mask_bound, degree)))
    assert most < int(shape.delta * shape.mask_bound) << 200
    assert 3 * (1 << 1_024) * most < int(shape.delta * shape.mask_bound * shape.n)


@pytest.mark.parametrize("n", range(2, 17))
def test_the_normal_factor_makes_the_secret_a_multiple_of_the_cube(n):
    assert normal_factor(n) * math.factorial(n) == LAMBDA**3
    assert normal_factor(n) % LAMBDA == 0


def test_what_is_drawn_depends_on_everything():
    epoch = first_epoch(5, 3)
    plans = [
        plan_for(epoch, 5, 3, (1, 2, 3)),
        plan_for(epoch, 5, 3, (1, 2, 4)),
        plan_for(epoch, 5, 4, (1, 2, 3)),
        plan_for(epoch, 6, 3, (1, 2, 3)),
        plan_for(epoch, 5, 3, (1, 2, 3), "handover/2"),
        plan_for(first_epoch(5, 2), 5, 3, (1, 2)),
    ]
    assert len({plan.digest for plan in plans}) == len(plans)
    masks = {draw(plan, i, bytes(32)).mask for plan in plans for i in plan.dealers}
    masks.add(draw(plans[0], 1, bytes([1] * 32)).mask)
    assert len(masks) == sum(len(plan.dealers) for plan in plans) + 1


def test_plans_of_other_sizes_are_refused():
    state = first_epoch(5, 3).state
    for n, quorum, dealers in (
        (1, 1, (1, 2, 3)),
        (17, 3, (1, 2, 3)),
        (5, 1, (1, 2, 3)),
        (5, 6, (1, 2, 3)),
        (5, 3, (1, 2)),
        (5, 3, (1, 2, 3, 4)),
    ):
        with pytest.raises(BadParameters):
            HandoverPlan(state, n, quorum, dealers, b"")
    for dealers in ((1, 2, 6), (0, 1, 2), (1, 2, 2), (3, 2, 1)):
        with pytest.raises(BadIndices):
            HandoverPlan(state, 5, 3, dealers, b"")
    for n, quorum in ((1, 2), (17, 2), (3, 1), (3, 4)):
        with pytest.raises(BadParameters):
            spread(n, quorum)


@pytest.mark.parametrize(
    ("n", "quorum", "lengths"),
    [(5, 3, (6_553, 6_687, 3_434, 3_614, 3_624)), (16, 9, (6_664, 6_784, 3_495, 3_709, 3_763))],
)
def test_the_lengths_at_3072_bits_are_those_of_the_page(n, quorum, lengths):
    """Of a ceremony's share, one that was handed over, ρ_i, a dealt point, and e_i, in bits."""
    modulus = (mpz(1) << 3_072) - 1
    shape, one = key_shape(modulus, n, quorum), (mpz(1),) * quorum
    state = KeyState(modulus, mpz(1), n, n, quorum, mpz(1), one, shape.share_bound // modulus)
    plan = HandoverPlan(state, n, quorum, tuple(range(1, quorum + 1)), b"")
    again = replace(state, point_bound=plan.point_bound)
    second = HandoverPlan(again, n, quorum, plan.dealers, b"")
    assert (plan.mask_bound, plan.point_bound) == (second.mask_bound, second.point_bound)
    found = (
        shape.share_bound,
        again.share_bound,
        plan.mask_bound,
        plan.dealt_bound,
        max(map(second.difference_bound, plan.dealers)),
    )
    assert tuple(int(bound).bit_length() for bound in found) == lengths
