"""A new hospital on the board of those whose key it takes over, before a proposal names it."""

from pathlib import Path
from unittest.mock import Mock

from participant.cli.sentences.sentence import Context
from participant.cli.sentences.waiting import waiting_line
from participant.handover import HandoverTask, Wish
from protocol.handover import HandoverView, HandoverWord, Succession
from protocol.handover.conduct import OwnState, due
from tests.stage.handover.rosters import terms_of
from tests.stage.toy import toy_epoch

TOY = toy_epoch(3, 2)
OLD = TOY.federation.terms
GUEST = 4


def at_board() -> HandoverTask:
    """Where no attempt is under way."""
    task = HandoverTask(GUEST, Mock(), Wish(terms_of(OLD, [1, 2, "G1"], 2)))
    task.begin(TOY.table.board)
    return task


def test_a_guest_proposes_nothing() -> None:
    """As after an attempt that was thawed. The aggregator would refuse it, and end its program."""
    assert at_board().due() is None


def test_a_new_hospital_that_is_against_what_is_proposed_does_not_arrive() -> None:
    """Or it would leave secrets of an attempt behind whose end its people do not wait for."""
    about = Succession(OLD, TOY.epoch, "handover/1", terms_of(OLD, [1, 2, "G1"], 2))
    attempt = HandoverView.start(about).attempt
    assert due(attempt, GUEST, OwnState()) is HandoverWord.ARRIVE
    assert due(attempt, GUEST, OwnState(gives_up=True)) is None


def test_a_guest_is_told_who_has_to_propose() -> None:
    waiting = at_board().waiting(TOY.table.board)
    line = waiting_line(waiting, 60, GUEST, Context(file=Path("new.toml"), terms=OLD))
    assert "1 of H1, H2, H3" in line
    assert "a proposal of handover/1" in line
    assert "One of them types: quorate-participant handover" in line
