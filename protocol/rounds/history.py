"""The sums from one model that have been opened, and what a combination of them would show.

As long as the model stays, every hospital's update is what it was: the sum of round 3 less that of
round 4 is the update of whoever was in one of them alone, though each sum by itself held enough.
The model stays after a round that was void, and begins anew with ``--new-model-after``.

*The rule* (``differencing``). Let S_1, …, S_m be the contributors of the sums from one model that
may be open, as vectors of zeros and ones over the members, and S those of the sum to be opened.
Unless S is itself a combination of the S_j over the rationals (the same set again, say), S - Σ a_j
S_j must be nonzero at ``min_difference`` members or more, whatever the a_j. For m = 1 that is the
symmetric difference. Pairs are not enough: {1,2,3} + {1,4,5} - {2,3,4,5} is twice the update of 1.
Since a set alone has ``min_contributors`` >= ``min_difference`` members, it follows by induction:
*no combination of opened sums from one model, but zero, holds fewer than ``min_difference``
members*. It is max(f, 1) + 2 at least: f colluders, or one hospital for itself, who take out their
own are left with two others. All this takes a member to add the same to every sum from one model:
hence nobody scales an update by a round's bounds (participant/rounds/contribution.py). A sum in
which somebody blinded its part shows none, and counts all the same: a liar can have it look so.

*What may be open*: a set that anybody has locked on this board, in any other round, before or
after, of any key: a sum under an older key can be subtracted as well. More than (n+f)/2 locks open
a set, so that any two that are open, on whatever boards an aggregator shows, have an honest locker
in common. A hospital has one board, with all its locks in their order: whoever sees one of the two
locks in time sees the other. To count only what enough have locked here, and one's own locks, is
too little: of three sets, one hospital may know two, another one other two
(tests/attacks/rounds/test_three_boards.py). That more than three sets cannot be spread over boards
so that nobody sees all of them is not proved. The price: the lock of one liar counts, too.

*What it does not promise.* A hospital's weight, its number of examples, is the same from every
model, and the sum of the weights is opened with every sum: who comes or goes between two rounds of
whatever models shows it. Averages leak something about their inputs, more with every round whose
contributors vary: updates change little from round to round when a model has converged, so that
sums from nearly equal models can nearly be subtracted. Bounded participation over many rounds is
another matter [So et al., "Securing Secure Aggregation", arXiv 2106.03328]. Statistics are not
covered, since nobody can see whether two of them are over the same data.
"""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyshare.errors import BadParameters
from protocol.board import Board, Posted, Studies, read_session
from protocol.rounds.statistic import NO_MODEL
from protocol.rounds.view import RoundView
from protocol.terms import Terms

Members = frozenset[int]
_NOBODY = Members()

_PRIME = (1 << 31) - 1
# It is above every determinant of zeros and ones of this order [Hadamard: (n+1)^((n+1)/2) / 2^n],
# so that ranks modulo it are those over the rationals.
_MAX_ORDER = max(n for n in range(1, 64) if (n + 1) ** (n + 1) < 4**n * _PRIME**2)
_LISTED = 4_096  # choices of a set
_EFFORT = 60_000  # eliminations, 1 to 2 s at worst
_CHOICES = 64  # of who may be waited for
_MAX_NAMES, _MAX_REASON = 180, 500  # characters


@dataclass(frozen=True)
class Difference:
    """The sum of a round, with those of ``rounds``, shows what ``members`` alone have added."""

    rounds: tuple[str, ...]
    members: tuple[int, ...]

    def reason(self, terms: Terms) -> str:
        """The same in words, as long as the board takes it."""
        names = ", ".join(map(terms.name_of, self.members))
        if len(names) > _MAX_NAMES:
            names = "members " + ", ".join(map(str, self.members))
        reason = (
            f"with the sum of round {', '.join(self.rounds)}, from the same model, it shows what "
            f"{names} alone added; the terms ask for {terms.least_difference} members or none"
        )
        return reason[:_MAX_REASON]


