"""A hospital that trains begins on a long board as on a short one: old rounds are not read."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from participant.agent.set_ledger import SetLedger
from participant.service.due_studies import Duties
from participant.training.stance import said_before
from participant.training.task import TrainingTask
from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.messages.rounds import Contribution, ModelEntries
from protocol.rounds.history import OpenedSets
from tests.protocol.board.test_rest import Stored
from tests.protocol.rounds.test_known import HELD, STORIES, resting, resumed, story
from tests.simulator.disk import Disk
from tests.stage.rounds.round_table import RoundTable, Steps
from tests.stage.studies import STUDY, training_study
from tests.stage.toy import toy_epoch

FEW, MANY = 10, 13  # rounds; of the last nine it is told whether this hospital was in them
TERMS = toy_epoch().federation.terms


@cache
def trained(rounds: int) -> RoundTable:
    """Five hospitals after so many rounds, and the next one is open."""
    table = RoundTable(study=training_study(TERMS, rounds=20))
    for i in (1, 2, 3, 4, 5):
        table.train(i, Steps())
    for number in range(1, rounds + 1):
        table.play(f"study/{STUDY}/{number}")
    table.settle()
    table.tasks.clear()
    table.open(f"study/{STUDY}/{rounds + 1}")
    return table


def at_rest(table: RoundTable) -> tuple[Board, Stored]:
    """The board of a process that starts, where all that is old rests."""
    board, sums = resting(table.terms)
    for entry in table.entries:
        board.append(entry)
    sums.rest(len(table.entries), stored := Stored(table.entries))
    board, _ = resumed(board, sums, stored)
    stored.n_read = 0
    return board, stored


def begun(table: RoundTable, board: Board) -> TrainingTask:
    """Hospital 1's task, with what an agent shows it of a board."""
    task = TrainingTask(table.terms, STUDY, table.ring(1), Steps(), table.disks[1], b"")
    task.begin(board)
    for position in board.elsewhere(task.wants):
        posted = board.entries[position - 1]
        if task.wants(posted.post.session):
            needed = task.needs(posted)
            task.receive(posted, table.payloads(posted, 1) if needed else {})
    return task


def said(table: RoundTable, board: Board) -> Draft:
    draft = begun(table, board).due()
    assert draft is not None
    return draft


def test_it_reads_no_more_of_a_longer_board() -> None:
    read = []
    for rounds in (FEW, MANY):
        board, stored = at_rest(trained(rounds))
        draft = said(trained(rounds), board)
        assert draft.session == f"study/{STUDY}/{rounds + 1}"
        assert isinstance(draft.body, Contribution)
        read.append(stored.n_read)
    few, many = read
    assert few == many < len(trained(FEW).entries) * 2


def test_what_it_has_listed_in_old_rounds_is_known() -> None:
    table = trained(FEW)
    board, _ = at_rest(table)
    study = board.studies[STUDY].study
    found = said_before(board, study, 1, FEW)
    assert found == said_before(table.board, study, 1, FEW)
    lists = [p for p in found if isinstance(p.post.body, ModelEntries)]
    assert {p.post.sender for p in lists} == {1, 2, 3, 4, 5}
    course = begun(table, at_rest(table)[0])._known
    assert not course._stance._agreement.owes_list(FEW)


def test_a_restored_hospital_knows_which_rounds_were_opened_without_reading_all() -> None:
    table = trained(FEW)
    board, stored = at_rest(table)
    ledger = SetLedger(Disk())
    ledger.mark_restored(None)
    ledger.begin(board)
    assert not stored.n_read
    assert ledger.bars(f"study/{STUDY}/2")
    assert ledger.bars(f"study/{STUDY}/{FEW + 1}")
    assert not ledger.bars(f"study/{STUDY}/{FEW + 2}")


def due_sessions(board: Board, index: int) -> list[str]:
    """In which a hospital that has approved no app has something to do by itself."""
    nothing: Any = None
    member: Any = SimpleNamespace(index=index, terms=board.terms, storage=Disk())
    return [due.session for due in Duties(member, nothing, nothing_around).due(board, nothing, ())]


def nothing_around(study: str) -> Any:
    return None


@pytest.mark.parametrize("name", STORIES)
def test_the_sums_that_want_help_are_found_as_on_the_whole_board(name: str) -> None:
    terms, entries = story(name)
    whole, (board, sums) = Board(terms), resting(terms)
    found = set[str]()
    for entry in entries:
        whole.append(entry)
        board.append(entry)
        sums.rest(max(0, entry.position - HELD), Stored(entries))
        for index in range(1, terms.n_members + 1):
            expected = due_sessions(whole, index)
            assert due_sessions(board, index) == expected
            found.update(expected)
    assert found


def test_rounds_in_which_nothing_is_wanted_are_not_looked_at() -> None:
    board, stored = at_rest(trained(FEW))
    assert not due_sessions(board, 1)
    assert not stored.n_read
    assert OpenedSets.of(board).past
