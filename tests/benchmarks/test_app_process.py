"""The benchmark of an app's process measures both ways of calling it."""

from benchmarks.app_process import measure


def test_both_ways_are_measured() -> None:
    found = measure(weights=1_000, runs=1)
    assert found["apart"].keys() == found["in_place"].keys() == {"fit", "evaluate"}
