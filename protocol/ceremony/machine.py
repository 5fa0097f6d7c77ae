"""The key ceremony, one member's side: a pure function of (seed, board).

    join        who is here, the key that payloads for it are sealed to, the digest of its seed
    ── for each batch of candidates ──
    deal        shares of p_i, q_i from the dealers; a commitment to the leaves behind them
    moduli *    N = p·q opened, under a sharing of zero
    screen *    one Boneh-Franklin round on all candidates that survive trial division
    ── for a candidate that passes ──
    winner *    64 rounds, a proof that one exponent is behind them, verifiable shares of it
    theta *     the exponents are those that were dealt; θ' opened, under a sharing of zero;
                everyone has f_i, all know VK_1, …, VK_n
    trial       partial decryptions of a test ciphertext, proved; a test with a fresh base;
                sealing keys for rounds
    certificate all sign the transcript and the public key

A step with a star has two: first commitments, then what was committed to. The leaves of a batch
that is all rejected are opened with the next batch's deal, those of the last one beside the
commitments to the shares of θ', with the points that show whether N's exponents were dealt.

The steps themselves are in ``candidate_steps``, ``winner_steps`` and ``key_steps``: for each the
struct that is said in it, what makes that, and what follows once all have said theirs
(``protocol.ceremony.step``). A step is complete when all its senders have spoken; the order in
which they did does not matter. Since a post names the head that its sender saw, no honest member's
post for a step stands before the last post of the step before.

Once all have joined, a step may last as long as the terms say. When it is overdue
(``protocol.ceremony.lapse``), whoever has spoken in it gives the ceremony up, and names who has
not. If the last word of the step is seen before anybody aborts, the ceremony goes on. An abort that
crosses with it ends the ceremony: the verdict calls its sender late then, not silent.

In the last step each member's first certificate counts, and an abort before all are there; whatever
else is said then, or in the session after it, has no effect (``protocol.board.key_history``).

Whoever finds a rule broken aborts. Then every member that has not certified discloses its seed: the
ceremony is dead, nothing in it is secret any more, and ``protocol.ceremony.judgement`` replays
everyone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from keyshare.ceremony import expected_candidates, expected_tests
from keyshare.errors import KeyshareError
from protocol.board import Draft, Envelope, Posted, firsts, public_payload
from protocol.ceremony import candidate_steps, dealt_exponents, key_steps, winner_steps
from protocol.ceremony.lapse import StepTime
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.step import StepKind
from protocol.encoding import encode
from protocol.errors import BadSeal, CeremonyFailed, Malformed
from protocol.key import HeldKey, epoch_secret
from protocol.messages import MAX_REASON, Abort, Certificate, Disclosure, Join, Overdue, Step
from protocol.sealing import SealContext, check_public
from protocol.terms import Terms
from protocol.words import shown

JOIN, CERTIFICATE = StepId("join"), StepId("certificate")
KINDS: dict[str, StepKind] = {
    kind.name: kind for kind in (*candidate_steps.STEPS, *winner_steps.STEPS, *key_steps.STEPS)
}


@dataclass(frozen=True)
class CeremonyProgress:
    """Where a ceremony stands, for people and programs."""

    step: str
    waiting_for: tuple[int, ...]
    candidates: int
    expected_candidates: float
    tests: int
    expected_tests: float


@dataclass(frozen=True)
class UnsealedStep:
    """What a member says in a step, before it is sealed; ``private`` by recipient."""

    step: StepId
    public: bytes
    private: dict[int, bytes] = field(repr=False)


class Ceremony:
    """One member's machine; ``receive`` entries, say what is ``due``.

    With number OBSERVER and any seed it is nobody's: it follows what is said to all, up to the
    certificate that is ``unsealed`` then, and says nothing.
    """

    def __init__(self, terms: Terms, index: int, session: str, seed: bytes) -> None:
        self.terms, self.index, self.session = terms, index, session
        self.failure: CeremonyFailed | None = None
        self.aborted = False  # somebody's Abort is on the board
        self.withholds_seed = False  # whatever the board shows: it may have certified elsewhere
        self.disclosed: dict[int, bytes] = {}  # the seeds that were opened after an abort
        self.outcome: HeldKey | None = None
        self._seed = seed
        self._has_joined = False  # perhaps after an abort that it had not seen yet
        self._has_certified = False  # likewise
        self._run = CeremonyRun(terms, index, session, seed)
        self._step, self._time = JOIN, StepTime(terms, None)
        self._spoken: dict[int, Posted] = {}  # in the step that is under way
        self._payloads: dict[int, Mapping[int, bytes]] = {}
        self._own: bytes | None = None  # own payload to oneself, until the step completes

    @property
    def progress(self) -> CeremonyProgress:
        """Where the ceremony stands."""
        run = self._run
        bits, n = self.terms.key_bits, self.terms.n_members
        return CeremonyProgress(
            "done" if self.outcome else self._step.name,
            tuple(m for m in self._senders() if m not in self._spoken),
            run.candidates_tried,
            expected_candidates(bits, n),
            run.tests_done,
            expected_tests(bits, n),
        )

    @property
    def certificate(self) -> Certificate | None:
        """What all have to certify, None before the last step."""
        if self._step != CERTIFICATE:
            return None
        return Certificate(self._run.transcript, encode(self._run.epoch))

    @property
    def awaits(self) -> StepId | None:
        """The step in which this member has nothing to do but to wait, once all have joined."""
        is_over = self.aborted or self.failure or self.outcome
        return None if is_over or self._step == JOIN or self.is_due else self._step

    @property
    def silence(self) -> Abort | None:
        """The abort that is due because others are silent in a step that is overdue."""
        if self.awaits is None:
            return None
        missing = tuple(m for m in self._senders() if m not in self._spoken)
        return self._time.abort(self._step.name, missing)

    @property
    def failed(self) -> Abort | None:
        """The abort that follows from what this member has seen."""
        if self.failure is None:
            return self.silence
        return Abort(
            self.failure.culprit, self.failure.step, shown(self.failure.reason, MAX_REASON)
        )

    @property
    def deviation_parts(self) -> Mapping[int, mpz]:
        """By dealer, the parts of this member's D(j), for a verdict; empty before N is found."""
        return dealt_exponents.own_parts(self._run)

    @property
    def winner_step(self) -> StepId | None:
        """The step in which the dealers of N told their exponents; None before N is found."""
        run = self._run
        return StepId("winner", run.batch.number, run.winner.number) if run.winner else None

    @property
    def owes_seed(self) -> bool:
        """Whether the ceremony is dead, and this member can disclose its seed but has not yet.

        One that has certified keeps its seed, also where its certificate stands behind the abort:
        on another board, which the aggregator shows to others, it may stand before. This board may
        hide the certificate altogether, so its maker notes durably that it certifies, and then says
        here that it ``withholds_seed``.
        """
        done = self.withholds_seed or self._has_certified or self.index in self.disclosed
        return self.aborted and self._has_joined and not done

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take an entry of this session with its payloads: 0 for all, own number if sealed."""
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, Abort) and not self.outcome:
            self.aborted = True
            said = CeremonyFailed(body.culprit, body.step, body.reason, body.silent)
            self.failure = self.failure or said
        if isinstance(body, Disclosure) and self.aborted:
            self.disclosed.setdefault(sender, body.seed)
        self._has_joined |= isinstance(body, Join) and sender == self.index
        self._has_certified |= isinstance(body, Certificate) and sender == self.index
        if self.failure or self.outcome:
            return
        if isinstance(body, Overdue):
            if body.id == self._step:
                self._time.note(posted)
            return
        is_first_certificate = isinstance(body, Certificate) and sender not in self._spoken
        if self._step == CERTIFICATE and not is_first_certificate:
            return  # nobody's machine takes notice, as the board does not
        try:
            self._check_turn(body, sender)
            self._spoken[sender], self._payloads[sender] = posted, payloads
            if len(self._spoken) == len(self._senders()):
                self._step = self._finish()
                self._time = StepTime(self.terms, posted.time_ms)
                self._spoken, self._payloads, self._own = {}, {}, None
        except CeremonyFailed as failure:
            self.failure = failure
        except (Malformed, KeyshareError) as error:
            self.failure = CeremonyFailed(0, self._step.name, str(error))

    def needs(self, posted: Posted) -> bool:
        """Whether an entry, received next, is said in the step under way, for the first time.

        Only then are its payloads read.
        """
        if self.failure or self.outcome:
            return False
        try:
            self._check_turn(posted.post.body, posted.post.sender)
        except CeremonyFailed:
            return False
        return True

    def due(self) -> Draft | None:
        """What this member must say next, None while it waits for others."""
        if self.aborted:
            return Draft(self.session, Disclosure(self._seed)) if self.owes_seed else None
        if self.failed:
            return Draft(self.session, self.failed)
        if self.outcome or not self.is_due:
            return None
        body = self.unsealed()
        return self._seal(body) if isinstance(body, UnsealedStep) else Draft(self.session, body)

    @property
    def is_due(self) -> bool:
        """Whether this member has still to speak in the step that is under way."""
        return self.index in self._senders() and self.index not in self._spoken

    def unsealed(self) -> Join | UnsealedStep | Certificate:
        """What this member says in the step that is under way."""
        if self._step == JOIN:
            return Join(self._run.sealing.public, self._run.seed_digest)
        if self.certificate:
            return self.certificate
        kind = KINDS[self._step.name]
        said, dealt = kind.said(self._run, self._step), kind.dealt(self._run, self._step)
        return UnsealedStep(self._step, said, dealt)

    def unseal(self, step: StepId, sender: int, sealed: bytes) -> bytes:
        """A payload that was sealed to this member; raises BadSeal."""
        context = SealContext(self.terms.federation, self.session, step.label, sender, self.index)
        return self._run.sealing.unseal(sealed, context)

    def _seal(self, said: UnsealedStep) -> Draft:
        attachments, blobs = public_payload(said.public)
        if said.private:
            self._own = said.private[self.index]
            envelope = Envelope(
                self.terms.federation, self.session, self.index, self._run.sealing_keys
            )
            others = {i: payload for i, payload in said.private.items() if i != self.index}
            sealed, sealed_blobs = envelope.seal_all(others, said.step.label)
            attachments, blobs = attachments + sealed, blobs + sealed_blobs
        return Draft(self.session, Step(*said.step, tuple(attachments)), tuple(blobs))

    def _senders(self) -> Sequence[int]:
        if self._step in (JOIN, CERTIFICATE):
            return self._run.everyone
        return KINDS[self._step.name].senders(self._run, self._step)

    def _check_turn(self, body: object, sender: int) -> None:
        if isinstance(body, Disclosure):
            raise CeremonyFailed(sender, self._step.name, "it discloses its seed without need")
        if isinstance(body, Step) and body.step not in KINDS:
            raise CeremonyFailed(sender, body.step, "there is no such step")
        step = _step_of(body)
        if step == self._step and sender in self._spoken:
            raise CeremonyFailed(sender, step.name, "it spoke twice")
        if step != self._step or sender not in self._senders():
            raise CeremonyFailed(sender, step.name, "it speaks out of turn")

    def _finish(self) -> StepId:
        """Compute what the complete step gives, and return the step that follows."""
        step = self._step
        posts, received, own = self._spoken, self._payloads, self._own
        if step == JOIN:
            return self._finish_join(posts)
        if step == CERTIFICATE:
            return self._finish_certificate(posts)
        kind = KINDS[step.name]
        public, private = dict[int, bytes](), dict[int, bytes]()
        for sender, posted in posts.items():
            payloads = received[sender]
            # All look at all recipients, so that none goes on where another one stops.
            others = {j for j in self._run.everyone if j != sender} if kind.private else set()
            if {a.to for a in posted.attachments} != {0} | others:
                raise CeremonyFailed(sender, step.name, "a payload is missing or too many")
            public[sender] = payloads[0]
            if kind.private and sender != self.index and not self._run.is_observer:
                private[sender] = self._unseal(step, sender, payloads[self.index])
        if kind.private and self.index in posts:
            private[self.index] = kind.dealt(self._run, step)[self.index] if own is None else own
        following = kind.take(self._run, step, public, private)
        self._run.transcript = max(posts.values(), key=lambda p: p.position).hash
        return following

    def _unseal(self, step: StepId, sender: int, sealed: bytes) -> bytes:
        try:
            return self.unseal(step, sender, sealed)
        except BadSeal:
            raise CeremonyFailed(sender, step.name, "a payload does not open") from None

    def _finish_join(self, posts: Mapping[int, Posted]) -> StepId:
        for sender, posted in firsts(posts.values(), Join).items():
            try:
                check_public(posted.post.body.sealing_key)
            except Malformed as error:
                raise CeremonyFailed(sender, "join", error.reason) from None
            self._run.sealing_keys[sender] = posted.post.body.sealing_key
        return StepId("deal")

    def _finish_certificate(self, posts: Mapping[int, Posted]) -> StepId:
        run = self._run
        for sender, posted in posts.items():
            if posted.post.body != self.certificate:
                raise CeremonyFailed(sender, "certificate", "it certifies another transcript")
        secret = epoch_secret(run.epoch, run.share, run.epoch_sealing_seed)
        self.outcome = HeldKey(run.epoch, secret)
        return CERTIFICATE


def _step_of(body: object) -> StepId:
    if isinstance(body, Step):
        return body.id
    return JOIN if isinstance(body, Join) else CERTIFICATE
