"""A round is void, the next one is over nearly the same hospitals: what each command does."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import typer

from keyshare.randomness import Stream
from participant.cli.commands import rounds as opening
from participant.cli.commands.rounds import _approval
from participant.cli.commands.training import RoundTable as Shown
from participant.cli.commands.training import _check_round_left
from participant.rounds.contribution import ContributionMaker
from participant.rounds.task import DecryptionTask, Question
from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.board.messages import Contribution, attach
from protocol.board.suite import suite_of
from protocol.errors import Refused
from protocol.rounds.ciphertexts import EncryptionKey
from protocol.rounds.view import RoundView
from protocol.terms.terms import RoundPolicy
from tests.stage.rounds.round_table import Events, RoundTable, Steps
from tests.stage.toy import ToyEpoch, toy_epoch


class Fresh(Steps):
    """Begins with another model for every seed, as an app that draws its weights does."""

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.full((1, 2), config["seed"] / 2**32), np.zeros(1, dtype=np.float32)]


class Other(Steps):
    """Begins with another model than ``Steps``."""

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.ones((1, 2)), np.zeros(1, dtype=np.float32)]


class Spoiler(TrainingTask):
    """Contributes what no honest hospital does to round 1, so that it is void."""

    def _contribution(self, number: int, view: RoundView) -> Draft:
        if number > 1:
            return super()._contribution(number, view)  # type: ignore[return-value]
        assert view.opening is not None
        key = EncryptionKey.of(self._epoch)
        count = suite_of("paillier", self._terms).ciphertext_count(self._layout.weights)
        maker = ContributionMaker(self._terms, self._epoch, self._secret, self._storage)
        plaintexts = [key.encryptor.n - 1] * count  # it knows them, and they are no weights
        return maker._proved(plaintexts, Stream(bytes(32)), view.opening, key)


def toy(differencing: str) -> ToyEpoch:
    """The toy epoch under terms that refuse, or warn."""
    return toy_epoch(5, 3).under(rounds=RoundPolicy(5, 3, 10, 10, 3, differencing))  # type: ignore[arg-type]


def closed_again(differencing: str, without: int = 5) -> tuple[RoundTable, Events]:
    """All five in a void round; the next one, from the same model, closed without one of them."""
    table, reports = RoundTable(toy(differencing)), Events()
    for i in (1, 2, 3, 4):
        table.train(i, Steps(), lambda *report: reports.append(report))
    table.seat(5, Spoiler(table.terms, table.secret(5), Steps(), table.disks[5]))
    table.play("study/cardio/1")
    assert (1, "void") in [report[:2] for report in reports]
    table.open("study/cardio/2")
    table.settle()
    table.close("study/cardio/2", [i for i in range(1, 6) if i != without])
    return table, reports


def test_every_hospital_refuses_and_a_restarted_one_too() -> None:
    table, _ = closed_again("refuse")
    table.train(2, Steps())  # from the board alone
    for index, task in list(table.tasks.items()):
        draft = task.due()
        assert draft is not None
        with pytest.raises(Refused) as caught:
            table.publish(index, draft)
        assert (caught.value.round_name, caught.value.rule) == ("2", "differencing")
        assert caught.value.member == 5
        del table.tasks[index]
    view = table.view("study/cardio/2")
    assert set(view.refusals) == {1, 2, 3, 4, 5}
    assert not view.locks


def test_where_the_terms_warn_it_is_an_event_and_the_round_goes_on() -> None:
    table, reports = closed_again("warn")
    found = [report for report in reports if report[1] == "differencing"]
    assert found == [(2, "differencing", {"rounds": ["1"], "members": ["H5"]})] * 4
    table.settle()
    assert len(table.view("study/cardio/2").partials) >= table.terms.quorum


def test_the_event_is_shown_to_whoever_runs_the_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = {"rounds": ["1"], "members": ["H5"]}
    Shown(toy("warn").federation.terms).show({"round": 2, "event": "differencing", **facts})
    said = capsys.readouterr().out
    assert "round 2" in said
    assert "round 1, from the same model, its sum shows what H5 alone added" in said


def test_the_same_hospitals_again_are_no_difference() -> None:
    table, reports = closed_again("refuse", without=0)
    assert not [report for report in reports if report[1] == "differencing"]
    table.settle()
    assert all(task.finished == 2 for task in table.tasks.values())


# ── held back: a round that no sum may end ──


def silent_after_a_void_round(app: Steps, junk: bool = False) -> tuple[RoundTable, Events]:
    """The fifth voids round 1 and says nothing, or junk, in round 2, whose wait is over."""
    table, reports = RoundTable(toy("refuse")), Events()
    for i in (1, 2, 3, 4):
        table.train(i, app, lambda *report: reports.append(report))
    table.seat(5, Spoiler(table.terms, table.secret(5), app, table.disks[5]))
    table.play("study/cardio/1")
    del table.tasks[5]
    opening = table.open("study/cardio/2")
    if junk:
        table.publish(5, Draft("study/cardio/2", Contribution(opening.digest, attach(b"junk"))))
    table.settle()
    assert not [report for report in reports if report[1] == "held-back"]
    for task in table.tasks.values():
        task.current.hold._clock = lambda: time.monotonic() + 15
    table.settle()
    return table, reports


def restarted(table: RoundTable, app: Steps, after: int) -> Events:
    """All but the silent one stop, and begin another model; what is said but for its entries."""
    reports = Events()
    for i in (1, 2, 3, 4):
        table.train(i, app, lambda *report: reports.append(report), new_model_after=after)
    reports[:] = [said for said in reports if said[1] != "entries"]
    return reports


def test_every_hospital_is_told_once_that_a_round_is_held_back_and_for_whom(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, reports = silent_after_a_void_round(Steps())
    table.settle()
    held = [report for report in reports if report[1] == "held-back"]
    assert held == [(2, "held-back", {"members": ["H5"], "rounds": ["1"], "needed": 4})] * 4
    waiting = table.tasks[1].waiting(table.board)
    assert waiting[:2] == ("held-back", (5,))
    Shown(table.terms).show({"round": 2, "event": "held-back", **held[0][2]})
    said = capsys.readouterr().out
    assert "as soon as H5 contributes" in said
    assert "At least 4 hospitals" in said
    assert "--new-model-after 2" in said
    Shown(table.terms).show({"round": 2, "event": "held-back", **held[0][2], "needed": 0})
    assert "new terms" in capsys.readouterr().out


def test_junk_instead_of_silence_is_held_back_too_and_nobody_is_waited_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its first contribution counts and cannot be added, as every hospital sees."""
    _, reports = silent_after_a_void_round(Steps(), junk=True)
    held = [report for report in reports if report[1] == "held-back"]
    facts = {"members": [], "rounds": ["1"], "needed": 4}
    assert held == [(2, "held-back", facts)] * 4
    Shown(toy("refuse").federation.terms).show({"round": 2, "event": "held-back", **facts})
    assert "cannot be added" in capsys.readouterr().out


