"""Whom a task is waiting for, as the board tells it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from participant.agent import Agent
from participant.ceremony_task import CeremonyTask
from participant.decryption_task import DecryptionTask
from participant.key_check_task import KeyCheckTask
from participant.record_task import RecordTask
from participant.statistic_task import StatisticTask
from participant.task import Task
from participant.training_task import TrainingTask
from participant.verdict_task import VerdictTask
from protocol.awaited import Awaited, Step, awaited_after, awaited_in
from protocol.board import Board
from protocol.messages import kind_of
from protocol.round import RoundView, round_session
from protocol.terms import AGGREGATOR, Terms

Kind = (
    Step
    | Literal["link", "stalled", "board", "upload", "vector", "join", "ceremony", "seeds"]
    | Literal["request", "held-back", "fingerprints", "check", "task"]
)


class Waiting(NamedTuple):
    """A step, and the numbers of those who have not done it; 0 is the aggregator.

    kind: what the step is, for whoever says why, and what is to be done.
    facts: as far as they are known: ``needed`` (so many members are enough; 0: it goes on without
    any in time), ``refused`` (numbers), ``until_seconds`` (of the whole wait, after which it goes
    on by itself), ``session``, ``remedy`` (of a lost link), and for "agreement" those of the event
    "disagreement".
    """

    step: str
    members: tuple[int, ...]
    kind: Kind = "task"
    facts: Mapping[str, Any] = MappingProxyType({})


def waiting_of(agent: Agent, no_link: str, remedy: str = "") -> Waiting:
    """What an agent is waiting for.

    no_link: why there is no link, empty if there is one; ``remedy``: what helps, where it is known.
    """
    terms = agent.terms
    if no_link:
        step = f"no link to {terms.aggregator.url} ({no_link})"
        return Waiting(step, (AGGREGATOR,), "link", {"remedy": remedy})
    if agent.stalled:
        step = f"the aggregator does not take what is sent to it ({agent.stalled})"
        return Waiting(step, (AGGREGATOR,), "stalled")
    way = agent.transfer
    if way.bytes_sent_of_blobs < way.bytes_to_send:
        done, total = way.bytes_sent_of_blobs / 1e6, way.bytes_to_send / 1e6
        step = f"sending what this hospital has to say, {done:.1f} of {total:.1f} MB"
        return Waiting(step, (agent.index,), "upload")
    if not agent.begun:
        return Waiting("reading the board", (AGGREGATOR,), "board")
    return waiting_for(agent.board, agent.task, terms)


def waiting_for(board: Board, task: Task, terms: Terms) -> Waiting:
    """The step that is due and who is missing for it."""
    if isinstance(task, CeremonyTask):
        return _ceremony(task, terms)
    if isinstance(task, VerdictTask):
        if not task.has_read:
            return Waiting(f"reading {task.session or 'the board'}", (AGGREGATOR,), "board")
        step = f"seeds disclosed after the abort of {task.session}"
        return Waiting(step, task.silent, "seeds")
    if isinstance(task, TrainingTask | DecryptionTask) and task.wanted_blobs():
        return Waiting(_vector(task, terms), (AGGREGATOR,), "vector")
    if isinstance(task, TrainingTask):
        return _training(board, task, terms)
    if isinstance(task, DecryptionTask | StatisticTask):
        return _round(_view(board, task.session), terms)
    if isinstance(task, RecordTask):
        return Waiting("the board and its payloads", (AGGREGATOR,), "board")
    if isinstance(task, KeyCheckTask):
        session = task.check.session if task.check else "a check of key shares"
        needed = max(0, terms.quorum - len(task.check.good)) if task.check else terms.quorum
        facts = {"needed": needed or len(task.missing)}
        return Waiting(f"{session}, parts of a quorum", task.missing, "check", facts)
    return Waiting("its task", ())


def _ceremony(task: CeremonyTask, terms: Terms) -> Waiting:
    progress = task.progress
    if progress is None:
        return Waiting("connecting", (AGGREGATOR,), "link")
    kind: Kind = "join" if progress.step == "join" else "ceremony"
    facts = {"step_seconds": terms.step_seconds}
    step = f"{task.session}, step {progress.step}"
    return Waiting(step, progress.waiting_for, kind, facts)


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
    following = round_session(str(finished + 1))
    view = _view(board, following)
    if view.opening is not None and view.closing is None and task.held_back.is_held:
        step = f"round {finished + 1}, which is held back"
        members, opening = task.held_back.waiting_for or (AGGREGATOR,), view.terms_of_opening
        assert opening is not None
        facts = {"round": finished + 1, **task.held_back.facts(finished + 1, opening)}
        return Waiting(step, members, "held-back", facts)
    if patience := task.patience:
        step = f"the fingerprints of round {finished + 1}"
        facts = {"needed": 0, "until_seconds": round(patience.seconds)}
        return Waiting(step, patience.missing, "fingerprints", facts)
    if view.opening is not None:
        return _round(view, terms, task.abstaining)
    found = awaited_after(_view(board, round_session(str(finished))), terms)
    step = f"the opening of round {finished + 1}"
    facts = {"round": finished, **task.disagreement}
    if facts["agreeing"] < facts["needed"] and (differing := task.differing):
        step = f"the same model at enough hospitals after round {finished}"
        members = found.members if found.step == "statements" and found.needed else differing
        return Waiting(step, members, "agreement", facts)
    return _waiting(step, found, following)


def _round(view: RoundView, terms: Terms, abstaining: tuple[int, ...] = ()) -> Waiting:
    session = view.session
    if view.opening is None and not (view.requests or kind_of(session) == "training"):
        facts = {"session": session}
        return Waiting(f"a first contribution to round {view.name}", (), "request", facts)
    if view.opening is None:
        facts = {"session": session}
        return Waiting(f"the opening of round {view.name}", (AGGREGATOR,), "opening", facts)
    found = awaited_in(view, terms)
    if found is None:  # enough parts, of which some are wrong
        members = tuple(m for m in range(1, terms.n_members + 1) if m not in view.partials)
        found = Awaited("parts", members, 1, view.opening.time_ms)
    others = tuple(m for m in found.members if m not in abstaining) or (AGGREGATOR,)
    is_short = found.step == "contributions" and found.needed > len(set(others) - {AGGREGATOR})
    members = found.members if is_short else others
    waiting = _waiting(_of_round(found.step, view.name), found._replace(members=members), session)
    return waiting._replace(facts={**waiting.facts, "abstains": bool(abstaining)})


def _of_round(step: Step, name: str) -> str:
    return {
        "contributions": f"contributions to round {name}",
        "sum": f"contributions to round {name}",
        "locks": f"agreement on the sum of round {name}",
        "parts": f"partial decryptions of round {name}",
    }.get(step, f"the opening of round {name}")


def _waiting(step: str, found: Awaited, session: str) -> Waiting:
    facts = {
        "session": session,
        "needed": found.needed,
        "refused": found.refused,
        "until_seconds": max(0, found.until_ms - found.since_ms) // 1000,
    }
    return Waiting(step, found.members, found.step, facts)


def _view(board: Board, session: str) -> RoundView:
    view = RoundView(session)
    for posted in board.session(session):
        view.receive(posted)
    return view
