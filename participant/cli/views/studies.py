"""How studies stand: for each what was approved, by whom, and which round it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from participant.cli.views.plan import plan_lines, said
from participant.study import StudyStanding
from protocol.words import shown


def state_of(found: StudyStanding) -> str:
    """One of: proposed, open, running round K, over, ended, withdrawn here."""
    if found.phase in ("over", "ended"):
        return found.phase
    if found.withdrawn:
        return "withdrawn here"
    return f"running round {found.opened}" if found.opened > found.locked else found.phase


def study_lines(found: StudyStanding, own: str) -> Iterator[str]:
    """Plan and state of a study; ``own``: this hospital's name."""
    study = found.study
    terms = study.terms
    yield from plan_lines(study)
    yield said("proposed by", found.proposer)
    yield said("state", _state(found))
    yield said("contribute", _approved(found.contributors, study.least_to_open))
    yield said("open sums", _approved(found.openers, terms.lock_threshold))
    if found.votes and found.phase != "ended":
        votes = f"{', '.join(found.votes)}. {terms.lock_threshold} votes end it"
        yield said("votes to end", votes)
    yield said("here", _here(found, own))


def study_row(found: StudyStanding, width: int) -> str:
    """A study on a line of a list; ``width``: of the column of names."""
    study = found.study
    name = f"{study.name:<{width}}"
    return f"{name}  {study.kind:<9}  {_state(found):<24}  {shown(study.plan.purpose)}".rstrip()


def study_facts(found: StudyStanding) -> dict[str, Any]:
    """The same for programs."""
    study, plan = found.study, found.study.plan
    name_of = study.terms.name_of
    return {
        "study": study.name,
        "kind": study.kind,
        "purpose": plan.purpose,
        "state": state_of(found),
        "digest": study.digest.hex(),
        "app": study.training.app.hex() or None if study.is_training else None,
        "run": study.training.run or None if study.is_training else None,
        "members": [name_of(m) for m in study.members],
        "proposer": found.proposer,
        "contributors": list(found.contributors),
        "openers": list(found.openers),
        "votes_to_end": list(found.votes),
        "rounds": study.rounds,
        "last_opened": found.opened,
        "last_locked": found.locked,
        "contributes": found.contributes,
        "opens": found.opens,
    }


def list_lines(studies: Mapping[str, StudyStanding]) -> Iterator[str]:
    """All studies, a line each."""
    width = max(map(len, studies), default=0)
    for found in studies.values():
        yield study_row(found, width)


def _state(found: StudyStanding) -> str:
    state, rounds = state_of(found), found.study.rounds
    if state.startswith("running") and found.study.is_training:
        return f"{state} of {rounds}"
    if state == "open" and found.locked:
        return f"open, {found.locked} of {rounds} rounds done"
    return state


def _approved(names: Sequence[str], needed: int) -> str:
    """Who approves, and how many it takes."""
    missing = needed - len(names)
    need = f". {missing} more needed" if missing > 0 else ""
    return f"{', '.join(names) or 'nobody'}{need}"


def _here(found: StudyStanding, own: str) -> str:
    if found.withdrawn:
        return f"{own} has withdrawn"
    done = [
        what
        for what, is_so in (("contributes", found.contributes), ("helps to open", found.opens))
        if is_so
    ]
    if done:
        return f"{own} {' and '.join(done)}"
    return f"{own} has approved nothing, so it does nothing in this study"
