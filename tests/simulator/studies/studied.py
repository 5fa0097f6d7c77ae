"""What must be true of the studies of a run, judged from the board, the disks and the persons."""

import itertools
from collections.abc import Iterator
from decimal import Decimal

import numpy as np

from keyshare.rounds.slots import Slots
from participant.errors import (
    ApprovedLate,
    LostRound,
    MissingFile,
    ModelMismatch,
    NotApproved,
    RetiredShare,
    StudyEnded,
    StudyTaken,
    UnfitNumbers,
)
from participant.model.file import model_name, read_model
from participant.model.layout import Layout
from protocol.board.board import Board
from protocol.board.post import Posted
from protocol.board.suite import suite_of
from protocol.errors import Refused
from protocol.messages.plan import Approval, Withdrawal
from protocol.messages.rounds import Closing, Contribution, Opening, Partial, SetLock
from protocol.messages.session import read_session, round_session
from protocol.rounds.awaited import is_lost
from protocol.rounds.view import RoundView
from tests.simulator.federation import Federation
from tests.simulator.hospital import PARAMETERS, Hospital
from tests.simulator.studies.person import numbers_of
from tests.simulator.studies.script import FAR, StudyScript
from tests.stage.elimination import rank
from tests.stage.rounds.averages import Given, is_next

# How a person's job may end: others ended the study, it took its own approval back, came too late,
# the rules forbade a sum, the key was refreshed before it was opened, or another plan had the name.
ENDS = (StudyEnded, LostRound, NotApproved, ApprovedLate, Refused, StudyTaken, UnfitNumbers)
# What ends it moreover where the newest key share is lost with the disk.
WITHOUT_SHARE = (ModelMismatch, MissingFile, RetiredShare)


class Violation(AssertionError):
    """A run ended in a way it must not."""


def boards_of(federation: Federation) -> list[Board]:
    """What each hospital and aggregator has that runs."""
    boards = [h.agent.board for h in federation.hospitals.values() if h.agent]
    return boards + [s.aggregator.board for s in federation.services if s.aggregator]


def entries_of(federation: Federation) -> list[Posted]:
    """All entries that a hospital or an aggregator has; of a forked board, of all its branches."""
    boards = boards_of(federation)
    found = {posted.hash: posted for board in boards for posted in board.entries}
    return sorted(found.values(), key=lambda posted: posted.position)


def views_of(federation: Federation) -> dict[str, RoundView]:
    """The rounds of the aggregator's board that were opened, by session."""
    views = federation.services[0].aggregator
    if views is None:
        federation._start_service(federation.services[0])
        views = federation.aggregator
    return {s: view for s, view in views.rounds.views.items() if view.opening}


def script_of(federation: Federation, name: str) -> StudyScript:
    """That of the plan which has the name."""
    state = federation.aggregator.board.studies[name]
    scripts = [s for s in federation.plan.studies if s.name == name]
    return next(s for s in scripts if s.study(federation.terms).digest == state.study.digest)


# ── approvals ──


def nothing_is_done_that_was_not_approved(federation: Federation) -> None:
    """No hospital contributes to, locks or releases anything that its person has not approved."""
    for hospital in federation.hospitals.values():
        said = {
            script.name: {w.what for w in script.says(hospital.index)}
            for script in federation.plan.studies
            if not script.variant
        }
        contributes, opens, locked = set[str](), set[str](), set[str]()
        for posted in _own(federation, hospital):
            named, body = read_session(posted.post.session), posted.post.body
            words = said.get(named.study, set())
            if isinstance(body, Approval):
                if body.contribute and not words & {"approve", "contribute"}:
                    raise Violation(f"{hospital} approved what nobody typed: {posted.post}")
                if body.open and not words & {"approve", "open"}:
                    raise Violation(f"{hospital} approved what nobody typed: {posted.post}")
                for flag, found in ((body.contribute, contributes), (body.open, opens)):
                    (found.add if flag else found.discard)(named.study)
            elif isinstance(body, Withdrawal):
                contributes.discard(named.study)
                opens.discard(named.study)
            elif isinstance(body, Contribution) and named.study not in contributes:
                raise Violation(f"{hospital} contributed unasked to {posted.post.session}")
            elif isinstance(body, SetLock):
                locked.add(posted.post.session)
                if named.study not in opens:
                    raise Violation(f"{hospital} locked unasked in {posted.post.session}")
            elif isinstance(body, Partial) and posted.post.session not in locked:
                raise Violation(f"{hospital} released unasked in {posted.post.session}")


def _own(federation: Federation, hospital: Hospital) -> Iterator[Posted]:
    """What a hospital has said that counts, in order; on a forked board, on its own."""
    entries = hospital.entries() or entries_of(federation)
    return (posted for posted in entries if posted.post.sender == hospital.index)


