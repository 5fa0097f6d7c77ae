"""What is over costs nothing any more: a tick and a report do the same on a long board."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aggregator.status import report
from protocol.messages.rounds import Refusal
from tests.stage.desk import MODEL, Desk

SHOWN = 5


@pytest.fixture(autouse=True)
def _few_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_ROUNDS", SHOWN)
    monkeypatch.setattr(report, "MAX_STUDIES", SHOWN)


def calls(function: Callable[[], object]) -> int:
    """How many functions of ours are called."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def costs(desk: Desk) -> tuple[int, int]:
    """Of the first tick after an entry, and of a report."""
    desk.service.tick()
    (session,) = {s for s, _ in desk.service.rounds.awaited()}
    desk.say(1, session, Refusal("rule", 0, ""))
    first = calls(desk.service.tick)
    return first, calls(lambda: desk.service.status({}))


def train(desk: Desk, name: str, numbers: range) -> None:
    """Rounds one after the other; nobody opens their sums."""
    study = desk.service.board.studies[name].study
    for number in numbers:
        desk.fill(study.round(number))
        assert desk.service.tick()
        desk.state(study.round(number), study.members, MODEL, length=number + 2)
        assert desk.service.tick()


def are_alike(few: tuple[int, int], many: tuple[int, int]) -> bool:
    """But for a few calls: caches differ, and a word that is shown of another round."""
    return all(b < a + 20 for a, b in zip(few, many, strict=True))


def test_a_study_of_many_rounds_costs_as_much_as_one_of_few(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.open_training(length=1, rounds=1_000, bits=8)
    train(desk, "cardio", range(1, SHOWN + 2))
    few = costs(desk)
    train(desk, "cardio", range(SHOWN + 2, 5 * SHOWN))
    assert are_alike(few, costs(desk))


def test_studies_that_are_over_cost_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.open_training()

    def end(first: int, last: int) -> None:
        for k in range(first, last):
            study = desk.found(desk.statistic(f"x{k:03}"))
            desk.wait(0)
            desk.end(study, 1, 2)

    end(0, SHOWN + 2)
    few = costs(desk)
    end(SHOWN + 2, 5 * SHOWN)
    assert are_alike(few, costs(desk))
    assert [s.study.name for s in desk.service.rounds.going_on()] == ["cardio"]
