"""An aggregator shows a frozen board to some, and lets a set be locked on another one.

Whoever reads the frozen board takes its locks for all sets that can be opened under the old key.
The set of the other board is opened, and a sum over nearly the same hospitals is not refused.
"""

from __future__ import annotations

import copy

import pytest

from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.handover import Attempt
from protocol.messages.attachment import attach
from protocol.messages.bodies import Body
from protocol.messages.handover import BareWord
from protocol.messages.rounds import Closing, Opening, Partial, SetLock
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.studies import training_study
from tests.stage.toy import toy_epoch

TOY = toy_epoch(4, 2)  # a set is locked by three; one liar is assumed
LIAR, FROZEN, ELSEWHERE, FREE = 1, 2, 3, 4
STUDY = training_study(TOY.federation.terms)
ROUND = STUDY.round(1)
LOCK = SetLock(b"s" * 32)
PART = Partial(bytes(32), bytes(32), tuple(attach(b"key", to) for to in range(5)))


def counts(handed: PostedHandover, sender: int, body: Body) -> bool:
    said = handed.table.put(handed.table.sign(ROUND, sender, body)).post.body
    return not isinstance(said, Surplus)


def locks(board: Board) -> set[int]:
    return {p.post.sender for p in board.session(ROUND) if isinstance(p.post.body, SetLock)}


def two_boards() -> tuple[PostedHandover, PostedHandover]:
    """Of a round that is closed and a handover that is agreed. Member 2's freeze is on its way.

    On the first the liar and member 3 freeze too. Members 2 and 4 read the second.
    """
    table = copied(TOY)
    table.found(STUDY)
    for body in (Opening(STUDY.digest, bytes(32), bytes(32), 5), Closing((), attach(b"sum"))):
        table.put(table.sign(ROUND, 0, body))
    handed = PostedHandover(table, TOY.secrets, [1, 2, 3, 4], 2)
    frozen = handed.run(lambda view: view.attempt.is_agreed)
    other = copy.deepcopy(frozen)
    for board in (frozen, other):
        board.say(FROZEN, BareWord("freeze"))
    for member in (LIAR, ELSEWHERE):
        frozen.say(member, BareWord("freeze"))
    assert frozen.view.attempt.is_frozen
    return frozen, other


def test_who_has_frozen_locks_nothing_on_any_board() -> None:
    frozen, other = two_boards()
    assert counts(other, LIAR, LOCK)
    assert counts(other, FREE, LOCK)
    assert not counts(other, FROZEN, LOCK)
    assert len(locks(other.table.board)) < TOY.federation.terms.lock_threshold
    assert not locks(frozen.table.board)


def test_else_a_set_could_be_opened_that_a_frozen_board_does_not_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen, other = two_boards()
    monkeypatch.setattr(Attempt, "may_lock", lambda attempt, member: True)
    assert all(counts(other, member, LOCK) for member in (LIAR, FREE, FROZEN))
    assert len(locks(other.table.board)) >= TOY.federation.terms.lock_threshold
    assert all(counts(other, member, PART) for member in (LIAR, FREE, FROZEN))
    assert not locks(frozen.table.board)
