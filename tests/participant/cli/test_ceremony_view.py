"""What people see of a ceremony."""

import io
import json
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console

from participant.ceremony.expectation import CeremonyOutlook, Expectation
from participant.cli.views.ceremony import JsonView, LineView, LiveView, link_lost, link_notices
from participant.errors import Unreachable
from protocol.words.foreign import json_text
from tests.stage.toy import toy_federation

TERMS = toy_federation(3, 2).terms
EXPECTATION = Expectation(mean_seconds=75.4, half_seconds=58.2, most_seconds=169.0)


def reached(step: str, waiting: tuple[str, ...] = (), candidates: int = 0) -> CeremonyOutlook:
    """Facts a while after the last joining."""
    return CeremonyOutlook(
        step=step,
        joined=tuple(n for n in ("H1", "H2", "H3") if step != "join" or n not in waiting),
        waiting_for=waiting,
        candidates=candidates,
        expected_candidates=350,
        tests=candidates // 4,
        expected_tests=80.4,
        is_found=step in ("winner-commit", "winner", "theta", "trial", "done"),
        elapsed_seconds=9.2,
        remaining_seconds=0.0 if step == "done" else 69.1234567,
        expected_seconds=75.4,
        share_done_by_now=candidates / 500,
    )


COURSE = [
    reached("join", ("H1", "H2")),
    reached("join", ("H1", "H2")),
    reached("join", ("H2",)),
    reached("deal", ("H1", "H2", "H3")),
    reached("deal", ("H2",)),
    reached("screen-commit", ("H1",)),
    reached("screen", ("H1", "H2", "H3")),
    reached("deal", ("H2",), 197),
    reached("winner-commit", ("H2",), 394),
    reached("winner", ("H1",), 394),
    reached("done", (), 394),
]


def lines(view: type[LineView] | type[JsonView], course: list[CeremonyOutlook]) -> list[Any]:
    written: list[Any] = []
    with view(written.append) as shown:
        shown.expect(EXPECTATION)
        for facts in course:
            shown.show(facts)
    return written


def test_without_a_terminal_each_joining_and_each_step_of_a_batch_is_one_line() -> None:
    assert lines(LineView, COURSE) == [
        "Once all have joined, the ceremony will probably take about 1:15 min: "
        "half of all are done within 58 s, 19 of 20 within 2:49 min.",
        "[9 s] joined: H3; waiting for H1, H2; about 1:09 min once all have joined",
        "[9 s] joined: H1, H3; waiting for H2; about 1:09 min once all have joined",
        "[9 s] step deal: 0 candidates tried (about 350 expected), 0 tests; the first batch of "
        "candidates is in work; about 1:09 min to go in the mean, however long it has taken",
        "[9 s] step screen: 0 candidates tried (about 350 expected), 0 tests; the first batch of "
        "candidates is in work; about 1:09 min to go in the mean, however long it has taken",
        "[9 s] step deal: 197 candidates tried (about 350 expected), 49 tests; 39% of all "
        "ceremonies are done by now; about 1:09 min to go in the mean, however long it has taken",
        "[9 s] step winner: 394 candidates tried (about 350 expected), 98 tests; a good candidate "
        "is found; about 1:09 min to go",
        "[9 s] step done: 394 candidates tried (about 350 expected), 98 tests; a good candidate "
        "is found; nothing to go",
    ]


def test_json_lines_hold_what_is_expected_and_the_facts() -> None:
    expected, *facts = json.loads(json_text(lines(JsonView, COURSE)))
    assert expected == {"event": "expected", **asdict(EXPECTATION)}
    assert [f.pop("event") for f in facts] == ["progress"] * (len(COURSE) - 1)
    assert {frozenset(f) for f in facts} == {frozenset(CeremonyOutlook.__dataclass_fields__)}
    assert facts[1]["waiting_for"] == ["H2"]
    assert facts[0]["remaining_seconds"] == 69.123


def render(view: LiveView) -> str:
    console: Any = Console(file=io.StringIO(), width=100)
    console.print(view._render())
    return "\n".join(line.rstrip() for line in str(console.file.getvalue()).splitlines())


def live(now: list[float]) -> LiveView:
    console: Any = Console(file=io.StringIO(), force_terminal=True, width=100)
    return LiveView(TERMS, console, lambda: now[0])


def test_the_live_view_shows_who_has_joined_and_what_is_expected() -> None:
    view = live([0.0])
    with view:
        view.expect(EXPECTATION)
        assert render(view) == "connecting …"
        view.show(reached("join", ("H2",)))
    assert render(view) == (
        "Key ceremony of Toy\n"
        "H1  here\n"
        "H2  has not joined yet\n"
        "H3  here\n"
        "step  join\n"
        "time  9 s; about 1:09 min once all have joined"
    )
    assert "about 1:15 min: half of all are done" in view._live.console.file.getvalue()


def test_the_live_view_shows_candidates_luck_and_time() -> None:
    view = live([0.0])
    view.show(reached("screen-commit", ("H1",), 197))
    assert render(view) == (
        "Key ceremony of Toy\n"
        "H1  is waited for\n"
        "H2  here\n"
        "H3  here\n"
        "step        screen\n"
        "candidates  197 tried, about 350 expected\n"
        "tests       49 done, about 80 expected\n"
        "luck        39% of all ceremonies are done by now\n"
        "time        9 s; about 1:09 min to go in the mean, however long it has taken"
    )


def test_between_two_steps_the_clock_goes_on_but_a_matter_of_luck_comes_no_nearer() -> None:
    now = [0.0]
    view = live(now)
    view.show(reached("screen", (), 197))
    now[0] = 30.0
    assert "time        39 s; about 1:09 min to go in the mean" in render(view)


def test_once_a_candidate_is_found_the_end_comes_nearer_by_the_clock() -> None:
    now = [0.0]
    view = live(now)
    view.show(reached("winner", (), 197))
    now[0] = 30.0
    assert render(view).endswith("time        39 s; about 39 s to go")
    now[0] = 300.0
    assert render(view).endswith("about 0 s to go")


def test_notes_stand_above_the_live_view_as_they_are() -> None:
    view = live([0.0])
    with view:
        view.note("connected to [bold]wss://a:1")
    assert "connected to [bold]wss://a:1" in view._live.console.file.getvalue()


def test_no_candidate_tried_is_no_luck_yet() -> None:
    view = live([0.0])
    view.show(replace(reached("moduli"), is_found=False))
    assert "luck        the first batch of candidates is in work" in render(view)


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


def test_a_long_wait_says_for_whom_and_when_the_ceremony_is_given_up() -> None:
    waiting = replace(reached("moduli", ("H3",)), waited_seconds=59.0, step_seconds=3600)
    long = replace(waiting, waited_seconds=61.0)
    *_, said = lines(LineView, [waiting, long, replace(long, waited_seconds=70.0)])
    told = "waiting for H3 for 1:01 min. The ceremony is given up when a step has lasted 1:00 h"
    assert f"step moduli: {told}" in said
    events = lines(JsonView, [waiting, long])
    assert [event["waited_seconds"] for event in events[1:]] == [59.0, 61.0]