def who_has_withdrawn_is_in_no_sum(federation: Federation) -> None:
    """Nobody is in a set that was locked after it took its approval back, by the board's order."""
    standing: dict[str, set[int]] = {}
    for posted in federation.record_entries():
        body, sender = posted.post.body, posted.post.sender
        approved = standing.setdefault(read_session(posted.post.session).study, set())
        if isinstance(body, Approval | Withdrawal):
            contributes = isinstance(body, Approval) and body.contribute
            (approved.add if contributes else approved.discard)(sender)
        elif isinstance(body, Closing) and is_released(federation, posted.post.session, posted):
            gone = {c.member for c in body.contributors} - approved
            if gone:
                raise Violation(f"{gone} had withdrawn before {posted.post.session} was closed")


# ── sums ──


def no_few_are_shown(federation: Federation) -> None:
    """No combination of the sums that were released shows what too few hospitals added.

    By what the hospitals really added, whatever plans and contributions call it.
    """
    rows, sums = list[dict[tuple[int, object], int]](), list[str]()
    for posted in entries_of(federation):
        body, session = posted.post.body, posted.post.session
        if isinstance(body, Closing) and is_released(federation, session, posted):
            start = _start(federation, session)
            rows.append({(c.member, start): 1 for c in body.contributors})
            sums.append(session)
    columns = sorted({one for row in rows for one in row}, key=repr)
    least = federation.terms.least_difference
    matrix = [[row.get(one, 0) for one in columns] for row in rows]
    for size in range(1, least):
        for few in itertools.combinations(range(1, federation.plan.n_members + 1), size):
            others = [k for k, (member, _) in enumerate(columns) if member not in few]
            if rank([[row[k] for k in others] for row in matrix]) < rank(matrix):
                raise Violation(f"the sums of {sums} show what {few} added: {rows}")


def is_released(federation: Federation, session: str, closing: Posted) -> bool:
    """Whether any hospital has released its part of the set that a closing chose."""
    view = RoundView(session)
    view.receive(closing)
    chosen = view.chosen(federation.terms.federation)
    bodies = (p.post.body for p in entries_of(federation) if p.post.session == session)
    return any(isinstance(body, Partial) and body.chosen == chosen for body in bodies)


def _start(federation: Federation, session: str) -> object:
    """What the hospitals' contributions to a round were made from."""
    named = read_session(session)
    script = next(s for s in federation.plan.studies if s.name == named.study and not s.variant)
    if script.kind == "statistic":
        return "numbers", script.source
    openings = (p.post.body for p in entries_of(federation) if p.post.session == session)
    return "model", next(body.model for body in openings if isinstance(body, Opening))


# ── how it ends ──


def every_job_ended_as_it_may(federation: Federation) -> None:
    """No job failed for another reason than that others, or its own person, stopped it.

    A study that all approve and nobody stops, beside which no other is made from the same, is done
    by all.
    """
    has_handed_over = federation.board.key.handovers.successor is not None
    for hospital in federation.hospitals.values():
        for job, error in hospital.person.ended.items():
            is_set_back = hospital.index in federation.set_back and isinstance(error, WITHOUT_SHARE)
            is_set_back |= isinstance(error, RetiredShare) and has_handed_over
            if error is not None and not isinstance(error, ENDS) and not is_set_back:
                raise Violation(f"{hospital}: {job} ended with {error!r}")
            if isinstance(error, LostRound) and not _is_lost(federation, error.round_name):
                raise Violation(f"{hospital}: {job} takes {error.round_name} for lost")
    for script in federation.plan.studies:
        if not _must_be_done(federation, script):
            continue
        is_last_lost = _is_lost(federation, f"{script.name}/{script.rounds}")
        for hospital in federation.members.values():
            keeps_model = script.kind == "training" and hospital.index in script.members
            if is_last_lost and not keeps_model:
                continue
            came_too_late = _came_too_late(hospital, script)
            if not hospital.person.has_finished(script) and not came_too_late:
                raise Violation(f"{hospital} has not finished {script.name}")


def _came_too_late(hospital: Hospital, script: StudyScript) -> bool:
    """Whether it approved when the others had opened the sum, and the key was refreshed then."""
    ends = [error for job, error in hospital.person.ended.items() if job.study == script.name]
    return any(isinstance(end, Refused) and end.rule == "known-round" for end in ends)


def _is_lost(federation: Federation, name: str) -> bool:
    """Whether a round, by its name, was not opened before a refresh of the key, on any board."""
    session, terms = f"study/{name}", federation.terms
    rounds = ((RoundView.of(session, b.session(session)), b) for b in boards_of(federation))
    return any(is_lost(view, board.key.handovers, terms) for view, board in rounds)


