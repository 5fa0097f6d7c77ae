"""Checks 3.10 to 3.13: how the key was handed over.

Each word is taken as the members take it, and what each did wrong is told. What they rest on is
computed here once more, by other code: consents, dealings, the new epoch, the end.
"""

from collections.abc import Iterable, Iterator

from protocol.handover import dealing_of, trial_of, word_of
from protocol.messages import (
    Arrival,
    BareWord,
    Consent,
    DealingCommitment,
    HandedDealing,
    PointAccusation,
    Said,
    ShownPart,
)
from protocol.record.audit.board_checks import BOARD
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.observed import (
    HandoverEvidence,
    faults_of_dealing,
    faults_of_epoch,
    parts_open,
)
from protocol.record.audit.results import NOBODY, Result, check
from protocol.terms import changes, least_consents

_AGREEING, _DEALING = (Consent, Arrival), (DealingCommitment, HandedDealing, PointAccusation)


def _names(found: HandoverEvidence, members: Iterable[int]) -> str:
    return ", ".join(found.name(member) for member in sorted(members))


def _tell_misdeeds(result: Result, found: HandoverEvidence, *kinds: type) -> None:
    """What was done wrong with words of these kinds. It did not count, and ended the attempt."""
    for posted, culprit, fault in found.misdeeds:
        if culprit and isinstance(posted.post.body, kinds):
            result.find(posted.position, found.name(culprit), f"{found.session}: {fault.value}")


@check(
    "3.10",
    "handovers were agreed to",
    "each was proposed with terms that all new members have signed and that can succeed these. "
    "Before anybody froze, as many old members had consented as the rules want, and all new "
    "members had arrived, each with keys of its own",
    BOARD,
)
def check_agreement(evidence: Evidence, result: Result) -> None:
    for found in evidence.handovers:
        consents = list(found.counted(Consent))
        arrivals = list(found.counted(Arrival))
        result.count += 1 + len(consents) + len(arrivals)
        result.notes.append(_proposed(found))
        _tell_misdeeds(result, found, *_AGREEING)
        least = least_consents(found.about.old, found.about.new)
        for member, at in found.frozen_at.items():
            agreeing = {p.post.sender for p in consents if p.position < at}
            here = {p.post.sender for p in arrivals if p.position < at}
            if len(agreeing) < least or here != set(found.about.rosters.new):
                reason = f"{found.session}: it froze, and that counted before all had agreed"
                result.fail(at, found.name(member), reason)


def _proposed(found: HandoverEvidence) -> str:
    handover, about = found.handover, found.about
    begun = f"{found.session}: {found.name(handover.proposer)} proposed, in entry "
    begun += f"{handover.position}, "
    if about.is_refresh:
        return f"{begun}that the same members take new shares"
    different = changes(about.old, about.new)
    who = [
        f"{word} {', '.join(names)}"
        for word, names in (("joining", different.joins), ("leaving", different.leaves))
        if names
    ]
    sizes = f"{about.new.quorum} of {about.new.n_members}"
    return "; ".join([f"{begun}that {sizes} have the key of {about.new.name}", *who])


@check(
    "3.11",
    "dealings of handovers fit the old shares",
    "each dealing is what was committed to and has as many commitments as the new quorum, all "
    "of them units. Its difference is in range and fits its dealer's share of the old epoch, "
    "by its equation. Accusations are judged. Who did wrong is a finding",
    BOARD,
)
def check_dealings(evidence: Evidence, result: Result) -> None:
    for found in evidence.handovers:
        _tell_misdeeds(result, found, *_DEALING)
        for posted in found.counted(HandedDealing):
            plan, dealer = found.view.plan, posted.post.sender
            assert plan is not None  # or no dealing would count
            result.count += 1
            dealing = dealing_of(found.view.dealings[dealer])
            for fault in faults_of_dealing(plan, dealer, dealing):
                result.fail(posted.position, found.name(dealer), f"{found.session}: {fault}")


