"""What was opened before a handover has one encoding, in parts, and nothing else is read."""

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.messages import inherited_sums
from protocol.messages.inherited_sums import (
    AlikeStarts,
    InheritedStart,
    InheritedSum,
    InheritedSums,
    read_inherited_sums,
)

START, DATA = InheritedStart("model", b"m" * 32), InheritedStart("data", b"patients")
FIRST = InheritedSum("cardio/1", 0, (0, 1, 2))
SUMS = InheritedSums(("A", "B", "C"), (START, DATA), (FIRST,), (AlikeStarts(1, (0, 1)),))


def test_what_is_written_is_read_whatever_its_parts_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_inherited_sums(SUMS.parts()) == SUMS
    monkeypatch.setattr(inherited_sums, "PART_BYTES", 10)
    parts = SUMS.parts()
    assert len(parts) > 5
    assert max(map(len, parts)) == 10
    assert read_inherited_sums(parts) == SUMS


def test_nothing_has_no_parts() -> None:
    assert InheritedSums().parts() == ()
    assert read_inherited_sums(()) == InheritedSums()


def test_what_the_board_does_not_take_has_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inherited_sums, "MAX_INHERITED_BYTES", 40)
    with pytest.raises(Malformed, match="at most 40"):
        SUMS.parts()


@pytest.mark.parametrize(
    "changes",
    [
        {"hospitals": ("A", "B", "A")},
        {"hospitals": ("A", "B", "C\u202e")},
        {"hospitals": ("A", "B", "")},
        {"starts": (START, START)},
        {"sums": (replace(FIRST, start=2),)},
        {"sums": (replace(FIRST, hospitals=(0, 3)),)},
        {"sums": (replace(FIRST, hospitals=(1, 0)),)},
        {"sums": (replace(FIRST, hospitals=(1, 1)),)},
        {"sums": (replace(FIRST, hospitals=()),)},
        {"sums": (replace(FIRST, round="two lines/1"),)},
        {"sums": (replace(FIRST, round="cardio/0"),)},
        {"alike": (AlikeStarts(3, (0, 1)),)},
        {"alike": (AlikeStarts(1, (0, 2)),)},
        {"alike": (AlikeStarts(1, ()),)},
    ],
)
def test_what_names_nothing_in_its_lists_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_inherited_sums((encode(replace(SUMS, **changes)),))


def test_other_bytes_are_refused() -> None:
    with pytest.raises(Malformed):
        read_inherited_sums((encode(SUMS)[:-1],))
