"""What a sum shows of too few members, with others that may be open; and which sums show nothing.

Of rows and variables: protocol/rounds/span.py; of what may be open: protocol/rounds/history.py.
That a sum has the row of one that is open excuses nothing. What cannot be decided counts as a sum
that shows too few.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from protocol.rounds.span import (
    EFFORT,
    NOBODY,
    Effort,
    Members,
    Row,
    Span,
    TooMuch,
    Variable,
    columns_of,
    fewest,
)
from protocol.terms import Terms

Sums = Mapping[str, Row]  # others that may be open: what each holds, by the name of its round

_LISTED = 4_096  # choices of a set
_CHOICES = 64  # of who may be waited for
_MAX_NAMES, _MAX_ROUNDS, _MAX_REASON = 180, 160, 500  # characters


@dataclass(frozen=True)
class Difference:
    """The sum of a round, with those of ``rounds``, shows what ``members`` alone have added.

    gone: the names of those among them who have left the federation. Nobody is named where so many
    sums are compared that nothing was decided.
    """

    rounds: tuple[str, ...]
    members: tuple[int, ...]
    gone: tuple[str, ...] = ()

    @property
    def member(self) -> int:
        """One of the members, for a refusal; 0 where there are none, or all have left."""
        return self.members[0] if self.members else 0

    def with_gone(self, n_here: int, name_of: Callable[[int], str]) -> "Difference":
        """With the names of hospitals that have left, in place of their numbers."""
        here = tuple(m for m in self.members if m <= n_here)
        gone = tuple(name_of(m) for m in self.members if m > n_here)
        return replace(self, members=here, gone=gone)

    def reason(self, terms: Terms) -> str:
        """The same in words, as long as the board takes it."""
        rounds = ", ".join(self.rounds)
        if len(rounds) > _MAX_ROUNDS:
            rounds = f"{len(self.rounds)} other rounds"
        if not (self.members or self.gone):
            reason = f"it is too much work to tell what it shows with the sums of {rounds}"
            return reason[:_MAX_REASON]
        names = ", ".join([*map(terms.name_of, self.members), *self.gone])
        if len(names) > _MAX_NAMES:
            numbers = [*map(str, self.members), *["one that has left"] * len(self.gone)]
            names = "members " + ", ".join(numbers)
        reason = (
            f"with the sum of {rounds} it shows what {names} alone added; the terms ask for "
            f"{terms.least_difference} members or none"
        )
        return reason[:_MAX_REASON]


def isolated(row: Row, others: Sums, least: int, effort: Effort | None = None) -> Difference | None:
    """Fewer than ``least`` members whose variables come out of a sum and the others.

    The fewest, and of several the first; with as few other sums as they need. None if there are no
    such members.
    """
    effort = effort or Effort()
    rows = _relevant(row, _different(others), least)
    named = {name: one for name, one in others.items() if one in rows}
    try:
        if not rows or (found := fewest(row, rows, least, effort)) is None:
            return None
        return Difference(_needed(row, named, found, effort), tuple(sorted(found)))
    except TooMuch:
        return Difference(tuple(named), ())


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
    other sums, if at all; the sets of these sums are tried always.
    """
    groups = _interchangeable(members, own, _different(others))
    counts = itertools.product(*(range(len(group), -1, -1) for group in groups))
    enough = (one for one in itertools.islice(counts, _LISTED) if sum(one) >= fewest)
    spent = 0
    for numbers in sorted(enough, key=sum, reverse=True):
        chosen = Members(m for group, k in zip(groups, numbers, strict=True) for m in group[:k])
        effort = Effort(EFFORT // 8)  # what is decided with less is decided alike
        if isolated(_row(chosen, own), others, least, effort) is None:
            return chosen
        spent += effort.spent
        if spent > limit:
            break
    sets = (Members(member for member, _ in row) for row in _different(others))
    same = [one for one in sets if one <= members and len(one) >= fewest]
    same = [one for one in same if isolated(_row(one, own), others, least) is None]
    return max(same, key=len, default=NOBODY)


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
    rows = _different(others)
    within = [row for row in rows if row <= _row(everybody, own)]
    completions = (Members(m for m, _ in row) - members for row in within)
    possible = (one for one in completions if one)
    best = min(possible, key=lambda one: (len(one), sorted(one)), default=NOBODY)
    sizes = range(1, len(best) or len(absent) + 1)
    choices = (c for size in sizes for c in itertools.combinations(sorted(absent), size))
    for choice in itertools.islice(choices, _CHOICES // max(1, len(rows))):
        limit = 2 * EFFORT // _CHOICES
        if largest(members.union(choice), own, others, least, fewest, limit):
            return Members(choice)
    return best


def _different(others: Sums) -> tuple[Row, ...]:
    return tuple(dict.fromkeys(others.values()))


def _relevant(row: Row, rows: Sequence[Row], least: int) -> tuple[Row, ...]:
    """The rows that a combination of fewer than ``least`` members may need, beside this one.

    A row is needed in none if it has variables of so many members that no other row has. Without
    it the same may be true of others, and they may share no variable with the sum any more. So a
    liar that calls everything near connects no sums but through itself, and they are left out.
    """
    left = dict.fromkeys(rows)
    changed = True
    while changed:
        times = Counter(variable for one in (row, *left) for variable in one)
        own = {one: {m for m, k in one if times[m, k] == 1} for one in left}
        left = {one: None for one in left if len(own[one]) < least}
        changed = len(left) < len(own)
    found: list[Row] = []
    variables, waiting = set(row), list(left)
    while near := [one for one in waiting if not variables.isdisjoint(one)]:
        found += near
        variables.update(*near)
        waiting = [one for one in waiting if one not in near]
    return tuple(one for one in left if one in found)


def _row(members: Iterable[int], own: Mapping[int, Variable]) -> Row:
    return frozenset(own[member] for member in members)


def _interchangeable(
    members: Members, own: Mapping[int, Variable], rows: Sequence[Row]
) -> list[list[int]]:
    """These members, grouped by where their own variable and their other ones occur."""
    columns = columns_of(rows)
    found = defaultdict[Hashable, list[int]](list)
    for member in sorted(members):
        others = frozenset(c for v, c in columns.items() if v[0] == member and v != own[member])
        found[columns.get(own[member], 0), others].append(member)
    return list(found.values())


def _needed(
    row: Row, named: Mapping[str, Row], members: Members, effort: Effort
) -> tuple[str, ...]:
    """Names of other sums with which these members come out, none of which can be left out."""
    needed = dict(named)
    for name in named:
        rest = {k: v for k, v in needed.items() if k != name}
        if _comes_out(row, tuple(dict.fromkeys(rest.values())), members, effort):
            needed = rest
    return tuple(needed)


def _comes_out(row: Row, rows: Sequence[Row], members: Members, effort: Effort) -> bool:
    """Whether a combination other than 0 of a sum and some rows has variables of these alone."""
    outside = Span.of(rows, row, effort, but=members)
    if not outside.holds(row):
        return False
    span = Span.of(rows, row, effort)
    return not span.holds(row) or len(outside.pivots) < len(span.pivots)
