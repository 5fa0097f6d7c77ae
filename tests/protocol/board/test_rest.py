"""Rounds at rest: a board that lets go of them, or that goes on from a state, is as it was."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.board import rest
from protocol.board.board import Board
from protocol.board.budget import Surplus
from protocol.board.post import Entry, Posted
from protocol.board.rest import BoardState, PostedEntries
from protocol.encoding import decode, encode
from protocol.errors import Malformed
from protocol.messages.bodies import Refusal, SetLock, Statement
from protocol.messages.plan import Withdrawal
from protocol.terms.terms import Terms
from tests.stage.record.good import ROUND, good
from tests.stage.record.handed import succession
from tests.stage.toy import Table, next_post

LIMIT = 1 << 24


@cache
def boards() -> dict[str, tuple[Terms, tuple[Entry, ...]]]:
    """Ceremonies, studies, surplus and a check; and handovers with guests."""
    tables: dict[str, Table] = {"good": good().toy.table, "handed": succession().table}
    found = {name: (t.federation.terms, _with_surplus(t)) for name, t in tables.items()}
    assert all(len(entries) > 60 for _, entries in found.values())
    return found


def _with_surplus(table: Table) -> tuple[Entry, ...]:
    """Its entries, and then what is beyond budgets, or late, in old rounds."""
    board, entries = read(table.federation.terms, table.entries), list(table.entries)
    opened = ROUND[1]
    plan = next(p.post for p in board.entries if p.post.session == "study/cardio")
    bodies = (
        (opened, Statement(bytes(32), 5, 1.0, 1)),
        (opened, Statement(bytes(32), 6, 1.0, 1)),
        (opened, SetLock(bytes(32))),
        (opened, SetLock(bytes(32))),
        (opened, Refusal("late", 1, "A word.")),
        (plan.session, Withdrawal(bytes(32))),
        ("study/cardio/4", Statement(bytes(32), 7, 1.0, 1)),
    )
    for sender in (2, 3):
        for session, body in bodies:
            signed = next_post(table.federation.keys[sender], board, session, sender, body)
            entry = board.extend(signed, entries[-1].time_ms + 1)
            board.append(entry)
            entries.append(entry)
    assert sum(isinstance(p.post.body, Surplus) for p in board.entries) > 3
    return tuple(entries)


def read(terms: Terms, entries: Iterable[Entry]) -> Board:
    board = Board(terms)
    for entry in entries:
        board.append(entry)
    return board


class Stored:
    """Entries that are elsewhere."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries, self.n_read = entries, 0

    def __call__(self, first: int, last: int) -> Iterator[Entry]:
        for entry in self.entries[first - 1 : last]:
            self.n_read += 1
            yield entry


def plain(value: Any, depth: int = 0) -> Any:
    """A value to compare: objects by what they hold."""
    assert depth < 30
    if isinstance(value, Posted):
        return value.position, value.hash, value.time_ms, value.post, value.digest
    if isinstance(value, Mapping):
        items = [(plain(k, depth + 1), plain(v, depth + 1)) for k, v in value.items()]
        return sorted(items, key=repr)
    if isinstance(value, list | tuple | PostedEntries) or type(value).__name__ == "deque":
        return [plain(one, depth + 1) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, Terms) or callable(value):
        return None
    if isinstance(value, msgspec.Struct) or not hasattr(value, "__dict__"):
        return value
    kind = type(value)
    asked = {k for k in vars(value) if isinstance(getattr(kind, k, None), cached_property)}
    held = vars(value).keys() - asked - {"_lacking_now"}
    return {k: plain(vars(value)[k], depth + 1) for k in held}


def known(board: Board) -> dict[str, Any]:
    """All that a board knows, whether it holds it or not."""
    for session in list(board._resting):
        assert board.session(session)
        board.count(session, 1)
    assert [board.hash_at(k) for k in (-1, len(board.entries) + 1)] == [None, None]
    hashes = [board.hash_at(k) for k in range(len(board.entries) + 1)]
    parts = {k: plain(v) for k, v in vars(board).items() if k not in ("_hashes", "_read", "woken")}
    return {**parts, "hashes": hashes}


