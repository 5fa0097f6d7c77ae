"""What a ceremony costs here, with a clock that goes as the test says."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from keyshare.ceremony.modulus import expected_candidates, expected_tests
from participant.ceremony.calibration import LIMIT_SECONDS, Calibration
from protocol.terms.terms import Terms
from tests.stage.toy import toy_federation


def terms(n: int = 3, bits: int = 256) -> Terms:
    return toy_federation(n, n // 2 + 1, bits).terms


def ticking(*steps: float) -> Callable[[], float]:
    """A clock that goes on by these seconds from one look at it to the next, over and over."""
    times: Iterator[float] = itertools.accumulate(itertools.cycle(steps), initial=0.0)
    return lambda: next(times)


def test_a_slice_is_as_long_as_asked_for() -> None:
    calibration = Calibration(terms(), ticking(0.004, 0.001, 0.0))
    calibration.advance(0.02)
    assert calibration.spent == pytest.approx(0.02)
    calibration.advance(0.01)
    assert calibration.spent == pytest.approx(0.03)


def test_a_slice_measures_once_at_least() -> None:
    calibration = Calibration(terms(), ticking(0.3, 0.2, 0.0))
    calibration.advance(0.0)
    assert calibration.spent == pytest.approx(0.5)


def test_no_more_is_spent_than_one_second() -> None:
    calibration = Calibration(terms(), ticking(0.06, 0.04, 0.0))
    for _ in range(100):
        calibration.advance(0.05)
    assert calibration.done
    assert calibration.spent == pytest.approx(LIMIT_SECONDS, abs=0.11)


@pytest.mark.parametrize(("n", "dealers"), [(3, 2), (5, 3), (10, 5)])
def test_a_candidate_costs_its_part_of_tests_and_checks(n: int, dealers: int) -> None:
    quick = Calibration(terms(n), ticking(0.0, 0.0, 0.0))
    slow = Calibration(terms(n), ticking(0.5, 0.25, 0.0))
    quick._sample()
    slow._sample()
    tests = expected_tests(256, n) / expected_candidates(256, n)
    expected = tests * ((dealers + 1) * 0.5 + dealers * 0.25) / n
    fixed = quick.cost.candidate_seconds
    assert fixed > 0
    assert slow.cost.candidate_seconds - fixed == pytest.approx(expected)


def test_the_figure_is_the_mean_of_what_was_measured() -> None:
    calibration = Calibration(terms(), ticking(0.1, 0.0, 0.0, 0.3, 0.0, 0.0))
    steady = Calibration(terms(), ticking(0.2, 0.0, 0.0))
    for some in (calibration, steady):
        some.advance(0.4)
    assert calibration.cost.ending_seconds == pytest.approx(steady.cost.ending_seconds)


def test_a_longer_key_costs_more_and_more_members_a_longer_end() -> None:
    short, long = Calibration(terms(bits=512)), Calibration(terms(bits=2048))
    for calibration in (short, long):
        calibration.advance(0.02)
    assert 0 < 4 * short.cost.ending_seconds < long.cost.ending_seconds
    assert 0 < 2 * short.cost.candidate_seconds < long.cost.candidate_seconds
    few, many = Calibration(terms(3), ticking(0.1)), Calibration(terms(10), ticking(0.1))
    for calibration in (few, many):
        calibration.advance(0.1)
    assert few.cost.ending_seconds < many.cost.ending_seconds
