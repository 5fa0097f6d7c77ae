"""Three sums of parallel studies, of which each two show nobody, and no hospital sees all in time.

Source: our own. Six hospitals, f = 1; the sixth colludes with the aggregator. Three studies train
from one model. {1,2,3,4} - {1,2,5,6} + {3,4,5,6} is twice what 3 and 4 added: fewer than three.
There is one board, and hospitals are shown it late, so that each knows of two sets at most when it
locks: at any time a hospital has read less than the aggregator has.
"""

import pytest

from protocol.rounds.decryption import RoundMember
from tests.stage.rounds.delayed import DelayedTable, excuse_rows
from tests.stage.toy import toy_epoch

TOY = toy_epoch(6, 4)
TERMS = TOY.federation.terms
A, B, C = (1, 2, 3, 4), (1, 2, 5, 6), (3, 4, 5, 6)
LIAR = 6
NAMES = ("a", "b", "c")


def begun() -> tuple[DelayedTable, list[str]]:
    """Three studies, each with an open round from the same model."""
    table = DelayedTable(TOY, {LIAR})
    return table, [table.begin(name) for name in NAMES]


def closed() -> tuple[DelayedTable, list[str]]:
    """All three closed, as if hospitals contributed to all of them at once."""
    table, sessions = begun()
    for session, members in zip(sessions, (A, B, C), strict=True):
        table.contribute(session, members)
        table.close_round(session)
    return table, sessions


# Who locks what without having seen another lock; each set has three honest lockers and the liar.
LOCKERS = ((1, 2, 3), (3, 4, 5), (5, 1, 4))


def locked() -> tuple[DelayedTable, list[str]]:
    """All three locked by enough: each hospital is asked when it has seen the closings alone."""
    table, sessions = closed()
    table.read()
    said = [table.collect(s, *who) for s, who in zip(sessions, LOCKERS, strict=True)]
    for session, drafts in zip(sessions, said, strict=True):
        table.put_all(drafts)
        table.lock(session, LIAR)
    return table, sessions


def released(table: DelayedTable, sessions: list[str]) -> list[set[int]]:
    for session in sessions:
        table.settle(session)
    return [table.partials(session) for session in sessions]


def test_each_two_of_the_sets_show_nobody_and_all_three_show_two() -> None:
    table, sessions = closed()
    table.read(1)
    history = table.hospitals[1].history
    for session in sessions[:2]:
        table.lock(session, LIAR)
        table.read(1)
        assert history.difference(table.hospitals[1].member(session).view) is None
    found = history.difference(table.hospitals[1].member(sessions[2]).view)
    assert found is not None
    assert found.rounds == ("a/1", "b/1")
    assert len(found.members) == 2


def test_nobody_contributes_to_the_next_before_the_one_before_it_has_ended() -> None:
    """So that all have seen the first two sets when the third is closed."""
    table, (first, second, third) = begun()
    table.contribute(first, A)
    table.close_round(first)
    table.read()
    for i in (1, 2):
        assert table.hospitals[i].unended(second) == (first,)
    table.settle(first)
    assert not table.hospitals[1].unended(second)
    assert table.hospitals[3].unended(third) == (second,)
    table.contribute(second, B)
    table.close_round(second)
    table.settle(second)
    assert not table.hospitals[3].unended(third)
    table.contribute(third, C)
    table.close_round(third)
    table.settle(third)
    assert set(table.view_of(third).refusals) == {1, 2, 3, 4, 5}
    assert not table.view_of(third).locks


def test_who_has_locked_unaware_looks_again_before_it_releases() -> None:
    """Even where all have contributed to all at once, and locked what they knew nothing against."""
    table, sessions = locked()
    for session in sessions:
        assert len(table.view_of(session).locks) == TERMS.lock_threshold
    assert not any(released(table, sessions))


def before_the_third() -> tuple[DelayedTable, list[str]]:
    """The first two are opened while the locks of the third are in the aggregator's hands."""
    table, sessions = closed()
    table.read()
    said = [table.collect(s, *who) for s, who in zip(sessions, LOCKERS, strict=True)]
    for session, drafts in zip(sessions[:2], said[:2], strict=True):
        table.put_all(drafts)
        table.lock(session, LIAR)
        table.settle(session)
    table.put_all(said[2])
    table.lock(sessions[2], LIAR)
    return table, sessions


def test_two_of_them_are_opened_and_the_third_is_not() -> None:
    table, sessions = before_the_third()
    first, second, third = released(table, sessions)
    assert first == second == {1, 2, 3, 4, 5}
    assert not third


def test_where_nobody_looks_again_all_three_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    table, sessions = before_the_third()
    monkeypatch.setattr(RoundMember, "_check_difference", lambda member: None)
    assert all(len(parts) >= TERMS.quorum - 1 for parts in released(table, sessions))


# ── a set that is locked by enough, and never opened: no excuse ──


def once_more() -> set[int]:
    """Who releases its part of a fourth study's sum, over the third one's hospitals."""
    table, sessions = before_the_third()
    released(table, sessions)
    again = table.begin("again")
    table.contribute(again, C)
    table.close_round(again)
    table.settle(again)
    return table.partials(again)


def test_what_enough_have_locked_is_no_excuse_for_the_same_sum_once_more() -> None:
    """Nobody has opened it: with the first two it would show 3 and 4 as before."""
    assert not once_more()


def test_where_it_were_an_excuse_it_would_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    excuse_rows(monkeypatch)
    assert len(once_more()) >= TERMS.quorum - 1


def test_a_liars_lock_is_no_excuse_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """It locks a set that shows 4 with one that is open, and then all ask for that very set."""
    shown = []
    for excuses in (False, True):
        table = DelayedTable(TOY, {LIAR})
        sessions = [table.begin(name) for name in NAMES]
        for session, members in zip(sessions, (A, (1, 2, 3), (1, 2, 3)), strict=True):
            table.contribute(session, members)
            table.close_round(session)
        table.settle(sessions[0])
        table.lock(sessions[1], LIAR)
        if excuses:
            excuse_rows(monkeypatch)
        table.settle(sessions[2])
        shown.append(table.partials(sessions[2]))
    assert shown == [set(), {1, 2, 3, 4, 5}]
