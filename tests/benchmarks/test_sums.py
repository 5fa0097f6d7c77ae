"""The benchmark of sums plays, and both ways come to the same sums."""

import pytest

from benchmarks.sums import whole


@pytest.mark.slow
def test_both_ways_add_the_same_and_are_measured() -> None:
    found = whole.measure(contributions=18, weights=300_000)
    assert found["dask"]["cpu_seconds"] > 0
    assert found["ratio"]["seconds"] == found["dask"]["seconds"] / found["in_process"]["seconds"]
