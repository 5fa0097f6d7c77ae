"""One round as an auditor reads it: what was due, what was done, and who helped."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from gmpy2 import mpz

from protocol.board import B, Posted, StudyState, firsts, of_kind
from protocol.errors import Malformed
from protocol.key import Epoch
from protocol.messages import Complaint, Opening, Partial
from protocol.record.audit.observed.judged_round import JudgedRound, RoundToJudge, judge_all
from protocol.record.audit.observed.round_contents import ReadPayload
from protocol.rounds import EncryptionKey, LockedSum, RoundView, read_ciphertexts


class RoundEvidence:
    """The entries of a round, and the rules applied to them as its members applied them."""

    def __init__(
        self, state: StudyState, epoch: Epoch | None, entries: Sequence[Posted], read: ReadPayload
    ) -> None:
        """state: of the study, with all that the board says of it."""
        self.state, self.study, self.terms = state, state.study, state.study.terms
        self.epoch, self.entries, self._read = epoch, entries, read
        self._judged: JudgedRound | tuple[()] | None = None
        self._verdicts: Verdicts | None = None
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

    @property
    def judged(self) -> JudgedRound:
        """What is wrong with its contributions and its sum."""
        if self._judged is None and self._verdicts:
            self._verdicts.reach(self)
        if self._judged is None:
            self.take(judge_all([self.to_judge], self._read)[0])
        assert self._judged is not None
        return self._judged or self.to_judge.as_due()

    @property
    def is_sound(self) -> bool:
        """Whether its payloads tell of nothing that is wrong."""
        return self.judged == self.to_judge.as_due()

    def await_verdict(self, verdicts: "Verdicts") -> None:
        """Ask there once it is asked for."""
        self._verdicts = verdicts

    def take(self, judged: JudgedRound) -> None:
        """Keep what was found elsewhere, as far as it is not as it should be."""
        self._judged = () if judged == self.to_judge.as_due() else judged

    @property
    def to_judge(self) -> RoundToJudge:
        """What its payloads are asked about."""
        return RoundToJudge.of(self.view, self.state, self.epoch)

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

    def locked_sum(self) -> LockedSum | None:
        """The sum as complaints are judged against it; None if the set breaks a rule."""
        is_sound = self.judged.is_whole and self.judged.refused is None
        if not is_sound or self.epoch is None or self.chosen is None:
            return None
        contents = self.to_judge.contents(self._read)
        contents.believe(contents)  # or it would be refused
        total = self.to_judge.sum(contents)
        return LockedSum.of(self.epoch, self.session, self.chosen, total, self.study.members)

    def payload_of_partial(self, complaint: Complaint) -> bytes:
        """What the accused has posted for all, nothing if it has posted nothing."""
        posted = self.view.partials.get(complaint.member)
        public = [a for a in posted.attachments if a.to == 0] if posted else []
        return self._read(public[0]) if public else b""


class Verdicts:
    """What is found of some rounds, which comes in their order while other things are done."""

    def __init__(self, pairs: Iterator[tuple[RoundEvidence, JudgedRound]]) -> None:
        self._pairs = pairs

    @classmethod
    def of(cls, rounds: Sequence[RoundEvidence], found: Iterable[JudgedRound]) -> None:
        """Have each of these rounds await its own."""
        verdicts = cls(zip(rounds, found, strict=True))
        for one in rounds:
            one.await_verdict(verdicts)

    def reach(self, wanted: RoundEvidence) -> None:
        """Hand on all that comes up to that round's."""
        for one, verdict in self._pairs:
            one.take(verdict)
            if one is wanted:
                return
