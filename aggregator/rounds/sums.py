"""Which contributions of a round can be added, and their sum: a pure function of their payloads.

A contribution that hospitals would refuse is left out here, so that one member cannot stop the
others: one that does not decode, that repeats a ciphertext, or that lacks the proof that its sender
knows what is inside. All of it goes in steps, since a statistic may have 100,000 numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

from gmpy2 import mpz

from aggregator.rounds.omission import Reason, Unfit
from aggregator.rounds.seen_ciphertexts import SeenCiphertexts
from keyshare.steps import Steps
from protocol.board.board import Posted
from protocol.board.messages import Contribution, Opening
from protocol.errors import Malformed
from protocol.rounds.ciphertexts import (
    Encrypted,
    EncryptionKey,
    check_proof_in_steps,
    multiply_in_steps,
    read_in_steps,
    write_ciphertexts,
)
from protocol.rounds.view import RoundView
from protocol.terms.terms import Terms


class Judging:
    """The contributions to a round, judged one by one.

    In the order of the board: of two that repeat each other the later one is left out. Of those
    that are judged, verdicts and marks are held, and no ciphertexts.
    fit: whose can be added. unfit: who can be in no sum, for good, and why.
    """

    def __init__(self, session: str, opening: Opening, terms: Terms, key: EncryptionKey) -> None:
        self.fit: set[int] = set()
        self.unfit: dict[int, Reason] = {}
        self._session, self._opening, self._terms, self._key = session, opening, terms, key
        self._seen = SeenCiphertexts(terms)

    def unjudged(self, view: RoundView) -> list[Posted[Contribution]]:
        """What has come to the round since, in the order of the board."""
        posts = view.contributions.items()
        left = (p for m, p in posts if m not in self.fit and m not in self.unfit)
        return sorted(left, key=lambda posted: posted.position)

    def judge(self, member: int, body: Contribution, payload: bytes) -> Steps[Encrypted | None]:
        """A member's ciphertexts, None if they cannot be added.

        Some 1.2 ms for each at 3072 bits, most of it for the proof.
        """
        try:
            found = yield from self._check(member, body, payload)
        except Unfit as error:
            self._seen.drop(member)
            self.unfit[member] = error.reason
            return None
        self.fit.add(member)
        return found

    def _check(self, member: int, body: Contribution, payload: bytes) -> Steps[Encrypted]:
        key, n = self._key, self._key.encryptor.n
        try:
            encrypted = yield from read_in_steps(payload, self._opening, self._terms, n)
        except Malformed as error:
            raise Unfit(Reason("unreadable", error.reason)) from None
        if reason := (yield from self._seen.take(member, encrypted.values)):
            raise Unfit(reason)
        try:
            yield from check_proof_in_steps(encrypted, body, self._session, member, key)
        except Malformed as error:
            raise Unfit(Reason("unproven", error.reason)) from None
        return encrypted


def sum_in_steps(payloads: Iterable[bytes], opening: Opening, terms: Terms, n: mpz) -> Steps[bytes]:
    """The payload of the sum of at least one contribution, each of which was judged fit.

    One contribution is in memory beside the sum; the next payload is asked for after it.
    """
    total = list[mpz]()
    for payload in payloads:
        yield
        found = yield from read_in_steps(payload, opening, terms, n)
        if total:
            yield from multiply_in_steps(total, found.values, n)
        else:
            total = list(found.values)
    yield
    return write_ciphertexts(Encrypted(tuple(total)), n)
