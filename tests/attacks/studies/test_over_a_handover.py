"""The difference of two sums on two boards: one before the key was handed over, and one after.

Source: notes on differences over studies, and our own. {1,2,3,4} of a start is open in the old
federation. The new one has a board of its own, on which nothing is open. Over {1,2,3} of the same
start its sum would show what 4 alone had added, whether 4 has left or not, and whatever its number
is there.
"""

from collections.abc import Sequence

import pytest

from aggregator.rounds.schedule import Rounds
from protocol.board.draft import Draft
from protocol.board.key_history import KeyHistory
from protocol.messages.fields import MAX_NEAR
from protocol.messages.inherited_sums import InheritedPart, InheritedSums
from protocol.messages.rounds import Near, Partial, SetLock
from protocol.record.audit.checks import audit
from protocol.rounds.history import OpenedSets
from tests.stage.handover import inherited
from tests.stage.handover.inherited import InheritedKey
from tests.stage.handover.posted import PostedHandover
from tests.stage.handover.rosters import Who
from tests.stage.record.memory import files_of
from tests.stage.rounds.delayed import DelayedTable
from tests.stage.studies import statistic_plan
from tests.stage.toy import ToyEpoch, toy_epoch

TOY = toy_epoch(5, 3)
MODEL, OTHER = b"m" * 32, b"o" * 32
STAY: Who = [5, 4, 3, 2, 1]  # each has another number afterwards
LEAVE: Who = [3, 1, 2, 5, "G1"]  # 4 leaves


def opened(table: DelayedTable, name: str, members: Sequence[int], data: str = "") -> str:
    """A round over these, as open as hospitals make it."""
    if data:
        plan = statistic_plan(table.terms, members=tuple(table.federation.members), data=data)
        session = table.begin(name, plan)
    else:
        session = table.begin(name, model=MODEL)
    return closed(table, session, members)


def closed(table: DelayedTable, session: str, members: Sequence[int]) -> str:
    """The round that was begun, over these."""
    table.contribute(session, members)
    table.close_round(session)
    table.settle(session)
    return session


def old_board() -> DelayedTable:
    """The toy's federation, with its key, as its hospitals read it."""
    table = DelayedTable(TOY)
    for entry in TOY.table.entries:
        table.board.append(entry)
        table.entries.append(entry)
    table.blobs |= TOY.table.blobs
    return table


def handed_over(table: DelayedTable, toy: ToyEpoch, who: Who) -> DelayedTable:
    """The key goes to others; the new federation's hospitals, at a board with that key."""
    handed = PostedHandover(table, toy.secrets, who, toy.federation.terms.quorum).run()
    new = InheritedKey(handed).say_all()
    found = DelayedTable(new.toy)
    for entry in new.table.entries:
        found.board.append(entry)
        found.entries.append(entry)
    return found


def numbers(table: DelayedTable, *names: str) -> list[int]:
    """The numbers that hospitals have at a table."""
    known = {member.name: number for number, member in enumerate(table.terms.members, start=1)}
    return sorted(known[name] for name in names)


def refused(table: DelayedTable, session: str) -> set[tuple[str, str]]:
    """Rule and reason of each refusal; nothing where the sum is open."""
    view = table.view_of(session)
    assert bool(view.refusals) != (len(view.partials) >= table.terms.quorum)
    return {(refusal.rule, refusal.reason) for refusal in view.refusals.values()}


@pytest.mark.parametrize("who", [STAY, LEAVE], ids=["stays", "leaves"])
@pytest.mark.parametrize("data", ["", "patients"], ids=["model", "statistic"])
def test_what_was_opened_before_the_handover_is_subtracted_by_nobody(who: Who, data: str) -> None:
    old = old_board()
    opened(old, "first", (1, 2, 3, 4), data=data)
    new = handed_over(old, TOY, who)
    session = opened(new, "again", numbers(new, "H1", "H2", "H3"), data=data)
    rules = refused(new, session)
    assert {rule for rule, _ in rules} == {"differencing"}
    reason = "with the sum of first/1 (taken over, 1) it shows what H4 alone added"
    assert all(said.startswith(reason) for _, said in rules)


def test_the_aggregator_waits_for_the_one_that_would_be_shown() -> None:
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    new = handed_over(old, TOY, STAY)
    session, three = new.begin("again", model=MODEL), numbers(new, "H1", "H2", "H3")
    new.contribute(session, three)
    rounds = Rounds(new.terms, new.board.studies, new.board.key)
    for posted in new.board.entries:
        rounds.receive(posted)
    view, given = rounds.views[session], frozenset(three)
    assert rounds.history.closable(view, given) == frozenset()
    assert rounds.history.awaited(view, given) == frozenset(numbers(new, "H4"))


