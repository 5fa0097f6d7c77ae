"""Who broke the rules in a ceremony that was aborted: found by replaying everyone.

A member's posts are a function of its seed and the board. After an abort the seeds are disclosed;
whoever has the board can then run each member's machine and compare what it says with what was
posted. An honest member's posts always agree with its machine, so it is never named; a culprit's
disagree, or it discloses no seed, or another than it was bound to when it joined. The evidence is
the board alone: no member has to be believed, not even the one that aborted.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keyshare.ceremony import candidate_shape
from protocol.board import Posted, firsts, of_kind
from protocol.ceremony.dealt_exponents import DEALT, misdealers
from protocol.ceremony.lapse import StepTime
from protocol.ceremony.machine import CERTIFICATE, Ceremony, UnsealedStep
from protocol.ceremony.run import OBSERVER
from protocol.encoding import encode
from protocol.errors import BadSeal
from protocol.messages import Abort, Body, Certificate, Disclosure, Join, Overdue, Step
from protocol.terms import Terms

_ANOTHER_SEED = "join: it disclosed another seed than it joined with"

_NO_SEED = bytes(32)

Payloads = Callable[[Posted], Mapping[int, bytes]]


class GivenUp(NamedTuple):
    """A ceremony's end for the silence of members in a step that was overdue.

    It stands in an abort on the board, at ``position``, and the board's entries bear it out. Who
    spoke before that entry, though after its author had looked, was late and is not silent.
    """

    position: int
    step: str
    silent: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What the replay of an aborted ceremony shows.

    culprits: members that said what their seeds do not give, or what the machine of a member that
    did nothing wrong refuses, or shared another exponent than they dealt, or spoke without having
    joined, or certified what no honest member did. silent: members whose seed is not on the board,
    so that no more is known about them, an honest one too that made a certificate which is not on
    the board, or was set back; who has certified in its turn keeps its seed and is not among them.
    evidence: by culprit, the position on the board of what it said, or of the entry at which it was
    found. given_up: whose silence ended it, by the aggregator's times, so that they
    are no culprits for it.
    """

    session: str
    culprits: Mapping[int, str]
    silent: tuple[int, ...]
    evidence: Mapping[int, int]
    given_up: GivenUp | None = None


def judge(terms: Terms, session: str, entries: Sequence[Posted], payloads: Payloads) -> Verdict:
    """The verdict on a session; ``payloads`` gives all payloads of an entry, by recipient."""
    court = _Court(terms, session, entries, payloads)
    suspects = sorted(court.seeds.keys() | court.strangers)
    offences = {i: offence for i in suspects if (offence := court.offence(i))}
    innocent = court.seeds.keys() - offences.keys()
    found = {i: court.findings[i] for i in sorted(innocent) if i in court.findings}
    refused = {c: offence for c, offence in found.values() if c and c not in court.seeds}
    silences = _certified_silences(court)
    ended = _causeless_aborts(terms, entries, silences) | _odd_certificates(terms, entries)
    misdealt = court.misdealt(innocent)
    offences = ended | court.wrong_certificates() | refused | misdealt | offences
    missing = set(silent(entries))
    if not all(court.certifies[i] for i in innocent):
        # A certificate that no honest member could give yet excuses nobody.
        missing |= firsts(entries, Certificate).keys() - court.seeds.keys()
    return Verdict(
        session,
        {i: offence.reason for i, offence in offences.items()},
        tuple(sorted(missing)),
        {i: offence.position for i, offence in offences.items()},
        _given_up(entries, court.silences | silences, offences),
    )


def _given_up(
    entries: Sequence[Posted], borne_out: Mapping[int, Abort], offences: Mapping[int, _Offence]
) -> GivenUp | None:
    """The first abort for silence that is borne out, in our words, of who did nothing wrong."""
    for posted in entries:
        abort = borne_out.get(posted.position)
        if abort and posted.post.sender not in offences:
            late = {
                p.post.sender
                for p in entries
                if posted.post.seen_position < p.position < posted.position
                and _step_of(p.post.body) == abort.step
            } & set(abort.silent)
            silent = tuple(m for m in abort.silent if m not in late)
            named = ", ".join(f"member {m}" for m in sorted(late))
            reason = f"{abort.reason}. Then {named} spoke, too late" if late else abort.reason
            return GivenUp(posted.position, abort.step, silent, reason)
    return None


def _step_of(body: Body) -> str:
    """The name of the step in which this is said, empty for what belongs to none."""
    if isinstance(body, Certificate):
        return CERTIFICATE.name
    return body.step if isinstance(body, Step) else ""


def silent(entries: Sequence[Posted]) -> tuple[int, ...]:
    """Members that have joined the session, and neither certified nor disclosed their seed."""
    settled = firsts(entries, Disclosure).keys() | firsts(entries, Certificate).keys()
    return tuple(sorted(firsts(entries, Join).keys() - settled))


class _Offence(NamedTuple):
    position: int
    reason: str


