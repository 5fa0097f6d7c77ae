"""An error is a declaration of its facts: named once, in its text, and there after a pickle."""

import pickle
from collections.abc import Sequence

import pytest

from keyshare.errors import CorruptSum, FactualError, FalseSum, TooFewPartials


class Told(FactualError):
    """Said of a number."""

    what: str
    count: int
    name: bytes
    why: str = ""


class Counted(FactualError, says="{have} of {need!r}"):
    """Said in its own words."""

    have: Sequence[int]
    need: int = 3


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Told("a key", 2, b"\x00\xff"), "a key: 2: 00ff"),
        (Told("a key", 2, b"", why="odd"), "a key: 2: odd"),
        (Counted([1, 2]), "[1, 2] of 3"),
        (CorruptSum("out of range", 0), "out of range at position 0"),
        (CorruptSum("out of range"), "out of range"),
        (FalseSum(), "the aggregator's sum is not that of the contributions"),
    ],
)
def test_an_error_says_its_fields(error: FactualError, text: str) -> None:
    assert str(error) == text


def test_a_note_is_no_fact() -> None:
    error = Told("a key", 2, b"")
    error.add_note("seen by a test")
    assert "seen" not in str(error)


def test_an_error_needs_its_facts_and_has_them_by_name() -> None:
    assert (Counted([1], need=2).have, Counted([1]).need) == ([1], 3)
    with pytest.raises(TypeError):
        Told("a key")  # type: ignore[call-arg]


def test_an_error_is_the_same_in_another_process_and_equal_to_no_other() -> None:
    error = TooFewPartials(2, 3)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.have, again.need, str(again)) == (TooFewPartials, 2, 3, str(error))
    assert error != again
    assert {error, again} == {again, error}  # it can be hashed, as the tools for tracebacks do
