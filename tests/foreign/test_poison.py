"""What tells safe output from unsafe tells it."""

import pytest

from protocol.words.foreign import line, shown
from tests.foreign.poison import NOT_TEXT, POISONS, offences, poisoned


@pytest.mark.parametrize("kind", sorted(POISONS.keys() - {"rich", "html"}))
def test_every_poison_is_an_offence_where_it_is_written_raw(kind: str) -> None:
    assert offences(f"name: {POISONS[kind]}")


def test_what_is_shown_is_none() -> None:
    assert offences(shown(NOT_TEXT)) == []
    assert offences(line(NOT_TEXT)) == []


def test_every_text_of_a_value_is_poisoned() -> None:
    value = {"a": ("b", 1, [{"c": None}])}
    assert poisoned(value, "!") == {"a!": ("b!", 1, [{"c!": None}])}
