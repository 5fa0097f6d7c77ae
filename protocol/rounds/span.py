"""The span of sums, exactly: whether a sum is a combination of others, and who is held by which.

What a member adds is a *variable*; a sum is a *row*, the set of variables that it adds, each once.
Rows are compared over the rationals: a combination may subtract a sum, or take a third of it.

*The question* (``fewest``): is there a combination w = S - Σ a_j·P_j, w ≠ 0, of a sum S and others
P_j, that holds variables of fewer than ``least`` members? Let H be a matrix whose kernel is the
span of the P_j. Then there is a w with variables of the members M alone if and only if

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
would cost more than it may, nothing is decided (TooMuch).
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Members = frozenset[int]
Variable = tuple[int, Hashable]  # a member, and what it added
Row = frozenset[Variable]
Vector = list[int]
Basis = tuple[tuple[int, Vector], ...]  # each with the place of its first nonzero entry, which is 1
NOBODY = Members()

_EXPONENTS = (61, 127, 521, 1_279, 2_203)  # of Mersenne primes; for 36 to some 600 rows
EFFORT = 6_000_000  # multiplications for one sum, some 3 s


class Effort:
    """How much has been computed, in multiplications; raises TooMuch beyond the limit."""

    def __init__(self, limit: int = EFFORT) -> None:
        self.limit, self.spent = limit, 0

    def spend(self, count: int) -> None:
        self.spent += count
        if self.spent > self.limit:
            raise TooMuch


class TooMuch(Exception):
    """More work than allowed, or more rows than a prime is known for."""


def fewest(row: Row, rows: Sequence[Row], least: int, effort: Effort) -> Members | None:
    """The fewest members, fewer than ``least``, for whom there is a combination; of several one."""
    span = Span.of(rows, row, effort)
    search = _Search(span.prime, least - 1, effort)
    checks = span.checks()
    target = span.image(row, checks)
    search.groups = [
        (members, [checks[v] for v in span.variables if v[0] in members])
        for members in _alike([*rows, row])
    ]
    search.go_on(0, NOBODY, (), target, is_known=not any(target))
    return search.found


def _alike(rows: Sequence[Row]) -> list[Members]:
    """Members by where their variables occur, in the order of their first ones."""
    of_member = defaultdict[int, list[int]](list)
    for (member, _), column in columns_of(rows).items():
        of_member[member].append(column)
    groups = defaultdict[Hashable, list[int]](list)
    for member, columns in of_member.items():
        groups[tuple(columns)].append(member)
    return [frozenset(group) for group in groups.values()]


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
        self.effort.spend(len(basis) + 1)
        prime = self.prime
        for lead, other in basis:
            if factor := vector[lead]:
                self.effort.spend(len(vector))
                vector = [(a - factor * b) % prime for a, b in zip(vector, other, strict=True)]
        return vector


@dataclass(frozen=True)
class Span:
    """All combinations of some rows, in reduced echelon form modulo a prime."""

    variables: tuple[Variable, ...]
    prime: int
    pivots: dict[int, Vector]  # by the place of the first nonzero entry, which is 1

    @classmethod
    def of(cls, rows: Collection[Row], row: Row, effort: Effort, but: Members = NOBODY) -> "Span":
        """Of these rows, over their variables and those of ``row``, but those of some members.

        Raises TooMuch.
        """
        columns = columns_of([*rows, row])
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


def columns_of(rows: Sequence[Row]) -> dict[Variable, int]:
    """The rows that each variable occurs in, as bits."""
    found = defaultdict[Variable, int](int)
    for k, row in enumerate(rows):
        for variable in row:
            found[variable] |= 1 << k
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[1])))


def _prime_for(order: int) -> int:
    """The first Mersenne prime above every minor of zeros and ones of this order, or TooMuch."""
    for exponent in _EXPONENTS:
        prime = (1 << exponent) - 1
        if (order + 1) ** (order + 1) < 4**order * prime**2:
            return prime
    raise TooMuch
