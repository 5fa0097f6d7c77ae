"""A board on which member 2 of 3 of 5 cheats, while the key goes to 4 of 7."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gmpy2 import mpz

from keyshare.handover import (
    Dealing,
    Drawn,
    Fault,
    HandoverPlan,
    advance,
    deal,
    draw,
    points_for,
    wrong_dealing,
    wrong_points,
)
from tests.keyshare.handover.histories import Epoch, first_epoch, plan_for
from tests.stage.toy import seed_of

CHEAT = 2
Points = dict[int, mpz]


@dataclass(frozen=True)
class Board:
    """All dealings of a handover, as said and as sealed, unchecked."""

    plan: HandoverPlan
    said: Mapping[int, Dealing]
    dealt: Mapping[int, Points]

    def received(self, member: int) -> Points:
        return {i: points[member] for i, points in self.dealt.items()}

    def faults(self) -> set[Fault]:
        """What anybody sees of the cheat; nothing of the others."""
        found = {i: wrong_dealing(self.plan, i, said) for i, said in self.said.items()}
        assert {i for i, fault in found.items() if fault} <= {CHEAT}
        if fault := found[CHEAT]:
            return {fault}
        seen = [wrong_points(self.plan, self.said, j, self.received(j)) for j in self.members]
        assert {i for faults in seen for i in faults} <= {CHEAT}
        return {fault for faults in seen for fault in faults.values()}

    @property
    def members(self) -> range:
        return range(1, self.plan.n_members + 1)

    def after(self) -> Epoch:
        """What comes out if nobody checks; shares may be anything."""
        state = advance(self.plan, self.said)
        return Epoch(state, {j: sum(self.received(j).values(), mpz(0)) for j in self.members})


Cheat = Callable[[HandoverPlan, Dealing, Points], tuple[Dealing, Points]]


def board(cheat: Cheat, n: int = 7, quorum: int = 4) -> Board:
    epoch = first_epoch(5, 3)
    plan = plan_for(epoch, n, quorum, (1, 2, 4))
    said, dealt = {}, {}
    for i in plan.dealers:
        drawn = draw(plan, i, seed_of("misdeed", i))
        said[i], dealt[i] = deal(plan, i, epoch.points[i], drawn), points_for(plan, drawn)
    said[CHEAT], dealt[CHEAT] = cheat(plan, said[CHEAT], dealt[CHEAT])
    return Board(plan, said, dealt)


def says(**change: Callable[[HandoverPlan, Dealing], Any]) -> Cheat:
    """A change of what is said to all."""

    def cheat(plan: HandoverPlan, said: Dealing, points: Points) -> tuple[Dealing, Points]:
        changes: dict[str, Any] = {k: make(plan, said) for k, make in change.items()}
        return replace(said, **changes), points

    return cheat


def deals(point: mpz | None = None, **change: Callable[[HandoverPlan, Drawn], Any]) -> Cheat:
    """A dealing of another point of the old epoch, or with another draw."""

    def cheat(plan: HandoverPlan, said: Dealing, points: Points) -> tuple[Dealing, Points]:
        drawn = draw(plan, CHEAT, seed_of("misdeed", CHEAT))
        changes: dict[str, Any] = {k: make(plan, drawn) for k, make in change.items()}
        drawn = replace(drawn, **changes)
        own = first_epoch(5, 3).points[CHEAT] if point is None else point
        return deal(plan, CHEAT, own, drawn), points_for(plan, drawn)

    return cheat


def seals(change: Callable[[HandoverPlan, Points], Points]) -> Cheat:
    """A change of what is sealed."""
    return lambda plan, said, points: (said, points | change(plan, points))


def of_another_plan(dealers: tuple[int, ...]) -> Cheat:
    def cheat(plan: HandoverPlan, said: Dealing, points: Points) -> tuple[Dealing, Points]:
        other = replace(plan, dealers=dealers)
        drawn = draw(other, CHEAT, seed_of("misdeed", CHEAT))
        own = first_epoch(5, 3).points[CHEAT]
        return deal(other, CHEAT, own, drawn), points_for(other, drawn)

    return cheat


def first(make: Callable[[mpz], mpz]) -> Callable[[HandoverPlan, Dealing], tuple[mpz, ...]]:
    return lambda plan, said: (make(said.coefficients[0]), *said.coefficients[1:])
