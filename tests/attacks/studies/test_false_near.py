"""A liar says falsely what its numbers are near to, or does not say it.

It may call near what is not, to have two sums look like one and the same; or everything, so that
nothing can be decided any more; or keep silent, where its own would hide somebody else.
"""

from collections.abc import Iterable, Mapping

from tests.stage.rounds.delayed import DelayedTable
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
TERMS = TOY.federation.terms
LIAR = 5
OTHER = b"o" * 32


def opened(
    table: DelayedTable,
    name: str,
    members: Iterable[int],
    near: Mapping[int, tuple[str, ...]] | None = None,
    model: bytes = bytes(32),
) -> str:
    """A study's first round, closed, and as open as hospitals make it; the liar helps."""
    session = table.begin(name, model=model)
    table.contribute(session, members, near)
    table.close_round(session)
    table.lock(session, LIAR)
    table.settle(session)
    return session


def shown(table: DelayedTable, session: str) -> set[tuple[str, int]]:
    return {(r.rule, r.member) for r in table.view_of(session).refusals.values()}


def test_a_false_near_does_not_make_a_sum_look_like_one_that_is_open() -> None:
    """{1,2,3,5} after {1,2,3,4}: whatever 5 calls near, what 4 added comes out."""
    for near in ((), ("study/first/1",), ("study/far/1",), ("study/far/1", "study/first/1")):
        table = DelayedTable(TOY, {LIAR})
        opened(table, "far", (1, 2, 3, 4), model=OTHER)
        opened(table, "first", (1, 2, 3, 4))
        session = opened(table, "second", (1, 2, 3, LIAR), near={LIAR: near})
        assert {rule for rule, _ in shown(table, session)} == {"differencing"}
        assert not table.partials(session)


def test_a_liar_that_is_silent_of_what_is_near_hides_nobody() -> None:
    """1, 2 and 3 say that the second model is near to the first; 5, in both sums, does not."""
    table = DelayedTable(TOY, {LIAR})
    opened(table, "first", (1, 2, 3, 4, LIAR))
    honest = dict.fromkeys((1, 2, 3), ("study/first/1",))
    session = opened(table, "second", (1, 2, 3, LIAR), model=OTHER, near=honest)
    assert shown(table, session) == {("differencing", 4)}
    assert not table.partials(session)


def test_a_liar_that_calls_everything_near_stops_nobody() -> None:
    """Sums of 20 models that share nothing but the liar; then one that is opened as any other."""
    table = DelayedTable(TOY, {LIAR})
    everybody = TOY.federation.members
    sessions: list[str] = []
    for k in range(20):
        near = {LIAR: tuple(sorted(sessions))}
        model = bytes([k]) * 32
        sessions.append(opened(table, f"s{k}", tuple(everybody), model=model, near=near))
    assert all(table.partials(session) for session in sessions)
    again = opened(table, "again", tuple(everybody), model=bytes([7]) * 32)
    assert not shown(table, again)
    assert table.partials(again)
    close = opened(table, "close", (1, 2, 3, LIAR), model=bytes([7]) * 32)
    assert shown(table, close) == {("differencing", 4)}


def test_at_worst_it_stays_out_of_a_sum() -> None:
    """Its false near is held against the set with it, and not against one without."""
    table = DelayedTable(TOY, {LIAR})
    opened(table, "first", (1, 2, LIAR))
    near = {LIAR: ("study/first/1",)}
    session = table.begin("second", model=OTHER)
    table.contribute(session, TOY.federation.members, near)
    table.read()
    history, view = table.hospitals[1].history, table.hospitals[1].member(session).view
    assert history.closable(view, frozenset(TOY.federation.members)) >= {1, 2, 3, 4}
