"""What the board says of a round: who did what when, and how long each phase took."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from participant.report.facts.facts import PHASES, ComplaintFacts, Deed, RefusalFacts, RoundFacts
from participant.words import in_names
from protocol.board import Posted, Study, of_kind
from protocol.messages import Partial, Refusal, SetLock, Statement
from protocol.rounds import RoundView, left_out
from protocol.terms import Terms
from protocol.words import shown

Deeds = dict[int, Deed]


def round_facts(study: Study, posts: Sequence[Posted]) -> RoundFacts:
    """A round of a study from its entries."""
    terms = study.terms
    view = RoundView.of(posts[0].post.session, posts)
    opening, chosen = view.terms_of_opening, view.chosen(terms.federation)
    locked = _for_set(of_kind(posts, SetLock), chosen)
    decrypted = _for_set(of_kind(posts, Partial), chosen)
    stated = {p.post.sender: Deed.of(p) for p in of_kind(posts, Statement)}
    facts = RoundFacts(
        view.session,
        shown(view.name),
        study.name,
        study.kind,
        opening.suite if opening else "",
        opening.length if opening else 0,
        opening.clip if opening else 0.0,
        Deed.of(view.opening) if view.opening else None,
        Deed.of(view.closing) if view.closing else None,
        {m: Deed.of(p) for m, p in view.contributions.items()},
        tuple(view.contributors),
        locked,
        decrypted,
        stated,
        {m: s.result for m, s in view.statements.items()},
        _refusals(terms, posts),
        tuple(
            ComplaintFacts(by, member, bool(p.post.body.key), p.position)
            for (by, member), p in view.complaints.items()
        ),
    )
    asked = None if study.is_training else study.statistic
    return replace(
        facts,
        phases=_phases(facts, study),
        decimals=asked.decimals if asked else 0,
        labels=tuple(map(shown, asked.labels)) if asked else (),
        reasons={found.member: found.why for found in left_out(view)},
    )


def _for_set(posts: Iterable[Posted[SetLock] | Posted[Partial]], chosen: bytes | None) -> Deeds:
    """When each member first did something for the set that was closed."""
    found: Deeds = {}
    for posted in posts:
        if posted.post.body.chosen == chosen:
            found.setdefault(posted.post.sender, Deed.of(posted))
    return found


def _refusals(terms: Terms, posts: Sequence[Posted]) -> tuple[RefusalFacts, ...]:
    return tuple(
        RefusalFacts(
            p.post.sender,
            shown(p.post.body.rule),
            p.post.body.member,
            in_names(p.post.body.reason, terms),
            p.position,
        )
        for p in of_kind(posts, Refusal)
    )


def _phases(facts: RoundFacts, study: Study) -> dict[str, float]:
    """Seconds from one phase's end to the next one's, up to the first that has not ended."""
    if facts.opened is None or facts.closed is None:
        return {}
    in_sum = [facts.contributed[m].time_ms for m in facts.chosen if m in facts.contributed]
    ends = (
        max(in_sum, default=None),
        facts.closed.time_ms,
        _nth(facts.locked, study.terms.lock_threshold),
        _nth(facts.decrypted, study.terms.quorum),
        _nth(facts.stated, study.least_agreeing),  # so that the next round may open
    )
    before, phases = facts.opened.time_ms, dict[str, float]()
    for name, end in zip(PHASES, ends, strict=True):
        if end is None:
            break
        phases[name] = max(0, end - before) / 1000
        before = max(before, end)
    return phases


def _nth(deeds: Mapping[int, Deed], count: int) -> int | None:
    """When so many members had done it."""
    times = sorted(deed.time_ms for deed in deeds.values())
    return times[count - 1] if len(times) >= count else None
