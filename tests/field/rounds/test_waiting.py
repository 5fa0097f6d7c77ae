"""Whoever waits is told for whom, for how long, why, and what to type, at every step.

Hospitals' agents speak to a real aggregator; some of them fall silent before one kind of message.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from aggregator.status.text import render
from participant.ceremony.task import CeremonyTask
from participant.cli.commands.rounds import _approval
from participant.cli.sentences.sentence import Context
from participant.cli.sentences.waiting import waiting_line
from participant.cli.views.standing import show_standing
from participant.errors import StudyEnded
from participant.key.check import KeyCheckTask
from participant.network.status import read_report
from participant.rounds.task import DecryptionTask, Question
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from participant.waiting import Waiting
from protocol.messages.ceremony import Join, Step
from protocol.messages.check import CheckPart
from protocol.messages.rounds import Contribution, Partial, Refusal, SetLock, Statement
from protocol.wire.frames import StatusReport, StatusRequest
from tests.participant.ceremony.test_task import Seeds
from tests.stage.desk import MODEL, Desk, federation
from tests.stage.hall import ToldHall
from tests.stage.rounds.rings import ring_in
from tests.stage.rounds.round_table import Steps
from tests.stage.toy import number_secret, toy_epoch

TOY = toy_epoch(3, 2)
TERMS = TOY.federation.terms
DURATION = re.compile(r"for (\d+ s|\d+:\d\d (min|h))")
RINGS = {i: ring_in(TOY, i) for i in TOY.federation.members}


def status(hall: ToldHall) -> dict[str, Any]:
    return read_report(msgspec.json.encode(hall.service.status({})))


def decrypt(hall: ToldHall, i: int, approve: Callable[[Question], bool] = lambda _: True) -> None:
    """A hospital is asked to help with the statistic, which all have approved."""
    if "age" not in hall.service.board.studies:
        hall.found(hall.statistic())
    hall.come(i, DecryptionTask(TERMS, "age", 1, RINGS[i], hall.disks[i], approve))


def contribute(hall: ToldHall, i: int) -> None:
    """The same, and it contributes."""
    if "age" not in hall.service.board.studies:
        hall.found(hall.statistic())
    numbers = Numbers("ages.json", (Decimal(3), Decimal(4)))
    hall.come(i, StatisticTask(TERMS, "age", RINGS[i], numbers, hall.disks[i], number_secret(i)))


TRAIN = "quorate-participant train federation.toml --study cardio"
STEPS: dict[str, tuple[type, tuple[int, ...], str, str]] = {
    "statements": (
        Statement,
        (3,),
        "have not said at which model they stand",
        "model they stand, before",
    ),
    "contributions": (Contribution, (3,), "have not contributed", "to contribute to"),
    "locks": (SetLock, (2, 3), "whether they agree to the sum", "agree to the sum of"),
    "parts": (Partial, (2, 3), "part of the decryption is not there", "to help to decrypt"),
}


def check_everywhere(
    hall: ToldHall, silent: Sequence[int], why: str, typed: str, capsys: Any, step: str
) -> None:
    """What every other hospital is told, in its own words and by ``status``, and the operator."""
    others = [i for i in hall.agents if i not in silent]
    assert others
    names = [f"H{i}" for i in silent]
    hall.later(130.0)
    for i in others:
        (line,) = hall.read[i]
        for part in (*names, "2:10 min", why, typed):
            assert part in line, (i, part, line)
        assert DURATION.search(line)
    for i in hall.agents:
        show_standing(None, status(hall), f"H{i}", Context(file=Path("federation.toml")))
        rows = [row for row in capsys.readouterr().out.splitlines() if "waiting for" in row]
        (row,) = [row for row in rows if step in row]
        for part in (*names, " since 1970-01-12T", typed):
            assert part in row, (i, part, row)
        assert ("OTHERS WAIT FOR THIS HOSPITAL" in row) == (i in silent)
    (row,) = [r for r in render(status(hall), None) if r.startswith("waiting for")]
    assert all(part in row for part in (*names, " since 1970-01-12T", "quorate-participant "))


@pytest.mark.parametrize("step", STEPS)
def test_every_hospital_says_who_keeps_a_round_of_training_waiting(
    hall: ToldHall, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, silent, why, word = STEPS[step]
    hall.silence(silent, kind)
    for i in TOY.federation.members:
        hall.train(i)
    hall.talk()
    check_everywhere(hall, silent, why, TRAIN, capsys, word)


def test_a_statistic_names_who_has_not_contributed_agreed_or_helped(
    hall: ToldHall, capsys: pytest.CaptureFixture[str]
) -> None:
    contribute(hall, 1)
    contribute(hall, 2)
    hall.talk()
    decrypt(hall, 1)
    decrypt(hall, 2)
    hall.talk()
    typed = "quorate-participant contribute NUMBERS.csv --federation federation.toml --study age"
    check_everywhere(hall, (3,), "have not contributed", typed, capsys, "to contribute to")
    hall.silence((2, 3), SetLock)
    contribute(hall, 3)
    hall.talk()
    decrypt(hall, 3)
    hall.talk()
    hall.read[1].clear()
    typed = "quorate-participant decrypt federation.toml --study age"
    check_everywhere(hall, (2, 3), "whether they agree", typed, capsys, "agree to the sum of")


def test_who_is_asked_to_agree_is_told_who_waits_for_the_answer(
    hall: ToldHall, capsys: Any
) -> None:
    for i in (1, 2, 3):
        contribute(hall, i)
    hall.talk()
    decrypt(hall, 1)
    hall.talk()
    approve = _approval(yes=True, as_json=False)
    decrypt(hall, 2, approve)
    hall.talk()
    assert "  agreed        H1. They may be waiting for this answer\n" in capsys.readouterr().out


def test_who_waits_for_a_study_that_too_few_have_approved_is_told_who_is_missing(
    hall: ToldHall,
) -> None:
    hall.found(hall.statistic(), 1, 2)
    decrypt(hall, 1)
    hall.talk()
    hall.later(20.0)
    (line,) = hall.read[1]
    assert line.startswith("Waiting for H3 for 20 s: ")
    assert "approve" in line


@pytest.mark.parametrize(
    ("kind", "silent", "why"),
    [(Join, (3,), "none begins before all have joined"), (Step, (3,), "message of every member")],
)
def test_a_ceremony_names_who_keeps_it_waiting(
    tmp_path: Path, kind: type, silent: tuple[int, ...], why: str, capsys: Any
) -> None:
    hall = ToldHall(tmp_path, TOY.federation, 1_000_000_000, with_key=False)
    hall.silence(silent, kind)
    for i in TOY.federation.members:
        hall.come(i, CeremonyTask(TERMS, i, Seeds("waiting", i)))
    hall.talk()
    hall.later(130.0)
    for i in (1, 2):
        (line,) = hall.read[i]
        assert line.startswith("Waiting for H3 for 2:10 min: ceremony/1, step ")
        assert why in line
        assert "H3 types: quorate-participant ceremony federation.toml" in line
        assert ("given up once a step" in line) == (kind is Step)
    for i in (1, 3):
        show_standing(None, status(hall), f"H{i}", Context(file=Path("federation.toml")))
        out = capsys.readouterr().out
        assert "waiting for H3" in out
        assert "type: quorate-participant ceremony federation.toml" in out
        assert ("OTHERS WAIT FOR THIS HOSPITAL" in out) == (i == 3)


def test_a_check_of_key_shares_names_who_has_no_part_in_it(hall: ToldHall) -> None:
    hall.silence((2,), CheckPart)
    for i in (1, 2):
        hall.come(i, KeyCheckTask(TERMS, RINGS[i], hall.time_ms))
    hall.talk()
    hall.later(130.0)
    (line,) = hall.read[1]
    assert line.startswith("Waiting for 1 of H2, H3 for 2:10 min: check/1, parts of a quorum.")
    assert line.endswith(
        "each of them types: quorate-participant key check --together federation.toml"
    )


def test_where_too_few_are_left_to_open_a_sum_all_are_told_who_refused_and_the_way_out(
    hall: ToldHall, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in TOY.federation.members:
        contribute(hall, i)
    hall.talk()
    for i in (2, 3):
        hall.say(i, "study/age/1", Refusal("differencing", 0, "it would show too few"))
    hall.agents.clear()
    decrypt(hall, 1)
    hall.talk()
    hall.later(130.0)
    (line,) = hall.read[1]
    out = "2 hospitals can end the study age and go on in another one: "
    out += "quorate-participant study end age."
    said = "H2, H3 refused, and will not help. Too few are left to open the sum."
    assert line.endswith(f"the sum of age/1. {said} {out}")
    show_standing(None, status(hall), "H1", Context(file=Path("federation.toml")))
    (row,) = [row for row in capsys.readouterr().out.splitlines() if "waiting for" in row]
    assert row.endswith(f"{said} {out}")
    hall.end(hall.study("study/age/1"), 2, 3)
    with pytest.raises(StudyEnded):
        hall.talk()


class Without(Steps):
    """An app whose hospital has no examples."""

    def fit(self, parameters: Any, config: Any) -> Any:
        return parameters, 0, {}


def test_a_hospital_without_examples_is_told_whether_the_round_needs_it(hall: ToldHall) -> None:
    hall.train(1)
    for i in (2, 3):
        hall.train(i, Without())
    hall.talk()
    hall.later(130.0)
    assert hall.read[1][0].startswith("Waiting for H2, H3 for 2:10 min: contributions to cardio/1.")
    assert "They may be at work, or have no examples." in hall.read[1][0]
    told = hall.read[2][0]
    assert told.startswith("Waiting for this hospital, H3 for 2:10 min: contributions to cardio/1.")
    assert "Without this hospital too few contribute. This hospital adds nothing to the" in told
    assert "once it has some, stop this command and type the same again." in told


def test_a_hospital_without_examples_learns_that_the_round_goes_on_without_it() -> None:
    facts = {"session": "study/cardio/1", "needed": 0, "abstains": True, "until_seconds": 60}
    waiting = Waiting("contributions", (0,), facts)
    told = waiting_line(waiting, 20.0, 2, Context(terms=TERMS))
    assert told == (
        "Waiting for the aggregator for 20 s: contributions to cardio/1. All others have "
        "contributed. This hospital adds nothing to the round, and helps to decrypt its sum. It "
        "goes on by itself. If it lasts, ask the aggregator's operator. (it waits for this "
        "hospital until the wait has lasted 1:00 min)"
    )


# ── a model that differs ──


class Wider(Steps):
    def initial_parameters(self, config: Any) -> list[np.ndarray]:
        return [np.zeros((1, 3)), np.zeros(1, dtype=np.float32)]


def test_a_model_that_differs_is_named_with_what_differs_for_as_long_as_it_keeps_all_waiting(
    hall: ToldHall,
) -> None:
    hall.train(1)
    hall.train(2)
    hall.train(3, Wider())
    hall.talk()
    hall.later(130.0)
    for i in (1, 2):
        (line,) = hall.read[i]
        assert line.startswith("Waiting for H3 for 2:10 min: the same model at enough hospitals")
        assert "'parameter_0' is 1x3 float64 there and 1x2 float64 here" in line
        assert "starts train again with the app and the columns of the others" in line
    (line,) = hall.read[3]
    assert line.startswith("Waiting for H1, H2 for 2:10 min")
    assert "Only this hospital states this model" in line


def waited_for(desk: Desk) -> dict[str, Any]:
    answer = desk.ask(1, StatusRequest())
    assert isinstance(answer, StatusReport)
    (found,) = read_report(answer.report)["waiting"]
    return dict(found)


OTHER, THIRD = b"o" * 32, b"t" * 32


@pytest.mark.parametrize(
    ("models", "step", "names", "needed"),
    [
        ([MODEL, MODEL, OTHER], "agreement", ["H3"], 1),
        ([MODEL, OTHER, THIRD], "agreement", ["H1", "H2", "H3"], 2),
        ([MODEL, OTHER], "statements", ["H3"], 2),
        ([MODEL, MODEL], "statements", ["H3"], 1),
    ],
)
def test_the_aggregators_status_names_whose_models_differ_or_are_not_known(
    tmp_path: Path, models: list[bytes], step: str, names: list[str], needed: int
) -> None:
    desk = Desk(tmp_path)
    desk.found_training()
    for member, model in enumerate(models, start=1):
        desk.state("study/cardio/0", (member,), model)
    desk.wait(0)
    found = waited_for(desk)
    assert (found["session"], found["step"]) == ("study/cardio/1", step)
    assert (found["for"], found["needed"], found["until"]) == (names, needed, None)


def test_it_says_when_a_round_goes_on_without_who_is_waited_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, federation(n=4))
    desk.found_training()
    desk.state("study/cardio/0", (1, 2, 3))
    desk.wait(0)
    found = waited_for(desk)
    assert (found["step"], found["for"], found["needed"]) == ("statements", ["H4"], 0)
    assert found["until"] == "1970-01-01T00:17:00.000+00:00"
    (row,) = [r for r in render(desk.service.status({}), None) if r.startswith("waiting for")]
    assert "It goes on without them at 1970-01-01T00:17:00.000+00:00." in row