@pytest.mark.parametrize("name", ["good", "handed"])
def test_a_board_that_lets_rounds_rest_is_as_one_that_does_not(name: str) -> None:
    terms, entries = boards()[name]
    resting, awake = Board(terms), Board(terms)
    for entry in entries:
        assert plain(resting.append(entry)) == plain(awake.append(entry))
        resting.rest(max(0, entry.position - 5), Stored(entries))
        assert resting.head == awake.head
    assert resting._resting
    assert known(resting) == known(awake)


@pytest.mark.parametrize("held", [0, 3, 20, 10_000])
@pytest.mark.parametrize("name", ["good", "handed"])
def test_a_board_that_goes_on_from_a_state_is_as_one_that_has_read_all(
    name: str, held: int
) -> None:
    terms, entries = boards()[name]
    for n in (0, 1, len(entries) // 2, len(entries) - 9, len(entries)):
        before = read(terms, entries[:n])
        before.rest(max(0, n - held), Stored(entries))
        state = decode(encode(before.state), BoardState, "state", LIMIT)
        after = Board.resume(terms, state, Stored(entries))
        assert after.head == before.head
        assert known(after) == known(read(terms, entries[:n]))
        again = Board.resume(terms, state, Stored(entries))
        assert encode(again.state) == encode(state)
        for entry in entries[n:]:
            again.append(entry)
        assert known(again) == known(read(terms, entries))


def test_a_late_word_makes_nobody_read_what_stands_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a member that says one in each old round makes all read the whole board for each."""
    monkeypatch.setattr(rest, "_FEW", 2)
    terms, entries = boards()["good"]
    board, stored = read(terms, entries), Stored(entries)
    said = board.session(ROUND[1])
    positions = [posted.position for posted in said]
    board.rest(len(entries), stored)
    stored.n_read = 0
    assert board.session(ROUND[1]) == said
    late = len(entries) - positions[0]
    assert len(said) <= stored.n_read < late / 2


@given(positions=st.sets(st.integers(1, 2_000), min_size=1))
def test_stretches_hold_all_positions_and_few_others(positions: set[int]) -> None:
    found = rest.RestingRound.at("study/s/1", positions).stretches
    ranges = [range(first, last + 1) for first, last in found]
    assert positions <= {k for one in ranges for k in one}
    assert all({one[0], one[-1]} <= positions for one in ranges)
    assert all(b[0] - a[-1] > rest._FEW for a, b in pairwise(ranges))
    held = [sorted(positions & set(one)) for one in ranges]
    assert all(b - a <= rest._FEW for one in held for a, b in pairwise(one))


def test_what_is_at_rest_is_not_read_until_it_is_asked_for() -> None:
    terms, entries = boards()["good"]
    board, stored = read(terms, entries), Stored(entries)
    board.rest(len(entries), stored)
    state = board.state
    assert {one.session for one in state.resting} >= {ROUND[1], ROUND[2]}
    assert not stored.n_read
    after = Board.resume(terms, state, stored)
    assert stored.n_read < len(entries)  # ceremonies and studies are always awake
    before, stored.n_read = stored.n_read, 0
    assert after.session(ROUND[1]) == board.session(ROUND[1])
    assert 0 < stored.n_read < before + len(entries)
    stored.n_read = 0
    assert after.session(ROUND[1])
    assert not stored.n_read


def test_entries_that_are_elsewhere_are_read_as_they_count() -> None:
    terms, entries = boards()["good"]
    board, whole = read(terms, entries), read(terms, entries)
    board.rest(len(entries) - 4, Stored(entries))
    assert len(board.entries) == len(entries)
    assert list(board.entries) == list(whole.entries)
    for at in (0, 7, -1, -9, len(entries) - 5, slice(2, 9), slice(-9, None), slice(5)):
        assert board.entries[at] == whole.entries[at]
    with pytest.raises(IndexError):
        board.entries[len(entries)]


def test_a_state_that_no_board_has_is_refused() -> None:
    terms, entries = boards()["good"]
    state = read(terms, entries).state
    tries = state.budget.tries
    assert tries
    foreign = msgspec.structs.replace(tries[0], kind="Opening")
    budget = msgspec.structs.replace(state.budget, tries=(foreign,))
    with pytest.raises(Malformed, match="Opening"):
        Board.resume(terms, msgspec.structs.replace(state, budget=budget), Stored(entries))
