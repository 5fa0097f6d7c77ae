"""All that can happen in one attempt on one board: every order of words, durable steps and crashes.

A crash between any two steps is among these orders: what a member does next follows from the board
and from what is durable alone, so that a member that comes back is one that has waited. For the
same reason a word that is on its way is one that is said later.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from protocol.handover import (
    Attempt,
    HandoverWord,
    OwnState,
    Rosters,
    due,
    is_to_make_dealing,
    is_to_store_share,
    may_erase_new,
    may_erase_old,
)


@dataclass(frozen=True)
class State:
    """The board, and what is durable at each honest member."""

    attempt: Attempt
    dealings: frozenset[int] = frozenset()
    holding: frozenset[int] = frozenset()  # a share of the new epoch
    erased_old: frozenset[int] = frozenset()
    erased_new: frozenset[int] = frozenset()

    def own(self, member: int, *, gives_up: bool) -> OwnState:
        """What a member knows besides the board."""
        return OwnState(
            gives_up=gives_up, has_dealing=member in self.dealings, holds=member in self.holding
        )


@dataclass(frozen=True)
class Game:
    """Who is who, and who lies: liars say whatever counts, whenever they like, or nothing."""

    rosters: Rosters
    liars: frozenset[int] = frozenset()
    patient: bool = False  # nobody gives up

    @property
    def everybody(self) -> frozenset[int]:
        return frozenset((*self.rosters.old, *self.rosters.new))

    @property
    def honest(self) -> frozenset[int]:
        return self.everybody - self.liars

    def start(self) -> State:
        """Nothing has been said."""
        return State(Attempt(self.rosters))

    def steps(self, state: State) -> Iterator[State]:
        """What can happen next."""
        yield from self.honest_steps(state)
        yield from self.lies(state)

    def honest_steps(self, state: State) -> Iterator[State]:
        """What honest members can do next."""
        for member in self.honest:
            yield from self.own_steps(state, member)

    def lies(self, state: State) -> Iterator[State]:
        """What liars can say next."""
        for member in self.liars:
            for word in HandoverWord:
                if state.attempt.counts(member, word):
                    yield replace(state, attempt=state.attempt.after(member, word))

    def own_steps(self, state: State, member: int) -> Iterator[State]:
        """What an honest member can do next."""
        attempt, calm = state.attempt, state.own(member, gives_up=False)
        if is_to_make_dealing(attempt, member, calm):
            yield replace(state, dealings=state.dealings | {member})
        if is_to_store_share(attempt, member, calm):
            yield replace(state, holding=state.holding | {member})
        if member in set(self.rosters.old) - state.erased_old and may_erase_old(attempt):
            yield replace(state, erased_old=state.erased_old | {member})
        if member in state.holding - state.erased_new and may_erase_new(attempt):
            yield replace(state, erased_new=state.erased_new | {member})
        for gives_up in (False,) if self.patient else (False, True):
            if word := due(attempt, member, state.own(member, gives_up=gives_up)):
                yield replace(state, attempt=attempt.after(member, word))


def explore(game: Game, check: Callable[[State], None], start: State | None = None) -> set[State]:
    """Look at every state that can be reached; those at which honest members do nothing more."""
    first = start or game.start()
    seen, left, last = {first}, [first], set[State]()
    while left:
        state = left.pop()
        check(state)
        following = set(game.honest_steps(state))
        if not following:
            last.add(state)
        new = following.union(game.lies(state)) - seen
        seen |= new
        left += new
    return last


def dealt(game: Game) -> State:
    """All dealings are there, and nothing else has happened."""
    rosters = game.rosters
    dealers = frozenset(list(rosters.old)[: rosters.quorum])
    attempt = Attempt(
        rosters,
        consents=frozenset(rosters.old),
        arrived=frozenset(rosters.new),
        frozen=frozenset(rosters.old),
        offering=tuple(sorted(dealers)),
        committed=dealers,
        dealt=dealers,
    )
    return State(attempt, dealings=dealers)