class _Court:
    """The entries of a session, and the machines of those whose seeds are known."""

    def __init__(
        self, terms: Terms, session: str, entries: Sequence[Posted], payloads: Payloads
    ) -> None:
        self.terms, self.session = terms, session
        self.entries, self.payloads = entries, payloads
        self._disclosed = firsts(entries, Disclosure)
        self.seeds = {i: posted.post.body.seed for i, posted in self._disclosed.items()}
        self._joined = {i: posted.post.body for i, posted in firsts(entries, Join).items()}
        # Who never joined is bound to no seed, but may say nothing either: any seed shows that.
        self.strangers = {p.post.sender for p in entries} - self.seeds.keys() - self._joined.keys()
        self.certifies: dict[int, bool] = {}  # whether a member's machine came to the certificate
        self.findings: dict[int, tuple[int, _Offence]] = {}  # whom a member's machine names
        self._machines: dict[int, Ceremony] = {}  # as the replay has left them
        self.silences: dict[int, Abort] = {}  # the aborts for silence that are borne out, by entry
        self._due_certificates: list[Body] = []  # as the machines of who did no wrong have it
        # Only who disclosed the seed that it joined with can show what others sealed for it.
        self._readers = {i: self._machine(i) for i in sorted(self.seeds) if self._is_bound(i)}

    def offence(self, member: int) -> _Offence | None:
        """Where a member's posts first differ from what its seed gives; None if nowhere."""
        if member in self.seeds and not self._is_bound(member):
            return _Offence(self._disclosed[member].position, _ANOTHER_SEED)
        machine, failed_at, aborted = self._machine(member), 0, False
        self._machines[member] = machine
        silences = list[tuple[int, Abort | None]]()  # what was due after each entry
        for posted in self.entries:
            body = posted.post.body
            if posted.post.sender == member:
                seen = posted.post.seen_position
                abort = machine.failed if 0 < failed_at <= seen else None
                abort = abort or next((a for at, a in reversed(silences) if at <= seen), None)
                if reason := self._differs(machine, posted, abort, aborted):
                    return _Offence(posted.position, reason)
                if abort and abort.silent:
                    self.silences[posted.position] = abort
            aborted = aborted or isinstance(body, Abort)
            if isinstance(body, Abort) or (aborted and isinstance(body, Disclosure)):
                continue  # what others conclude changes nothing about what this one should say
            own = {i: p for i, p in self.payloads(posted).items() if i in (0, member)}
            machine.receive(posted, own)
            silences.append((posted.position, machine.silence))
            if machine.failure and not failed_at:
                failed_at = posted.position
        self.certifies[member] = machine.certificate is not None
        if machine.certificate:
            self._due_certificates.append(machine.certificate)
        if machine.failure:
            reason = f"{machine.failure.step}: {machine.failure.reason}"
            self.findings[member] = machine.failure.culprit, _Offence(failed_at, reason)
        return None

    def misdealt(self, innocent: Collection[int]) -> dict[int, _Offence]:
        """Who shared other exponents than it dealt, by what it sealed for the innocent."""
        parts = {i: self._machines[i].deviation_parts for i in sorted(innocent)}
        winners = {self._machines[i].winner_step for i in innocent}
        steps = (p for p in of_kind(self.entries, Step) if p.post.body.id in winners)
        said = firsts(steps, Step)
        shape = candidate_shape(self.terms.key_bits, self.terms.n_members)
        reason = f"{DEALT}: its exponent is not the one that it dealt"
        return {i: _Offence(said[i].position, reason) for i in misdealers(shape, parts)}

    def wrong_certificates(self) -> dict[int, _Offence]:
        """Who certified something else than the machine of a member that did nothing wrong."""
        if not self._due_certificates:
            return {}
        return {
            p.post.sender: _Offence(p.position, "certificate: it certifies something else")
            for p in firsts(self.entries, Certificate).values()
            if p.post.body not in self._due_certificates
        }

    def public_certificate(self) -> Certificate | None:
        """What was to be certified, as anybody can compute it; None if an abort came before."""
        machine = Ceremony(self.terms, OBSERVER, self.session, secrets.token_bytes(32))
        for posted in self.entries:
            if isinstance(posted.post.body, Abort):
                return None
            machine.receive(posted, {i: p for i, p in self.payloads(posted).items() if i == 0})
            if machine.failure or machine.certificate:
                return machine.certificate
        return None

    def _is_bound(self, member: int) -> bool:
        return self._joined.get(member) == self._machine(member).unsealed()

    def _differs(
        self, machine: Ceremony, posted: Posted, abort: Abort | None, aborted: bool
    ) -> str:
        """``abort``: the one that was due where the sender stood."""
        body = posted.post.body
        if isinstance(body, Disclosure):
            return "" if aborted else "it disclosed its seed without need"
        if isinstance(body, Abort):
            return "" if abort and _is_same(body, abort) else "it aborted without reason"
        if machine.index not in self._joined:
            return f"{_name(body)}: it has not joined"
        if isinstance(body, Overdue):
            return ""  # by its own clock, which nobody else knows
        if not machine.is_due:
            return f"{_name(body)}: it was not to speak"
        said = machine.unsealed()
        if isinstance(body, Step) and isinstance(said, UnsealedStep):
            return self._wrong_step(machine.index, posted, body, said)
        return "" if body == said else f"{_name(body)}: its seed gives something else"

    def _wrong_step(self, member: int, posted: Posted, body: Step, due: UnsealedStep) -> str:
        if body.id != due.step:
            return f"{_name(body)}: it was to say {due.step.name}"
        found = self.payloads(posted)
        others = {i for i in due.private if i != member}
        if set(found) != {0} | others:
            return f"{_name(body)}: a payload is missing or too many"
        if not hmac.compare_digest(found[0], due.public):
            return f"{_name(body)}: its seed gives something else"
        for recipient in sorted(others & set(self._readers)):
            try:
                said = self._readers[recipient].unseal(due.step, member, found[recipient])
            except BadSeal:
                return f"{_name(body)}: what it sealed for member {recipient} does not open"
            if not hmac.compare_digest(said, due.private[recipient]):
                return f"{_name(body)}: it sealed something else for member {recipient}"
        return ""

    def _machine(self, member: int) -> Ceremony:
        return Ceremony(self.terms, member, self.session, self.seeds.get(member, _NO_SEED))


