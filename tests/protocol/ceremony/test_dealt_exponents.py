"""Before θ' is opened all see that the exponents under N were dealt before N was known."""

from itertools import combinations

import pytest
from gmpy2 import mpz

from keyshare.key.deviation import vanishes
from protocol.ceremony import dealt_exponents
from protocol.ceremony.dealt_exponents import DEALT, misdealers, own_parts
from protocol.ceremony.machine import Ceremony
from protocol.ceremony.run import OBSERVER, CeremonyRun, StepId
from protocol.encoding import pack_numbers, width_of
from protocol.messages.ceremony import Step
from tests.stage.ceremony.altered import altered, assert_everybody_names, assert_named, seat_liar
from tests.stage.ceremony.opened_key import runs_of
from tests.stage.ceremony.small_ceremony import (
    QUORUM,
    N,
    federation,
    name_of,
    with_two_batches,
    with_two_passing,
)
from tests.stage.files import with_payload
from tests.stage.toy import CEREMONY, CeremonyTable, toy_epoch, toy_federation

HASH = 32


def posted_points(table: CeremonyTable) -> dict[int, mpz]:
    """D(j) of each member, from the board."""
    size = width_of(table.machines[1]._run.rows.prime)
    return {
        posted.post.sender: mpz(
            int.from_bytes(table.payloads(posted, 0)[0][HASH : HASH + size], "big")
        )
        for posted in table.board.entries
        if isinstance(body := posted.post.body, Step) and body.step == "theta-commit"
    }


def with_point(change, member: int, toy=None) -> CeremonyTable:
    """A ceremony in which a member posts something else for its D(j)."""

    def other(table, draft):
        run = table.machines[member]._run
        end = HASH + width_of(run.rows.prime)
        return with_payload(draft, 0, lambda d: d[:HASH] + change(d[HASH:end], run) + d[end:])

    return altered("theta-commit", other, member, toy)


def plus_one(point: bytes, run: CeremonyRun) -> bytes:
    value = (int.from_bytes(point, "big") + 1) % run.rows.prime
    return pack_numbers([mpz(value)], len(point))


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (4, 2), (5, 3)])
def test_the_points_on_the_board_are_a_sharing_of_0_of_degree_t(n, quorum):
    table = toy_epoch(n, quorum).table
    run, points = table.machines[1]._run, posted_points(table)
    assert set(points) == set(table.machines)
    assert vanishes(points, run.shape.degree, run.rows.prime)
    assert len(set(points.values())) == n
    for i, machine in table.machines.items():
        assert sum(own_parts(machine._run).values()) % run.rows.prime == points[i]


@pytest.mark.parametrize("ceremony", [with_two_batches, with_two_passing])
def test_they_are_posted_for_the_winner_alone_once_and_before_theta_is_opened(ceremony):
    """A candidate that fails its 64 rounds after the screen has none: its leaves are opened."""
    table = ceremony()
    names = [name_of(posted.post.body) for posted in table.board.entries]
    assert names.count("theta-commit") == N
    assert names.index("theta") > max(k for k, name in enumerate(names) if name == "theta-commit")
    winner = table.machines[1]._run.the_winner.number
    about = {
        p.post.body.candidate
        for p in table.board.entries
        if isinstance(p.post.body, Step) and p.post.body.step == "theta-commit"
    }
    assert about == {winner}


@pytest.mark.parametrize("member", [1, N])
def test_a_member_that_posts_another_point_is_named_by_its_seed(member):
    table = with_point(plus_one, member)
    assert_everybody_names(table, 0, DEALT)
    assert_named(table, member)


def test_a_point_outside_the_field_names_its_sender():
    table = with_point(lambda point, run: pack_numbers([run.rows.prime], len(point)), 2)
    assert_everybody_names(table, 2, "theta-commit")
    assert_named(table, 2)


def test_an_observer_checks_the_same():
    table = with_point(plus_one, 2)
    observer = Ceremony(table.federation.terms, OBSERVER, CEREMONY, bytes(32))
    for posted in table.board.entries:
        table.feed(observer, posted)
        if observer.failure:
            break
    assert (observer.failure.culprit, observer.failure.step) == (0, DEALT)
    assert not observer.deviation_parts


def test_a_wrong_point_of_who_keeps_its_seed_gets_no_dealer_named():
    """Its dealers' parts, as the others have them, are as they should be."""
    table = CeremonyTable(federation())
    seat_liar(table, 2, "theta-commit", spoiling)
    while drafts := [(i, draft) for i, draft in table.due() if i != 2 or not stopped(table)]:
        for sender, draft in drafts:
            table.publish(sender, draft)
    assert table.failures[1] == (0, DEALT)
    assert (table.verdict.culprits, table.verdict.silent) == ({}, (2,))


def spoiling(run: CeremonyRun, step: StepId, payload: bytes) -> bytes:
    end = HASH + width_of(run.rows.prime)
    return payload[:HASH] + plus_one(payload[HASH:end], run) + payload[end:]


def stopped(table: CeremonyTable) -> bool:
    return any(machine.aborted for machine in table.machines.values())


# ── who dealt it ──


def parts_of(table: CeremonyTable, *members: int) -> dict[int, dict[int, mpz]]:
    runs = runs_of(table)
    return {j: own_parts(runs[j]) for j in members or runs}


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (4, 2), (5, 3)])
def test_no_honest_dealer_is_a_misdealer_whoever_shows_its_points(n, quorum):
    table = toy_epoch(n, quorum).table
    shape = table.machines[1]._run.shape
    for left_out in range(n + 1):
        shown = [j for j in range(1, n + 1) if j != left_out]
        assert misdealers(shape, parts_of(table, *shown)) == []


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (4, 2), (5, 3)])
def test_t_plus_1_members_points_show_a_misdealer_and_t_do_not(n, quorum):
    table = toy_epoch(n, quorum).table
    run = table.machines[1]._run
    t, prime = run.shape.degree, run.rows.prime
    for dealer in run.the_winner.exponents:
        parts = parts_of(table)
        for own in parts.values():  # its exponent is off by one everywhere
            own[dealer] = (own[dealer] + 4 * run.the_winner.shape.delta) % prime
        for shown in combinations(parts, t + 1):
            assert misdealers(run.shape, {j: parts[j] for j in shown}) == [dealer]
        for shown in combinations(parts, t):
            assert misdealers(run.shape, {j: parts[j] for j in shown}) == []
    assert misdealers(run.shape, {}) == []


def test_a_dealer_whose_points_have_a_higher_degree_is_one_too():
    table = toy_epoch(5, 3).table
    run = table.machines[1]._run
    dealer, parts = min(run.the_winner.exponents), parts_of(table)
    parts[4][dealer] = (parts[4][dealer] + 1) % run.rows.prime
    assert misdealers(run.shape, parts) == [dealer]


def test_where_no_n_was_found_there_is_nobody_to_name():
    table = CeremonyTable(toy_federation(N, QUORUM))
    assert own_parts(table.machines[1]._run) == {}
    assert misdealers(table.machines[1]._run.shape, {1: {}, 2: {}, 3: {}}) == []


def test_without_the_check_a_wrong_point_goes_unnoticed(monkeypatch):
    monkeypatch.setattr(dealt_exponents, "vanishes", lambda *points: True)
    table = with_point(plus_one, 2)
    assert all(machine.outcome for machine in table.machines.values())
