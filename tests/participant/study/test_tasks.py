"""Proposing, approving, withdrawing and ending, as one hospital's task says it."""

from pathlib import Path
from typing import Any

import pytest

from participant.errors import (
    DamagedFile,
    NotApproved,
    NotInStudy,
    OtherApp,
    OtherKind,
    OtherPlan,
    StudyEnded,
    StudyTaken,
    UnknownStudy,
    UnpinnedApp,
)
from participant.study.app_source import Surroundings, given_app
from participant.study.approval import KeptApproval, kept_approval
from participant.study.listing import ListingTask, standing_of
from participant.study.tasks import (
    ApprovalTask,
    EndingTask,
    ProposalTask,
    StudyTask,
    WithdrawalTask,
)
from protocol.board.draft import Draft
from protocol.errors import BadPlan
from protocol.messages.plan import Approval, Ending, Plan, Withdrawal
from tests.simulator.disk import Disk
from tests.stage.rounds.round_table import Steps
from tests.stage.studies import approval, proposal, statistic_study, training_plan, training_study
from tests.stage.toy import Table, toy_epoch

FEDERATION = toy_epoch().federation
TERMS = FEDERATION.terms
CARDIO, AGE = training_study(TERMS), statistic_study(TERMS)


@pytest.fixture
def table() -> Table:
    return Table(FEDERATION)


def said(table: Table, task: StudyTask) -> Draft | None:
    """What a task says, which is put on the board."""
    task.begin(table.board)
    draft = task.due()
    if draft is not None:
        table.say(task.index, draft)
    assert task.done
    return draft


def approving(disk: Disk | None = None, index: int = 1, **options: Any) -> ApprovalTask:
    return ApprovalTask(TERMS, index, "cardio", disk or Disk(), **{"unpinned": True} | options)


# ── proposing ──


def test_a_plan_is_proposed_once_whoever_proposes_it_again(table: Table) -> None:
    assert said(table, ProposalTask(TERMS, 1, "cardio", CARDIO.plan)) == proposal(CARDIO)
    assert said(table, ProposalTask(TERMS, 2, "cardio", CARDIO.plan)) is None
    assert table.board.studies["cardio"].proposer == 1


def test_a_name_is_taken_for_good_and_its_holder_named(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    task = ProposalTask(TERMS, 1, "cardio", training_plan(TERMS, rounds=6))
    task.begin(table.board)
    with pytest.raises(StudyTaken) as caught:
        task.due()
    assert (caught.value.study, caught.value.proposer) == ("cardio", "H3")


def test_a_plan_that_crosses_with_another_of_its_name_is_explained_by_that(table: Table) -> None:
    task = ProposalTask(TERMS, 1, "cardio", training_plan(TERMS, rounds=6))
    task.begin(table.board)
    draft = task.due()
    assert draft is not None
    post = table.board.open(table.sign(draft.session, 1, draft.body))
    assert not task.explains(post)
    table.say(3, proposal(CARDIO))
    assert table.board.excess(post, 0)
    assert task.explains(post)
    with pytest.raises(StudyTaken):
        task.due()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_study": "none", "start_round": 1}, "no study none that trains"),
        ({"start_study": "age", "start_round": 1}, "no study age that trains"),
        ({"start_study": "first", "start_round": 6}, "first has 5 rounds"),
    ],
)
def test_a_plan_starts_from_no_study_that_is_not_there(
    table: Table, changes: dict[str, Any], reason: str
) -> None:
    table.say(1, proposal(AGE))
    table.say(1, proposal(training_study(TERMS, "first")))
    task = ProposalTask(TERMS, 1, "cardio", training_plan(TERMS, **changes))
    task.begin(table.board)
    with pytest.raises(BadPlan, match=reason):
        task.due()


def test_a_plan_below_the_federations_floor_is_none() -> None:
    with pytest.raises(BadPlan) as caught:
        ProposalTask(TERMS, 1, "cardio", training_plan(TERMS, least_contributors=2))
    assert caught.value.field == "least_contributors"


# ── approving ──


@pytest.mark.parametrize(
    ("options", "contribute", "opens"),
    [({}, True, True), ({"opens": False}, True, False), ({"contribute": False}, False, True)],
)
def test_what_is_approved_is_kept_before_it_is_said_by_the_plans_digest(
    table: Table, options: dict[str, Any], contribute: bool, opens: bool
) -> None:
    table.say(3, proposal(CARDIO))
    disk = Disk()
    task = approving(disk, **options)
    task.begin(table.board)
    draft = task.due()
    assert draft is not None
    assert draft.body == Approval(CARDIO.digest, contribute, opens)
    assert kept_approval(disk, "cardio") == KeptApproval(CARDIO.digest, contribute, opens)


def test_who_is_not_in_the_plan_helps_to_open_unless_told_otherwise(table: Table) -> None:
    few = training_study(TERMS, members=(2, 3, 4))
    table.say(3, proposal(few))
    draft = said(table, approving())
    assert draft is not None
    assert draft.body == Approval(few.digest, False, True)
    task = approving(contribute=True)
    task.begin(table.board)
    with pytest.raises(NotInStudy):
        task.due()


