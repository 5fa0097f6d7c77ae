"""What members add, as sums are compared: a variable for each member and start, and sums of these.

Sums may come from the federation before. A hospital that stays has its own number, and so does one
that comes back: it is known by its name. One that has left has a number after the members'.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from protocol.messages import (
    NEAR_TO_NOTHING,
    AlikeStarts,
    InheritedStart,
    InheritedSum,
    InheritedSums,
    Near,
)
from protocol.terms import Terms


class Start(NamedTuple):
    """What the contributions of a round are made from: a model, or the data of a statistic."""

    kind: Literal["model", "data"]
    name: bytes


Added = tuple[int, Start]  # a member's variable, by the first of the starts that are one for it


class OpenSum(NamedTuple):
    """A sum that may be open; ``name``: of its round, and of no other one.

    at: the position of its opening; below 0, in their order, of those that were taken over.
    weights: by what hospitals count in it; nothing for a statistic.
    """

    at: int
    name: str
    start: Start
    members: frozenset[int]
    weights: Literal["", "examples", "equal"] = ""


class Classes:
    """Starts that are one for a member: by each the list of all, which they share."""

    def __init__(self) -> None:
        self._alike: dict[Added, list[Start]] = {}

    def starts(self, one: Added) -> list[Start]:
        """All of them, this one included."""
        return self._alike.get(one) or [one[1]]

    def variable(self, member: int, start: Start) -> Added:
        """What a member adds to the rounds of a start."""
        return member, self.starts((member, start))[0]

    def join(self, member: int, first: Start, second: Start) -> None:
        """For this member these are one, and all that is one with either."""
        here, there = self.starts((member, first)), self.starts((member, second))
        if here[0] != there[0]:
            # The shorter list goes into the longer one: many joins cost little more than one each.
            shorter, longer = sorted((there, here), key=len)
            self._alike[member, longer[0]] = longer
            for start in shorter:
                self._alike[member, start] = longer
            longer += shorter

    def joined(self) -> Iterator[tuple[int, list[Start]]]:
        """Each member's starts that are one, where there are several."""
        for (member, start), alike in self._alike.items():
            if alike[0] == start:
                yield member, alike


class TakenOver:
    """The sums of the federations before, for the members of new terms.

    said: as it stands on the board. gone: the names of hospitals that have left, by their numbers
    here. starts: all of them, by their places.
    """

    def __init__(self, said: InheritedSums, terms: Terms) -> None:
        self.said = said
        numbers = {member.name: number for number, member in enumerate(terms.members, start=1)}
        left = [name for name in said.hospitals if name not in numbers]
        self.gone = dict(enumerate(left, start=terms.n_members + 1))
        numbers |= {name: number for number, name in self.gone.items()}
        self._numbers = [numbers[name] for name in said.hospitals]
        self.starts = [Start(start.kind, start.name) for start in said.starts]
        self._added: dict[int, Sequence[tuple[int, Start]]] = {}
        # With their names on the boards before, which may be those of rounds here.
        self.handed_on = [self._sum(at, one) for at, one in enumerate(said.sums, -len(said.sums))]
        self.of_start = defaultdict[Start, list[OpenSum]](list)
        for place, one in enumerate(self.handed_on, start=1):
            name = f"{one.name} (taken over, {place})"
            self.of_start[one.start].append(one._replace(name=name))

    def _sum(self, at: int, said: InheritedSum) -> OpenSum:
        members = frozenset(self._numbers[one] for one in said.hospitals)
        return OpenSum(at, said.round, self.starts[said.start], members, said.weights)

    def added(self, member: int) -> Sequence[tuple[int, Start]]:
        """The starts from which a member has added something, after their places, ascending.

        Those of sums that may be open, and what is one with others for it.
        """
        if member not in self._added:
            own = {place for place, one in enumerate(self._numbers) if one == member}
            found = {one.start for one in self.said.sums if not own.isdisjoint(one.hospitals)}
            for alike in self.said.alike:
                if alike.hospital in own:
                    found.update(alike.starts)
            self._added[member] = [(place, self.starts[place]) for place in sorted(found)]
        return self._added[member]

    def weighed_otherwise(
        self, member: int, starts: Iterable[Start], weights: str
    ) -> tuple[str, ...]:
        """The sums of these starts with the member in it, and with other weights than these."""
        found = (one for start in starts for one in self.of_start.get(start, ()))
        others = (one for one in found if one.weights not in ("", weights))
        return tuple(one.name for one in others if member in one.members)

    def join(self, classes: Classes) -> None:
        """Let starts be one that were one for a hospital before."""
        for alike in self.said.alike:
            first, *others = (self.starts[k] for k in alike.starts)
            for other in others:
                classes.join(self._numbers[alike.hospital], first, other)


