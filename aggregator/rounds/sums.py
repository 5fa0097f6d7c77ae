"""Which contributions of a round can be added, and their sum: a pure function of their payloads.

A contribution that hospitals would refuse is left out here, so that one member cannot stop the
others: one that does not decode, that repeats a ciphertext, or that lacks the proof that its sender
knows what is inside. All of it goes in steps, since a statistic may have 100,000 numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gmpy2 import mpz

from aggregator.rounds.omission import ANOTHER_OPENING, Reason, Unfit
from aggregator.rounds.seen_ciphertexts import SeenCiphertexts
from keyshare.steps import Steps
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
from protocol.terms.terms import Terms


@dataclass(frozen=True)
class Selection:
    """Whose contributions can be added, and why the others are left out, by member."""

    chosen: frozenset[int]
    left_out: dict[int, Reason]


@dataclass(frozen=True)
class Candidate:
    """A contribution as it was posted: its body, and the payload that it names."""

    body: Contribution
    payload: bytes


class Judging:
    """The contributions to a round under packed Paillier, judged one by one.

    In the order of the board: of two that repeat each other the later one is left out. Of those
    that are judged, verdicts and marks are held, and no ciphertexts.
    """

    def __init__(self, session: str, opening: Opening, terms: Terms, key: EncryptionKey) -> None:
        self._session, self._opening, self._terms, self._key = session, opening, terms, key
        self._fit: set[int] = set()
        self._left_out: dict[int, Reason] = {}
        self._seen = SeenCiphertexts(terms)

    def has(self, member: int) -> bool:
        """Whether the member's contribution is judged."""
        return member in self._fit or member in self._left_out

    def leave_out(self, member: int) -> None:
        """It answers another opening: not to be added, whatever is in it."""
        self._left_out[member] = ANOTHER_OPENING

    def judge(self, member: int, candidate: Candidate) -> Steps[None]:
        """Some 1.2 ms for each ciphertext at 3072 bits, most of it for the proof."""
        try:
            yield from self._check(member, candidate)
        except Unfit as error:
            self._seen.drop(member)
            self._left_out[member] = error.reason
        else:
            self._fit.add(member)

    def _check(self, member: int, candidate: Candidate) -> Steps[None]:
        key, n = self._key, self._key.encryptor.n
        try:
            encrypted = yield from read_in_steps(candidate.payload, self._opening, self._terms, n)
        except Malformed as error:
            raise Unfit(Reason("unreadable", error.reason)) from None
        if reason := (yield from self._seen.take(member, encrypted.values)):
            raise Unfit(reason)
        try:
            yield from check_proof_in_steps(encrypted, candidate.body, self._session, member, key)
        except Malformed as error:
            raise Unfit(Reason("unproven", error.reason)) from None

    @property
    def selection(self) -> Selection:
        """What can be added of all that is judged by now."""
        return Selection(frozenset(self._fit), dict(self._left_out))


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