def _odd_certificates(terms: Terms, entries: Sequence[Posted]) -> dict[int, _Offence]:
    """Who certified something else than t+1 members that agree, one of whom is honest."""
    given: dict[bytes, dict[int, int]] = {}
    for sender, posted in firsts(entries, Certificate).items():
        given.setdefault(encode(posted.post.body), {})[sender] = posted.position
    dealers = (terms.n_members - 1) // 2 + 1
    if not any(len(senders) >= dealers for senders in given.values()):
        return {}
    return {
        sender: _Offence(position, "certificate: the others certify something else")
        for senders in given.values()
        if len(senders) < dealers
        for sender, position in senders.items()
    }


def _causeless_aborts(
    terms: Terms, entries: Sequence[Posted], silences: Mapping[int, Abort]
) -> dict[int, _Offence]:
    """Who certified and then aborted, though what it had seen gave it no reason.

    Whoever certifies has found nothing wrong before, and keeps its seed. After that two things
    alone make an honest member abort, and both stand on the board: that the first certificates of
    all members are there and are not the same, and that the last step is overdue (``silences``).
    """
    found = dict[int, _Offence]()
    for posted, own, known in _after_certificates(entries):
        given = [p.post.body for p in firsts(known, Certificate).values()]
        differ = len(given) == terms.n_members and any(body != own.post.body for body in given)
        if posted.position not in silences and not differ:
            reason = "it certified, and aborted without reason"
            found.setdefault(posted.post.sender, _Offence(posted.position, reason))
    return found


def _certified_silences(court: _Court) -> dict[int, Abort]:
    """The aborts, by position, with which who has certified rightly gave up the last step.

    A certificate is right if it is the one that follows from what was said to all. What its author
    says in it shows nothing: with the name of an older entry the step would seem to be overdue.
    """
    found = dict[int, Abort]()
    claimed = [one for one in _after_certificates(court.entries) if one[0].post.body.silent]
    right = court.public_certificate() if claimed else None
    for posted, own, known in claimed:
        due = _abort_for_silence(court.terms, known, own) if own.post.body == right else None
        if due and _is_same(posted.post.body, due):
            found[posted.position] = due
    return found


def _after_certificates(
    entries: Sequence[Posted],
) -> Iterator[tuple[Posted[Abort], Posted[Certificate], list[Posted]]]:
    """Each abort of a member that had certified, its certificate, the entries that it had seen.

    These up to the first abort: what comes after it gives nobody a reason.
    """
    certificates = firsts(entries, Certificate)
    aborts = list(of_kind(entries, Abort))
    for posted in aborts:
        own = certificates.get(posted.post.sender)
        if own and own.position < posted.position:
            seen = min(posted.post.seen_position, aborts[0].position - 1)
            yield posted, own, [p for p in entries if p.position <= seen]


def _abort_for_silence(
    terms: Terms, known: Sequence[Posted], own: Posted[Certificate]
) -> Abort | None:
    """The abort that is due to the author of a right certificate because others give none.

    known: the entries that it had seen. Its certificate names the last entry of the step before.
    """
    began = next((p for p in known if p.hash == own.post.body.transcript), None)
    if began is None:
        return None
    time = StepTime(terms, began.time_ms)
    for posted in of_kind(known[known.index(began) + 1 :], Overdue):
        if posted.post.body.id == CERTIFICATE:
            time.note(posted)
    certified = firsts(known, Certificate)
    missing = tuple(m for m in range(1, terms.n_members + 1) if m not in certified)
    return time.abort("certificate", missing)


def _is_same(said: Abort, due: Abort) -> bool:
    """The words may be those of another release, or of a library's: they do not count."""
    return (said.culprit, said.step, said.silent) == (due.culprit, due.step, due.silent)


def _name(body: Body) -> str:
    return body.step if isinstance(body, Step) else type(body).__name__.lower()