@pytest.mark.parametrize("who", [STAY, LEAVE], ids=["stays", "leaves"])
def test_without_what_was_taken_over_the_difference_is_open(
    who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inherited, "sums_up_to", lambda board, position: InheritedSums())
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    new = handed_over(old, TOY, who)
    assert not refused(new, opened(new, "again", numbers(new, "H1", "H2", "H3")))


def unsaid(who: Who) -> tuple[InheritedKey, DelayedTable]:
    """The new hospitals have their shares, and have said nothing of the key on their board yet."""
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    handed = PostedHandover(old, TOY.secrets, who, TOY.federation.terms.quorum).run()
    key = InheritedKey(handed)
    return key, DelayedTable(key.toy)


def test_a_round_that_is_opened_before_the_key_counts_is_helped_by_nobody() -> None:
    key, new = unsaid(STAY)
    session, three = new.begin("early", model=MODEL), numbers(new, "H1", "H2", "H3")
    new.contribute(session, three)
    for i in new.federation.members:
        new.say(i, Draft(inherited.SESSION, key.word))
    for number, part in enumerate(key.parts):
        new.say(1, Draft(inherited.SESSION, InheritedPart(number, part)))
    assert new.board.epoch == key.toy.epoch
    new.contribute(session, three)
    assert not new.view_of(session).contributions
    for body in (SetLock(bytes(32)), Partial(bytes(32), bytes(32), ())):
        assert "before the key counted" in new.board.bar(session, 1, body)
    again = opened(new, "again", three)
    assert {rule for rule, _ in refused(new, again)} == {"differencing"}


def test_without_that_bar_the_difference_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyHistory, "stale_bar", lambda *about: "")
    _, new = unsaid(LEAVE)
    session = opened(new, "early", numbers(new, "H1", "H2", "H3"))
    assert new.board.epoch is None
    assert not refused(new, session)


def test_the_audit_sees_what_hospitals_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    new = handed_over(old, TOY, LEAVE)
    with monkeypatch.context() as patch:
        patch.setattr(OpenedSets, "difference", lambda self, view: None)
        assert not refused(new, opened(new, "again", numbers(new, "H1", "H2", "H3")))
    files = files_of(new.federation, new.entries, {}, new.federation.members)
    (found,) = [r for r in audit(files, bytes(32)).results if r.number == "6.3"]
    (remark,) = found.failures
    assert "with the sum of first/1 (taken over, 1) it shows what H4 alone added" in remark.reason


def test_the_same_hospitals_again_or_another_start_are_opened() -> None:
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    new = handed_over(old, TOY, STAY)
    four = numbers(new, "H1", "H2", "H3", "H4")
    assert not refused(new, opened(new, "again", four))
    assert not refused(new, opened(new, "other", four[:3], data="patients"))


def test_what_was_said_to_be_near_before_is_near_afterwards() -> None:
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    near = old.begin("near", model=OTHER)  # of which no sum is ever made
    old.contribute(near, (1, 2, 3), dict.fromkeys((1, 2, 3), ("study/first/1",)))
    new = handed_over(old, TOY, STAY)
    session = new.begin("again", model=OTHER)
    rules = refused(new, closed(new, session, numbers(new, "H1", "H2", "H3")))
    assert {rule for rule, _ in rules} == {"differencing"}


def test_what_nobody_has_locked_is_not_taken_over() -> None:
    old = old_board()
    session = old.begin("first", model=MODEL)
    old.contribute(session, (1, 2, 3, 4))
    old.close_round(session)
    new = handed_over(old, TOY, STAY)
    assert not refused(new, opened(new, "again", numbers(new, "H1", "H2", "H3")))


def test_one_lock_is_enough_to_be_taken_over() -> None:
    old = old_board()
    session = old.begin("first", model=MODEL)
    old.contribute(session, (1, 2, 3, 4))
    old.close_round(session)
    old.lock(session, 5)
    new = handed_over(old, TOY, LEAVE)
    again = opened(new, "again", numbers(new, "H1", "H2", "H3"))
    assert {rule for rule, _ in refused(new, again)} == {"differencing"}


def test_it_is_known_over_two_handovers() -> None:
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    middle = handed_over(old, TOY, LEAVE)
    newest = handed_over(middle, middle.toy, [5, 3, 2, 1])
    names = [member.name for member in newest.terms.members]
    assert names == ["G1", "H2", "H1", "H3"]
    session = opened(newest, "again", numbers(newest, "H1", "H2", "H3"))
    assert {rule for rule, _ in refused(newest, session)} == {"differencing"}


# ── what is near to something of the federation before ──


