"""One round as an auditor reads it: what was due, what was done, and who helped."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gmpy2 import mpz

from protocol.board import B, Posted, StudyState, chunk_count, firsts, of_kind
from protocol.errors import Malformed, Refused
from protocol.key import Epoch
from protocol.messages import Attachment, Complaint, Contribution, Opening, Partial
from protocol.rounds import (
    Encrypted,
    EncryptionKey,
    LockedSum,
    RoundView,
    check_proof,
    check_set,
    read_ciphertexts,
)
from protocol.terms import Terms

ReadPayload = Callable[[Attachment], bytes]


@dataclass(frozen=True)
class JudgedContribution:
    """A member's contribution to a round: how many ciphertexts, and what is wrong with it.

    answers: whether it is for the round's opening; is_here: whether its payload is in the record as
    named; faults of form (unreadable, not units, too many or few), of repetition and of the proof
    are each empty if there is none.
    """

    posted: Posted
    answers: bool
    is_here: bool = True
    count: int = 0
    form: str = ""
    repetition: str = ""
    proof: str = ""


class RoundEvidence:
    """The entries of a round, and the rules applied to them as its members applied them."""

    def __init__(
        self, state: StudyState, epoch: Epoch | None, entries: Sequence[Posted], read: ReadPayload
    ) -> None:
        """state: of the study, with all that the board says of it."""
        self.state, self.study, self.terms = state, state.study, state.study.terms
        self.epoch, self.entries, self._read = epoch, entries, read
        self.view = RoundView.of(entries[0].post.session, entries)

    @property
    def session(self) -> str:
        """The round's session."""
        return self.view.session

    @property
    def opening(self) -> Opening | None:
        """The opening that counts, the first."""
        return self.view.terms_of_opening

    def said(self, kind: type[B]) -> Iterator[Posted[B]]:
        """The entries with bodies of a kind, in order."""
        return of_kind(self.entries, kind)

    @cached_property
    def chosen(self) -> bytes | None:
        """The name of the set that the first closing chose."""
        return self.view.chosen(self.terms.federation)

    def lockers(self, chosen: bytes, position: int) -> set[int]:
        """Who had locked a set by a position."""
        return {
            member
            for member, posted in self.view.lock_posts.items()
            if posted.position <= position and posted.post.body.chosen == chosen
        }

    @cached_property
    def locked_at(self) -> int | None:
        """The position of the lock with which enough members had locked the closing's set."""
        locks = [
            p.position for p in self.view.lock_posts.values() if p.post.body.chosen == self.chosen
        ]
        least = self.terms.lock_threshold
        return sorted(locks)[least - 1] if len(locks) >= least else None

    @cached_property
    def is_helped(self) -> bool:
        """Whether enough members locked the closing's set, or released parts of it."""
        return self.locked_at is not None or bool(self.chosen and self.opened_at(self.chosen))

    def releases(self, chosen: bytes) -> list[Posted[Partial]]:
        """The first part of a set that each member released."""
        of_set = (p for p in self.said(Partial) if p.post.body.chosen == chosen)
        return list(firsts(of_set, Partial).values())

    def opened_at(self, chosen: bytes) -> int | None:
        """The position of the part with which a set is open, None if too few were released."""
        return self._released_at(chosen, self.terms.quorum)

    def surely_opened_at(self, chosen: bytes) -> int | None:
        """Likewise of the part with which others than liars must have helped to open it.

        Terms can allow a quorum of no more than may be lying. What those say of a set alone, which
        need not exist, is told, but makes no record fail.
        """
        return self._released_at(chosen, max(self.terms.quorum, self.terms.faults + 1))

    def _released_at(self, chosen: bytes, least: int) -> int | None:
        releases = self.releases(chosen)
        return releases[least - 1].position if len(releases) >= least else None

    @cached_property
    def contributions(self) -> list[JudgedContribution]:
        """The contributions that the round's members see, each with what is wrong with it.

        As for ``set_rules.Fitting``, only what could be in a sum keeps another's copy of it out.
        """
        seen = dict[mpz | bytes, int]()
        return [self._judge(posted, seen) for posted in self.view.contributions.values()]

    def _judge(
        self, posted: Posted[Contribution], seen: dict[mpz | bytes, int]
    ) -> JudgedContribution:
        body, opening, sender = posted.post.body, self.opening, posted.post.sender
        is_answer = self.view.opening is not None and body.opening == self.view.opening.digest
        if not is_answer or opening is None or self.epoch is None:
            return JudgedContribution(posted, is_answer)
        key = EncryptionKey.of(self.epoch)
        try:
            payload = self._read(body.ciphertexts)
        except Malformed:
            return JudgedContribution(posted, True, is_here=False)
        try:
            found = read_ciphertexts(payload, opening, self.study, key.encryptor.n)
        except Malformed as error:
            return JudgedContribution(posted, True, form=error.reason)
        names = (*found.values, *body.vector)
        repetition = _repetition(names, seen, self.terms)
        proof = ""
        try:
            check_proof(found, body, self.session, sender, key)
        except Malformed as error:
            proof = error.reason
        is_whole = len(body.vector) == chunk_count(opening, self.study)
        if is_whole and not repetition and not proof:
            seen.update(dict.fromkeys(names, sender))
        count = len(found.values)
        return JudgedContribution(posted, True, True, count, repetition=repetition, proof=proof)

    def names_in(self, member: int) -> tuple[mpz | bytes, ...] | None:
        """The ciphertexts and chunks of a member's contribution; None where they do not read."""
        posted, opening = self.view.contributions.get(member), self.opening
        if posted is None or opening is None or self.epoch is None:
            return None
        body = posted.post.body
        n = EncryptionKey.of(self.epoch).encryptor.n
        try:
            found = read_ciphertexts(self._read(body.ciphertexts), opening, self.study, n)
        except Malformed:
            return None
        return *found.values, *body.vector

    @cached_property
    def outcome(self) -> Encrypted | Refused | None:
        """The sum that the closing chose, recomputed, or the rule that it breaks.

        None where the record lacks a contribution's payload.
        """
        if self.epoch is None:
            return Refused(self.view.name, "known-round", 0, "it was opened under no known key")
        payloads = _Payloads(self.view, self._read)
        try:
            return check_set(self.view, payloads, self.state, self.epoch)
        except Refused as refusal:
            return refusal
        except _NotHereError:
            return None

    @property
    def locked_sum(self) -> LockedSum | None:
        """The sum as complaints are judged against it; None if the set breaks a rule."""
        if not isinstance(self.outcome, Encrypted) or self.epoch is None or self.chosen is None:
            return None
        return LockedSum.of(self.epoch, self.session, self.chosen, self.outcome, self.study.members)

    def payload_of_partial(self, complaint: Complaint) -> bytes:
        """What the accused has posted for all, nothing if it has posted nothing."""
        posted = self.view.partials.get(complaint.member)
        public = [a for a in posted.attachments if a.to == 0] if posted else []
        return self._read(public[0]) if public else b""


class _NotHereError(Exception):
    """A payload that the record lacks is nobody's fault, unlike one that does not read."""


class _Payloads(Mapping[int, bytes]):
    """Contributions' payloads by member, each read when it is asked for."""

    def __init__(self, view: RoundView, read: ReadPayload) -> None:
        self._contributions, self._read = view.contributions, read

    def __getitem__(self, member: int) -> bytes:
        try:
            return self._read(self._contributions[member].post.body.ciphertexts)
        except Malformed:
            raise _NotHereError from None

    def __iter__(self) -> Iterator[int]:
        return iter(self._contributions)

    def __len__(self) -> int:
        return len(self._contributions)


def _repetition(names: Sequence[mpz | bytes], seen: Mapping[mpz | bytes, int], terms: Terms) -> str:
    if first := next((seen[name] for name in names if name in seen), 0):
        return f"a ciphertext is one that {terms.name_of(first)} has contributed"
    return "a ciphertext occurs twice in it" if len(set(names)) < len(names) else ""
