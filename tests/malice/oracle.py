"""What has been opened, by linear algebra: exact, and independent of the hospitals' own rules.

The unknowns are honest hospitals' updates, one for each member and model: what a hospital trains
from one model is one update, in however many rounds it contributes it. A ciphertext that the
aggregator has put together is a row of multiplicities over them; what colluders put in is known.
It is open when those who released a part of it and the colluders are a quorum, though the parts
might be sealed to honest hospitals alone.

*Promised*, with at most f colluders:

1. in a round (a session's name), one set is opened, whatever boards are shown;
2. an opened sum holds the updates of the honest members of its set, each once, from one model;
3. and two of them at least;
4. no combination over the rationals of all that is open, but zero, holds the updates of one honest
   hospital alone, even when those of the colluders are taken out; nor, these counted as well, of
   fewer than ``min_difference`` members that start from one model.

The fourth holds while hospitals keep the head of the board that they have seen. The first three
hold even when they lose it, as long as the ledger of chosen sets is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from gmpy2 import mpz

from keyshare.partial_decryption import combine, partial_decryption
from protocol.board import Post
from protocol.ciphertexts import Encrypted
from protocol.errors import Malformed
from protocol.messages import Partial
from protocol.partial_payload import LockedSum
from protocol.sealing import SealingKey
from tests.toy import ToyEpoch

Unknown = tuple[int, bytes]  # member, model
Row = Mapping[Unknown, int]


class Violation(AssertionError):
    """The aggregator has learnt what it must not."""


@dataclass(frozen=True)
class Sum:
    """A ciphertext that the aggregator has made, and what it holds of honest updates."""

    values: tuple[mpz, ...]
    row: Row


@dataclass(frozen=True)
class Closed:
    """A closing: its set and model, and the ciphertexts that a hospital might take for its sum."""

    session: str
    model: bytes
    contributions: tuple[bytes, ...]  # digests of the posts that it names
    members: frozenset[int]
    sums: tuple[Sum, ...]


@dataclass
class Knowledge:
    """What the aggregator and the colluders have of hospitals' parts, and what that opens."""

    toy: ToyEpoch
    colluders: frozenset[int]
    keeps_heads: bool = True  # whether no hospital has lost the head of its board
    closed: dict[bytes, Closed] = field(default_factory=dict)  # by the name of the chosen set
    opened: dict[bytes, Row] = field(default_factory=dict)  # likewise
    _parts: dict[tuple[bytes, int], dict[int, list[mpz]]] = field(default_factory=dict)

    def hear(self, post: Post) -> None:
        """An honest hospital has said something; raises Violation if it should not have."""
        body = post.body
        if not isinstance(body, Partial):
            return
        closed = self.closed.get(body.chosen)
        if closed is None:
            raise Violation(f"member {post.sender} released a part of a set that nobody closed")
        content_key = self._content_key(post, body)
        for k, one in enumerate(closed.sums):
            locked = LockedSum.of(
                self.toy.epoch, closed.session, body.chosen, Encrypted(one.values)
            )
            try:
                parts = locked.open_with(content_key, body.attachments[0].data, post.sender)
            except Malformed:
                continue
            self._parts.setdefault((body.chosen, k), {})[post.sender] = parts
            self._open(body.chosen, closed, k)
            return
        raise Violation(f"member {post.sender} released a part of an unknown ciphertext")

    def _content_key(self, post: Post, body: Partial) -> bytes:
        """As a colluder opens it."""
        colluder = min(self.colluders)
        sealing = SealingKey(self.toy.secrets[colluder].sealing_seed)
        (sealed,) = [a.data for a in body.attachments if a.to == colluder]
        locked = LockedSum.of(self.toy.epoch, post.session, body.chosen, Encrypted(()))
        return locked.unseal(body, post.sender, sealed, sealing, colluder)

    def _open(self, chosen: bytes, closed: Closed, k: int) -> None:
        released = self._parts[chosen, k]
        if len(released.keys() | self.colluders) < self.toy.epoch.quorum or chosen in self.opened:
            return
        row = closed.sums[k].row
        self.opened[chosen] = {unknown: times for unknown, times in row.items() if times}
        self._check_set(chosen, closed)
        if self.keeps_heads:
            self._check_combinations()

    # ── the promises ──

    def _check_set(self, chosen: bytes, closed: Closed) -> None:
        others = [c for c in self.opened if c != chosen]
        if any(self.closed[c].session == closed.session for c in others):
            raise Violation(f"two sets of {closed.session} are open")
        honest = closed.members - self.colluders
        row = self.opened[chosen]
        if row != {(member, closed.model): 1 for member in honest}:
            raise Violation(f"{closed.session}: the sum of {sorted(honest)} holds {_text(row)}")
        if len(honest) < 2:
            raise Violation(f"{closed.session}: the update of {sorted(honest)} alone is open")

    def _check_combinations(self) -> None:
        if member := alone(list(self.opened.values())):
            raise Violation(f"the update of member {member[0]} alone is open")
        least = self.toy.federation.terms.least_difference
        for model in {self.closed[c].model for c in self.opened}:
            sets = [self.closed[c].members for c in self.opened if self.closed[c].model == model]
            rows = [{(member, model): 1 for member in one} for one in sets]
            if few := smallest_support(rows, least - 1):
                raise Violation(f"of members {[m for m, _ in few]} alone a difference is open")

    # ── that it is really so ──

    def decrypt(self, chosen: bytes) -> list[mpz]:
        """The plaintexts of an opened sum, from what was released and the colluders' shares."""
        k = next(k for k in range(len(self.closed[chosen].sums)) if self._is_open(chosen, k))
        values, parts = self.closed[chosen].sums[k].values, dict(self._parts[chosen, k])
        for member in self.colluders:
            share = self.toy.shares[member]
            parts[member] = [partial_decryption(c, share, self.toy.key) for c in values]
        return [
            combine({m: found[j] for m, found in parts.items()}, self.toy.key)
            for j in range(len(values))
        ]

    def _is_open(self, chosen: bytes, k: int) -> bool:
        released = self._parts.get((chosen, k), {})
        return bool(released) and len(released.keys() | self.colluders) >= self.toy.epoch.quorum


def alone(rows: Sequence[Row]) -> Unknown | None:
    """An unknown that is a rational combination of the rows by itself, None if there is none."""
    found = smallest_support(rows, 1)
    return found[0] if found else None


def smallest_support(rows: Sequence[Row], most: int) -> tuple[Unknown, ...] | None:
    """The fewest unknowns, ``most`` or fewer, that a nonzero combination of the rows holds.

    A combination within T exists exactly if the rows lose rank when the columns of T are deleted.
    """
    columns = sorted({unknown for row in rows for unknown in row})
    full = rank(rows, columns)
    for size in range(1, most + 1):
        for support in itertools.combinations(columns, size):
            if rank(rows, [c for c in columns if c not in support]) < full:
                return support
    return None


def rank(rows: Sequence[Row], columns: Iterable[Unknown]) -> int:
    """The rank over the rationals of some columns."""
    order = list(columns)
    left = [[Fraction(row.get(c, 0)) for c in order] for row in rows]
    found = 0
    for column in range(len(order)):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        left.remove(pivot)
        found += 1
        for row in left:
            if row[column]:
                factor = row[column] / pivot[column]
                row[:] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
    return found


def _text(row: Row) -> str:
    return ", ".join(f"{times}·H{member}" for (member, _), times in sorted(row.items())) or "nobody"
