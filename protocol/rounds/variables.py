"""What members add, as sums are compared: a variable for each member and start, and sums of these.

Sums may come from the federation before. A hospital that stays has its own number, and so does one
that comes back: it is known by its name. One that has left has a number after the members'.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from protocol.messages import AlikeStarts, InheritedStart, InheritedSum, InheritedSums
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
            both = here + there
            for start in both:
                self._alike[member, start] = both

    def joined(self) -> Iterator[tuple[int, list[Start]]]:
        """Each member's starts that are one, where there are several."""
        for (member, start), alike in self._alike.items():
            if alike[0] == start:
                yield member, alike


class TakenOver:
    """The sums of the federations before, for the members of new terms.

    gone: the names of hospitals that have left, by their numbers here.
    """

    def __init__(self, said: InheritedSums, terms: Terms) -> None:
        numbers = {member.name: number for number, member in enumerate(terms.members, start=1)}
        left = [name for name in said.hospitals if name not in numbers]
        self.gone = dict(enumerate(left, start=terms.n_members + 1))
        numbers |= {name: number for number, name in self.gone.items()}
        self._numbers = [numbers[name] for name in said.hospitals]
        self._starts = [Start(start.kind, start.name) for start in said.starts]
        self._alike = said.alike
        # With their names on the boards before, which may be those of rounds here.
        self.handed_on = [self._sum(at, one) for at, one in enumerate(said.sums, -len(said.sums))]
        self.of_start = defaultdict[Start, list[OpenSum]](list)
        for place, one in enumerate(self.handed_on, start=1):
            name = f"{one.name} (taken over, {place})"
            self.of_start[one.start].append(one._replace(name=name))

    def _sum(self, at: int, said: InheritedSum) -> OpenSum:
        members = frozenset(self._numbers[one] for one in said.hospitals)
        return OpenSum(at, said.round, self._starts[said.start], members, said.weights)

    def weighed_otherwise(
        self, member: int, starts: Iterable[Start], weights: str
    ) -> tuple[str, ...]:
        """The sums of these starts with the member in it, and with other weights than these."""
        found = (one for start in starts for one in self.of_start.get(start, ()))
        others = (one for one in found if one.weights not in ("", weights))
        return tuple(one.name for one in others if member in one.members)

    def join(self, classes: Classes) -> None:
        """Let starts be one that were one for a hospital before."""
        for alike in self._alike:
            first, *others = (self._starts[k] for k in alike.starts)
            for other in others:
                classes.join(self._numbers[alike.hospital], first, other)


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
