"""When whoever waits is told, in which words, and where beside standard error."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from participant.cli.sentences.errors import describe
from participant.cli.sentences.sentence import Context
from participant.cli.sentences.waiting import waiting_line, why_and_remedy
from participant.cli.views.standing import show_standing
from participant.cli.views.transfer import TransferBar
from participant.cli.views.vigil import Vigil
from participant.cli.work.telling import Teller
from participant.errors import OutOfTime
from participant.waiting import Waiting
from tests.stage.consortium import found
from tests.stage.hall import ToldHall
from tests.stage.toy import toy_epoch

TERMS = toy_epoch(3, 2).federation.terms
TRAIN = "quorate-participant train federation.toml --study cardio"
AGREEMENT = "the same model at enough hospitals after cardio/2"


@pytest.mark.slow
def test_a_command_says_at_intervals_whom_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("participant.cli.views.vigil._FIRST_SECONDS", 0.0)
    consortium = found(tmp_path)
    with consortium.relay.running():
        out, err = consortium.typed(1, "ceremony", "--timeout", "4", expect=1)
        events, _ = consortium.typed(1, "ceremony", "--json", "--timeout", "4", expect=1)
        typed = "quorate-participant ceremony federation.toml"
        assert "ceremony/1, step join. All members take part in a key ceremony" in out
        assert f"each of them types: {typed}" in out
        assert "waiting for H2, H3. All members take part" in err
        told = [e for e in map(json.loads, events.splitlines()) if e["event"] == "waiting"]
        assert told[-1]["for"] == ["H2", "H3"]
        assert told[-1]["remedy"].endswith(typed)
        status, _ = consortium.typed(2, "status")
        assert "OTHERS WAIT FOR THIS HOSPITAL" in status
    _, err = consortium.typed(1, "ceremony", "--timeout", "0.5", expect=1)
    assert "no link to wss://localhost" in err
    assert "quorate-aggregator serve" in err


def test_a_view_that_is_redrawn_has_the_words_at_any_moment_and_no_line_beside_it(
    hall: ToldHall,
) -> None:
    hall.train(1)
    hall.talk()
    written: list[str] = []
    bar = TransferBar(Console(file=io.StringIO()))
    vigil = Vigil(lambda: hall.seconds)
    context = Context(file=Path("federation.toml"), terms=TERMS)
    teller = Teller(lambda: hall.sessions[1], context, view=bar, vigil=vigil, write=written.append)
    assert bar.progress.words() == ""
    for _ in range(2):
        teller.look()
        hall.seconds += 130
    assert bar.progress.words().startswith("Waiting for")
    assert written == []


@pytest.mark.parametrize(
    ("kind", "step", "facts"),
    [
        ("held-back", "cardio/2, which is held back", {"rounds": ["cardio/1"]}),
        ("agreement", AGREEMENT, {"entries": [], "run": "", "runs": [], "agreeing": 1}),
        ("agreement", AGREEMENT, {"entries": [], "run": "", "runs": [], "agreeing": 3}),
    ],
)
@pytest.mark.parametrize(("members", "needed"), [((2,), 3), ((2, 3), 0)])
def test_what_keeps_a_round_is_told_in_whole_sentences(
    kind: Any, step: str, facts: dict[str, Any], members: tuple[int, ...], needed: int
) -> None:
    names = [TERMS.name_of(m) for m in members]
    about = {"study": "cardio", "session": "study/cardio/2", "round": 2}
    known = {**about, "members": names, "needed": needed, **facts}
    line = waiting_line(Waiting(kind, members, known), 60.0, 1, Context(terms=TERMS))
    first, *sentences = line.partition(" If the agent ")[0].removesuffix(".").split(". ")
    assert first == f"Waiting for {', '.join(names)} for 1:00 min: {step}"
    assert sentences
    assert not any(said[:1].islower() or said.endswith(".") for said in sentences)


def test_a_lost_link_a_full_disk_there_and_an_upload_are_told_with_what_is_to_be_done(
    hall: ToldHall,
) -> None:
    hall.train(1)
    hall.talk()
    hall.sessions[1]._no_link = "connection refused"
    hall.later(130.0)
    hall.sessions[1]._no_link = ""
    hall.agents[1].stalled = "No space left on device"
    hall.later(130.0)
    link, stalled = hall.read[1]
    hall.sessions[1]._no_link, hall.sessions[1]._link_remedy = "407", "Ask who runs the proxy"
    waiting = hall.sessions[1].waiting
    assert why_and_remedy(waiting, 1, Context())[1] == "Ask who runs the proxy"
    assert link.startswith("Waiting for the aggregator for 2:10 min: no link to wss://localhost")
    assert "quorate-aggregator serve" in link
    assert "No space left on device" in stalled
    assert "Tell the aggregator's operator" in stalled


def test_a_link_that_comes_and_goes_does_not_begin_the_wait_anew(hall: ToldHall) -> None:
    hall.train(1)
    hall.talk()
    hall.later(130.0)
    hall.sessions[1]._no_link = "connection refused"
    hall.later(5.0)
    hall.sessions[1]._no_link = ""
    hall.later(400.0)
    assert "for 8:55 min: the opening of cardio/1" in hall.read[1][-1]


def test_it_is_told_again_at_growing_intervals_and_when_others_are_waited_for() -> None:
    now = [0.0]
    vigil = Vigil(lambda: now[0])
    told = []
    for second in range(0, 4 * 3600, 5):
        now[0] = second
        if vigil.look("step", (2, 3))[1]:
            told.append(second)
    assert told == [15, 60, 240, 960, 3840, 7440, 11040]
    assert vigil.look("step", (3,)) == (now[0], True)
    assert vigil.look("another step", (3,)) == (0.0, False)


def test_a_long_step_of_ones_own_is_told_in_place_of_an_old_wait(hall: ToldHall) -> None:
    hall.train(1)
    hall.talk()
    hall.later(30.0)
    session, teller = hall.sessions[1], hall.tellers[1]
    assert teller.words().startswith("Waiting for H2, H3")
    session._step_began = session.clock() - 70
    assert teller.words().startswith("This hospital is at work, for 1:10 min.")


def test_programs_are_told_the_same(hall: ToldHall, capsys: pytest.CaptureFixture[str]) -> None:
    hall.train(1)
    hall.talk()
    teller = hall.tellers[1]
    teller._as_json = True
    hall.later(130.0)
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (event["event"], event["kind"], event["for"]) == ("waiting", "statements", ["H2", "H3"])
    assert (event["seconds"], event["is_for_this_hospital"]) == (130.0, False)
    assert "have not said at which model" in event["why"]
    assert event["remedy"].endswith(TRAIN)


def test_a_time_limit_ends_with_the_same_words(hall: ToldHall) -> None:
    hall.train(1)
    hall.talk()
    error = OutOfTime(5.0, hall.sessions[1].waiting)
    said = describe(error, Context(file=Path("federation.toml"), terms=TERMS))
    assert "waiting for H2, H3. They have not said at which model they stand." in said.what
    assert TRAIN in said.what
    assert "quorate-participant status federation.toml" in said.remedy


def test_a_report_may_hold_anything_in_place_of_a_wait(capsys: pytest.CaptureFixture[str]) -> None:
    odd: list[Any] = [{}, {"for": 7, "needed": "x", "session": ["\x1b"], "step": None}, "x", None]
    odd.append({"for": ["H2"], "session": "{", "step": "{0.__class__} {missing} {"})
    study = "$(reboot)"
    odd.append({"for": ["\x1b[2J"], "session": f"study/{study}/1", "study": study, "step": "locks"})
    show_standing(None, {"waiting": odd}, "H1", Context())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "--study '$(reboot)'" in out
