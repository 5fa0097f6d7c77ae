"""What people see of a ceremony."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from participant import progress
from participant.errors import Unreachable
from participant.progress import (
    CeremonyFacts,
    JsonView,
    LineView,
    LiveView,
    Watch,
    link_lost,
    link_notices,
    seconds_per_test,
)
from protocol.ceremony import CeremonyProgress
from tests.toy import toy_federation

TERMS = toy_federation(3, 2).terms


def reached(step: str, waiting: tuple[int, ...] = (), candidates: int = 0) -> CeremonyProgress:
    return CeremonyProgress(step, waiting, candidates, 349.2, candidates // 4, 80.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(progress, "seconds_per_test", lambda bits: 0.25)
    return [100.0]


def watch(clock: list[float]) -> Watch:
    return Watch(TERMS, lambda: clock[0])


def test_members_are_named_by_whether_they_have_joined(clock: list[float]) -> None:
    facts = watch(clock).facts(reached("join", (2,)))
    assert (facts.joined, facts.waiting_for) == (("H1", "H3"), ("H2",))


def test_in_later_steps_all_have_joined(clock: list[float]) -> None:
    facts = watch(clock).facts(reached("units", (2,)))
    assert (facts.joined, facts.waiting_for) == (("H1", "H2", "H3"), ("H2",))


def test_time_runs_from_the_last_joining(clock: list[float]) -> None:
    seen = watch(clock)
    clock[0] += 3_600
    assert seen.facts(reached("join", (2,))).seconds == 3_600
    seen.facts(reached("units"))
    clock[0] += 5
    assert seen.facts(reached("moduli", (), 10)).seconds == 5


def test_the_expected_time_comes_from_the_calibration_until_there_is_a_measured_rate(
    clock: list[float],
) -> None:
    seen = watch(clock)
    calibrated = seen.facts(reached("keys")).expected_seconds
    assert calibrated == pytest.approx(0.25 * progress.expected_tests(256, 3))
    clock[0] += 1_000
    assert seen.facts(reached("units", (), 100)).expected_seconds == pytest.approx(3_492)


@pytest.mark.parametrize(("candidates", "share"), [(243, "50%"), (350, "63%"), (1_050, "95%")])
def test_luck_says_how_many_ceremonies_are_done_by_now(
    clock: list[float], candidates: int, share: str
) -> None:
    luck = watch(clock).facts(reached("units", (), candidates)).luck
    assert luck == f"{share} of all ceremonies are done after so many candidates"


def test_the_calibration_measures_something() -> None:
    assert 0 < seconds_per_test(256, 0.01) < seconds_per_test(2048, 0.01)


def lines(clock: list[float], view: type[LineView], reports: list[CeremonyProgress]) -> list[str]:
    written: list[str] = []
    seen = watch(clock)
    with view(written.append) as shown:
        for report in reports:
            shown.show(seen.facts(report))
    return written


REPORTS = [
    reached("join", (1, 2)),
    reached("join", (1, 2)),
    reached("join", (2,)),
    reached("units", (1, 2, 3), 88),
    reached("units", (3,), 88),
    reached("units", (1, 2, 3), 176),
]


def test_without_a_terminal_each_joining_and_each_step_of_a_batch_is_one_line(
    clock: list[float],
) -> None:
    written = lines(clock, LineView, REPORTS)
    assert len(written) == 4
    assert "joined: H3; waiting for H1, H2" in written[0]
    assert "joined: H1, H3; waiting for H2" in written[1]
    assert "88 candidates tried (about 350 expected)" in written[2]
    assert "176 candidates tried" in written[3]


def test_json_lines_hold_the_facts(clock: list[float]) -> None:
    written = [json.loads(line) for line in lines(clock, JsonView, REPORTS)]
    assert [w["event"] for w in written] == ["progress"] * 5
    assert written[1]["waiting_for"] == ["H2"]
    assert set(written[0]) == {"event", *CeremonyFacts.__dataclass_fields__}


def test_the_live_view_shows_members_step_candidates_and_time(clock: list[float]) -> None:
    console: Any = Console(file=io.StringIO(), force_terminal=True, width=100)
    view = LiveView(TERMS, console)
    with view:
        view.note("connected")
        view.show(watch(clock).facts(reached("join", (2,))))
        joining = render(view)
        view.show(watch(clock).facts(reached("first", (1,), 88)))
        testing = render(view)
    assert "connected" in console.file.getvalue()
    assert "H2  has not joined yet" in joining
    assert "H1  is waited for" in testing
    assert "88 tried, about 350 expected" in testing
    assert "of all ceremonies are done" in testing


def render(view: LiveView) -> str:
    console: Any = Console(file=io.StringIO(), width=100)
    console.print(view._render())
    return str(console.file.getvalue())


def test_a_lost_link_is_told_with_reason_and_time() -> None:
    text = link_lost(Unreachable("wss://a:1", "connection refused"))
    assert text.startswith("aggregator at wss://a:1 not reachable (connection refused); trying")


def test_the_return_of_the_link_is_told_once_and_only_after_a_loss() -> None:
    said: list[str] = []
    notices = link_notices("wss://a:1", said.append)
    notices.found()
    assert said == []
    notices.lost(Unreachable("wss://a:1", "connection refused"))
    notices.found()
    notices.found()
    assert len(said) == 2
    assert said[1] == "connected again to wss://a:1"
