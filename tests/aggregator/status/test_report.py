"""How things stand, in words that an operator can act on."""

import json
from pathlib import Path
from typing import Any

import msgspec

from aggregator.server.kinds import kind_of
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Join, Step
from protocol.messages.rounds import Complaint, Partial, Refusal, SetLock
from protocol.wire.frames import StatusReport, StatusRequest
from tests.stage.desk import MODEL, Desk, federation
from tests.stage.studies import SESSION


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
    desk.contribute(2, SESSION)
    found = next(r for r in report(desk)["rounds"] if r["session"] == SESSION)
    assert found["contributors"] == ["H2"]
    assert found["not_contributed"] == ["H1", "H3"]
    assert found["closed"] is None


def test_a_closed_round_names_contributors_and_who_was_left_out_and_who_refused(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, federation(n=4))
    desk.open_training()
    desk.contribute(1, SESSION, b"garbage")
    desk.fill(SESSION, 2, 3, 4)
    desk.wait(0)
    desk.say(3, SESSION, Refusal("min-contributors", 0, "too few"))
    found = next(r for r in report(desk)["rounds"] if r["session"] == SESSION)
    assert found["contributors"] == ["H2", "H3", "H4"]
    assert list(found["left_out"]) == ["H1"]
    assert found["refusals"] == {"H3": "min-contributors: too few"}


def test_members_at_different_models_are_named(desk: Desk) -> None:
    study = desk.found_training()
    desk.state(study.round(0), [1, 2])
    desk.state(study.round(0), [3], model=b"o" * 32)
    (found,) = report(desk)["studies"]
    assert found["disagreement"] == {
        "H1": MODEL.hex(), "H2": MODEL.hex(), "H3": (b"o" * 32).hex(),
    }  # fmt: skip


def test_a_study_is_shown_with_who_has_approved_it_and_who_has_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path, federation(n=4))
    study = desk.found(desk.training(purpose="Risk of a stroke."), 2, 3)
    desk.approve(study, 1, opens=False)
    (found,) = report(desk)["studies"]
    assert found["study"] == "cardio"
    assert found["state"] == "proposed"
    assert (found["kind"], found["purpose"]) == ("training", "Risk of a stroke.")
    assert (found["proposed_by"], found["plan"]) == ("H1", study.digest.hex())
    assert (found["contribute"], found["open"]) == (["H1", "H2", "H3"], ["H2", "H3"])
    assert (found["more_to_contribute"], found["more_to_open"]) == (0, 1)
    assert found["not_answered"] == ["H4"]
    (waiting,) = report(desk)["waiting"]
    assert (waiting["session"], waiting["step"]) == (SESSION, "approvals")
    assert (waiting["for"], waiting["refused"], waiting["needed"]) == (["H4"], ["H1"], 1)
    desk.approve(study, 4, contribute=False)
    desk.withdraw(study, 2)
    (found,) = report(desk)["studies"]
    assert (found["withdrawn"], found["contribute"]) == (["H2"], ["H1", "H3"])


def test_the_state_of_a_study_follows_its_course(tmp_path: Path) -> None:
    desk, seen = Desk(tmp_path, federation(n=4)), []

    def look() -> None:
        seen.append([(s["study"], s["state"], s["round"]) for s in report(desk)["studies"]])

    session = desk.open_statistic()
    look()
    desk.fill(session)
    desk.wait(0)
    chosen = desk.service.rounds.views[session].chosen(desk.federation.terms.federation)
    assert chosen is not None
    for member in (1, 2, 3):
        desk.say(member, session, SetLock(chosen))
    for member in (1, 2):
        sealed = tuple(attach(b"part", to) for to in range(5))
        desk.say(member, session, Partial(chosen, bytes(32), sealed))
    look()
    study = desk.found_training()
    look()
    desk.end(study, 1, 2)
    assert report(desk)["studies"][-1]["voted_to_end"] == ["H1", "H2"]
    assert report(desk)["studies"][-1]["state"] == "proposed", "too few would still take part"
    desk.end(study, 4)
    look()
    age = "age", "done", 1
    assert seen == [
        [("age", "open", 1)], [age], [age, ("cardio", "open", 0)], [age, ("cardio", "ended", 0)]
    ]  # fmt: skip


def test_a_round_that_nobody_will_close_is_said_to_be_given_up(desk: Desk) -> None:
    desk.open_training()
    desk.end(desk.study(SESSION), 1, 2)
    found = next(r for r in report(desk)["rounds"] if r["session"] == SESSION)
    assert found["given_up"]
    assert not report(desk)["waiting"]


def test_a_report_on_a_long_history_fits_in_a_frame(desk: Desk) -> None:
    desk.certify()
    for k in range(120):
        study = desk.statistic(f"s{k}", purpose="p" * 500)
        desk.say(1 + k % 3, study.session, study.plan)
        for member in desk.federation.members:
            desk.approve(study, member)
        desk.wait(0)
        for member in desk.federation.members:
            desk.say(member, study.round(1), Refusal("rule", 0, "r" * 500))
    (answer,) = desk.service.receive(1, StatusRequest())
    assert isinstance(answer, StatusReport)
    assert len(answer.report) * 16 / 3 < 1 << 20  # sixteen members would fit as well
    found = report(desk)
    assert found["rounds"][-1]["session"] == "study/s119/1"
    assert found["studies"][-1]["study"] == "s119"
    assert found["rounds_not_shown"] == 120 - len(found["rounds"])
    assert found["studies_not_shown"] == 120 - len(found["studies"])


def test_no_number_of_ended_studies_hides_one_that_goes_on(desk: Desk) -> None:
    held_back = desk.open_statistic("first")
    desk.open_training()
    desk.service.summing.held_back[held_back] = frozenset()
    for k in range(60):
        study = desk.found(desk.statistic(f"x{k}"))
        desk.wait(0)
        desk.end(study, 1, 2)
    found = report(desk)
    shown = [r["session"] for r in found["rounds"]]
    newest = [f"study/x{k}/1" for k in range(12, 60)]
    assert shown == [*newest, held_back, SESSION]
    assert found["rounds_not_shown"] == 63 - 50
    assert [s["study"] for s in found["studies"][-2:]] == ["first", "cardio"]
    assert found["studies_not_shown"] == 62 - 50


def test_a_complaint_is_shown_with_its_entry(desk: Desk) -> None:
    desk.open_training()
    desk.say(3, SESSION, SetLock(bytes(32)))
    desk.say(3, SESSION, Complaint(bytes(32), 2, b""))
    found = next(r for r in report(desk)["rounds"] if r["session"] == SESSION)
    entry = desk.service.board.head.position
    assert found["complaints"] == [{"by": "H3", "about": "H2", "entry": entry}]


def test_the_log_says_what_a_post_is_and_whom_a_complaint_is_about(desk: Desk) -> None:
    terms = desk.federation.terms
    assert kind_of(Complaint(bytes(32), 2, b""), terms) == "complaint about H2"
    assert kind_of(Refusal("suite", 0, ""), terms) == "refusal"
    assert kind_of(Step("deal", 0, 0, ()), terms) == "deal"
