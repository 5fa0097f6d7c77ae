"""Which contributions of a round can be added, and their sum: a pure function of their payloads.

A contribution that hospitals would refuse is left out here, so that one member cannot stop the
others: one that does not decode, that repeats a ciphertext, or that lacks the proof that its sender
knows what is inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gmpy2 import mpz

from protocol.ciphertexts import (
    Encrypted,
    EncryptionKey,
    add_encrypted,
    check_proof,
    read_ciphertexts,
    write_ciphertexts,
)
from protocol.errors import Malformed
from protocol.messages import Contribution, Opening
from protocol.terms import Terms


@dataclass(frozen=True)
class Selection:
    """The contributions that can be added, by member, and why the others are left out."""

    chosen: dict[int, Encrypted]
    left_out: dict[int, str]


@dataclass(frozen=True)
class Candidate:
    """A contribution as it was posted: its body, and the payload that it names."""

    body: Contribution
    payload: bytes


class Judging:
    """The contributions to a round under packed Paillier, judged one by one.

    In the order of the board: of two that repeat each other the later one is left out.
    """

    def __init__(self, session: str, opening: Opening, terms: Terms, key: EncryptionKey) -> None:
        self._session, self._opening, self._terms, self._key = session, opening, terms, key
        self._found: dict[int, Encrypted] = {}
        self._left_out: dict[int, str] = {}
        self._owner: dict[mpz, int] = {}

    def has(self, member: int) -> bool:
        """Whether the member's contribution is judged."""
        return member in self._found or member in self._left_out

    def leave_out(self, member: int, reason: str) -> None:
        """Not to be added, whatever is in it."""
        self._left_out[member] = reason

    def judge(self, member: int, candidate: Candidate) -> None:
        """Some 0.5 ms for each ciphertext at 3072 bits, most of it for the proof."""
        key, n = self._key, self._key.encryptor.n
        try:
            encrypted = read_ciphertexts(candidate.payload, self._opening, self._terms, n)
            if reason := repetition(encrypted, self._owner, self._terms):
                raise Malformed("ciphertexts", reason)
            check_proof(encrypted, candidate.body, self._session, member, key)
        except Malformed as error:
            self._left_out[member] = error.reason
            return
        self._owner.update(dict.fromkeys(encrypted.values, member))
        self._found[member] = encrypted

    @property
    def selection(self) -> Selection:
        """What can be added of all that is judged by now, by member."""
        chosen = {member: self._found[member] for member in sorted(self._found)}
        return Selection(chosen, dict(self._left_out))


def select(
    candidates: Mapping[int, Candidate],
    session: str,
    opening: Opening,
    terms: Terms,
    key: EncryptionKey,
) -> Selection:
    """What can be added of the contributions to a round, which are in the order of the board."""
    judging = Judging(session, opening, terms, key)
    for member, candidate in candidates.items():
        judging.judge(member, candidate)
    return judging.selection


def payload_of_sum(chosen: Mapping[int, Encrypted], n: mpz) -> bytes:
    """The payload of the sum of at least one contribution."""
    return write_ciphertexts(add_encrypted(list(chosen.values()), n), n)


def repetition(encrypted: Encrypted, owner: Mapping[mpz, int], terms: Terms) -> str:
    """Why its ciphertexts are not all new, empty if they are.

    owner: the member that each ciphertext of the round was first seen from.
    """
    first = next((owner[value] for value in encrypted.values if value in owner), None)
    if first is not None:
        return f"a ciphertext repeats one of {terms.name_of(first)}'s"
    is_twice = len(set(encrypted.values)) < len(encrypted.values)
    return "a ciphertext occurs twice in it" if is_twice else ""