def test_a_second_approval_of_the_same_says_nothing_and_keeps_the_app(
    table: Table, tmp_path: Path
) -> None:
    table.say(3, proposal(CARDIO))
    disk, app = Disk(), tmp_path / "app.py"
    said(table, approving(disk))
    app.write_text("1")
    assert said(table, approving(disk, app=given_app(app, Surroundings(tmp_path)))) is None
    kept = kept_approval(disk, "cardio")
    assert kept is not None
    assert (kept.app, kept.app_digest) == (str(app), given_app(app, Surroundings(tmp_path)).digest)


def test_another_plan_than_the_one_looked_at_is_not_approved(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    task = approving(plan=b"x" * 32)
    task.begin(table.board)
    with pytest.raises(OtherPlan) as caught:
        task.due()
    assert (caught.value.expected, caught.value.found) == (b"x" * 32, CARDIO.digest)
    assert said(table, approving(plan=CARDIO.digest)) is not None


def test_a_plan_that_pins_no_app_takes_a_word_that_this_is_known(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    task = approving(unpinned=False)
    task.begin(table.board)
    with pytest.raises(UnpinnedApp):
        task.due()
    table.say(3, proposal(AGE))
    assert said(table, ApprovalTask(TERMS, 1, "age", Disk())) is not None  # it runs no app


def test_another_app_than_the_pinned_one_is_named_and_not_approved(
    table: Table, tmp_path: Path
) -> None:
    app = tmp_path / "app.py"
    app.write_text("1")
    right = given_app(app, Surroundings(tmp_path))
    table.say(3, proposal(training_study(TERMS, app=right.digest)))
    app.write_text("2")
    disk, other = Disk(), given_app(app, Surroundings(tmp_path))
    for wrong, found in ((other, other.digest), (given_app(Steps(), Surroundings(tmp_path)), b"")):
        task = approving(disk, app=wrong, unpinned=False)
        task.begin(table.board)
        with pytest.raises(OtherApp) as caught:
            task.due()
        assert (caught.value.by, caught.value.expected) == ("plan", right.digest)
        assert caught.value.found == found
    assert not disk.files
    assert said(table, approving(disk, app=right, unpinned=False)) is not None


def test_a_socket_is_approved_for_a_plan_that_pins_an_app(table: Table, tmp_path: Path) -> None:
    """Whoever comes there has to say that it runs that app (participant.program)."""
    table.say(3, proposal(training_study(TERMS, app=b"a" * 32)))
    disk, given = Disk(), given_app(f"unix:{tmp_path}/own.sock", Surroundings(tmp_path))
    assert said(table, approving(disk, app=given, unpinned=False)) is not None
    kept = kept_approval(disk, "cardio")
    assert kept is not None
    assert kept.app == f"unix:{tmp_path}/own.sock"


def test_a_withdrawal_forgets_what_the_first_program_began_with(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    disk = Disk()
    said(table, approving(disk))
    disk.write("studies/cardio/beginning", b"kept")
    said(table, WithdrawalTask(TERMS, 1, "cardio", disk))
    assert "studies/cardio/beginning" not in disk.files


def test_the_next_approval_begins_anew_where_a_program_came_before_the_withdrawal_was_told(
    table: Table,
) -> None:
    table.say(3, proposal(CARDIO))
    disk = Disk()
    said(table, approving(disk))
    said(table, WithdrawalTask(TERMS, 1, "cardio", disk))
    disk.write("studies/cardio/beginning", b"of before")
    said(table, approving(disk))
    assert "studies/cardio/beginning" not in disk.files
    disk.write("studies/cardio/beginning", b"kept")
    said(table, approving(disk))  # which stands: training goes on
    assert "studies/cardio/beginning" in disk.files


def test_a_statistic_runs_no_app(table: Table, tmp_path: Path) -> None:
    table.say(3, proposal(AGE))
    task = ApprovalTask(TERMS, 1, "age", Disk(), app=given_app(Steps(), Surroundings(tmp_path)))
    task.begin(table.board)
    with pytest.raises(OtherKind):
        task.due()


def test_a_damaged_approval_is_named() -> None:
    disk = Disk()
    disk.write("studies/cardio/approval", b"junk")
    with pytest.raises(DamagedFile, match="studies/cardio/approval"):
        kept_approval(disk, "cardio")


# ── withdrawing, ending ──


def test_an_approval_is_taken_back_here_and_on_the_board(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    disk = Disk()
    said(table, approving(disk))
    draft = said(table, WithdrawalTask(TERMS, 1, "cardio", disk))
    assert draft == Draft("study/cardio", Withdrawal(CARDIO.digest))
    assert kept_approval(disk, "cardio") is None
    assert not table.board.studies["cardio"].contributes(1)
    assert said(table, WithdrawalTask(TERMS, 1, "cardio", disk)) is None
    assert said(table, approving(disk)) is not None  # and it may be given again


def test_what_was_never_approved_cannot_be_taken_back(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    task = WithdrawalTask(TERMS, 1, "cardio", Disk())
    task.begin(table.board)
    with pytest.raises(NotApproved):
        task.due()


def test_a_study_ends_by_votes_and_nobody_approves_it_then(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    for i in (1, 2, 3, 4):
        assert said(table, EndingTask(TERMS, i, "cardio")) is not None
    assert table.board.studies["cardio"].is_ended()
    assert said(table, EndingTask(TERMS, 5, "cardio")) is None
    task = approving()
    task.begin(table.board)
    with pytest.raises(StudyEnded) as caught:
        task.due()
    assert caught.value.by == ("H1", "H2", "H3", "H4")


def test_a_vote_that_crosses_with_the_last_one_that_was_needed_is_no_error(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    task = EndingTask(TERMS, 5, "cardio")
    task.begin(table.board)
    draft = task.due()
    assert draft is not None
    post = table.board.open(table.sign(draft.session, 5, draft.body))
    for i in (1, 2, 3, 4):
        table.say(i, Draft("study/cardio", Ending(CARDIO.digest)))
    assert table.board.excess(post, 0)
    assert task.explains(post)
    assert task.done


def test_a_proposal_that_an_earlier_command_left_ends_no_approval(table: Table) -> None:
    """It was on its way when the process was killed, and another hospital's plan has the name."""
    left = table.board.open(table.sign("study/cardio", 1, proposal(CARDIO).body))
    table.say(3, proposal(CARDIO))
    task = approving()
    task.begin(table.board)
    assert task.due() is not None
    assert table.board.excess(left, 0)
    assert task.explains(left)


def test_an_approval_that_crosses_with_the_end_is_explained_by_it(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    task = approving()
    task.begin(table.board)
    draft = task.due()
    assert draft is not None
    post = table.board.open(table.sign(draft.session, 1, draft.body))
    for i in (2, 3, 4, 5):
        table.say(i, Draft("study/cardio", Ending(CARDIO.digest)))
    assert task.explains(post)
    with pytest.raises(StudyEnded):
        task.due()


def test_a_withdrawal_that_crosses_with_the_end_is_explained_by_it(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    disk = Disk()
    said(table, approving(disk))
    task = WithdrawalTask(TERMS, 1, "cardio", disk)
    task.begin(table.board)
    draft = task.due()
    assert draft is not None
    post = table.board.open(table.sign(draft.session, 1, draft.body))
    assert not task.explains(post)
    for i in (2, 3, 4, 5):
        table.say(i, Draft("study/cardio", Ending(CARDIO.digest)))
    assert table.board.excess(post, 0)
    assert task.explains(post)
    with pytest.raises(StudyEnded):
        task.due()


def test_after_the_end_of_a_study_no_approval_of_it_is_taken_back(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    disk = Disk()
    said(table, approving(disk))
    for i in (2, 3, 4, 5):
        table.say(i, Draft("study/cardio", Ending(CARDIO.digest)))
    task = WithdrawalTask(TERMS, 1, "cardio", disk)
    task.begin(table.board)
    with pytest.raises(StudyEnded):
        task.due()


@pytest.mark.parametrize(
    "task",
    [
        ApprovalTask(TERMS, 1, "none", Disk()),
        WithdrawalTask(TERMS, 1, "none", Disk()),
        EndingTask(TERMS, 1, "none"),
    ],
    ids=lambda task: type(task).__name__,
)
def test_a_study_that_is_not_there_is_named_with_those_that_are(
    table: Table, task: StudyTask
) -> None:
    table.say(3, proposal(CARDIO))
    task.begin(table.board)
    assert not task.done
    with pytest.raises(UnknownStudy) as caught:
        task.due()
    assert (caught.value.study, caught.value.known) == ("none", ("cardio",))


# ── listing ──


def test_every_study_is_listed_with_who_approves_what(table: Table) -> None:
    table.say(3, proposal(CARDIO))
    table.found(AGE)
    table.say(1, approval(CARDIO, contribute=False))
    table.say(2, approval(CARDIO, opens=False))
    task = ListingTask(1)
    assert not task.done
    task.begin(table.board)
    assert task.done
    assert list(task.found) == ["cardio", "age"]
    cardio, age = task.found.values()
    assert (cardio.proposer, cardio.phase) == ("H3", "proposed")
    assert (cardio.openers, cardio.contributors) == (("H1",), ("H2",))
    assert (cardio.opens, cardio.contributes) == (True, False)
    assert (age.phase, age.opened, age.locked) == ("open", 0, 0)
    for i in (1, 2, 3, 4):
        table.say(i, Draft("study/age", Ending(AGE.digest)))
    ended = standing_of(table.board, table.board.studies["age"], 1)
    assert (ended.phase, ended.votes) == ("ended", ("H1", "H2", "H3", "H4"))
    assert isinstance(ended.study.plan, Plan)