def test_no_round_is_called_held_back_once_the_silent_one_is_back_however_late() -> None:
    table, reports = silent_after_a_void_round(Steps())
    for task in table.tasks.values():
        task.current.hold._clock = lambda: time.monotonic() + 2_000
    before = list(reports)
    table.train(5, Steps())
    table.settle()
    assert not [report for report in reports[len(before) :] if report[1] == "held-back"]
    assert not any(task.current.hold.is_held for task in table.tasks.values())
    assert len(table.view("study/cardio/2").contributions) == 5


def test_no_model_begins_after_the_last_round() -> None:
    terms = toy("refuse").federation.terms
    _check_round_left(4, terms)
    with pytest.raises(typer.BadParameter, match="5 rounds"):
        _check_round_left(5, terms)


def test_a_held_back_round_goes_on_when_the_silent_one_is_back() -> None:
    table, _ = silent_after_a_void_round(Steps())
    table.train(5, Steps())
    table.settle()
    waiting = table.tasks[1].waiting(table.board)
    assert (waiting.kind, waiting.facts["session"]) == ("sum", "study/cardio/2")
    table.close("study/cardio/2")
    assert table.tasks[1].waiting(table.board).kind != "held-back"
    table.settle()
    assert all(task.finished == 2 for task in table.tasks.values())


