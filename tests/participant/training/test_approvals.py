"""Training only what this hospital has approved, with its app alone, and to the study's end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.errors import (
    NoStart,
    NotApproved,
    NotInStudy,
    OtherApp,
    OtherKind,
    StudyEnded,
    UnknownStudy,
)
from participant.model.file import model_name
from participant.rounds.task import DecryptionTask
from participant.study.app_source import GivenApp, Surroundings, given_app
from participant.study.tasks import ApprovalTask
from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.board.study import Study
from protocol.messages.plan import Ending, Withdrawal
from protocol.messages.rounds import Contribution, Partial, Refusal, SetLock, Statement
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import (
    SESSION,
    STUDY,
    approval,
    proposal,
    statistic_study,
    training_plan,
    training_study,
)
from tests.stage.toy import model_secret, toy_epoch

TERMS = toy_epoch().federation.terms
CARDIO = training_study(TERMS)


class Unapproved(RoundTable):
    """A table at which only these hospitals have approved the study."""

    def __init__(self, *members: int, study: Study = CARDIO) -> None:
        self.approving = members
        super().__init__(study=study)

    def found(self, study: Study, approving: Any = None) -> Any:
        return super().found(study, self.approving)


def train_all(table: RoundTable, *members: int) -> None:
    for i in members:
        table.train(i, Steps())


def end(table: RoundTable, *voters: int) -> None:
    for i in voters:
        table.publish(i, Draft("study/cardio", Ending(table.study_of("study/cardio").digest)))


def withdraw(table: RoundTable, member: int) -> None:
    digest = table.study_of("study/cardio").digest
    table.publish(member, Draft("study/cardio", Withdrawal(digest)))


def said_by(table: RoundTable, member: int, kind: type) -> int:
    entries = table.board.entries
    return sum(p.post.sender == member and isinstance(p.post.body, kind) for p in entries)


class Watched(Steps):
    """An app that notes whether any of it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.ran = False

    def initial_parameters(self, config: Any) -> Any:
        self.ran = True
        return super().initial_parameters(config)


# ── rule 10 ──


@pytest.mark.parametrize("opens", [None, True], ids=["nothing", "to open alone"])
def test_without_an_approval_to_contribute_the_app_is_not_run_and_nothing_is_said(
    opens: bool | None,
) -> None:
    table, app = Unapproved(2, 3, 4, 5), Watched()
    if opens:
        table.publish(1, approval(CARDIO, contribute=False))
    before = len(table.board.entries)
    task = table.train(1, app)
    train_all(table, 2, 3, 4, 5)
    with pytest.raises(NotApproved) as caught:
        task.due()
    assert (caught.value.what, caught.value.withdrawn) == ("contribute", False)
    assert not app.ran
    assert said_by(table, 1, Statement) == 0
    assert len(table.board.entries) == before


def test_an_approval_that_is_on_its_way_is_enough_to_begin_with() -> None:
    table = Unapproved(2, 3, 4, 5)
    approving = ApprovalTask(TERMS, 1, STUDY, table.disks[1], unpinned=True)
    approving.begin(table.board)
    draft = approving.due()
    assert draft is not None
    task = table.train(1, Steps())
    table.publish(1, draft)
    stated = task.due()
    assert stated is not None
    assert stated.session == "study/cardio/0"


def test_an_approval_that_never_got_there_is_none() -> None:
    table = Unapproved(2, 3, 4, 5)
    approving = ApprovalTask(TERMS, 1, STUDY, table.disks[1], unpinned=True)
    approving.begin(table.board)
    assert approving.due() is not None
    task = table.train(1, Steps())
    with pytest.raises(NotApproved):
        task.due()


def test_who_approves_late_catches_up_and_joins_at_the_next_opening() -> None:
    table = Unapproved(2, 3, 4, 5)
    train_all(table, 2, 3, 4, 5)
    table.play(SESSION)
    table.open("study/cardio/2")
    table.publish(1, approval(CARDIO))  # after round 2 was opened
    late = table.train(1, Steps())
    table.settle()
    assert late.finished == 1
    assert 1 not in table.view("study/cardio/2").contributions
    table.close("study/cardio/2")
    table.settle()
    assert late.finished == 2
    assert said_by(table, 1, SetLock) == 1  # of round 1 enough had locked before it came
    table.play("study/cardio/3")
    assert 1 in table.view("study/cardio/3").contributions
    others = {table.tasks[i].parameters[0].tobytes() for i in (2, 3, 4, 5)}
    assert others == {late.parameters[0].tobytes()}


