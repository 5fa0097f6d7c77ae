"""What a combination of sums shows of too few members: linear algebra alone.

What a member adds is a *variable*; a sum is a *row*, the set of variables that it adds, each once.
Rows are compared over the rationals: a combination may subtract a sum, or take a third of it.

*The question*: is there a combination w = S - Σ a_j·P_j, w ≠ 0, of a sum S and others P_j, that
holds variables of fewer than ``least`` members? Let H be a matrix whose kernel is the span of the
P_j. Then there is a w with variables of the members M alone if and only if

    H·S is a combination of the columns of H that belong to M,         if H·S ≠ 0,
    or those columns are linearly dependent,          if H·S = 0, so that S is in the span itself.

So all sets M of fewer than ``least`` members are tried, one member more at a time, each with an
elimination that goes on from that of the set before. Members whose columns are alike in all rows
are in a combination together or not at all, and count as one.

*Exactness.* Eliminations are made modulo a prime p. Every question above is whether some minors of
the matrix of all rows are zero. Its entries are 0 and 1, so that a minor of order k is at most
(k+1)^((k+1)/2) / 2^k [Hadamard], and there is none, but zero, of a higher order than there are
different rows or different columns. p is the first Mersenne prime above that: then a minor is zero
modulo p if and only if it is zero. Where no prime of ``_EXPONENTS`` is large enough, or the search
would cost more than ``EFFORT``, nothing is decided, and the sum counts as one that shows too few.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from protocol.terms import Terms

Members = frozenset[int]
Variable = tuple[int, Hashable]  # a member, and what it added
Row = frozenset[Variable]
_NOBODY = Members()

_EXPONENTS = (61, 127, 521, 1_279, 2_203)  # of Mersenne primes; for 36 to some 600 rows
EFFORT = 6_000_000  # multiplications for one sum, 1 s or so
_LISTED = 4_096  # choices of a set
_CHOICES = 64  # of who may be waited for
_MAX_NAMES, _MAX_ROUNDS, _MAX_REASON = 180, 160, 500  # characters


@dataclass(frozen=True)
class Difference:
    """The sum of a round, with those of ``rounds``, shows what ``members`` alone have added.

    Nobody is in ``members`` where so many sums are compared that nothing was decided.
    """

    rounds: tuple[str, ...]
    members: tuple[int, ...]

    @property
    def member(self) -> int:
        """One of the members, for a refusal; 0 where there are none."""
        return self.members[0] if self.members else 0

    def reason(self, terms: Terms) -> str:
        """The same in words, as long as the board takes it."""
        rounds = ", ".join(self.rounds)
        if len(rounds) > _MAX_ROUNDS:
            rounds = f"{len(self.rounds)} other rounds"
        if not self.members:
            reason = f"it is too much work to tell what it shows with the sums of {rounds}"
            return reason[:_MAX_REASON]
        names = ", ".join(map(terms.name_of, self.members))
        if len(names) > _MAX_NAMES:
            names = "members " + ", ".join(map(str, self.members))
        reason = (
            f"with the sum of {rounds} it shows what {names} alone added; the terms ask for "
            f"{terms.least_difference} members or none"
        )
        return reason[:_MAX_REASON]


@dataclass(frozen=True)
class Sums:
    """Other sums, by the names of their rounds: what each holds, and which are surely open.

    ``possible`` has all that may be open; ``released`` are the names of those that are.
    """

    possible: Mapping[str, Row] = field(default_factory=dict)
    released: frozenset[str] = frozenset()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All different rows that may be open."""
        return tuple(dict.fromkeys(self.possible.values()))

    @property
    def sure(self) -> tuple[Row, ...]:
        """All different rows that are open."""
        return tuple(dict.fromkeys(self.possible[name] for name in sorted(self.released)))


class Effort:
    """How much has been computed, in multiplications; raises TooMuch beyond the limit."""

    def __init__(self, limit: int = EFFORT) -> None:
        self.limit, self.spent = limit, 0

    def spend(self, count: int) -> None:
        self.spent += count
        if self.spent > self.limit:
            raise TooMuch


class TooMuch(Exception):  # never leaves this module
    """More work than allowed, or more rows than a prime is known for."""


def isolated(row: Row, others: Sums, least: int, effort: Effort | None = None) -> Difference | None:
    """Fewer than ``least`` members whose variables come out of a sum and the others.

    The fewest, and of several the first; with as few other sums as they need. None if there are no
    such members, or if the sum is a combination of sums that are open for sure: it shows nothing
    new then, whatever the others are.
    """
    effort = effort or Effort()
    try:
        if not others.possible or _Span.of(others.sure, row, effort).holds(row):
            return None
        found = _fewest(row, others.rows, least, effort)
        if found is None:
            return None
        return Difference(_needed(row, others, found, effort), tuple(sorted(found)))
    except TooMuch:
        return Difference(tuple(others.possible), ())


