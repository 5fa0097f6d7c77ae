"""A ceremony followed from outside: the members' own steps, in their public half."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from protocol.board import Posted, certified_by_all, firsts, of_kind
from protocol.ceremony import OBSERVER, Ceremony
from protocol.encoding import encode
from protocol.errors import CeremonyFailed, Malformed
from protocol.key import Epoch, read_epoch
from protocol.messages import Abort, Certificate, Overdue, Step
from protocol.terms import Terms

Payloads = Callable[[Posted], Mapping[int, bytes]]


@dataclass
class Observation:
    """What an observer makes of one ceremony.

    due: the certificate that follows from what was said, None if the ceremony did not come so far;
    failure: the rule that was broken before it, with the entry at which that showed; accepted: by
    step, how many posts the observer took; candidates and tests: of the search.
    """

    session: str
    certificates: Sequence[Posted[Certificate]]  # the first of each member
    ignored: Sequence[Posted]  # what members said at the end, and after it, without effect
    abort: Posted[Abort] | None
    # The certificate with which all had certified alike, before any abort.
    complete: Posted[Certificate] | None
    due: Certificate | None = None
    failure: CeremonyFailed | None = None
    failed_at: int = 0
    accepted: dict[str, int] = field(default_factory=dict)
    candidates: int = 0
    tests: int = 0

    @property
    def is_aborted(self) -> bool:
        """Whether an abort came before all had certified."""
        return self.abort is not None and self.complete is None


def observe(
    terms: Terms, session: str, entries: Sequence[Posted], payloads: Payloads, nonce: bytes
) -> Observation:
    """Follow a ceremony up to its certificates, or its abort.

    payloads: an entry's payload for all, under 0; raises Malformed, which ends the observation.
    """
    complete = next(certified_by_all(entries, terms), None)
    seen = Observation(
        session,
        list(firsts(entries, Certificate).values()),
        [],
        next(of_kind(entries, Abort), None),
        complete,
    )
    machine = Ceremony(terms, OBSERVER, session, nonce)
    for posted in entries:
        if isinstance(posted.post.body, Abort) or machine.certificate:
            break
        if isinstance(posted.post.body, Overdue):
            continue  # what follows from it is an abort
        step = posted.post.body.step if isinstance(posted.post.body, Step) else "join"
        try:
            machine.receive(posted, payloads(posted))
            seen.failure = machine.failure
        except Malformed as error:
            seen.failure = CeremonyFailed(posted.post.sender, step, str(error))
        if seen.failure:
            seen.failed_at = _position(entries, seen.failure, posted)
            break
        seen.accepted[step] = seen.accepted.get(step, 0) + 1
    seen.candidates, seen.tests = machine.progress.candidates, machine.progress.tests
    if machine.certificate and not machine.failure:
        seen.due = machine.certificate
        seen.ignored = _ignored(entries, seen.due, seen)
    return seen


def _ignored(entries: Sequence[Posted], due: Certificate, seen: Observation) -> list[Posted]:
    """What had no effect behind the step before the certificates, up to an abort that counts.

    Not what may have been on its way when the last certificate came: that a step is overdue, and
    that it is given up.
    """
    began = next(p.position for p in entries if p.hash == due.transcript)
    until = seen.abort.position if seen.abort and seen.is_aborted else entries[-1].position + 1
    return [
        p
        for p in entries
        if began < p.position < until
        and p not in seen.certificates
        and not isinstance(p.post.body, Overdue)
        and not (isinstance(p.post.body, Abort) and p.post.body.silent)
    ]


def _position(entries: Sequence[Posted], failure: CeremonyFailed, last: Posted) -> int:
    """Where the culprit said what failed; else where it showed."""
    said = [
        p.position
        for p in of_kind(entries, Step)
        if p.position <= last.position
        and p.post.sender == failure.culprit
        and p.post.body.step == failure.step
    ]
    return said[-1] if said else last.position


def differing_fields(certified: bytes, due: bytes, terms: Terms) -> list[str]:
    """The fields in which a certified epoch is not the one that follows from the entries."""
    if certified == due:
        return []
    try:
        found = read_epoch(certified, terms)
    except Malformed as error:
        return [error.reason]
    expected = read_epoch(due, terms)
    return [
        name.replace("_", " ")
        for name in Epoch.__struct_fields__
        if encode(getattr(found, name)) != encode(getattr(expected, name))
    ]