def test_who_withdraws_states_and_contributes_nothing_more_and_is_told() -> None:
    table = RoundTable()
    train_all(table, 1, 2, 3, 4, 5)
    table.settle()
    table.open(SESSION)
    withdraw(table, 1)
    with pytest.raises(NotApproved) as caught:
        table.tasks[1].due()
    assert caught.value.withdrawn
    assert said_by(table, 1, Contribution) == 0


def closed_and_locked(*lockers: int) -> RoundTable:
    """All contribute to round 1 and it is closed; these have locked it."""
    table = RoundTable()
    train_all(table, 1, 2, 3, 4, 5)
    table.settle()
    table.open(SESSION)
    table.settle()
    table.close(SESSION)
    for i in lockers:
        draft = table.tasks[i].due()
        assert draft is not None
        assert isinstance(draft.body, SetLock)
        table.publish(i, draft)
    return table


@pytest.mark.parametrize("restarted", [False, True])
def test_who_has_locked_releases_though_it_withdraws(restarted: bool) -> None:
    table = closed_and_locked(1)
    withdraw(table, 1)
    if restarted:
        del table.tasks[1]
        with pytest.raises(NotApproved):
            table.train(1, Steps()).due()
        asked = list[object]()
        approve = lambda question: not asked.append(question)  # noqa: E731
        held, disk = table.ring(1), table.disks[1]
        table.seat(1, DecryptionTask(TERMS, STUDY, None, held, disk, approve))
    assert table.tasks[1].due() is None  # it waits for the others
    for i in (2, 3, 4, 5):
        draft = table.tasks[i].due()
        assert draft is not None
        table.publish(i, draft)
    draft = table.tasks[1].due()
    assert draft is not None
    assert isinstance(draft.body, Partial)
    table.publish(1, draft)
    if restarted:
        assert not asked  # nobody is asked twice


def test_who_withdraws_before_it_has_locked_does_not_lock() -> None:
    table = closed_and_locked(2)
    withdraw(table, 1)
    with pytest.raises(NotApproved):
        table.tasks[1].due()
    assert said_by(table, 1, SetLock) == 0


# ── the end ──


def test_a_study_that_is_ended_ends_the_task_and_says_who_ended_it() -> None:
    table = RoundTable()
    train_all(table, 1, 2, 3, 4, 5)
    table.play(SESSION)
    table.open("study/cardio/2")
    end(table, 2, 3, 4, 5)
    with pytest.raises(StudyEnded) as caught:
        table.tasks[1].due()
    assert (caught.value.by, caught.value.finished) == (("H2", "H3", "H4", "H5"), 1)
    again = table.train(1, Steps())
    with pytest.raises(StudyEnded):
        again.due()


def test_a_set_that_enough_have_locked_is_opened_after_the_end() -> None:
    table = closed_and_locked(1, 2, 3, 4)
    end(table, 1, 2, 3, 5)
    for _ in range(2):
        for i in (1, 2, 3, 4):
            task = table.tasks[i]
            assert isinstance(task, TrainingTask)
            if not task.finished and (draft := task.due()):
                table.publish(i, draft)
    task = table.tasks[1]
    assert isinstance(task, TrainingTask)
    assert task.finished == 1
    with pytest.raises(StudyEnded) as caught:
        task.due()
    assert caught.value.finished == 1


@pytest.mark.parametrize("restarted", [False, True])
def test_a_locked_sum_that_too_few_still_help_with_ends_with_its_study(restarted: bool) -> None:
    table = closed_and_locked(1, 2, 3, 4)
    draft = table.tasks[1].due()
    assert draft is not None
    assert isinstance(draft.body, Partial)
    table.publish(1, draft)
    table.tasks = {1: table.tasks[1]}
    for i in (2, 3, 4):
        table.publish(i, Draft(SESSION, Refusal("differencing", 0, "it would show too few")))
    assert table.tasks[1].due() is None
    end(table, 2, 3, 4, 5)
    task = table.train(1, Steps()) if restarted else table.tasks[1]
    with pytest.raises(StudyEnded):
        task.due()


def test_a_lock_that_crosses_with_the_end_is_explained_by_it() -> None:
    table = closed_and_locked(1, 2)
    draft = table.tasks[3].due()
    assert draft is not None
    post = table.board.open(table.sign(draft.session, 3, draft.body))
    assert not table.tasks[3].explains(post)
    end(table, 1, 2, 4, 5)
    assert table.board.excess(post, 0)
    assert table.tasks[3].explains(post)
    with pytest.raises(StudyEnded):
        table.tasks[3].due()