@check(
    "3.12",
    "the key that was handed over is the same key",
    "N, its base and θ modulo N are unchanged, and the number is the next. θ', commitments, "
    "verification keys and all other fields are recomputed from the dealings. The part of each "
    "new member is proven, and every quorum of neighbours of them gives the test value",
    BOARD,
)
def check_new_key(evidence: Evidence, result: Result) -> None:
    for found in evidence.handovers:
        _tell_misdeeds(result, found, ShownPart)
        for posted, culprit, fault in found.misdeeds:
            if not culprit:
                result.fail(posted.position, NOBODY, f"{found.session}: {fault.value}")
        view, plan, new = found.view, found.view.plan, found.view.epoch
        if plan is None or new is None:
            continue
        shown = {p.post.sender: p for p in found.counted(ShownPart)}
        result.count += 1 + len(shown)
        position = max(p.position for p in found.counted(HandedDealing))
        said = {dealer: dealing_of(handed) for dealer, handed in view.dealings.items()}
        keys = [view.arrivals[member].for_rounds for member in found.about.rosters.new]
        for reason in faults_of_epoch(found.about, plan, said, keys, new):
            result.fail(position, NOBODY, f"{found.session}: the epoch that follows: {reason}")
        parts = {found.about.new_number(m): p.post.body.part for m, p in shown.items()}
        if len(parts) >= new.quorum and not parts_open(new, trial_of(plan, new), parts):
            last = max(p.position for p in shown.values())
            reason = f"{found.session}: proven parts of a quorum do not give the test value"
            result.fail(last, NOBODY, reason)
    _compare_epochs(evidence, result)


def _compare_epochs(evidence: Evidence, result: Result) -> None:
    """That the epochs by which rounds are judged are the first and those that were released."""
    released = [f for f in evidence.handovers if f.released_at and f.about.is_refresh]
    due = [(f.released_at, f.view.epoch) for f in released]
    found = [tuple(one) for one in evidence.replay.board.key.epochs]
    if found[1:] != due:
        result.fail(0, NOBODY, "the key's epochs are not those that were released")


@check(
    "3.13",
    "how handovers ended",
    "each is held, void or under way by the order of the words, and over where lock_threshold "
    "old members have confirmed it. No word counted twice. Who is silent is named in a note, "
    "and to no blame. A word that could have no effect when it was said is a finding",
    BOARD,
)
def check_ends(evidence: Evidence, result: Result) -> None:
    for found in evidence.handovers:
        result.count += len(found.words)
        ends = found.outcome, found.released_at, found.thawed_at
        handover = found.handover
        counted = handover.view.attempt.outcome, handover.released_at, handover.thawed_at
        if ends != counted:
            reason = f"{found.session}: by its words it ended otherwise than the board has it"
            result.fail(handover.position, NOBODY, reason)
        _tell_idle_words(result, found)
        _tell_wrong_ends(evidence, result, found)
        result.notes += _how_it_ended(found)


def _tell_idle_words(result: Result, found: HandoverEvidence) -> None:
    for posted in found.words:
        body, sender = posted.post.body, posted.post.sender
        if not isinstance(body, Said):
            continue
        known = found.at(posted.post.seen_position).attempt
        if not known.counts(sender, word_of(body)):
            reason = f"{found.session}: its word ({word_of(body).value}) could have no effect"
            result.find(posted.position, found.name(sender), reason)


def _tell_wrong_ends(evidence: Evidence, result: Result, found: HandoverEvidence) -> None:
    """More than may be lying confirm another end: then they were shown another board."""
    for word, end in ("release", "held"), ("thaw", "void"):
        wrong = [
            posted
            for posted in found.words
            if isinstance(body := posted.post.body, BareWord)
            and body.word == word
            and found.at(posted.position).attempt.outcome != end
            and posted.post.sender in found.about.rosters.old
        ]
        if len(wrong) > evidence.terms.faults:
            reason = (
                f"{found.session}: with this, {len(wrong)} members said {word}, and it is not "
                f"{end} here. They have seen another board"
            )
            result.fail(wrong[-1].position, found.name(wrong[-1].post.sender), reason)


def _how_it_ended(found: HandoverEvidence) -> Iterator[str]:
    attempt, rosters = found.view.attempt, found.about.rosters
    if found.released_at:
        yield f"{found.session} was held in entry {found.held_at}, released in {found.released_at}"
        if waiting := set(rosters.old) - found.said_bare("release", found.held_at or 0):
            yield f"{found.session}: no release yet from {_names(found, waiting)}"
        if waiting := set(rosters.new) - attempt.acknowledged:
            yield (
                f"{found.session}: not acknowledged yet by {_names(found, waiting)}. Until all "
                "new members have, old key shares are kept"
            )
        yield (
            f"{found.session}: any {rosters.quorum} members who kept their shares of epoch "
            f"{found.about.epoch.number} can still decrypt whatever is under this N"
        )
    elif found.thawed_at:
        yield f"{found.session} was void in entry {found.void_at}, and nothing came of it"
        if not found.misdeeds and attempt.owing:
            yield f"{found.session}: {_names(found, attempt.owing)} had not dealt by then"
    else:
        yield f"{found.session} is under way{': ' * bool(found.outcome)}{found.outcome}"


CHECKS = (check_agreement, check_dealings, check_new_key, check_ends)
