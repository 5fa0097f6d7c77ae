"""How things stand, in words that an operator can act on."""

import json
from pathlib import Path
from typing import Any

import msgspec

from aggregator.server.server import kind_of
from protocol.board.messages import Complaint, Join, Refusal, Request, Step
from protocol.wire.frames import StatusReport, StatusRequest
from tests.stage.desk import MODEL, Desk, federation


def report(desk: Desk, connected: dict[int, str] | None = None) -> Any:
    return json.loads(msgspec.json.encode(desk.service.status(connected or {})))


def test_an_empty_board_has_a_report(desk: Desk) -> None:
    found = report(desk)
    assert found["ceremony"] is None
    assert found["rounds"] == []
    assert [m["name"] for m in found["members"]] == ["H1", "H2", "H3"]
    assert {m["last_post"] for m in found["members"]} == {None}


def test_members_are_shown_with_their_connection_and_their_last_post(desk: Desk) -> None:
    desk.say(2, "ceremony/1", Join(b"k", bytes(32)))
    first, second, _ = report(desk, {1: "2026-01-01T00:00:00+00:00"})["members"]
    assert first["connected_since"] == "2026-01-01T00:00:00+00:00"
    assert first["last_post"] is None
    assert second["connected_since"] is None
    assert second["last_post"] == "1970-01-01T00:16:40.000+00:00"


def test_an_open_round_names_who_is_missing(desk: Desk) -> None:
    desk.open_training()
    desk.contribute(2, "round/1")
    found = next(r for r in report(desk)["rounds"] if r["session"] == "round/1")
    assert found["contributors"] == ["H2"]
    assert found["not_contributed"] == ["H1", "H3"]
    assert found["closed"] is None


def test_a_closed_round_names_contributors_and_who_was_left_out_and_who_refused(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, federation(n=4))
    desk.open_training()
    desk.contribute(1, "round/1", b"garbage")
    desk.fill("round/1", 2, 3, 4)
    desk.wait(0)
    desk.say(3, "round/1", Refusal("min-contributors", 0, "too few"))
    found = next(r for r in report(desk)["rounds"] if r["session"] == "round/1")
    assert found["contributors"] == ["H2", "H3", "H4"]
    assert list(found["left_out"]) == ["H1"]
    assert found["refusals"] == {"H3": "min-contributors: too few"}


def test_members_at_different_models_are_named(desk: Desk) -> None:
    desk.certify()
    desk.state("round/0", [1, 2])
    desk.state("round/0", [3], model=b"o" * 32)
    assert report(desk)["disagreement"] == {
        "H1": MODEL.hex(), "H2": MODEL.hex(), "H3": (b"o" * 32).hex(),
    }  # fmt: skip


def test_a_report_on_a_long_history_fits_in_a_frame(desk: Desk) -> None:
    for k in range(120):
        desk.say(1 + k % 3, f"statistic/s{k}", Request(1))
        for member in desk.federation.members:
            desk.say(member, f"statistic/s{k}", Refusal("rule", 0, "r" * 500))
    (answer,) = desk.service.receive(1, StatusRequest())
    assert isinstance(answer, StatusReport)
    assert len(answer.report) * 16 / 3 < 1 << 20  # sixteen members would fit as well
    found = report(desk)
    assert found["rounds"][-1]["session"] == "statistic/s119"
    assert found["rounds_not_shown"] == 120 - len(found["rounds"])


def test_no_number_of_statistics_hides_a_training_round_nor_one_that_is_held_back(
    desk: Desk,
) -> None:
    held_back = desk.open_statistic("first")
    desk.state("round/0", desk.federation.members)
    assert desk.service.tick()
    desk.service.summing.held_back[held_back] = frozenset()
    for k in range(60):
        desk.say(2, f"statistic/x{k}", Request(1))
    found = report(desk)
    shown = [r["session"] for r in found["rounds"]]
    newest = [f"statistic/x{k}" for k in range(13, 60)]
    assert shown == [*newest, held_back, "round/0", "round/1"]
    assert found["rounds"][-3]["held_back"]
    assert found["rounds_not_shown"] == 63 - 50


def test_a_complaint_is_shown_with_its_entry(desk: Desk) -> None:
    desk.open_training()
    desk.say(3, "round/1", Complaint(bytes(32), 2, b""))
    found = next(r for r in report(desk)["rounds"] if r["session"] == "round/1")
    entry = desk.service.board.head.position
    assert found["complaints"] == [{"by": "H3", "about": "H2", "entry": entry}]


def test_the_log_says_what_a_post_is_and_whom_a_complaint_is_about(desk: Desk) -> None:
    terms = desk.federation.terms
    assert kind_of(Complaint(bytes(32), 2, b""), terms) == "complaint about H2"
    assert kind_of(Refusal("suite", 0, ""), terms) == "refusal"
    assert kind_of(Step("deal", 0, 0, ()), terms) == "deal"
