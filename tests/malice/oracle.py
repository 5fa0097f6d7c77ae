"""What has been opened, by linear algebra: exact, and independent of the hospitals' own rules.

The unknowns are what honest hospitals encrypt, number by number: of training one update for each
member and model, since what a hospital trains from one model is one update, in whatever study it
contributes it, and nearly the same from nearly the same model (tests/malice/studies.py). A study
that weighs by examples has it as many times as that hospital has examples, which the adversary
knows, and a study in which all count alike has it once: two equations for one unknown. Of
statistics each column of its numbers, whatever plans call the data. A ciphertext that the
aggregator or a colluder has put together, from whatever it has seen, is a row of multiplicities
over them; what colluders encrypt themselves is known.
It is open when those who released a part of it and the colluders are a quorum, though the parts
might be sealed to honest hospitals alone.

*Promised*, with at most f colluders:

1. in a round (a session's name), one set is opened, whatever boards are shown;
2. an opened sum holds what the honest members of its set encrypted for it, each as often as it
   counts by the plan, all from one model or of one column;
3. and that of two of them at least;
4. no combination over the rationals of all that is open, but zero, holds what one honest hospital
   alone encrypted from a model or of a column, even when that of the colluders is taken out, and if
   they knew all that was encrypted from other models and of other columns; nor, the colluders
   counted as well, of fewer than ``least_difference`` members, of whom one is honest (what a
   colluder says of what it adds is its own affair: it counts once, and as the same where the model
   or the data is. Calling two things of its own near, it has a difference of these two opened);
5. nobody's numbers are opened, and nobody helps to open any, but under a plan that it has approved
   for that; nobody's are that withdrew before the closing, and none are that are closed after the
   study's end.

Of training, the number of examples is taken for another number from each model. It is the same from
all, and follows where a hospital comes or goes: tests/protocol/rounds/test_opened_weights.py shows
that nothing else does.

The fourth holds while hospitals keep the head of the board that they have seen. The others hold
even when they lose it, as long as the ledger of chosen sets is there.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from keyshare.key.partial_decryption import combine, partial_decryption
from protocol.board.post import Post
from protocol.errors import Malformed
from protocol.messages.plan import Approval, Plan
from protocol.messages.rounds import Partial
from protocol.rounds.ciphertexts import Encrypted
from protocol.rounds.partial_payload import LockedSum
from protocol.sealing import SealingKey
from tests.malice.studies import times_of
from tests.stage import elimination
from tests.stage.toy import ToyEpoch

Place = tuple[bytes, int]  # a model and which ciphertext, or a column and 0
Unknown = tuple[int, bytes, int]  # a member's number at a place
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
    """A closing: its set and plan, and the ciphertexts that a hospital might take for its sum.

    start: the model that it is trained from, or what the plan calls its data. places: of each
    ciphertext, as the unknowns are named. gone: members of the set that had withdrawn before it,
    and is_late: whether the study had ended, on every board that has it.
    """

    session: str
    plan: Plan
    start: bytes
    places: tuple[Place, ...]
    contributions: tuple[bytes, ...]  # digests of the posts that it names
    members: frozenset[int]
    sums: tuple[Sum, ...]
    gone: frozenset[int] = frozenset()
    is_late: bool = False

    @property
    def study(self) -> str:
        return self.session.split("/")[1]


def _unchanged(source: bytes) -> bytes:
    return source


@dataclass
class Knowledge:
    """What the aggregator and the colluders have of hospitals' parts, and what that opens."""

    toy: ToyEpoch
    colluders: frozenset[int]
    keeps_heads: bool = True  # whether no hospital has lost the head of its board
    closed: dict[bytes, Closed] = field(default_factory=dict)  # by the name of the chosen set
    opened: dict[bytes, Rows] = field(default_factory=dict)  # likewise
    name_of: Callable[[bytes], bytes] = _unchanged  # of all models that are nearly one, the first
    # by member and study: the plan that it saw under this name, and what it said of it
    approved: defaultdict[tuple[int, str], list[tuple[Plan, Approval]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _parts: dict[tuple[bytes, int], dict[int, list[mpz]]] = field(default_factory=dict)

    def hear(self, post: Post) -> None:
        """An honest hospital has said something; raises Violation if it should not have."""
        body = post.body
        if not isinstance(body, Partial):
            return
        closed = self.closed.get(body.chosen)
        if closed is None:
            raise Violation(f"member {post.sender} released a part of a set that nobody closed")
        if not self._approves(post.sender, closed, opens=True):
            raise Violation(f"member {post.sender} helps with {closed.session} unasked")
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
        """As one of those opens it whom it is sealed to; a colluder, where one is."""
        sealed = {a.to: a.data for a in body.attachments if a.to}
        reader = min(sealed.keys() & self.colluders or sealed)
        sealing = SealingKey(self.toy.secrets[reader].sealing_seed)
        locked = LockedSum.of(self.toy.epoch, post.session, body.chosen, Encrypted(()))
        return locked.unseal(body, post.sender, sealed[reader], sealing, reader)

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
        for (source, place), row in zip(closed.places, self.opened[chosen], strict=True):
            times = {m: times_of(closed.plan, m) for m in honest}
            if row != {(m, source, place): times[m] for m in honest}:
                raise Violation(f"{closed.session}: the sum of {sorted(honest)} holds {_text(row)}")
        if len(honest) < 2:
            raise Violation(f"{closed.session}: what {sorted(honest)} alone encrypted is open")
        for member in sorted(honest):
            if not self._approves(member, closed, opens=False):
                raise Violation(f"{closed.session}: member {member} has not approved it")
        if closed.is_late or honest & closed.gone:
            raise Violation(f"{closed.session}: {sorted(closed.gone)} had withdrawn, or all")

    def _approves(self, member: int, closed: Closed, *, opens: bool) -> bool:
        said = self.approved[member, closed.study]
        return any(p == closed.plan and (w.open if opens else w.contribute) for p, w in said)

    def _check_combinations(self) -> None:
        rows = [self._named(row) for opened in self.opened.values() for row in opened]
        sources = {source for row in rows for _, source, _ in row}
        for source in sorted(sources):
            if member := alone([_of(source, row) for row in rows]):
                raise Violation(f"the numbers of member {member} alone are open ({_name(source)})")
        least = self.toy.federation.terms.least_difference
        lines = defaultdict[Place, list[Row]](list)
        for closed in map(self.closed.__getitem__, self.opened):
            times = {m: times_of(closed.plan, m) for m in closed.members - self.colluders}
            for source, place in dict.fromkeys(closed.places):
                named = self.name_of(source)
                of_honest = {(m, named, place): times[m] for m in times}
                own = {(m, closed.start, -1): 1 for m in closed.members & self.colluders}
                lines[named, place].append(of_honest | own)
        for found in lines.values():
            if few := smallest_support(found, least - 1, self.colluders):
                raise Violation(f"of members {[m for m, *_ in few]} alone a difference is open")

    def _named(self, row: Row) -> Row:
        found = defaultdict[Unknown, int](int)
        for (member, source, place), times in row.items():
            found[member, self.name_of(source), place] += times
        return found

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


def smallest_support(
    rows: Sequence[Row], most: int, colluders: frozenset[int] = frozenset()
) -> tuple[Unknown, ...] | None:
    """The fewest unknowns, ``most`` or fewer, of a combination of the rows that honest ones are in.

    The combinations within T are as many as the ranks that the rows lose when the columns of T are
    deleted. Honest unknowns are in some of them exactly if these are more than the combinations
    within the colluders' part of T.
    """
    columns = sorted({unknown for row in rows for unknown in row})
    full = rank(rows, columns)

    def within(support: Collection[Unknown]) -> int:
        return full - rank(rows, [c for c in columns if c not in support])

    for size in range(1, most + 1):
        for support in itertools.combinations(columns, size):
            if within(support) and within(support) > within(
                [unknown for unknown in support if unknown[0] in colluders]
            ):
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
    is_text = source.startswith((b"column", b"beyond"))
    return source.decode() if is_text else f"model {source.hex()[:8]}"


def _text(row: Row) -> str:
    held = (f"{times}·H{m} ({_name(of)}, {place})" for (m, of, place), times in sorted(row.items()))
    return ", ".join(held) or "nobody"
