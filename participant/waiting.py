"""Whom a task is waiting for, as the board tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from participant.agent import Task
from participant.ceremony_task import CeremonyTask
from participant.decryption_task import DecryptionTask
from participant.key_check_task import KeyCheckTask
from participant.record_task import RecordTask
from participant.statistic_task import StatisticTask
from participant.training_task import TrainingTask
from participant.verdict_task import VerdictTask
from protocol.board import Board
from protocol.messages import kind_of
from protocol.round import RoundView, round_session
from protocol.terms import AGGREGATOR, Terms


class Waiting(NamedTuple):
    """A step, and the numbers of those who have not done it; 0 is the aggregator."""

    step: str
    members: tuple[int, ...]


def waiting_for(board: Board, task: Task, terms: Terms) -> Waiting:
    """The step that is due and who is missing for it."""
    if isinstance(task, CeremonyTask):
        progress = task.progress
        if progress is None:
            return Waiting("connecting", (AGGREGATOR,))
        return Waiting(f"{task.session}, step {progress.step}", progress.waiting_for)
    if isinstance(task, VerdictTask):
        if not task.has_read:
            return Waiting(f"reading {task.session or 'the board'}", (AGGREGATOR,))
        return Waiting(f"seeds disclosed after the abort of {task.session}", task.silent)
    if isinstance(task, TrainingTask | DecryptionTask) and task.wanted_blobs():
        return Waiting(_vector(task, terms), (AGGREGATOR,))
    if isinstance(task, TrainingTask):
        return _training(board, task, terms)
    if isinstance(task, DecryptionTask | StatisticTask):
        return _round(_view(board, task.session), terms)
    if isinstance(task, RecordTask):
        return Waiting("the board and its payloads", (AGGREGATOR,))
    if isinstance(task, KeyCheckTask):
        session = task.check.session if task.check else "a check of key shares"
        return Waiting(f"{session}, parts of a quorum", task.missing)
    return Waiting("its task", ())


def _vector(task: TrainingTask | DecryptionTask, terms: Terms) -> str:
    """What is being read from the aggregator."""
    reading = task.reading if isinstance(task, TrainingTask) else None
    if reading is None:
        return "this hospital's own vector, for its fingerprint"
    if reading.whose == AGGREGATOR:
        return "the sum's vector"
    return f"the vector of {terms.name_of(reading.whose)}, to check the sum"


def _training(board: Board, task: TrainingTask, terms: Terms) -> Waiting:
    finished = task.finished
    view = _view(board, round_session(str(finished + 1)))
    if view.opening is not None and view.closing is None and task.held_back.is_held:
        step = f"round {finished + 1}, which is held back"
        return Waiting(step, task.held_back.waiting_for or (AGGREGATOR,))
    if view.opening is not None:
        return _round(view, terms)
    before = _view(board, round_session(str(finished)))
    if missing := _missing(before.statements, terms):
        return Waiting(f"the opening of round {finished + 1}", missing)
    if differing := task.differing:
        return Waiting(f"the same model at enough hospitals after round {finished}", differing)
    return Waiting(f"the opening of round {finished + 1}", (AGGREGATOR,))


def _round(view: RoundView, terms: Terms) -> Waiting:
    if view.opening is None and not (view.requests or kind_of(view.session) == "training"):
        return Waiting(f"a first contribution to round {view.name}", ())
    if view.opening is None:
        return Waiting(f"the opening of round {view.name}", (AGGREGATOR,))
    if view.closing is None:
        missing = _missing(view.contributions, terms)
        return Waiting(f"contributions to round {view.name}", missing or (AGGREGATOR,))
    if len(view.locks) < terms.lock_threshold:
        return Waiting(f"agreement on the sum of round {view.name}", _missing(view.locks, terms))
    return Waiting(f"partial decryptions of round {view.name}", _missing(view.partials, terms))


def _view(board: Board, session: str) -> RoundView:
    view = RoundView(session)
    for posted in board.session(session):
        view.receive(posted)
    return view


def _missing(spoken: Mapping[int, object], terms: Terms) -> tuple[int, ...]:
    return tuple(m for m in range(1, terms.n_members + 1) if m not in spoken)
