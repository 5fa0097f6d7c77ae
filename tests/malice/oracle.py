"""What has been opened, by linear algebra: exact, and independent of the hospitals' own rules.

The unknowns are what honest hospitals encrypt, number by number: of training one update for each
member and model, since what a hospital trains from one model is one update, in however many rounds
it contributes it; of a statistic its numbers, for each member and statistic. A ciphertext that the
aggregator or a colluder has put together, from whatever it has seen, is a row of multiplicities
over them; what colluders encrypt themselves is known.
It is open when those who released a part of it and the colluders are a quorum, though the parts
might be sealed to honest hospitals alone.

*Promised*, with at most f colluders:

1. in a round (a session's name), one set is opened, whatever boards are shown;
2. an opened sum holds what the honest members of its set encrypted for it, each once, all from one
   model or for one statistic;
3. and that of two of them at least;
4. no combination over the rationals of all that is open, but zero, holds what one honest hospital
   alone encrypted from a model or for a statistic, even when that of the colluders is taken out,
   and if they knew all that was encrypted from other models and for other statistics; nor, the
   colluders' counted as well, of fewer than ``min_difference`` members that start from one model.

Of training, the number of examples is taken for another number from each model. It is the same from
all, and follows where a hospital comes or goes: tests/protocol/rounds/test_opened_weights.py shows
that nothing else does.

The fourth holds while hospitals keep the head of the board that they have seen. The first three
hold even when they lose it, as long as the ledger of chosen sets is there.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from keyshare.key.partial_decryption import combine, partial_decryption
from protocol.board.board import Post
from protocol.board.messages import Partial
from protocol.errors import Malformed
from protocol.rounds.ciphertexts import Encrypted
from protocol.rounds.partial_payload import LockedSum
from protocol.sealing import SealingKey
from tests.stage import elimination
from tests.stage.toy import ToyEpoch

Unknown = tuple[int, bytes, int]  # member; model, or statistic's session; place
Row = Mapping[Unknown, int]
Rows = Sequence[Row]  # of a vector of ciphertexts, place by place


class Violation(AssertionError):
    """The aggregator has learnt what it must not."""


@dataclass(frozen=True)
class Sum:
    """Ciphertexts that the adversary has seen or made, and what they hold of honest numbers."""

    values: tuple[mpz, ...]
    rows: Rows


@dataclass(frozen=True)
class Closed:
    """A closing: its set and source, and the ciphertexts that a hospital might take for its sum.

    source: the model that it starts from, or a statistic's session, as the unknowns have it.
    """

    session: str
    source: bytes
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
    opened: dict[bytes, Rows] = field(default_factory=dict)  # likewise
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
        if chosen in self.opened or not self._is_open(chosen, k):
            return
        self.opened[chosen] = closed.sums[k].rows
        if self.keeps_heads:
            self._check_combinations()
        self._check_set(chosen, closed)

    # ── the promises ──

    def _check_set(self, chosen: bytes, closed: Closed) -> None:
        others = [c for c in self.opened if c != chosen]
        if any(self.closed[c].session == closed.session for c in others):
            raise Violation(f"two sets of {closed.session} are open")
        honest = closed.members - self.colluders
        for place, row in enumerate(self.opened[chosen]):
            if row != {(member, closed.source, place): 1 for member in honest}:
                raise Violation(f"{closed.session}: the sum of {sorted(honest)} holds {_text(row)}")
        if len(honest) < 2:
            raise Violation(f"{closed.session}: what {sorted(honest)} alone encrypted is open")

    def _check_combinations(self) -> None:
        rows = [row for opened in self.opened.values() for row in opened]
        sources = {source for row in rows for _, source, _ in row}
        for source in sorted(sources):
            if member := alone([_of(source, row) for row in rows]):
                raise Violation(f"the numbers of member {member} alone are open ({_name(source)})")
        least = self.toy.federation.terms.least_difference
        training = [c for c in self.opened if self.closed[c].session.startswith("round/")]
        for model in {self.closed[c].source for c in training}:
            sets = [self.closed[c].members for c in training if self.closed[c].source == model]
            rows = [{(member, model, 0): 1 for member in one} for one in sets]
            if few := smallest_support(rows, least - 1):
                raise Violation(f"of members {[m for m, *_ in few]} alone a difference is open")

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


def alone(rows: Sequence[Row]) -> int | None:
    """A member whose unknowns a combination of the rows holds and nobody else's; None without one.

    That is so exactly if the rows lose rank when all its columns are deleted.
    """
    columns = {unknown for row in rows for unknown in row}
    full = rank(rows, columns)
    for member in sorted({unknown[0] for unknown in columns}):
        if rank(rows, [c for c in columns if c[0] != member]) < full:
            return member
    return None


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
    return elimination.rank([[row.get(c, 0) for c in order] for row in rows])


def _of(source: bytes, row: Row) -> Row:
    """A row with all but one source's unknowns known."""
    return {unknown: times for unknown, times in row.items() if unknown[1] == source}


def _name(source: bytes) -> str:
    return source.decode() if source.startswith(b"statistic/") else f"model {source.hex()[:8]}"


def _text(row: Row) -> str:
    held = (f"{times}·H{m} ({_name(of)}, {place})" for (m, of, place), times in sorted(row.items()))
    return ", ".join(held) or "nobody"