def test_another_model_goes_on_without_the_silent_one() -> None:
    table, _ = silent_after_a_void_round(Fresh())
    reports = restarted(table, Fresh(), after=2)
    assert not reports
    table.play("study/cardio/3")
    assert all(task.finished == 3 for task in table.tasks.values())
    assert not table.view("study/cardio/3").refusals


def test_who_begins_the_same_model_anew_is_told_that_it_is_no_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, _ = silent_after_a_void_round(Steps())
    reports = restarted(table, Steps(), after=2)
    assert reports == [(2, "used-model", {"rounds": ["1"]})] * 4
    Shown(table.terms).show({"round": 2, "event": "used-model", "rounds": ["1"]})
    assert "config['seed']" in capsys.readouterr().out


def decrypting(table: RoundTable, index: int, name: str = "2") -> tuple[list[Question], Draft]:
    """What a person is asked in ``decrypt``, and what is said after a yes."""
    asked: list[Question] = []

    def approve(request: Question) -> bool:
        asked.append(request)
        return True

    del table.tasks[index]
    task = DecryptionTask(table.terms, table.secret(index), name, table.disks[index], approve)
    table.seat(index, task)
    draft = task.due()
    assert draft is not None
    return asked, draft


def test_a_person_is_warned_before_the_question_where_the_terms_warn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, _ = closed_again("warn")
    ((request,), draft) = decrypting(table, 3)
    assert "round 1" in request.warning
    assert "H5 alone" in request.warning
    assert type(draft.body).__name__ == "SetLock"
    _approval(yes=True, as_json=False)(request)
    assert f"Warning: {request.warning}" in capsys.readouterr().out
    _approval(yes=True, as_json=True)(request)
    assert f"Warning: {request.warning}" in capsys.readouterr().err


def test_nobody_is_asked_where_the_terms_refuse() -> None:
    table, _ = closed_again("refuse")
    asked, draft = decrypting(table, 3)
    assert not asked
    assert getattr(draft.body, "rule", None) == "differencing"


def test_a_person_is_told_that_statistics_are_not_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _approval(yes=True, as_json=False)(Question("ages", "statistic", ("H1", "H2"), 3))
    assert "not checked" in capsys.readouterr().out
    _approval(yes=True, as_json=False)(Question("2", "training", ("H1", "H2"), 3))
    said = capsys.readouterr().out
    assert "not checked" not in said
    assert "Warning" not in said


@pytest.mark.parametrize("as_json", [False, True])
def test_whoever_is_asked_has_seen_every_label(
    as_json: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "agrees", lambda question, err: True)
    labels = (*(f"visits {k}" for k in range(59)), "the patient in bed 60")
    asked = Question("ages", "statistic", ("H1", "H2", "H3"), 60, labels=labels)
    _approval(yes=False, as_json=as_json)(asked)
    said = capsys.readouterr()
    assert all(label in (said.err if as_json else said.out) for label in labels)


def test_whoever_stands_at_another_model_waits_for_the_others_and_is_told_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = RoundTable(toy("refuse"))
    for i in (1, 2, 3, 4):
        table.train(i, Steps())
    reports = table.reported(5, Other())
    table.settle()
    waiting = table.tasks[5].waiting(table.board)
    assert waiting[:2] == ("agreement", (1, 2, 3, 4))
    number, event, facts = reports[-1]
    Shown(table.terms).show({"round": number, "event": event, **facts})
    said = capsys.readouterr().out
    assert "Only this hospital states this model" in said
    assert "right app and libraries" in said