def largest(
    members: Members,
    own: Mapping[int, Variable],
    others: Sums,
    least: int,
    fewest: int,
    limit: int = 2 * EFFORT,
) -> Members:
    """The largest set of ``fewest`` members or more, among these, that isolates nobody.

    own: what each member adds. Of several the first; empty if there is none. Members whose
    variables are alike in all other sums are interchangeable, so that only their numbers are tried,
    the largest first, and no more of them than ``limit`` allows: who voids round after round must
    not stop the aggregator. That leaves larger sets out in federations of ten and more with many
    other sums, if at all; a set whose sum is open already is always found.
    """
    groups = _interchangeable(members, own, others.rows)
    counts = itertools.product(*(range(len(group), -1, -1) for group in groups))
    enough = (one for one in itertools.islice(counts, _LISTED) if sum(one) >= fewest)
    spent = 0
    for numbers in sorted(enough, key=sum, reverse=True):
        chosen = Members(m for group, k in zip(groups, numbers, strict=True) for m in group[:k])
        effort = Effort()
        if isolated(_row(chosen, own), others, least, effort) is None:
            return chosen
        spent += effort.spent
        if spent > limit:
            break
    sets = (Members(member for member, _ in row) for row in others.rows)
    same = [one for one in sets if one <= members and len(one) >= fewest]
    same = [one for one in same if isolated(_row(one, own), others, least) is None]
    return max(same, key=len, default=_NOBODY)


def fewest_missing(
    members: Members,
    absent: Members,
    own: Mapping[int, Variable],
    others: Sums,
    least: int,
    fewest: int,
) -> Members:
    """The fewest absent ones with whom there is a set for ``largest``; of several the first.

    own: of members and absent ones. Empty if nobody's coming helps. No more choices are tried than
    ``_CHOICES`` over the number of other sums: beyond that it is who is missing of one of those.
    """
    everybody = members | absent
    rows = [row for row in others.rows if row <= _row(everybody, own)]
    completions = (Members(m for m, _ in row) - members for row in rows)
    possible = (one for one in completions if one)
    best = min(possible, key=lambda one: (len(one), sorted(one)), default=_NOBODY)
    sizes = range(1, len(best) or len(absent) + 1)
    choices = (c for size in sizes for c in itertools.combinations(sorted(absent), size))
    for choice in itertools.islice(choices, _CHOICES // max(1, len(others.rows))):
        limit = 2 * EFFORT // _CHOICES
        if largest(members.union(choice), own, others, least, fewest, limit):
            return Members(choice)
    return best


def _row(members: Iterable[int], own: Mapping[int, Variable]) -> Row:
    return frozenset(own[member] for member in members)


def _interchangeable(
    members: Members, own: Mapping[int, Variable], rows: Sequence[Row]
) -> list[list[int]]:
    """These members, grouped by where their own variable and their other ones occur."""
    columns = _columns(rows)
    found = defaultdict[Hashable, list[int]](list)
    for member in sorted(members):
        others = frozenset(c for v, c in columns.items() if v[0] == member and v != own[member])
        found[columns.get(own[member], 0), others].append(member)
    return list(found.values())


def _columns(rows: Sequence[Row]) -> dict[Variable, int]:
    """The rows that each variable occurs in, as bits."""
    found = defaultdict[Variable, int](int)
    for k, row in enumerate(rows):
        for variable in row:
            found[variable] |= 1 << k
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[1])))


# ── the search ──


def _fewest(row: Row, rows: Sequence[Row], least: int, effort: Effort) -> Members | None:
    """The fewest members, fewer than ``least``, for whom there is a combination; of several one."""
    span = _Span.of(rows, row, effort)
    search = _Search(span.prime, least - 1, effort)
    checks = span.checks()
    target = span.image(row, checks)
    search.groups = [
        (members, [checks[v] for v in span.variables if v[0] in members])
        for members in _alike([*rows, row])
    ]
    search.go_on(0, _NOBODY, (), target, is_known=not any(target))
    return search.found


def _alike(rows: Sequence[Row]) -> list[Members]:
    """Members by where their variables occur, in the order of their first ones."""
    of_member = defaultdict[int, list[int]](list)
    for (member, _), column in _columns(rows).items():
        of_member[member].append(column)
    groups = defaultdict[Hashable, list[int]](list)
    for member, columns in of_member.items():
        groups[tuple(columns)].append(member)
    return [frozenset(group) for group in groups.values()]


Vector = list[int]
Basis = tuple[tuple[int, Vector], ...]  # each with the place of its first nonzero entry, which is 1


