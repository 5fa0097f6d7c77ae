"""A model of several chunks, through a ceremony and a round of whole processes."""

import pytest

from benchmarks import large_round

WEIGHTS = 600_000  # three chunks


@pytest.mark.slow
def test_a_vector_of_several_chunks_goes_through_a_round_of_whole_processes() -> None:
    found = large_round.measure(WEIGHTS, 1024)
    bits = 20  # of a weight, of three members under the hybrid suite
    assert found["largest_error"] <= 16 * large_round.CLIP / 2 ** (bits - 1)
    assert 3.0 * WEIGHTS < found["bytes_up"] < 3.3 * WEIGHTS
