"""Who holds a ceremony up, how far it is, and for how long it goes on."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aggregator.status.ceremony import session_report
from protocol.ceremony.expectation import layout_of, mean_candidates
from protocol.messages.ceremony import Abort, Disclosure, Join, Overdue, Step
from tests.stage.desk import Desk, federation
from tests.stage.toy import toy_epoch

CEREMONY = "ceremony/1"


def report(desk: Desk) -> Any:
    return json.loads(msgspec.json.encode(desk.service.status({})))["ceremony"]


def join(desk: Desk, *members: int) -> None:
    for member in members:
        desk.say(member, CEREMONY, Join(b"k", bytes(32)))


def say(desk: Desk, step: str, batch: int = 0, candidate: int = 0, member: int = 1) -> None:
    """Say something in a batch that all have dealt the ones before."""
    desk.deal(batch)
    desk.say(member, CEREMONY, Step(step, batch, candidate, ()))


# ── who is waited for ──


def test_a_ceremony_waits_for_those_that_have_not_joined(desk: Desk) -> None:
    join(desk, 2)
    found = report(desk)
    assert found["step"] == "join"
    assert found["joined"] == ["H2"]
    assert found["waiting_for"] == ["H1", "H3"]
    assert not found["complete"]


def test_a_step_waits_for_those_that_have_not_spoken_in_it(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    assert report(desk)["waiting_for"] == []
    for member in (1, 3):
        say(desk, "deal", member=member)
    found = report(desk)
    assert found["waiting_for"] == ["H2"]
    assert found["step"] == "deal (batch 1)"


@pytest.mark.parametrize("step", ["winner-commit", "winner"])
def test_a_winner_waits_for_its_dealers_only(desk: Desk, step: str) -> None:
    size = layout_of(desk.federation.terms).class_size
    join(desk, 1, 2, 3)
    say(desk, step, candidate=size, member=2)  # the second class: dealt by H2 and H3
    assert report(desk)["waiting_for"] == ["H3"]
    say(desk, step, candidate=size, member=3)
    assert report(desk)["waiting_for"] == []


def test_a_finished_ceremony_is_complete_and_waits_for_nobody(tmp_path: Path) -> None:
    desk = Desk(tmp_path, federation())
    desk.certify()
    found = report(desk)
    assert found["complete"]
    assert found["waiting_for"] == []
    assert found["public_key_bits"] == 256


def test_a_whole_ceremony_never_waits_for_who_is_not_due() -> None:
    """Replayed entry by entry, nobody is waited for who then does not speak in that step."""
    toy = toy_epoch(5, 3)
    terms = toy.federation.terms
    entries = [p for p in toy.table.board.entries if p.post.session == CEREMONY]
    found = []
    for k in range(1, len(entries) + 1):
        ceremony: Any = session_report(entries[:k], terms, None, 0)
        due = {terms.name_of(p.post.sender) for p in entries[k:]}
        assert set(ceremony["waiting_for"]) <= due
        found.append((ceremony["candidates"], ceremony["is_found"]))
    assert found == sorted(found)
    assert found[-1] == (toy.table.machines[1].progress.candidates, True)


def test_an_abort_names_who_stopped_and_because_of_whom(desk: Desk) -> None:
    join(desk, 1)
    desk.say(3, CEREMONY, Abort(2, "deal", "a payload does not open"))
    desk.say(1, CEREMONY, Disclosure(bytes(32)))
    found = report(desk)
    assert found["aborted"] == [
        {
            "by": "H3",
            "culprit": "H2",
            "step": "deal",
            "reason": "a payload does not open",
            "silent": [],
        }
    ]
    assert found["step"] == "join"


# ── how far, and for how long ──


def test_before_all_have_joined_nothing_is_measured(desk: Desk) -> None:
    join(desk, 1, 2)
    found = report(desk)
    assert (found["candidates"], found["share_done_by_now"], found["is_found"]) == (0, 0.0, False)
    assert {found[f"{name}_seconds"] for name in ("elapsed", "expected", "remaining")} == {None}


def test_time_runs_from_the_last_joining(desk: Desk) -> None:
    join(desk, 1, 2)
    desk.time_ms += 60_000
    join(desk, 3)
    desk.time_ms += 2_500
    assert report(desk)["elapsed_seconds"] == 2.5


def test_in_the_first_batch_no_pace_is_known(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    desk.time_ms += 5_000
    say(desk, "moduli-commit")
    found = report(desk)
    assert (found["candidates"], found["remaining_seconds"]) == (0, None)


def test_the_pace_of_the_batches_before_tells_what_remains(desk: Desk) -> None:
    terms = desk.federation.terms
    size = layout_of(terms).batch_size
    join(desk, 1, 2, 3)
    desk.time_ms += 30_000
    say(desk, "moduli-commit", batch=2)
    desk.time_ms += 4_000
    say(desk, "screen-commit", batch=2)
    found = report(desk)
    expected = 15.0 / size * mean_candidates(terms)
    assert found["candidates"] == 2 * size
    assert found["share_done_by_now"] == pytest.approx(0.63, abs=0.02)
    assert found["elapsed_seconds"] == 34.0
    assert found["expected_seconds"] == pytest.approx(expected, abs=0.001)
    assert found["remaining_seconds"] == found["expected_seconds"]


def test_a_pace_is_known_as_soon_as_a_batch_is_tried(desk: Desk) -> None:
    terms = desk.federation.terms
    join(desk, 1, 2, 3)
    desk.time_ms += 12_000
    say(desk, "deal", batch=1)
    expected = 12.0 / layout_of(terms).batch_size * mean_candidates(terms)
    assert report(desk)["remaining_seconds"] == pytest.approx(expected, abs=0.001)


def test_a_found_candidate_ends_the_search_with_its_batch(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    say(desk, "moduli-commit", batch=1)
    say(desk, "winner-commit", batch=1)
    found = report(desk)
    assert found["is_found"]
    assert found["candidates"] == 2 * layout_of(desk.federation.terms).batch_size
    assert found["remaining_seconds"] is None


def test_a_candidate_that_fails_after_all_leaves_the_search_on(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    say(desk, "winner-commit")
    say(desk, "deal", batch=1)
    assert not report(desk)["is_found"]


def test_the_clock_stops_with_an_abort(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    desk.time_ms += 7_000
    desk.say(1, CEREMONY, Abort(0, "deal", "no more"))
    desk.time_ms += 60_000
    desk.say(2, CEREMONY, Disclosure(bytes(32)))
    found = report(desk)
    assert (found["elapsed_seconds"], found["remaining_seconds"]) == (7.0, None)


def test_the_clock_stops_with_the_last_certificate(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    desk.time_ms += 9_000
    desk.certify()
    desk.time_ms += 60_000
    found = report(desk)
    assert (found["elapsed_seconds"], found["remaining_seconds"]) == (9.0, 0.0)


# ── which ceremony it is ──


def test_an_abort_behind_the_key_is_none(desk: Desk) -> None:
    desk.certify()
    desk.say(1, CEREMONY, Abort(0, "deal", "no more"))
    found = report(desk)
    assert (found["session"], found["complete"], found["aborted"]) == (CEREMONY, True, [])


def test_who_speaks_in_a_ceremony_that_is_over_hides_not_the_one_that_goes_on(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    desk.say(1, CEREMONY, Abort(0, "deal", "no more"))
    desk.say(2, "ceremony/2", Join(b"k", bytes(32)))
    desk.say(3, CEREMONY, Disclosure(bytes(32)))
    assert report(desk)["session"] == "ceremony/2"


def test_no_number_that_a_member_says_spoils_the_report(desk: Desk) -> None:
    join(desk, 1, 2, 3)
    say(desk, "deal")
    *joins, deal = desk.service.board.session(CEREMONY)
    top = (1 << 48) - 1
    for step in ("moduli-commit", "winner", "nonsense"):
        post = msgspec.structs.replace(deal.post, body=Step(step, top, top, ()))
        found = session_report([*joins, deal._replace(post=post)], desk.federation.terms, None, 0)
        assert found["share_done_by_now"] == 1.0


def test_a_step_that_others_wait_in_says_when_it_is_given_up_once_all_have_joined(
    desk: Desk,
) -> None:
    members, seconds = desk.federation.members, desk.federation.terms.step_seconds
    for i in members[:-1]:
        join(desk, i)
    assert report(desk)["given_up_at"] is None, "one has not joined"
    join(desk, members[-1])
    began = datetime.fromisoformat(report(desk)["last_post"])
    desk.time_ms += 5_000
    desk.say(1, CEREMONY, Step("deal", 0, 0, ()))
    until = datetime.fromisoformat(report(desk)["given_up_at"])
    assert until - began == timedelta(seconds=seconds)
    desk.time_ms += 1000 * seconds
    desk.say(1, CEREMONY, Overdue("deal", 0, 0))
    found = report(desk)
    assert (found["step"], found["waiting_for"]) == ("deal (batch 1)", ["H2", "H3"])
    assert datetime.fromisoformat(found["given_up_at"]) == until, "it is no word of the step"
    desk.say(1, CEREMONY, Abort(0, "deal", "it is late", (2, 3)))
    found = report(desk)
    assert found["given_up_at"] is None
    assert found["aborted"][0]["silent"] == ["H2", "H3"]


def test_a_complete_ceremony_is_not_given_up(desk: Desk) -> None:
    join(desk, *desk.federation.members)
    assert report(desk)["given_up_at"]
    desk.certify()
    found = report(desk)
    assert found["complete"]
    assert found["given_up_at"] is None