def near_afterwards(*named: str | int, who: Who = STAY) -> tuple[DelayedTable, str]:
    """{1,2,3,4} of a model, then {1,2,3} of another one on the new board, which say this of it."""
    old = old_board()
    opened(old, "first", (1, 2, 3, 4))
    new = handed_over(old, TOY, who)
    session, three = new.begin("again", model=OTHER), numbers(new, "H1", "H2", "H3")
    new.contribute(session, three, dict.fromkeys(three, named))
    return new, session


@pytest.mark.parametrize("who", [STAY, LEAVE], ids=["stays", "leaves"])
def test_what_is_near_to_a_start_of_the_federation_before_is_compared_with_it(who: Who) -> None:
    new, session = near_afterwards(0, who=who)
    new.close_round(session)
    new.settle(session)
    assert {rule for rule, _ in refused(new, session)} == {"differencing"}
    assert not new.partials(session)


@pytest.mark.parametrize("named", [(), (1,), (7, 1 << 40)])
def test_where_nobody_says_so_the_difference_is_open(named: tuple[int, ...]) -> None:
    new, session = near_afterwards(*named)
    new.close_round(session)
    new.settle(session)
    assert not refused(new, session)


def test_the_aggregator_waits_until_the_sum_shows_nobody_with_one_from_before() -> None:
    new, session = near_afterwards(0)
    history = OpenedSets.of(new.board)
    view, three = new.view_of(session), frozenset(numbers(new, "H1", "H2", "H3"))
    assert history.closable(view, three) == frozenset()
    (fourth,) = numbers(new, "H4")
    new.contribute(session, [fourth], {fourth: (0,)})
    assert history.closable(new.view_of(session), three | {fourth}) == three | {fourth}


def test_the_audit_counts_what_was_said_to_be_near(monkeypatch: pytest.MonkeyPatch) -> None:
    new, session = near_afterwards(0, who=LEAVE)
    with monkeypatch.context() as patch:
        patch.setattr(OpenedSets, "difference", lambda self, view: None)
        new.close_round(session)
        new.settle(session)
        assert not refused(new, session)
    files = files_of(new.federation, new.entries, {}, new.federation.members)
    (found,) = [r for r in audit(files, bytes(32)).results if r.number == "6.3"]
    (remark,) = found.failures
    assert "with the sum of first/1 (taken over, 1) it shows what H4 alone added" in remark.reason


def full_of_others(monkeypatch: pytest.MonkeyPatch | None = None) -> DelayedTable:
    """As many starts as a contribution names, of which none is that of the sum that is open."""
    if monkeypatch:
        monkeypatch.setattr(Near, "is_full", False)
    new, session = near_afterwards(*range(1, MAX_NEAR + 1))
    new.close_round(session)
    new.settle(session)
    return new


def test_a_full_list_stands_for_all_that_was_added_before() -> None:
    new = full_of_others()
    assert {rule for rule, _ in refused(new, "study/again/1")} == {"differencing"}


def test_where_a_full_list_stands_for_what_it_names_the_difference_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not refused(full_of_others(monkeypatch), "study/again/1")


def test_what_was_said_of_the_federation_before_is_known_to_the_one_after() -> None:
    """Of the middle board no sum is open; there the third model was said to be near the first."""
    middle, _ = near_afterwards(0, who=LEAVE)
    newest = handed_over(middle, middle.toy, [5, 3, 2, 1])
    again, three = newest.begin("third", model=OTHER), numbers(newest, "H1", "H2", "H3")
    assert {rule for rule, _ in refused(newest, closed(newest, again, three))} == {"differencing"}


def test_a_liar_that_calls_all_from_before_near_stops_nobody() -> None:
    """It is in each of twenty sums of the old board, and names them all; it is in new ones, too."""
    old, everybody = old_board(), (1, 2, 3, 4, 5)
    for k in range(20):
        session = old.begin(f"s{k}", model=bytes([k]) * 32)
        closed(old, session, everybody)
    new = handed_over(old, TOY, STAY)
    (liar,) = numbers(new, "H5")
    for name in ("a", "b", "c"):
        session = new.begin(name, model=name.encode() * 32)
        new.contribute(session, new.federation.members, {liar: tuple(range(20))})
        new.close_round(session)
        new.settle(session)
        assert not refused(new, session)
    again = new.begin("again", model=bytes([7]) * 32)
    new.contribute(again, new.federation.members, {liar: tuple(range(20))})
    new.close_round(again)
    new.settle(again)
    assert not refused(new, again)


def test_it_stands_for_its_author_alone() -> None:
    """H5 calls near what it never added; of the others that says nothing."""
    new, session = near_afterwards()
    (liar,) = numbers(new, "H5")
    new.contribute(session, [liar], {liar: (0,)})
    new.close_round(session)
    new.settle(session)
    assert not refused(new, session)
