"""A round is void, the next one is over nearly the same hospitals: what each command does."""

import time
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from keyshare.randomness import Stream
from participant.cli.commands import rounds as opening
from participant.cli.commands.rounds import _approval
from participant.cli.commands.training import RoundTable as Shown
from participant.model.master import Model
from participant.rounds.contribution import ContributionMaker
from participant.rounds.task import DecryptionTask, Question
from participant.training.fitting import Fitter
from participant.training.task import TrainingTask
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.board.suite import suite_of
from protocol.errors import Refused
from protocol.key.epoch import HeldKey
from protocol.messages.attachment import attach
from protocol.messages.rounds import Contribution, Near, Opening
from protocol.rounds.ciphertexts import EncryptionKey
from protocol.rounds.history import OpenedSets
from protocol.terms.terms import Floors
from tests.stage.rounds.round_table import Events, RoundTable, Steps
from tests.stage.studies import approval
from tests.stage.toy import ToyEpoch, toy_epoch


class Other(Steps):
    """Begins with another model than ``Steps``."""

    def initial_parameters(self, config: Mapping[str, Any]) -> list[np.ndarray]:
        return [np.ones((1, 2)), np.zeros(1, dtype=np.float32)]


class Spoiling(Fitter):
    """Contributes what no honest hospital does to round 1, so that it is void."""

    def contribution(
        self, number: int, model: Model, opening: Posted[Opening], near: Near, key: HeldKey
    ) -> Draft | None:
        if number > 1:
            return super().contribution(number, model, opening, near, key)
        encrypting = EncryptionKey.of(key.epoch)
        count = suite_of("paillier", self._study).ciphertext_count(model.layout.weights)
        maker = ContributionMaker(self._study, *key, self._storage, near)
        plaintexts = [encrypting.encryptor.n - 1] * count  # it knows them, and they are no weights
        return maker._proved(plaintexts, Stream(bytes(32)), opening, encrypting)


class Spoiler(TrainingTask):
    """Spoils round 1."""

    def begin(self, board: Board) -> None:
        super().begin(board)
        self._known.fitter.__class__ = Spoiling


def seat_spoiler(table: RoundTable, app: Any, index: int = 5) -> None:
    """A member that spoils round 1 comes to the table."""
    place = table.terms, table.study, table.ring(index)
    table.seat(index, Spoiler(*place, app, table.disks[index], b""))


def toy(differencing: str) -> ToyEpoch:
    """The toy epoch under terms that refuse, or warn."""
    return toy_epoch(5, 3).under(floors=Floors(3, 3, 1, differencing))  # type: ignore[arg-type]


def closed_again(differencing: str, without: int = 5) -> tuple[RoundTable, Events]:
    """All five in a void round; the next one, from the same model, closed without one of them."""
    table, reports = RoundTable(toy(differencing)), Events()
    for i in (1, 2, 3, 4):
        table.train(i, Steps(), lambda *report: reports.append(report))
    seat_spoiler(table, Steps())
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
        assert (caught.value.round_name, caught.value.rule) == ("cardio/2", "differencing")
        assert caught.value.member == 5
        del table.tasks[index]
    view = table.view("study/cardio/2")
    assert set(view.refusals) == {1, 2, 3, 4, 5}
    assert not view.locks


def test_where_the_terms_warn_it_is_an_event_and_the_round_goes_on() -> None:
    table, reports = closed_again("warn")
    found = [report for report in reports if report[1] == "differencing"]
    assert found == [(2, "differencing", {"rounds": ["cardio/1"], "members": ["H5"]})] * 4
    table.settle()
    assert len(table.view("study/cardio/2").partials) >= table.terms.quorum


def test_the_event_is_shown_to_whoever_runs_the_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = {"rounds": ["cardio/1"], "members": ["H5"]}
    told = {"study": "cardio", "round": 2, "event": "differencing", **facts}
    Shown(toy("warn").federation.terms).show(told)
    said = capsys.readouterr().out
    assert "cardio/2" in said
    assert "cardio/1, from the same model, its sum shows what H5 alone added" in said


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
    seat_spoiler(table, app)
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


def test_every_hospital_is_told_once_that_a_round_is_held_back_and_for_whom(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, reports = silent_after_a_void_round(Steps())
    table.settle()
    held = [report for report in reports if report[1] == "held-back"]
    facts = {"study": "cardio", "members": ["H5"], "rounds": ["cardio/1"], "needed": 4}
    facts |= {"waits_for_own": False}
    assert held == [(2, "held-back", facts)] * 4
    waiting = table.tasks[1].waiting(table.board)
    assert waiting[:2] == ("held-back", (5,))
    Shown(table.terms).show({"round": 2, "event": "held-back", **held[0][2]})
    said = capsys.readouterr().out
    assert "as soon as H5 contributes" in said
    assert "4 hospitals can end the study cardio" in said


def test_junk_instead_of_silence_is_held_back_too_and_nobody_is_waited_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its first contribution counts and cannot be added, as every hospital sees."""
    _, reports = silent_after_a_void_round(Steps(), junk=True)
    held = [report for report in reports if report[1] == "held-back"]
    facts = {"study": "cardio", "members": [], "rounds": ["cardio/1"], "needed": 4}
    facts |= {"waits_for_own": False}
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


def decrypting(table: RoundTable, index: int, number: int = 2) -> tuple[list[Question], Draft]:
    """What a person is asked in ``decrypt``, and what is said after a yes."""
    asked: list[Question] = []

    def approve(request: Question) -> bool:
        asked.append(request)
        return True

    del table.tasks[index]
    task = DecryptionTask(
        table.terms, table.study, number, table.ring(index), table.disks[index], approve
    )
    table.seat(index, task)
    draft = task.due()
    assert draft is not None
    return asked, draft


def test_a_person_is_warned_before_the_question_where_the_terms_warn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, _ = closed_again("warn")
    ((request,), draft) = decrypting(table, 3)
    assert "cardio/1" in request.warning
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
    Shown(table.terms).show({"study": "cardio", "round": number, "event": event, **facts})
    said = capsys.readouterr().out
    assert "Only this hospital states this model" in said
    assert "right app and libraries" in said


def test_who_takes_their_time_is_asked_again_where_the_sum_shows_more_by_then() -> None:
    table, _ = closed_again("warn")
    asked, answers = list[Question](), dict[str, bool]()

    def approve(request: Question) -> bool | None:
        asked.append(request)
        return answers.get(request.warning)

    del table.tasks[3]
    held, disk = table.ring(3), table.disks[3]
    task = DecryptionTask(table.terms, table.study, 2, held, disk, approve)
    table.seat(3, task)
    with patch.object(OpenedSets, "difference", lambda self, view: None):
        assert task.due() is None
    assert not asked[-1].warning
    answers[""] = True  # to what was shown, and no more
    table.publish(1, approval(table.study_of(f"study/{table.study}")))  # the board goes on
    assert task.due() is None
    assert "H5 alone" in asked[-1].warning
    answers[asked[-1].warning] = True
    draft = task.due()
    assert draft is not None
    assert type(draft.body).__name__ == "SetLock"