class OpenedSets:
    """All rounds of a board, for the sums from one model that may be open; idle until asked.

    A function of the entries, so that a restart changes nothing.
    """

    def __init__(
        self,
        terms: Terms,
        studies: Studies | None = None,
        views: dict[str, RoundView] | None = None,
    ) -> None:
        """views: by session, where somebody else keeps them; then no entries are read here."""
        self._terms, self._studies = terms, studies
        self._entries, self._read = list[Posted](), 0
        self._views = {} if views is None else views
        self._closable: tuple[tuple[object, ...], Members] | None = None  # the last answer
        self._awaited: tuple[tuple[object, ...], Members] | None = None

    def follow(self, board: Board) -> None:
        """Read this board: all entries that are there, and those that will be when it is asked."""
        self._entries, self._read, self._studies = board.entries, 0, board.studies
        self._views.clear()

    def difference(self, view: RoundView) -> Difference | None:
        """What the sum that the round's closing chose would show of too few; None if nothing.

        view: a round with opening and closing; its set is taken as it is said there.
        """
        opening = view.terms_of_opening
        if opening is None or view.closing is None or opening.model == NO_MODEL:
            return None
        opened, chosen = self._opened(opening.model, view.session), Members(view.contributors)
        return isolated(chosen, opened, self._terms.least_difference)

    def binds(self, view: RoundView) -> bool:
        """Whether a sum from the round's model may be open already."""
        opening = view.terms_of_opening
        if opening is None or opening.model == NO_MODEL:
            return False
        return bool(self._opened_from_model_of(view))

    def closable(self, view: RoundView, members: Members) -> Members:
        """Those of the contributors over whom the round may be closed now.

        All of them, if hospitals help with that sum, or the largest set among them with whose sum
        they do. Nobody if there is no such set of enough members: then the round is *held back*,
        and those whom ``awaited`` names are to be waited for.
        """
        if not self.binds(view):
            return members
        opened = self._opened_from_model_of(view)
        asked = (view.session, members, frozenset(opened.values()))
        if self._closable is None or self._closable[0] != asked:
            terms = self._terms
            found = largest(members, opened, terms.least_difference, terms.least_contributors)
            self._closable = asked, found
        return self._closable[1]

    def awaited(self, view: RoundView, members: Members) -> Members:
        """The fewest who would have to contribute too for the round to be closed.

        members: whose contributions can be added. Nobody, if it takes one whose only contribution,
        the first, cannot be.
        """
        opened = self._opened_from_model_of(view)
        absent = frozenset(range(1, self._terms.n_members + 1)) - view.contributions.keys()
        asked = (view.session, members, absent, frozenset(opened.values()))
        if self._awaited is None or self._awaited[0] != asked:
            terms = self._terms
            floors = terms.least_difference, terms.least_contributors
            self._awaited = asked, fewest_missing(members, absent, opened, *floors)
        return self._awaited[1]

    def opened_from(self, model: bytes) -> tuple[str, ...]:
        """The rounds from a model whose sums may be open, by name."""
        return tuple(self._opened(model, ""))

    def _opened_from_model_of(self, view: RoundView) -> dict[str, Members]:
        opening = view.terms_of_opening
        assert opening is not None
        return self._opened(opening.model, view.session)

    def _opened(self, model: bytes, but: str) -> dict[str, Members]:
        """The contributors of other rounds' sums from a model that may be open, by round name."""
        self._catch_up()
        found = {}
        for session, view in self._views.items():
            opening = view.terms_of_opening
            if session == but or opening is None or view.closing is None:
                continue
            if opening.model == model and self._may_be_open(view):
                found[view.name] = Members(view.contributors)
        return found

    def _may_be_open(self, view: RoundView) -> bool:
        return view.chosen(self._terms.federation) in view.locks.values()

    def _catch_up(self) -> None:
        for posted in itertools.islice(self._entries, self._read, None):
            self._read += 1
            session = posted.post.session
            if read_session(session).kind == "round":
                view = self._views.setdefault(session, RoundView(session))
                view.receive(posted)


def isolated(chosen: Members, opened: Mapping[str, Members], least: int) -> Difference | None:
    """Fewer than ``least`` members whose updates come out of a sum and the opened ones.

    The fewest, and of several the first; with as few opened sums as they need. None if there are
    no such members, or if the sum is a combination of the opened ones and shows nothing new.
    """
    known = list(opened.values())
    everybody = frozenset.union(chosen, *known)
    if not known or _is_combination(chosen, known, everybody):
        return None
    for members in _unions(_alike([*known, chosen]), least):
        others = everybody - members
        if _is_combination(chosen, known, others):
            needed = dict(opened)
            for name in opened:
                rest = {k: v for k, v in needed.items() if k != name}
                if _is_combination(chosen, list(rest.values()), others):
                    needed = rest
            return Difference(tuple(needed), tuple(sorted(members)))
    return None