def test_the_task_is_done_after_the_last_round_of_the_plan() -> None:
    table = RoundTable(study=training_study(TERMS, rounds=1))
    train_all(table, 1, 2, 3, 4, 5)
    table.play(SESSION)
    assert all(task.done for task in table.tasks.values())
    end(table, 1, 2, 3, 4)
    assert table.tasks[1].due() is None  # nothing is lacking


def test_what_is_no_study_of_this_hospital_to_train_is_named() -> None:
    table = RoundTable()

    def due(name: str) -> None:
        held, disk = table.ring(1), table.disks[1]
        task = TrainingTask(TERMS, name, held, Steps(), disk, model_secret(1))
        task.begin(table.board)
        task.due()

    table.found(statistic_study(TERMS))
    table.publish(2, proposal(training_study(TERMS, "few", members=(2, 3, 4))))
    with pytest.raises(UnknownStudy):
        due("none")
    with pytest.raises(OtherKind):
        due("age")
    with pytest.raises(NotInStudy):
        due("few")


# ── its app, and no other ──


class Given:
    """A file as an app, of which nothing is run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("1")

    @property
    def app(self) -> GivenApp:
        found = given_app(self.path, Surroundings(self.path.parent))
        return GivenApp(found.name, found.digest, lambda study: Steps())


def test_an_app_that_was_changed_after_its_approval_is_named_and_not_run(tmp_path: Path) -> None:
    table, given = Unapproved(2, 3, 4, 5), Given(tmp_path / "app.py")
    approved = given.app
    approving = ApprovalTask(TERMS, 1, STUDY, table.disks[1], app=approved, unpinned=True)
    approving.begin(table.board)
    draft = approving.due()
    assert draft is not None
    table.publish(1, draft)
    table.train(1, given.app)
    given.path.write_text("2")
    for other, found in ((given.app, given.app.digest), (Steps(), b"")):
        with pytest.raises(OtherApp) as caught:
            table.train(1, other)
        assert (caught.value.by, caught.value.expected) == ("approval", approved.digest)
        assert caught.value.found == found


def test_another_app_than_the_plans_is_not_run_whatever_was_approved(tmp_path: Path) -> None:
    given = Given(tmp_path / "app.py")
    table = RoundTable(study=training_study(TERMS, app=given.app.digest))
    table.train(1, given.app)
    given.path.write_text("2")
    with pytest.raises(OtherApp) as caught:
        table.train(1, given.app)
    assert caught.value.by == "plan"


# ── a study that starts from another ──


def started(rounds: int = 1) -> RoundTable:
    """A study that was trained for a round, and another that starts from its model."""
    table = RoundTable()
    train_all(table, 1, 2, 3, 4, 5)
    table.play(SESSION)
    plan = training_plan(TERMS, start_study=STUDY, start_round=rounds)
    return RoundTable(study=Study(TERMS, "second", plan), at=table)


def test_a_study_starts_from_another_ones_model() -> None:
    table = started()
    train_all(table, 1, 2, 3, 4, 5)
    table.settle()
    task = table.tasks[1]
    assert isinstance(task, TrainingTask)
    np.testing.assert_allclose(task.parameters[0], 0.1, atol=1e-3)
    table.play("study/second/1")
    np.testing.assert_allclose(task.parameters[0], 0.2, atol=1e-3)


def test_without_the_model_that_it_starts_from_it_does_not_begin() -> None:
    table = started()
    table.disks[2].delete(model_name(STUDY, 1))
    with pytest.raises(NoStart) as caught:
        table.train(2, Steps())
    assert (caught.value.study, caught.value.start) == ("second", "cardio/1")
    with pytest.raises(NoStart):
        started(rounds=2).train(1, Steps())


def test_a_model_of_another_app_is_no_start() -> None:
    class Wider(Steps):
        def initial_parameters(self, config: Any) -> Any:
            return [np.zeros((1, 3)), np.zeros(1, dtype=np.float32)]

    with pytest.raises(NoStart, match="no model of this app"):
        started().train(1, Wider())


def test_where_all_weigh_the_same_a_hospital_counts_as_one() -> None:
    table = RoundTable(study=training_study(TERMS, weights="equal", max_examples=1))
    for i in (1, 2, 3, 4, 5):
        app = Steps(i / 10)
        app.fit = lambda p, c, app=app, i=i: (Steps.fit(app, p, c)[0], 1_000 * i, {})  # type: ignore[misc]
        table.train(i, app)
    table.play(SESSION)
    task = table.tasks[1]
    assert isinstance(task, TrainingTask)
    np.testing.assert_allclose(task.parameters[0], 0.3, atol=1e-3)
