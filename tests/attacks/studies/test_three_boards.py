"""Three sums from one model, of which no hospital locks more than two, on boards that part.

Source: our own. Seven hospitals, f = 2 colluding with the aggregator. Three studies train from one
model. The aggregator closes the first two, shows each closing to one hospital alone, which locks
its set, and forks the board: on one side 3 and 5 help with the first two rounds, on the other 1, 2
and 4 with the third. {1,2,3,6} + {1,4,5,6} - {2,3,4,5} is twice 1 and 6; 6 is theirs. Each of 1 and
4 has locked two of the sets itself, and 2 has locked but one.
"""

import pytest

from protocol.rounds.known import KnownRounds
from tests.stage.rounds.delayed import DelayedTable
from tests.stage.toy import toy_epoch

TOY = toy_epoch(7, 4)
TERMS = TOY.federation.terms
COLLUDERS = (6, 7)
A, B, C = (1, 2, 3, 6), (1, 4, 5, 6), (2, 3, 4, 5)
Parts = set[int]


def prelude() -> tuple[DelayedTable, list[str]]:
    """What all boards have, as if hospitals contributed to all three rounds at once.

    1 locks the first set, and 4 the second; the third is not closed.
    """
    table = DelayedTable(TOY, COLLUDERS)
    sessions = [table.begin(name) for name in ("a", "b", "c")]
    for session, members in zip(sessions, (A, B, C), strict=True):
        table.contribute(session, members)
    table.read()
    for session, locker in zip(sessions[:2], (1, 4), strict=True):
        table.close_round(session)
        table.read(locker)
        table.put_all(table.collect(session, locker))
    return table, sessions


def third_round() -> tuple[Parts, Parts, Parts]:
    """Who releases its part of each of the three sums, all of one model."""
    table, (first, second, third) = prelude()
    other_side = table.fork(1, 2, 4)
    for session in (first, second):
        table.lock(session, *COLLUDERS)
        table.settle(session)
    other_side.close_round(third)
    other_side.lock(third, *COLLUDERS)
    other_side.settle(third)
    return table.partials(first), table.partials(second), other_side.partials(third)


def test_the_three_sets_show_two_members() -> None:
    table, sessions = prelude()
    for session in sessions[:2]:
        table.lock(session, *COLLUDERS)
    table.close_round(sessions[2])
    table.read(2)
    found = table.hospitals[2].member(sessions[2]).difference
    assert found is not None
    assert found.members == (1, 6)


def test_a_set_that_anybody_locked_before_the_boards_parted_counts() -> None:
    first, second, third = third_round()
    assert first == second == {3, 5}  # with the colluders a quorum; the two alone show nobody
    assert not third


def test_where_one_lock_does_not_count_all_three_are_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def enough(self: KnownRounds, session: str) -> bool:
        locks = list(self.held[session].locks.values())
        return locks.count(self._chosen.get(session, b"")) >= TERMS.lock_threshold

    monkeypatch.setattr(KnownRounds, "may_be_open", enough)
    honest = TERMS.quorum - len(COLLUDERS)
    assert all(len(parts) >= honest for parts in third_round())


def test_hospitals_do_not_contribute_to_the_next_round_before_the_one_before_has_ended() -> None:
    """So that whatever board has a contribution to the third round, has the first two's ends."""
    table = DelayedTable(TOY, COLLUDERS)
    first, second, third = (table.begin(name) for name in ("a", "b", "c"))
    table.read()
    assert table.hospitals[4].unended(third) == (first, second)
    table.contribute(first, A)
    table.close_round(first)
    table.lock(first, *COLLUDERS)
    table.read(1)
    table.put_all(table.collect(first, 1))
    table.read()
    assert table.hospitals[4].unended(second) == (first,)
    assert table.hospitals[4].unended(third) == (first, second)
