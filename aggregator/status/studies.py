"""How the studies stand: who has approved which plan, and how far its rounds are."""

from collections.abc import Iterable
from itertools import islice
from typing import Literal

from aggregator.clock import iso
from aggregator.rounds import Rounds
from aggregator.status.ceremony import Report
from protocol.board import AWAY, DAYS_AFTER_END, StudyState
from protocol.rounds import RoundView

Standing = Literal["proposed", "open", "done", "ended"]
_OF_LITTLE_MATTER = ("done", "ended")


def standing(state: StudyState, rounds: Rounds) -> Standing:
    """Proposed until enough have approved, and again if too many take it back; then open.

    Done when the sum of its last round is decrypted, or lost in training; ended by members' votes
    before that.
    """
    if rounds.is_decrypted(state):
        return "done"
    if state.is_ended():
        return "ended"
    if rounds.is_done(state):
        return "done"
    return "open" if state.is_open() else "proposed"


def shown_studies(rounds: Rounds, count: int) -> list[StudyState]:
    """So many studies, those that matter most last: by their order, the newest of what is over.

    What is over comes before the others.
    """
    matter = [s for s in rounds.going_on() if standing(s, rounds) not in _OF_LITTLE_MATTER]
    names = {state.study.name for state in matter}
    others = (s for s in rounds.studies.newest_first() if s.study.name not in names)
    room = max(0, count - len(matter))
    return [*reversed([*islice(others, room)]), *matter[-count:]]


def study_report(state: StudyState, rounds: Rounds, pruned_before: int) -> Report:
    """One study; members by name. ``round``: the last that was opened, 0 before the first.

    What was approved counts from the next round on, and is told as it stands now.
    pruned_before: the first round whose vectors are not given up.
    """
    study, terms = state.study, rounds.terms
    to_add, to_open = state.lacking()
    withdrawn = [m for m in range(1, terms.n_members + 1) if _is_withdrawn(state, m)]
    unheard = [m for m in study.members if state.word_of(m) is None]
    stands_at, lost = rounds.disagreement(study.name), lost_round(state, rounds)

    def names(members: Iterable[int]) -> list[str]:
        return [terms.name_of(m) for m in members]

    return {
        "study": study.name,
        "state": standing(state, rounds),
        "kind": study.kind,
        "plan": study.digest.hex(),
        "purpose": study.plan.purpose,
        "proposed": iso(state.time_ms),
        "proposed_by": terms.name_of(state.proposer),
        "members": names(study.members),
        "least_contributors": study.least_contributors,
        "round": rounds.next_number(study.name) - 1,
        "rounds": study.rounds,
        "contribute": names(state.contributors()),
        "open": names(state.openers()),
        "withdrawn": names(withdrawn),
        "not_answered": names(unheard),
        "more_to_contribute": to_add,
        "more_to_open": to_open,
        "voted_to_end": names(sorted(state.endings)),
        "votes_needed": terms.lock_threshold,
        "lost_round": lost.session if lost else None,
        "goes_on": lost is None or rounds.goes_on_after(lost),
        "vectors": _vectors(state, rounds, pruned_before),
        "disagreement": {terms.name_of(m): model.hex() for m, model in stands_at.items()},
    }


def _vectors(state: StudyState, rounds: Rounds, pruned_before: int) -> Report | None:
    """Who is behind, for whom vectors are kept ``until`` that round opens, or who has too few.

    None if nobody is: then they are kept as the plan says.
    """
    study, name_of = state.study, rounds.terms.name_of
    if not study.is_training:
        return None
    kept = rounds.stated.kept(study.name, pruned_before)
    if not (kept.behind or kept.stranded):
        return None
    until = kept.first + AWAY * study.training.keep_vectors + 1
    return {
        "kept_from": min(kept.first, study.rounds + 1),  # the next one, where all are gone
        "behind": [name_of(m) for m in kept.behind],
        "until": until if until <= study.rounds else None,
        "days_after_end": DAYS_AFTER_END,
        "stranded": [name_of(m) for m in kept.stranded],
    }


def lost_round(state: StudyState, rounds: Rounds) -> RoundView | None:
    """The last round of a study that was opened, if its key was handed over before its sum was.

    None if the study has ended by votes.
    """
    study = state.study
    last = rounds.views.get(study.round(rounds.next_number(study.name) - 1))
    return last if last and rounds.is_lost(last) and not state.is_ended() else None


def _is_withdrawn(state: StudyState, member: int) -> bool:
    """Whether a member's last word is that it neither contributes nor helps to open."""
    word = state.word_of(member)
    return word is not None and not word.contribute and not word.open
