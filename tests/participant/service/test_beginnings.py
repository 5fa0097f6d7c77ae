"""What is about to begin in an agent, and what it does not try again by itself."""

import asyncio

import pytest

from participant.agent.task import Task
from participant.service.beginnings import Beginnings
from participant.service.due import Due

STUDY, ROUND = "study/cardio", "study/cardio/7"


def due(session: str, since: int = 5) -> Due:
    return Due(session, Task, since)


def test_what_has_failed_is_due_again_by_a_later_entry_alone() -> None:
    found = Beginnings()
    found.failed(ROUND, 5)
    assert found.is_tried(due(ROUND, 5))
    assert not found.is_tried(due(ROUND, 6))
    assert not found.is_tried(due(STUDY, 5))


@pytest.mark.parametrize(
    ("failed", "is_forgotten"),
    [(STUDY, True), (ROUND, True), ("study/cardio-2", False), ("study/c", False)],
)
def test_a_word_about_a_study_has_it_and_its_rounds_tried_anew(
    failed: str, is_forgotten: bool
) -> None:
    found = Beginnings()
    found.failed(failed, 5)
    found.try_anew(STUDY)
    assert found.is_tried(due(failed)) is not is_forgotten


def test_what_gave_way_waits_until_the_way_is_free() -> None:
    found = Beginnings()
    found.gave_way(ROUND)
    assert found.is_tried(due(ROUND, 1_000))
    found.way_is_free()
    assert not found.is_tried(due(ROUND))
    found.gave_way(ROUND)
    found.forget(ROUND)
    assert not found.is_tried(due(ROUND))


async def _reserves() -> None:
    found = Beginnings()
    with found.reserved(STUDY) as begun:
        assert found.sessions == {STUDY}
        assert found.coming(STUDY) is begun
        found.begun(STUDY)
        assert begun.done()
        assert found.sessions == set()
    assert not begun.cancelled()
    with found.reserved(STUDY) as begun:
        pass
    assert begun.cancelled()
    assert found.coming(STUDY) is None


def test_a_session_is_reserved_until_its_task_has_begun_or_never_does() -> None:
    asyncio.run(_reserves())


async def _prepares() -> None:
    found, ends = Beginnings(), list[int]()

    async def course() -> None:
        await asyncio.sleep(60)

    found.prepare(STUDY, course(), lambda: ends.append(1))
    (preparing,) = found.preparing
    assert found.coming(STUDY) is preparing
    found.cancel(STUDY)  # before it has begun
    await asyncio.wait([preparing])
    await asyncio.sleep(0)
    assert ends == [1]
    assert found.sessions == set()


def test_what_is_cancelled_before_it_begins_is_over_too() -> None:
    asyncio.run(_prepares())
