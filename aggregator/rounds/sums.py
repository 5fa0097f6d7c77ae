"""Which contributions of a round can be added, and their sum: a pure function of their payloads.

A contribution that hospitals would refuse is left out here, so that one member cannot stop the
others: one that does not decode, that repeats a ciphertext, or that lacks the proof that its sender
knows what is inside. All of it goes in steps, since a statistic may have 100,000 numbers.
"""

from collections.abc import Iterable

from gmpy2 import mpz

from aggregator.rounds.omission import ANOTHER_OPENING, WITHDRAWN, Reason, Unfit
from aggregator.rounds.seen_ciphertexts import SeenCiphertexts
from aggregator.store import BlobStore
from keyshare.steps import Steps
from protocol.board import Posted, Study, StudyState
from protocol.errors import Malformed
from protocol.key import Epoch
from protocol.messages import Contribution, Opening
from protocol.rounds import (
    Encrypted,
    EncryptionKey,
    OpenedSets,
    RoundView,
    check_proof_in_steps,
    multiply_in_steps,
    read_in_steps,
    write_ciphertexts,
)


class OpenRound:
    """A round whose contributions are judged one by one, and who of them is in the sum.

    In the order of the board: of two that repeat each other the later one is left out. Of those
    that are judged, verdicts and marks are held here, and no ciphertexts.
    unfit: who can be in no sum, for good, and why. is_decided: once it is settled who is in it,
    unless one of them withdraws before the closing.
    """

    def __init__(
        self,
        view: RoundView,
        state: StudyState,
        epoch: Epoch,
        blobs: BlobStore,
        history: OpenedSets,
    ) -> None:
        assert view.opening is not None
        self.unfit: dict[int, Reason] = {}
        self.is_decided = False
        self._view, self._state, self._blobs, self._history = view, state, blobs, history
        self._study, self._terms = state.study, state.study.terms
        self._opened, self._key = view.opening, EncryptionKey.of(epoch)
        self._fit: set[int] = set()
        self._beside: dict[int, Reason] = {}  # why who is fit is left out
        self._seen = SeenCiphertexts(self._terms)

    @property
    def fit(self) -> frozenset[int]:
        """Whose contributions can be added, of those judged by now."""
        return frozenset(filter(self._is_approved, self._fit))

    @property
    def left_out(self) -> dict[int, Reason]:
        """Who is not in the sum, or could be in none, and why."""
        withdrawn = dict.fromkeys(self._fit - self.fit, WITHDRAWN)
        return self.unfit | self._beside | withdrawn

    def _is_approved(self, member: int) -> bool:
        """Whether a member's approval stood at the opening, and stands now."""
        state, opened_at = self._state, self._opened.position
        return state.contributes(member, opened_at) and state.contributes(member)

    def _unjudged(self) -> list[Posted[Contribution]]:
        """What has come and is not judged, in the order of the board."""
        posts = self._view.contributions.items()
        left = (p for m, p in posts if m not in self._fit and m not in self.unfit)
        return sorted(left, key=lambda posted: posted.position)

    def _judge(self, posted: Posted[Contribution]) -> Steps[Encrypted | None]:
        """A member's ciphertexts, None if they cannot be added.

        Some 1.2 ms for each at 3072 bits, most of it for the proof.
        """
        member = posted.post.sender
        try:
            found = yield from self._check(posted.post.body, member)
        except Unfit as error:
            self._seen.drop(member)
            self.unfit[member] = error.reason
            return None
        self._fit.add(member)
        return found

    def _check(self, body: Contribution, member: int) -> Steps[Encrypted]:
        if body.opening != self._opened.digest:
            raise Unfit(ANOTHER_OPENING)
        self._check_vector(body, member)
        key, payload = self._key, self._blobs.payload(body.ciphertexts)
        yield
        opening, n = self._opened.post.body, key.encryptor.n
        try:
            encrypted = yield from read_in_steps(payload, opening, self._study, n)
        except Malformed as error:
            raise Unfit(Reason("unreadable", error.reason)) from None
        if reason := (yield from self._seen.take(member, encrypted.values)):
            raise Unfit(reason)
        try:
            yield from check_proof_in_steps(encrypted, body, self._view.session, member, key)
        except Malformed as error:
            raise Unfit(Reason("unproven", error.reason)) from None
        return encrypted

    def _check_vector(self, body: Contribution, member: int) -> None:
        """Raises Unfit if its vector is not what this round's sum can take."""


def sum_in_steps(payloads: Iterable[bytes], opening: Opening, study: Study, n: mpz) -> Steps[bytes]:
    """The payload of the sum of at least one contribution, each of which was judged fit.

    One contribution is in memory beside the sum; the next payload is asked for after it.
    """
    total = list[mpz]()
    for payload in payloads:
        yield
        found = yield from read_in_steps(payload, opening, study, n)
        if total:
            yield from multiply_in_steps(total, found.values, n)
        else:
            total = list(found.values)
    yield
    return write_ciphertexts(Encrypted(tuple(total)), n)
