"""How a handover stands, for programs and people: step, names, since when, what was wrong."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aggregator.status.handover import MAX_HANDOVERS
from aggregator.status.report import fitting
from aggregator.status.stored import stored_report
from aggregator.status.text import render
from participant.cli.sentences import Context
from participant.cli.views.standing import show_standing
from protocol.handover import HandoverView
from protocol.messages.handover import Arrival, Content, DealingCommitment, HandedDealing
from protocol.wire.frames import MAX_FRAME_BYTES
from tests.stage.desk import Desk, federation
from tests.stage.handover.at_desk import handing_over
from tests.stage.handover.posted import PostedHandover

TO_GUESTS: list[int | str] = ["G1", 3, 1, "G2"]
GUESTS = ["G1 (guest)", "G2 (guest)"]  # one may have the name of an old member
AT = "1970-01-01T00:16:40.000+00:00"
LATER = "1970-01-01T00:16:50.000+00:00"


def report(desk: Desk, connected: dict[int, str] | None = None) -> Any:
    return json.loads(msgspec.json.encode(desk.service.status(connected or {})))


def standing(desk: Desk, connected: dict[int, str] | None = None) -> Any:
    return report(desk, connected)["handovers"][-1]


def told(desk: Desk, connected: dict[int, str] | None = None) -> str:
    return "\n".join(render(report(desk, connected), None))


def seen_by_hospital(desk: Desk, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    show_standing(None, report(desk), "H1", Context())
    return capsys.readouterr().out


def without_h1(handed: PostedHandover, sender: int, content: Content) -> Content | None:
    """H1 does not deal what it has committed to deal."""
    return None if sender == 1 and isinstance(content, DealingCommitment) else content


def without_guests(handed: PostedHandover, sender: int, content: Content) -> Content | None:
    return content if sender <= handed.about.old.n_members else None


# ── the key ──


def test_the_key_has_an_epoch_since_when(desk: Desk) -> None:
    assert report(desk)["key"] is None
    assert "key:" not in told(desk)
    desk.certify()
    assert report(desk)["key"] == {
        "epoch": 1, "session": "ceremony/1", "since": AT, "federation": "Toy",
        "fingerprint": desk.federation.terms.federation.hex(),
    }  # fmt: skip
    desk.time_ms += 10_000
    handing_over(desk).run()
    assert report(desk)["key"]["epoch"] == 2
    assert f"key: epoch 2, since {LATER} (handover/1)" in told(desk)


def test_whose_key_it_is_after_a_succession(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    handed = handing_over(desk, TO_GUESTS, 3).run()
    found = report(desk)["key"]
    assert found["fingerprint"] == handed.about.new.federation.hex()
    assert (found["epoch"], found["session"]) == (2, "handover/1")
    for text in (told(desk), seen_by_hospital(desk, capsys)):
        assert "THE KEY WAS HANDED OVER to Toy" in text
        assert "no round is opened here any more" in text


# ── who is waited for ──


def test_a_proposal_waits_for_consents_and_names_who_has_not_arrived(desk: Desk) -> None:
    desk.certify()
    desk.time_ms += 10_000
    handed = handing_over(desk, TO_GUESTS, 3)
    found = standing(desk)
    assert (found["session"], found["kind"], found["outcome"]) == (
        "handover/1",
        "succession",
        "open",
    )
    assert (found["proposed"], found["proposed_by"]) == (LATER, "H1")
    assert found["new_members"] == ["G1", "H3", "H1", "G2"]
    assert (found["step"], found["waiting_for"], found["needed"]) == (
        "consent",
        ["H1", "H2", "H3"],
        2,
    )
    assert found["not_arrived"] == ["H1", "H3", *GUESTS]
    handed.speak(1)  # it agrees
    handed.speak(4)  # G1 arrives
    text = told(desk, {5: "noon"})
    assert f"handover/1, to Toy (3 of 4), proposed by H1 at {LATER}; under way" in text
    assert "at consent, waiting for H2, H3 since 1970" in text
    assert "(1 of them is enough)" in text
    assert "agreed: H1 (2 needed)" in text
    assert "not arrived: H1, H3, G2 (guest) (connected)" in text
    assert standing(desk, {5: "noon"})["guests"] == [
        {"member": 4, "name": "G1 (guest)", "connected_since": None},
        {"member": 5, "name": "G2 (guest)", "connected_since": "noon"},
    ]


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ("arrive", ["H1", "H3", *GUESTS]),
        ("freeze", ["H1", "H2", "H3"]),
        ("commit", ["H1", "H2"]),
        ("deal", ["H1", "H2"]),
        ("show", ["H1", "H3", *GUESTS]),
        ("release", ["H1", "H2", "H3"]),
        ("acknowledge", ["H1", "H3", *GUESTS]),
    ],
)
def test_each_step_names_those_who_have_a_word_to_say(
    desk: Desk, step: str, names: list[str]
) -> None:
    seen = list[tuple[str, list[str]]]()
    handed = handing_over(desk, TO_GUESTS, 3)

    def notes(view: HandoverView) -> bool:
        found = standing(desk)
        seen.append((found["step"], found["waiting_for"]))
        return False

    handed.run(notes)
    waited = {name for at, waiting in seen if at == step for name in waiting}
    assert waited <= set(names)
    assert waited


def test_since_when_is_since_the_last_word_that_counted(desk: Desk) -> None:
    handed = handing_over(desk, TO_GUESTS, 3)
    assert standing(desk)["since"] == AT
    desk.time_ms += 10_000
    handed.speak(1)
    assert standing(desk)["since"] == LATER


# ── how it ends ──


def test_a_handover_that_is_done_says_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    handing_over(desk).run()
    found = standing(desk)
    assert (found["outcome"], found["step"], found["waiting_for"]) == ("settled", None, [])
    assert found["released"] == found["acknowledged"] == ["H1", "H2", "H3"]
    assert found["thawed"] == []
    for text in (told(desk), seen_by_hospital(desk, capsys)):
        assert (
            f"handover/1, new shares for the same members (2 of 3), proposed by H1 at {AT}" in text
        )
        assert f"done: all new members have their shares, at {AT}" in text


def test_one_that_is_given_up_says_so_and_names_who_would_give_it_up(desk: Desk) -> None:
    handed = handing_over(desk)
    handed.tamper = without_h1
    handed.run(lambda view: bool(view.attempt.voids))
    assert standing(desk)["voids"] == ["H2"]
    assert "for giving it up: H2 (2 needed)" in told(desk)
    handed.run()
    found = standing(desk)
    assert (found["outcome"], found["step"]) == ("thawed", None)
    assert set(found["thawed"]) >= {"H2", "H3"}
    assert found["released"] == []
    assert "given up, and the shares stay as they were" in told(desk)


def test_who_did_wrong_is_named_with_the_entry_of_the_board(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    def deals_otherwise(handed: PostedHandover, sender: int, content: Content) -> Content:
        if sender == 2 and isinstance(content, HandedDealing):
            return msgspec.structs.replace(content, nonce=bytes(32))
        return content

    handed = handing_over(desk)
    handed.tamper = deals_otherwise
    handed.run()
    (found,) = standing(desk)["misdeeds"]
    assert (found["by"], found["fault"]) == ("H2", "it is not what was committed to")
    entry = desk.service.board.entries[found["entry"] - 1]
    assert (entry.post.sender, type(entry.post.body)) == (2, HandedDealing)
    line = f"entry {found['entry']}: H2 did wrong, it is not what was committed to"
    assert line in told(desk)
    assert line in seen_by_hospital(desk, capsys)


def test_a_guest_that_did_wrong_is_named(desk: Desk) -> None:
    def arrives_elsewhere(handed: PostedHandover, sender: int, content: Content) -> Content:
        if sender == 4 and isinstance(content, Arrival):
            return msgspec.structs.replace(content, subject=bytes(32))
        return content

    handed = handing_over(desk, TO_GUESTS, 3)
    handed.tamper = arrives_elsewhere
    handed.run()
    assert [one["by"] for one in standing(desk)["misdeeds"]] == ["G1 (guest)"]


# ── rounds meanwhile ──


def test_a_round_that_is_to_open_says_that_it_waits_for_the_handover(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.found_training()
    handed = handing_over(desk)
    desk.state("study/cardio/0", desk.federation.members)
    handed.run(lambda view: view.attempt.is_agreed)
    (found,) = report(desk)["waiting"]
    assert (found["step"], found["handover"]) == ("opening", "handover/1")
    for text in (told(desk), seen_by_hospital(desk, capsys)):
        assert "No round is opened before handover/1 is over." in text
        assert "see its log" not in text
    handed.run()
    desk.wait(0)
    assert {one["handover"] for one in report(desk)["waiting"]} == {None}


def test_a_sum_that_nobody_may_lock_says_that_it_waits_for_the_handover(desk: Desk) -> None:
    session = desk.open_training()
    desk.fill(session)
    handed = handing_over(desk)
    assert {one["handover"] for one in report(desk)["waiting"]} == {None}
    handed.run(lambda view: view.attempt.is_frozen)
    desk.wait(0)
    assert "No set is locked before handover/1 is over." in told(desk)


def lost_in(desk: Desk) -> tuple[str | None, bool]:
    """The lost round of the only study, and whether it goes on."""
    (found,) = report(desk)["studies"]
    return found["lost_round"], found["goes_on"]


def test_a_study_whose_round_is_lost_says_that_it_keeps_the_model(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    session = desk.open_training()
    assert lost_in(desk) == (None, True)
    handing_over(desk).run()
    assert lost_in(desk) == (session, True)
    for text in (told(desk), seen_by_hospital(desk, capsys)):
        assert "cardio/1 is lost, since the key was handed over" in text
        assert "The study keeps the model of before that round." in text
        assert "study end" not in text
    desk.state(session, desk.federation.members)
    assert desk.wait(0)
    assert lost_in(desk) == (None, True)


OTHERS: list[int | str] = ["G1", 3, 1, "G2"]


@pytest.mark.parametrize(("is_statistic", "who"), [(True, None), (False, OTHERS)])
def test_a_study_that_a_lost_round_ends_says_what_to_do(
    desk: Desk, capsys: pytest.CaptureFixture[str], is_statistic: bool, who: list[int | str] | None
) -> None:
    """A statistic has no model to go on from, and another federation no study of this board."""
    session = desk.open_statistic() if is_statistic else desk.open_training()
    handing_over(desk, who, 3 if who else 2).run()
    assert lost_in(desk) == (session, False)
    for text in (told(desk), seen_by_hospital(desk, capsys)):
        assert f"{session.removeprefix('study/')} is lost" in text
        assert "the study goes no further. What it is for can be proposed anew." in text
        assert "quorate-participant study end" in text


def test_a_training_is_done_whose_last_round_is_lost(desk: Desk) -> None:
    desk.open_training(rounds=1)
    handing_over(desk).run()
    assert report(desk)["studies"][0]["state"] == "done"


# ── a report that fits ──


def test_what_is_stored_tells_the_same(desk: Desk) -> None:
    handing_over(desk, TO_GUESTS, 3).run()
    found = stored_report(desk.folder, desk.federation.terms, lambda: desk.time_ms)
    assert found["handovers"] == desk.service.status({})["handovers"]
    assert found["key"] == desk.service.status({})["key"]


def test_the_newest_attempts_are_shown_and_the_report_fits_a_frame(tmp_path: Path) -> None:
    desk = Desk(tmp_path, federation(n=4))
    for _ in range(MAX_HANDOVERS + 2):
        handed = handing_over(desk, [f"G{k}" for k in range(1, 17)], 9)
        handed.tamper = without_guests
        assert handed.run().view.attempt.is_thawed
    found = report(desk)
    assert len(found["handovers"]) == MAX_HANDOVERS
    assert found["handovers_not_shown"] == 2
    assert found["handovers"][-1]["session"] == f"handover/{MAX_HANDOVERS + 2}"
    assert "2 other handovers are not shown" in told(desk)
    assert len(fitting(found, MAX_FRAME_BYTES)) < 40_000
