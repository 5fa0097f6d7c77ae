"""A round's path through the code, counted."""

import sys

from benchmarks import trips
from protocol.board.post import genesis


def test_every_stretch_of_a_round_is_counted_and_nothing_after_it():
    found = trips.measure(bits=256)
    assert list(found) == ["contribution", "sum", "lock", "model"]
    assert all(trip["moves"] >= 2 * (trip["files"] - 1) > 0 for trip in found.values())
    assert sys.getprofile() is None


def test_a_move_is_a_call_into_another_file_or_its_return():
    with (trip := trips.Trip()):
        genesis(bytes(32))
    assert {file.rpartition("/")[2] for file in trip.files} == {"post.py", "digest.py"}
    assert trip.moves == 2
