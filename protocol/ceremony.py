"""The key ceremony, one member's side: a pure function of (seed, board).

    join        who is here, and the key that payloads for it are sealed to
    keys        a secret key k_{i→j} from each to each, for sharings of zero
    ── for each batch of candidates ──
    units       members 1..t+1 share random units of Z_M
    reduce      products of two sharings are shared anew, until two sharings are left
    factors     p_i, q_i from additive shares of the units' product; shared over a field
    moduli      N = p·q opened, under a sharing of zero
    first       one Boneh-Franklin round on all candidates that survive trial division
    ── for a candidate that passes ──
    rounds      the other 64 rounds; p+q-1 and a mask are shared modulo N
    gap         mask·(p+q-1) opened: is it coprime to N?
    ── for the winner ──
    dealing     φ_i, β_i and Δ·R_i are shared
    theta       θ' opened, under a sharing of zero; everyone has f_i
    trial       verification keys, partial decryptions of a test ciphertext, sealing keys for rounds
    certificate all sign the transcript and the public key

The steps themselves are in ``candidate_steps`` and ``key_steps``. A step is complete when all its
senders have spoken; the order in which they did does not matter. Since a post names the head that
its sender saw, no honest member's post for a step stands before the last post of the step before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keyshare.errors import KeyshareError
from keyshare.modulus import expected_candidates, expected_tests
from protocol import candidate_steps, key_steps
from protocol.board import Posted
from protocol.ceremony_run import CeremonyRun, StepId, StepKind
from protocol.draft import Draft, Envelope, public_payload
from protocol.encoding import encode
from protocol.epoch import Epoch, EpochSecret, epoch_secret
from protocol.errors import BadSeal, CeremonyFailed, Malformed
from protocol.messages import Abort, Attachment, Certificate, Join, Step
from protocol.sealing import SealContext, check_public
from protocol.terms import Terms

JOIN, CERTIFICATE = StepId("join"), StepId("certificate")
KINDS: dict[str, StepKind] = {
    kind.name: kind for kind in (*candidate_steps.STEPS, *key_steps.STEPS)
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


class Ceremony:
    """One member's machine; ``receive`` entries, say what is ``due``."""

    def __init__(self, terms: Terms, index: int, session: str, seed: bytes) -> None:
        self.terms, self.index, self.session = terms, index, session
        self.failure: CeremonyFailed | None = None
        self.aborted = False  # somebody's Abort is on the board
        self.outcome: tuple[Epoch, EpochSecret] | None = None
        self._run = CeremonyRun(terms, index, session, seed)
        self._step = JOIN
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

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take an entry of this session with its payloads: 0 for all, own number if sealed."""
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, Abort) and not self.outcome:
            self.aborted = True
            self.failure = self.failure or CeremonyFailed(body.culprit, body.step, body.reason)
        if self.failure or self.outcome:
            return
        try:
            self._check_turn(body, sender)
            self._spoken[sender], self._payloads[sender] = posted, payloads
            if len(self._spoken) == len(self._senders()):
                self._step = self._finish()
        except CeremonyFailed as failure:
            self.failure = failure
        except (Malformed, KeyshareError) as error:
            self.failure = CeremonyFailed(0, self._step.name, str(error))

    def due(self) -> Draft | None:
        """What this member must say next, None while it waits for others."""
        if self.aborted:
            return None
        if self.failure:
            said = Abort(self.failure.culprit, self.failure.step, self.failure.reason[:500])
            return Draft(self.session, said)
        if self.outcome or self.index not in self._senders():
            return None
        if self.index in self._spoken:
            return None
        if self._step == JOIN:
            return Draft(self.session, Join(self._run.sealing.public))
        if self._step == CERTIFICATE:
            assert self._run.epoch is not None
            return Draft(self.session, Certificate(self._run.transcript, encode(self._run.epoch)))
        return self._say(KINDS[self._step.name])

    def _say(self, kind: StepKind) -> Draft:
        attachments: list[Attachment] = []
        blobs: list[bytes] = []
        if kind.public:
            attachments, blobs = public_payload(kind.public(self._run, self._step))
        if kind.private:
            payloads = kind.private(self._run, self._step)
            self._own = payloads.pop(self.index)
            envelope = Envelope(
                self.terms.federation, self.session, self.index, self._run.sealing_keys
            )
            sealed, sealed_blobs = envelope.seal_all(payloads, _label(self._step))
            attachments, blobs = attachments + sealed, blobs + sealed_blobs
        name, batch, part = self._step
        return Draft(self.session, Step(name, batch, part, tuple(attachments)), tuple(blobs))

    def _senders(self) -> range:
        if self._step in (JOIN, CERTIFICATE):
            return self._run.everyone
        return KINDS[self._step.name].senders(self._run)

    def _check_turn(self, body: object, sender: int) -> None:
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
        self._spoken, self._payloads, self._own = {}, {}, None
        if step == JOIN:
            return self._finish_join(posts)
        if step == CERTIFICATE:
            return self._finish_certificate(posts)
        kind = KINDS[step.name]
        public, private = dict[int, bytes](), dict[int, bytes]()
        for sender in posts:
            payloads = received[sender]
            expected = ({0} if kind.public else set()) | (
                {self.index} if kind.private and sender != self.index else set()
            )
            if set(payloads) != expected:
                raise CeremonyFailed(sender, step.name, "a payload is missing or too many")
            if kind.public:
                public[sender] = payloads[0]
            if kind.private and sender != self.index:
                private[sender] = self._unseal(step, sender, payloads[self.index])
        if kind.private and self.index in posts:
            private[self.index] = kind.private(self._run, step)[self.index] if own is None else own
        following = kind.finish(self._run, step, public, private)
        if following == CERTIFICATE:
            self._run.transcript = max(posts.values(), key=lambda p: p.position).hash
        return following

    def _unseal(self, step: StepId, sender: int, sealed: bytes) -> bytes:
        context = SealContext(self.terms.federation, self.session, _label(step), sender, self.index)
        try:
            return self._run.sealing.unseal(sealed, context)
        except BadSeal:
            raise CeremonyFailed(sender, step.name, "a payload does not open") from None

    def _finish_join(self, posts: Mapping[int, Posted]) -> StepId:
        for sender, posted in posts.items():
            assert isinstance(posted.post.body, Join)
            try:
                check_public(posted.post.body.sealing_key)
            except Malformed as error:
                raise CeremonyFailed(sender, "join", error.reason) from None
            self._run.sealing_keys[sender] = posted.post.body.sealing_key
        return StepId("keys")

    def _finish_certificate(self, posts: Mapping[int, Posted]) -> StepId:
        run = self._run
        assert run.epoch is not None
        assert run.share is not None
        for sender, posted in posts.items():
            body = posted.post.body
            assert isinstance(body, Certificate)
            if (body.transcript, body.epoch) != (run.transcript, encode(run.epoch)):
                raise CeremonyFailed(sender, "certificate", "it certifies another transcript")
        self.outcome = (run.epoch, epoch_secret(run.epoch, run.share, run.epoch_sealing_seed))
        return CERTIFICATE


def _step_of(body: object) -> StepId:
    if isinstance(body, Step):
        return StepId(body.step, body.batch, body.part)
    return JOIN if isinstance(body, Join) else CERTIFICATE


def _label(step: StepId) -> str:
    return f"{step.name}/{step.batch}/{step.part}"
