"""One hospital's part in a round's end: what it locks, releases, combines, and complains of.

A hospital helps only with a set that keeps the rules (``protocol.rounds.set_rules``), that more
than (n+f)/2 members have locked, and with no other set of the round; nor with a sum that differs by
too few members from others of the same start (``protocol.rounds.history``). It locks only sets of a
study that it has approved, and has not taken that back; what it has locked it releases, whatever is
said of the study later. It believes no other's partial decryption: each is opened and its proof
verified before it counts, and whoever sent one that does not hold is named on the board, once, with
what everyone needs to see it. A hospital that is no reader of the study opens nothing.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

from gmpy2 import mpz

from keyshare.errors import BadCombination
from keyshare.key import combine
from protocol.board import Draft, Posted, StudyState
from protocol.errors import Malformed, Refused, Uncombinable
from protocol.key import Epoch, HeldKey, HeldKeys
from protocol.messages import MAX_REASON, Complaint, Contribution, Partial, Refusal, SetLock
from protocol.rounds.ciphertexts import Encrypted
from protocol.rounds.complaints import Judged, judge_complaint
from protocol.rounds.history import Difference, OpenedSets
from protocol.rounds.partial_payload import LockedSum
from protocol.rounds.set_rules import Fitting, check_set
from protocol.rounds.vector_checks import counts
from protocol.rounds.view import RoundView
from protocol.sealing import SealingKey
from protocol.words import shown


class Ledger(Protocol):
    """Durable memory of the one set that this hospital chooses in each round."""

    def choose(self, session: str, chosen: bytes) -> bool:
        """Record, durably, unless another set is recorded; whether ``chosen`` is the one."""


class RoundMember:
    """One member's side of a round: a pure function of the board and of its key share.

    The key share is that of the epoch under which the round was opened, as long as the member holds
    it. Without it the member refuses the set, and opens nothing.

    ``consent`` is given from outside (by a person, or by the policy of a service); without it
    nothing is said, but what others release is combined. ``state``: what this hospital's board says
    of the study; ``history``: of all other rounds.
    """

    def __init__(
        self, view: RoundView, state: StudyState, keys: HeldKeys, history: OpenedSets
    ) -> None:
        self.view, self.state, self._keys, self._history = view, state, keys, history
        self.index = keys.index  # this member's number
        self.study, self.terms = state.study, state.study.terms
        self.consent = False
        self.plaintexts: list[mpz] | None = None
        self.total: Encrypted | None = None
        self.checksum = b""  # of this member's own vector, for its lock
        self._epoch: Epoch | None = None  # of the opening, once this member has held its key
        self._refused: Refused | None = None  # once closed, nothing makes a set another
        self._contributions: dict[int, bytes] = {}
        self._fitting: Fitting | None = None
        self._locked: LockedSum | None = None
        self._held: dict[int, bytes] = {}  # keys sealed to this member, of parts not yet verified
        self._payloads: dict[int, bytes] = {}  # of partial decryptions
        self._parts: dict[int, list[mpz]] = {}  # verified, until they are combined
        self._wrong: dict[int, bytes] = {}  # who sent a wrong part, and the key that shows it
        self._judged: dict[int, Judged] = {}  # by entry

    @property
    def epoch(self) -> Epoch:
        """That of the opening, once this member has held its key; else its newest."""
        if (key := self._key) is not None:
            self._epoch = key.epoch
        return self._epoch or self._keys.current.epoch

    @property
    def _key(self) -> HeldKey | None:
        """This member's key of the epoch under which the round was opened, while it holds it."""
        opening = self.view.terms_of_opening
        return self._keys.of(opening.epoch) if opening else None

    @property
    def is_reader(self) -> bool:
        """Whether parts are sealed to this member, so that it learns the sum."""
        return self.index in self.study.members

    @property
    def may_lock(self) -> bool:
        """Whether this member's approval to open stands on its board, for a round of the plan.

        Not if the study has ended, or the key that the round was opened under is given up.
        """
        is_planned = self.view.number <= self.study.rounds
        is_over = self.state.is_ended() or self.is_barred
        return is_planned and self.state.opens(self.index) and not is_over

    @property
    def is_barred(self) -> bool:
        """Whether nobody locks or releases anything in this round, for a handover of the key."""
        return self._history.is_barred(self.view)

    @property
    def is_lost(self) -> bool:
        """Whether the sum will never be opened here: too few parts that are right came in time.

        Asked once all of the round is received that the board has. Whoever has no key share of the
        round any more believes that all parts are right.
        """
        if self.plaintexts is not None or not self.is_barred:
            return False
        return len(self.view.partials.keys() - self._wrong.keys()) < self.terms.quorum

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take an entry of this round with its payloads: key 0 for all, own number for sealed.

        Raises Uncombinable if verified parts of a quorum give no sum.
        """
        self.view.receive(posted)
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, Contribution) and self.view.contributions.get(sender) is posted:
            # What answers no opening is never added: keeping it would let one member fill memory.
            if self.view.opening and body.opening == self.view.opening.digest:
                self._contributions[sender] = payloads.get(0, b"")
        elif isinstance(body, Partial) and self.view.partials.get(sender) is posted:
            self._payloads[sender] = payloads.get(0, b"")
            if self.is_reader:
                self._held[sender] = payloads.get(self.index, b"")
        self._try_to_combine()

    def due(self, ledger: Ledger) -> Draft | None:
        """The next thing to say about decryption, None if there is nothing.

        Raises Uncombinable as ``receive`` does: a key may have come after the last part.
        """
        self._try_to_combine()
        view, me = self.view, self.index
        if view.closing is None or not self.consent or me in view.refusals:
            return None
        try:
            if me not in view.lock_posts:
                if not self.may_lock:
                    return None
                self.check_set()
                self._check_difference()
                if self.owes_checksum:
                    return None
                self._choose(ledger)
                return Draft(view.session, SetLock(self._chosen, self.checksum))
            if self.owes_partial:
                return self._partial(ledger)
        except Refused as refusal:
            said = Refusal(refusal.rule, refusal.member, shown(refusal.reason, MAX_REASON))
            return Draft(view.session, said)
        for member in self._unnamed():
            complaint = Complaint(self._chosen, member, self._wrong[member])
            return Draft(view.session, complaint)
        return None

    @property
    def owes_checksum(self) -> bool:
        """Whether this member's lock waits for ``checksum``; not if it came too late to count.

        The set has passed the rules then.
        """
        view, me = self.view, self.index
        is_due = self.consent and self.total is not None and me not in view.lock_posts
        return (
            is_due and self.may_lock and not self.checksum and counts(view, me, self.epoch.quorum)
        )

    @property
    def owes_partial(self) -> bool:
        """Whether the set that this member locked waits for its partial decryption.

        Also when the sum is known here: what one member sealed to this one may open, and what it
        sealed to the next one not.
        """
        view, me = self.view, self.index
        has_said = me in view.partials or me in view.refusals
        may_say = self.consent and view.closing is not None and not has_said
        if not may_say or me not in view.lock_posts or self.is_barred:
            return False
        votes = sum(chosen == self._chosen for chosen in view.locks.values())
        return votes >= self.terms.lock_threshold

    @property
    def owes_complaint(self) -> bool:
        """Whether this member has found a part wrong and nobody has shown it yet."""
        view, me = self.view, self.index
        may_speak = self.consent and me in view.lock_posts and me not in view.refusals
        return may_speak and bool(self._unnamed())

    @property
    def wrong_partials(self) -> list[int]:
        """Members whose part is left out here: it is not proved, or its key did not come."""
        return sorted(self._wrong)

    def complaints(self) -> list[Judged]:
        """All complaints on the board, in its order, and what each shows; none before the sum."""
        for posted in self.view.complaints.values() if self._locked else ():
            if posted.position not in self._judged:
                self._judged[posted.position] = self._judge(posted)
        return [self._judged[entry] for entry in sorted(self._judged)]

    @property
    def difference(self) -> Difference | None:
        """What the closed sum would show of too few members, with others of the same start."""
        return self._history.difference(self.view)

    @property
    def fitting(self) -> frozenset[int]:
        """Whose contributions to the open round can be in a sum, as far as the posts show."""
        if self._fitting is None and self._key is not None:
            self._fitting = Fitting(self.view, self._contributions, self.state, self.epoch)
        return self._fitting.members if self._fitting else frozenset()

    def check_set(self) -> Encrypted:
        """The sum that the closing chose, recomputed; raises Refused naming rule and member."""
        self._require_key()
        if self.total is not None:
            return self.total
        if self._refused is not None:
            raise self._refused
        try:
            self.total = check_set(self.view, self._contributions, self.state, self.epoch)
        except Refused as refusal:
            self._refused = refusal if self.view.closing is not None else None
            raise
        self._contributions.clear()  # the board has them; the sum is all that is needed now
        place = (self.epoch, self.view.session, self._chosen)
        self._locked = LockedSum.of(*place, self.total, self.study.members)
        return self.total

    def _require_key(self) -> HeldKey:
        """The key for the round's sum. Raises Refused; asked again, since keys come and go."""
        if (key := self._key) is None:
            reason = "it was not opened, or under a key of which this hospital has no share"
            raise Refused(self.view.name, "known-round", 0, reason)
        return key

    @cached_property
    def _chosen(self) -> bytes:
        """The name of the closed set."""
        chosen = self.view.chosen(self.terms.federation)
        assert chosen is not None
        return chosen

    def _choose(self, ledger: Ledger) -> None:
        """Before the lock is said and again before the partial decryption is made."""
        if not ledger.choose(self.view.session, self._chosen):
            reason = "this hospital has chosen another set of this round"
            raise Refused(self.view.name, "one-set", 0, reason)

    def _check_difference(self) -> None:
        """Before the lock is said, and again before the part is made: others may have locked."""
        found = self.difference
        if found and self.terms.floors.differencing == "refuse":
            reason = found.reason(self.terms)
            raise Refused(self.view.name, "differencing", found.member, reason)

    def _partial(self, ledger: Ledger) -> Draft:
        self.check_set()
        self._check_difference()
        assert self._locked is not None
        self._choose(ledger)
        body, blobs = self._locked.make(self._require_key().secret)
        return Draft(self.view.session, body, blobs)

    # ── others' parts ──

    def _try_to_combine(self) -> None:
        if not self._held:
            return
        try:
            self.check_set()
            sealing = SealingKey(self._require_key().secret.sealing_seed)
        except Refused:
            return  # parts of a set that must not be opened stay closed
        for sender in sorted(self._held):
            self._verify(sender, self._held.pop(sender), sealing)
        if self.plaintexts is None and len(self._parts) >= self.epoch.quorum:
            self._combine()
        if self.plaintexts is not None:
            self._parts.clear()

    def _verify(self, sender: int, sealed: bytes, sealing: SealingKey) -> None:
        """Open a part and take it, or leave it out and remember what shows that it is wrong."""
        locked, said = self._locked, self.view.partials[sender].post.body
        assert locked is not None
        if said.chosen != locked.chosen:
            self._wrong[sender] = b""  # the post itself shows it
            return
        content_key = locked.unseal(said, sender, sealed, sealing, self.index)
        if not content_key:
            self._wrong[sender] = b""
            return
        try:
            self._parts[sender] = locked.open_with(content_key, self._payloads[sender], sender)
        except Malformed:
            self._wrong[sender] = content_key

    def _combine(self) -> None:
        """One combination does: whatever is verified is right, up to signs that are squared."""
        assert self._locked is not None
        key, count = self._locked.key, len(self._locked.ciphertexts)
        members = sorted(self._parts)[: self.epoch.quorum]
        try:
            self.plaintexts = [
                combine({m: self._parts[m][k] for m in members}, key) for k in range(count)
            ]
        except BadCombination:
            raise Uncombinable(self.view.name, members) from None

    # ── complaints ──

    def _unnamed(self) -> list[int]:
        """Whom this member has found wrong, and nobody has shown it, nor this member said it."""
        complaints = self.complaints()
        shown = {found.about for found in complaints if found.verdict == "proven"}
        said = {found.about for found in complaints if found.by == self.index}
        return [m for m in self.wrong_partials if m not in {*shown, *said, self.index}]

    def _judge(self, posted: Posted[Complaint]) -> Judged:
        body = posted.post.body
        assert self._locked is not None
        payload = self._payloads.get(body.member, b"")
        verdict = judge_complaint(posted, self.view, payload, self._locked)
        return Judged(posted.position, posted.post.sender, body.member, verdict)
