"""The board's clock never goes back."""

from hypothesis import given
from hypothesis import strategies as st

from aggregator.clock import BoardClock


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1))
def test_time_never_goes_back(latest: int, readings: list[int]) -> None:
    times = iter(readings)
    clock = BoardClock(lambda: next(times), latest)
    shown = [latest, *(clock.now_ms() for _ in readings)]
    assert shown == sorted(shown)


def test_a_clock_that_is_right_is_shown_as_it_is() -> None:
    times = iter([100, 150, 150, 900])
    clock = BoardClock(lambda: next(times), 90)
    assert [clock.now_ms() for _ in range(4)] == [100, 150, 150, 900]


def test_after_a_step_back_time_goes_on_at_its_pace() -> None:
    times = iter([1_000, 10, 60])
    clock = BoardClock(lambda: next(times))
    assert [clock.now_ms() for _ in range(3)] == [1_000, 1_000, 1_050]