@dataclass
class _Search:
    """Unions of groups, depth first; ``most`` shrinks as soon as a smaller one is found."""

    prime: int
    most: int
    effort: Effort
    groups: list[tuple[Members, list[Vector]]] = field(default_factory=list)
    found: Members | None = None

    def go_on(
        self, first: int, members: Members, basis: Basis, residue: Vector, *, is_known: bool
    ) -> None:
        """Try all unions of these members with groups from the first on.

        basis, residue: of the members' columns, and what is left of H·S. is_known: H·S = 0.
        """
        for k in range(first, len(self.groups)):
            group, columns = self.groups[k]
            union = members | group
            if len(union) > self.most:
                continue
            wider, dependent = self._extended(basis, columns)
            left = self._reduced(residue, wider[len(basis) :])
            if dependent if is_known else not any(left):
                self.found, self.most = union, len(union) - 1
            else:
                self.go_on(k + 1, union, wider, left, is_known=is_known)

    def _extended(self, basis: Basis, columns: Iterable[Vector]) -> tuple[Basis, bool]:
        """The basis with more columns, and whether one of them was in it already."""
        dependent = False
        for column in columns:
            vector = self._reduced(column, basis)
            lead = next((k for k, value in enumerate(vector) if value), None)
            if lead is None:
                dependent = True
            else:
                inverse = pow(vector[lead], -1, self.prime)
                basis = (*basis, (lead, [value * inverse % self.prime for value in vector]))
        return basis, dependent

    def _reduced(self, vector: Vector, basis: Basis) -> Vector:
        """A vector less its part in the basis; each of it is 0 at the leads before it."""
        self.effort.spend(len(basis) * len(vector) + 1)
        prime = self.prime
        for lead, other in basis:
            if factor := vector[lead]:
                vector = [(a - factor * b) % prime for a, b in zip(vector, other, strict=True)]
        return vector


@dataclass(frozen=True)
class _Span:
    """All combinations of some rows, in reduced echelon form modulo a prime."""

    variables: tuple[Variable, ...]
    prime: int
    pivots: dict[int, Vector]  # by the place of the first nonzero entry, which is 1

    @classmethod
    def of(cls, rows: Collection[Row], row: Row, effort: Effort, but: Members = _NOBODY) -> "_Span":
        """Of these rows, over their variables and those of ``row``, but those of some members.

        Raises TooMuch.
        """
        columns = _columns([*rows, row])
        variables = tuple(variable for variable in columns if variable[0] not in but)
        order = min(len({*rows, row}), len(set(columns.values())))
        found = cls(variables, _prime_for(order), {})
        for one in rows:
            found._add(one, effort)
        return found

    def _add(self, row: Row, effort: Effort) -> None:
        vector = self._reduced(row)
        effort.spend(2 * len(self.pivots) * len(vector) + 1)
        lead = next((k for k, value in enumerate(vector) if value), None)
        if lead is None:
            return
        inverse = pow(vector[lead], -1, self.prime)
        new = [value * inverse % self.prime for value in vector]
        for place, other in self.pivots.items():
            if factor := other[lead]:
                self.pivots[place] = self._less(other, factor, new)
        self.pivots[lead] = new

    def _reduced(self, row: Row) -> Vector:
        """A row less its part in the span."""
        vector = [int(variable in row) for variable in self.variables]
        for lead, other in self.pivots.items():
            if factor := vector[lead]:
                vector = self._less(vector, factor, other)
        return vector

    def _less(self, vector: Vector, factor: int, other: Vector) -> Vector:
        return [(a - factor * b) % self.prime for a, b in zip(vector, other, strict=True)]

    def holds(self, row: Row) -> bool:
        """Whether a row is a combination."""
        return not any(self._reduced(row))

    def checks(self) -> dict[Variable, Vector]:
        """The column of H that belongs to each variable: H·v = 0 if and only if v is in the span.

        H has a row for every place k without a pivot: v_k - Σ v_pivot·(the pivot's entry at k).
        """
        free = [k for k in range(len(self.variables)) if k not in self.pivots]
        found = {}
        for place, variable in enumerate(self.variables):
            pivot = self.pivots.get(place)
            found[variable] = (
                [int(place == k) for k in free]
                if pivot is None
                else [-pivot[k] % self.prime for k in free]
            )
        return found

    def image(self, row: Row, checks: Mapping[Variable, Vector]) -> Vector:
        """H·row."""
        columns = [checks[variable] for variable in row]
        return [sum(entries) % self.prime for entries in zip(*columns, strict=True)]


def _needed(row: Row, others: Sums, members: Members, effort: Effort) -> tuple[str, ...]:
    """Names of other sums with which these members come out, none of which can be left out."""
    needed = dict(others.possible)
    for name in others.possible:
        rest = {k: v for k, v in needed.items() if k != name}
        if _comes_out(row, tuple(dict.fromkeys(rest.values())), members, effort):
            needed = rest
    return tuple(needed)


def _comes_out(row: Row, rows: Sequence[Row], members: Members, effort: Effort) -> bool:
    """Whether a combination other than 0 of a sum and some rows has variables of these alone."""
    outside = _Span.of(rows, row, effort, but=members)
    if not outside.holds(row):
        return False
    span = _Span.of(rows, row, effort)
    return not span.holds(row) or len(outside.pivots) < len(span.pivots)


def _prime_for(order: int) -> int:
    """The first Mersenne prime above every minor of zeros and ones of this order, or TooMuch."""
    for exponent in _EXPONENTS:
        prime = (1 << exponent) - 1
        if (order + 1) ** (order + 1) < 4**order * prime**2:
            return prime
    raise TooMuch