class Variables:
    """Which starts are one for whom, by what contributions have said, in their order.

    starts: of the rounds of the board that were opened, by session. taken: from the federations
    before.
    """

    def __init__(self, terms: Terms) -> None:
        self.starts: dict[str, Start] = {}
        self.classes = Classes()
        self._terms, self.taken = terms, TakenOver(InheritedSums(), terms)
        self._added = defaultdict[int, list[str]](list)  # by member: to which rounds

    def take_over(self, said: InheritedSums) -> bool:
        """Take note of what came with the key; whether it was not known."""
        if said is self.taken.said:
            return False
        self.taken = TakenOver(said, self._terms)
        self.taken.join(self.classes)
        return True

    def add(self, session: str, member: int, near: Near) -> None:
        """Take note of a member's contribution to a round."""
        start = self.starts.get(session)
        if start is not None and near != NEAR_TO_NOTHING:  # as most are
            for other in self._named(start, member, near):
                self.classes.join(member, start, other)
        self._added[member].append(session)

    def added(self, member: int) -> Sequence[str]:
        """The sessions of the rounds to which a member has contributed, in their order."""
        return self._added.get(member, ())

    def starts_with(self, own: Start, member: int, near: Near) -> Collection[Start]:
        """The starts that are one for a member once it has added from this one, and named these."""
        found = dict.fromkeys(self.classes.starts((member, own)))
        for start in self._named(own, member, near):
            if start not in found:
                found |= dict.fromkeys(self.classes.starts((member, start)))
        return found

    def _named(self, own: Start, member: int, near: Near) -> list[Start]:
        """The starts of what a contribution names as near; of all before it, if its list is full.

        Of its kind, that is. There may be more that it had no room for.
        """
        before = self.taken.starts
        found = [self.starts[session] for session in near.rounds if session in self.starts]
        found += [before[place] for place in near.before if place < len(before)]
        if near.is_full:
            added = [start for _, start in self.taken.added(member)]
            added += [self.starts[one] for one in self._added[member] if one in self.starts]
            found += [start for start in added if start.kind == own.kind]
        return found


def hand_on(
    sums: Iterable[OpenSum], classes: Classes, name_of: Callable[[int], str]
) -> InheritedSums:
    """What a federation hands on, in the order of the sums; a row once: twice it spans no more.

    name_of: a member's name, by its number. Starts stay that are one with others, though no sum is
    of them: a later round may be.
    """
    rows = dict[tuple[Start, frozenset[int], str], OpenSum]()
    for one in sums:
        rows.setdefault((one.start, one.members, one.weights), one)
    alike = list(classes.joined())
    members = {m for one in rows.values() for m in one.members} | {m for m, _ in alike}
    starts = dict.fromkeys(one.start for one in rows.values())
    starts |= dict.fromkeys(start for _, joined in alike for start in joined)
    hospital = {member: place for place, member in enumerate(sorted(members))}
    place_of = {start: place for place, start in enumerate(starts)}

    def said(one: OpenSum) -> InheritedSum:
        row = tuple(hospital[m] for m in sorted(one.members))
        return InheritedSum(one.name, place_of[one.start], row, one.weights)

    return InheritedSums(
        tuple(map(name_of, hospital)),
        tuple(InheritedStart(*start) for start in starts),
        tuple(map(said, rows.values())),
        tuple(
            AlikeStarts(hospital[member], tuple(sorted(place_of[one] for one in joined)))
            for member, joined in alike
        ),
    )
