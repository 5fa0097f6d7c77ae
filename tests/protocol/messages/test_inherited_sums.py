"""What was opened before a handover has one encoding, in parts, and nothing else is read."""

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.messages import inherited_sums
from protocol.messages.inherited_sums import (
    MAX_HOSPITALS,
    AlikeStarts,
    InheritedModels,
    InheritedStart,
    InheritedSum,
    InheritedSums,
    read_inherited_sums,
)

START, DATA = InheritedStart("model", b"m" * 32), InheritedStart("data", b"patients")
FIRST = InheritedSum("cardio/1", 0, (0, 1, 2))
OLD, OLDER = b"f" * 32, b"g" * 32
MODELS = InheritedModels(OLD, "cardio", (b"1" * 32, b"", b"3" * 32))
SUMS = InheritedSums(("A", "B", "C"), (START, DATA), (FIRST,), (AlikeStarts(1, (0, 1)),), (MODELS,))


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


def test_of_more_hospitals_than_are_read_there_are_no_parts() -> None:
    """Else a key would be released that never counts."""
    most = replace(SUMS, hospitals=tuple(f"H{k}" for k in range(MAX_HOSPITALS)))
    assert read_inherited_sums(most.parts()) == most
    with pytest.raises(Malformed, match="1025 hospitals, at most 1024"):
        replace(most, hospitals=(*most.hospitals, "one more")).parts()


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
        {"models": (MODELS, replace(MODELS, models=()))},
        {"models": (replace(MODELS, models=(b"1" * 31,)),)},
        {"models": (replace(MODELS, federation=b"f" * 31),)},
        {"models": (replace(MODELS, study="Cardio"),)},
    ],
)
def test_what_names_nothing_in_its_lists_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_inherited_sums((encode(replace(SUMS, **changes)),))


def test_other_bytes_are_refused() -> None:
    with pytest.raises(Malformed):
        read_inherited_sums((encode(SUMS)[:-1],))


def test_a_model_is_known_by_federation_study_and_round() -> None:
    said = replace(SUMS, models=(MODELS, InheritedModels(OLDER, "cardio", (b"o" * 32,))))
    assert said.model_after(OLD, "cardio", 3) == b"3" * 32
    assert said.model_after(OLDER, "cardio", 1) == b"o" * 32
    for unknown in [(OLD, "cardio", 2), (OLD, "cardio", 4), (OLD, "other", 1), (b"x" * 32, "", 1)]:
        assert said.model_after(*unknown) is None