def _must_be_done(federation: Federation, script: StudyScript) -> bool:
    beside = federation.plan.refresh
    if federation.board.key.handovers.successor is not None:
        return False  # the key is another federation's
    if beside is not None and (beside.set_back or beside.away):
        return False  # a round may be over, or lost, without who was not there
    others = [s for s in federation.plan.studies if s is not script]
    others += federation.studies_before
    if any(_is_near(script, other) for other in others) or script.after[0]:
        return False
    whats = {m: [w.what for w in script.says(m)] for m in range(1, federation.plan.n_members + 1)}
    return all(
        [what for what in said if what != "propose"]
        == (["approve"] if m in script.members else ["open"])
        for m, said in whats.items()
    )


def _is_near(script: StudyScript, other: StudyScript) -> bool:
    """Whether sums of the two may have to be compared, or the two have one name."""
    same_kind = script.kind == other.kind
    same = script.source == other.source or (
        script.kind == "statistic" and script.data == other.data
    )
    return script.name == other.name or (same_kind and same) or other.after[0] == script.name


def the_rogue_is_named(federation: Federation) -> None:
    """Each hospital has found the sum false that the aggregator falsified, and no other round."""
    for hospital in federation.hospitals.values():
        void = {(study, n, f["by"]) for study, n, name, f in hospital.events if name == "void"}
        if void != ({("cardio", 1, "aggregator")} if federation.plan.rogue else set()):
            raise Violation(f"hospital {hospital.index} found these rounds void: {void}")


# ── what comes out ──


def exact_models(federation: Federation) -> None:
    """After each round all who have its model hold the same one: that of its contributors."""
    views = views_of(federation)
    for script in federation.plan.studies:
        if script.kind == "statistic" or script.variant:
            continue
        if not (first := views.get(round_session(script.name, 1))):
            continue
        model = _first_model(federation, script)
        for number in range(1, script.rounds + 1):
            view = views.get(round_session(script.name, number), first)
            found = [
                m
                for h in federation.hospitals.values()
                if (m := model_of(h, script.name, number)) is not None
            ]
            if not found:
                break
            is_void = federation.plan.rogue and number == 1
            is_void = is_void or _is_lost(federation, f"{script.name}/{number}")
            given, slots = _contributed(federation, view, script, model)
            is_right = (
                np.array_equal(found[0], model)
                if is_void
                else is_next(found[0], model, given, slots)
            )
            if not is_right or not all(np.array_equal(one, found[0]) for one in found):
                raise Violation(f"{view.name}: {found} after {model}, of {given}")
            model = found[0]


def _first_model(federation: Federation, script: StudyScript) -> np.ndarray:
    if not script.after[0]:
        return np.full(PARAMETERS, FAR * script.source)
    name, hospitals = model_name(*script.after), federation.hospitals.values()
    kept = [h.person.kept_before(name) if script.before else h.disk.read(name) for h in hospitals]
    return next(_weights_of(stored, *script.after) for stored in kept if stored is not None)


def model_of(hospital: Hospital, study: str, number: int) -> np.ndarray | None:
    """What a hospital holds after a round, shape (PARAMETERS,); None if it has not come so far."""
    stored = hospital.disk.read(model_name(study, number))
    return None if stored is None else _weights_of(stored, study, number)


def _weights_of(stored: bytes, study: str, number: int) -> np.ndarray:
    """Of a model as it is stored."""
    layout = Layout.of([np.zeros(PARAMETERS)])
    return read_model(stored, layout, study, number).weights.slice(0, PARAMETERS)


def _contributed(
    federation: Federation, view: RoundView, script: StudyScript, model: np.ndarray
) -> tuple[list[Given], Slots]:
    """What the round's contributors give, and how its slots lie."""
    opening = view.terms_of_opening
    assert opening is not None
    apps = [federation.hospitals[member].app(script) for member in view.contributors]
    given = [(app.index + 1, (model + app.step()) - model) for app in apps]
    return given, suite_of(opening.suite, script.study(federation.terms)).slots(opening)


def exact_statistics(federation: Federation) -> None:
    """Whoever has read a statistic has read the sums of what its contributors gave."""
    views = views_of(federation)
    for script in federation.plan.studies:
        if script.kind == "training" or script.variant:
            continue
        view = views.get(round_session(script.name, 1))
        for hospital in federation.hospitals.values():
            if (sums := hospital.person.sums.get(script.name)) is None:
                continue
            assert view is not None
            given = [numbers_of(script, member) for member in view.contributors]
            expected = [sum(column, Decimal(0)) for column in zip(*given, strict=True)]
            if sums != expected:
                raise Violation(f"{hospital} read {sums} of {script.name}, not {expected}")
