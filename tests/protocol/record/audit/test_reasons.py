"""An aggregator leaves out whom it likes; a reason that is none stands in the record with its name.

What is told of an honest aggregator is nothing, whatever was contributed.
"""

from collections.abc import Callable
from typing import get_args

import msgspec
import pytest

from protocol.messages.attachment import attach
from protocol.messages.rounds import Closing, Contribution, Omission, OmissionReason
from protocol.record.audit.checks import audit
from protocol.record.audit.results import Remark
from protocol.rounds.history import OpenedSets
from tests.stage.record.broken_rounds import ciphertexts_at, put_ciphertexts
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Said, Story, write

ROUND, HYBRID_ROUND = "study/cardio/3", "study/cardio/2"
LEFT_OUT, OTHER = 3, 1
REASONS: tuple[OmissionReason, ...] = get_args(OmissionReason)
Change = Callable[[Story, int, int], None]


def before_the_closing(session: str = ROUND) -> Story:
    story = good().story.copy()
    del story.said[story.find(session, Closing) - 1 :]
    return story


def remarks(story: Story, reason: OmissionReason, other: int = 0) -> list[Remark]:
    """What check 4.4 says if the aggregator gives a reason at the end of the story."""
    session = story.said[-1].session
    about = story.at(story.find(session, Contribution, LEFT_OUT)).names[0]
    said = Omission(LEFT_OUT, about, reason, other)
    story.insert(len(story.said) + 1, Said(session, 0, said, story.said[-1].time_ms))
    found = audit(MemoryFiles(write(story).files), b"n" * 32)
    assert found.holds or any(r.failures for r in found.results if r.number in ("4.2", "4.3"))
    (result,) = [r for r in found.results if r.number == "4.4"]
    assert not result.failures
    return result.findings


@pytest.mark.parametrize("session", [ROUND, HYBRID_ROUND])
@pytest.mark.parametrize("reason", REASONS)
def test_of_a_contribution_with_no_fault_no_reason_that_can_be_seen_is_true(
    reason: OmissionReason, session: str
) -> None:
    story = before_the_closing(session)
    other = OTHER if reason == "repeated" else 0
    if found := remarks(story, reason, other):
        assert [(r.entry, r.party) for r in found] == [(len(story.said), "the aggregator")]
        assert f"what H3 contributed ({reason})" in found[0].reason
    assert bool(found) is (reason not in ("late", "vector"))


def garbage(story: Story, place: int, other: int) -> None:
    body = msgspec.structs.replace(story.at(place).body, ciphertexts=attach(b"garbage"))
    story.change(place, body=body)


def of_another_opening(story: Story, place: int, other: int) -> None:
    story.change(place, body=msgspec.structs.replace(story.at(place).body, opening=bytes(32)))


def anothers(story: Story, place: int, other: int) -> None:
    put_ciphertexts(story, place, ciphertexts_at(story, other))


def without_proof(story: Story, place: int, other: int) -> None:
    put_ciphertexts(story, place, msgspec.structs.replace(ciphertexts_at(story, place), proof=()))


@pytest.mark.parametrize(
    ("reason", "change", "other"),
    [
        ("unreadable", garbage, 0),
        ("another-opening", of_another_opening, 0),
        ("repeated", anothers, OTHER),
        ("unproven", without_proof, 0),
        ("unproven", of_another_opening, 0),
    ],
)
def test_nothing_is_said_of_a_reason_that_is_one(
    reason: OmissionReason, change: Change, other: int
) -> None:
    story = before_the_closing()
    change(story, *(story.find(ROUND, Contribution, m) for m in (LEFT_OUT, OTHER)))
    assert not remarks(story, reason, other)


def test_nothing_is_said_where_a_sum_of_the_same_model_may_be_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OpenedSets, "binds", lambda history, view: True)
    assert not remarks(before_the_closing(), "differencing")


def test_a_repetition_of_who_has_no_such_ciphertext_is_none() -> None:
    story = before_the_closing()
    anothers(story, *(story.find(ROUND, Contribution, m) for m in (LEFT_OUT, OTHER)))
    for other in (2, LEFT_OUT, 0):
        (found,) = remarks(story.copy(), "repeated", other)
        assert "nothing in it is repeated" in found.reason


def test_of_who_is_in_the_sum_every_reason_is_none() -> None:
    story = good().story.until(ROUND)
    (found,) = remarks(story, "late")
    assert found.reason.endswith("(late), but it is in the sum")