def largest(
    members: Members, opened: Mapping[str, Members], least: int, fewest: int, effort: int = _EFFORT
) -> Members:
    """The largest set of ``fewest`` members or more, among these, that isolates nobody.

    Of several the first; empty if there is none. Members who were in the same opened sums are
    interchangeable, so that only their numbers are tried, the largest first, and no more of them
    than ``effort`` allows, in eliminations: who voids round after round must not stop the
    aggregator. That leaves larger sets out in federations of ten and more with many opened sums of
    one model, if at all; a set whose sum is open already is always found.
    """
    known = list(dict.fromkeys(opened.values()))
    groups = [sorted(found) for one in _alike([*known, members]) if (found := one & members)]
    counts = itertools.product(*(range(len(group), -1, -1) for group in groups))
    enough = (one for one in itertools.islice(counts, _LISTED) if sum(one) >= fewest)
    spent = 0
    for numbers in sorted(enough, key=sum, reverse=True):
        chosen = Members(m for group, k in zip(groups, numbers, strict=True) for m in group[:k])
        if isolated(chosen, opened, least) is None:
            return chosen
        spent += len(_unions(_alike([*known, chosen]), least))
        if spent > effort:
            break
    same = [one for one in known if one <= members and len(one) >= fewest]
    return max(same, key=len, default=_NOBODY)


def fewest_missing(
    members: Members, absent: Members, opened: Mapping[str, Members], least: int, fewest: int
) -> Members:
    """The fewest absent ones with whom there is a set for ``largest``; of several the first.

    Empty if nobody's coming helps. No more choices are tried than ``_CHOICES`` over the number of
    opened sets: beyond that, in large federations, it is who is missing of one of those.
    """
    completions = (one - members for one in opened.values())
    possible = (one for one in completions if one and one <= absent)
    best = min(possible, key=lambda one: (len(one), sorted(one)), default=_NOBODY)
    sizes = range(1, len(best) or len(absent) + 1)
    choices = (c for size in sizes for c in itertools.combinations(sorted(absent), size))
    for choice in itertools.islice(choices, _CHOICES // max(1, len(opened))):
        if largest(members.union(choice), opened, least, fewest, _EFFORT // _CHOICES):
            return Members(choice)
    return best


def _alike(sets: Sequence[Members]) -> list[Members]:
    """Members by the sets that they are in: a combination holds all of a group alike or none."""
    groups: defaultdict[tuple[bool, ...], set[int]] = defaultdict(set)
    for member in sorted(frozenset.union(*sets)):
        groups[tuple(member in one for one in sets)].add(member)
    return [frozenset(group) for group in groups.values()]


def _unions(groups: Sequence[Members], below: int) -> list[Members]:
    """Unions of groups with fewer than ``below`` members, the smallest first."""
    found = [frozenset[int]()]
    for group in groups:
        found += [one | group for one in found if len(one | group) < below]
    return sorted(found[1:], key=lambda one: (len(one), sorted(one)))


def _is_combination(chosen: Members, known: Sequence[Members], among: Members) -> bool:
    """Whether ``chosen`` is a rational combination of ``known``, members outside ``among`` aside.

    By elimination modulo ``_PRIME``; raises BadParameters for more members than it is exact for.
    """
    order = sorted(among)
    if len(order) > _MAX_ORDER:
        raise BadParameters("members", len(order), f"up to {_MAX_ORDER} in sums that are compared")
    basis: dict[int, list[int]] = {}  # by the place of the first nonzero entry, which is 1
    for one in known:
        row = _reduced([int(m in one) for m in order], basis)
        lead = next((k for k, value in enumerate(row) if value), None)
        if lead is not None:
            inverse = pow(row[lead], -1, _PRIME)
            basis[lead] = [value * inverse % _PRIME for value in row]
    return not any(_reduced([int(m in chosen) for m in order], basis))


def _reduced(row: list[int], basis: Mapping[int, list[int]]) -> list[int]:
    """A row less its part in the basis."""
    for lead in sorted(basis):
        if factor := row[lead]:
            row = [(a - factor * b) % _PRIME for a, b in zip(row, basis[lead], strict=True)]
    return row
