"""The ceremony's machine: in any order, after any restart, and showing no secret."""

import random

import pytest

from protocol.board.draft import Draft
from protocol.ceremony.run import CeremonyRun
from protocol.encoding import encode
from protocol.errors import CeremonyFailed
from protocol.key.epoch import read_secret
from protocol.messages.ceremony import Abort, Disclosure, Step
from tests.stage.ceremony.small_ceremony import (
    QUORUM,
    STEPS,
    N,
    federation,
    name_of,
    plaintexts_of,
    said_once,
)
from tests.stage.toy import CEREMONY, CeremonyTable, finished, seed_of, toy_epoch, toy_federation

# ── the course of a ceremony ──


def test_every_step_takes_place():
    names = [name_of(p.post.body) for p in toy_epoch(N, QUORUM).table.board.entries]
    assert set(names) == set(STEPS)
    assert names[:N] == ["join"] * N
    assert names[-N:] == ["certificate"] * N


def test_all_members_end_with_one_epoch_and_shares_that_fit_it():
    toy = toy_epoch(N, QUORUM)
    for i in toy.federation.members:
        epoch, secret = read_secret(encode(toy.secrets[i]), toy.federation.terms, i)
        assert epoch == toy.epoch
        assert secret.index == i
    assert len({share.value for share in toy.shares.values()}) == N
    assert toy.table.due() == []


@pytest.mark.parametrize("salt", range(6))
def test_the_order_in_which_a_steps_senders_speak_changes_nothing(salt):
    """Same seeds: same key and shares, whoever is first; only the transcript differs."""
    chance = random.Random(salt)

    def shuffled(drafts: list[tuple[int, Draft]]) -> list[tuple[int, Draft]]:
        return chance.sample(drafts, len(drafts))

    plain, other = toy_epoch(N, QUORUM), finished(CeremonyTable(federation()).run(order=shuffled))
    assert other.epoch == plain.epoch
    assert other.secrets == plain.secrets
    assert other.table.board.head != plain.table.board.head


def test_other_seeds_make_another_key():
    other = finished(CeremonyTable(federation(), "other seeds").run())
    assert other.key.n != toy_epoch(N, QUORUM).key.n


def test_another_session_has_other_randomness_for_the_same_seed():
    terms, seed = federation().terms, seed_of("same")
    first, second = (CeremonyRun(terms, 1, f"ceremony/{k}", seed) for k in (1, 2))
    assert first.sealing.public != second.sealing.public
    assert first.keys_sent != second.keys_sent
    elsewhere = CeremonyRun(toy_federation(N, 3).terms, 1, "ceremony/1", seed)
    assert first.sealing.public != elsewhere.sealing.public


def test_key_sizes_need_not_be_whole_bytes():
    toy = finished(CeremonyTable(toy_federation(3, 2, 258)).run())
    assert toy.key.n.bit_length() == 258


# ── restarts ──


@pytest.mark.parametrize("member", [1, N])
def test_a_restart_at_any_entry_says_the_same_again(member):
    """From (seed, board) alone: the same step, the same public part, the same payloads inside."""
    toy = toy_epoch(N, QUORUM)
    table, compared = CeremonyTable(toy.federation), set[str]()
    steady = table.machine(member)
    for position in range(len(toy.table.board.entries) + 1):
        table.board, table.blobs = toy.table.board, toy.table.blobs
        first, again = steady.due(), table.replayed(member, position).due()
        assert (first is None) == (again is None)
        if first is not None and again is not None:
            assert type(first.body) is type(again.body)
            if isinstance(first.body, Step) and isinstance(again.body, Step):
                assert first.body.step == again.body.step
                shapes = [
                    [(a.to, a.size) for a in draft.body.attachments] for draft in (first, again)
                ]
                assert shapes[0] == shapes[1]
            assert plaintexts_of(first, table, member) == plaintexts_of(again, table, member)
            compared.add(name_of(first.body))
        if position < len(toy.table.board.entries):
            table.feed(steady, toy.table.board.entries[position])
    said = [p.post.body for p in toy.table.board.entries if p.post.sender == member]
    assert compared == {name_of(body) for body in said}
    assert steady.outcome == toy.table.machines[member].outcome


@pytest.mark.parametrize("salt", range(3))
def test_members_restarted_now_and_then_make_the_same_key(salt):
    chance, table = random.Random(salt), CeremonyTable(federation())
    while drafts := table.due():
        for sender, draft in drafts:
            table.publish(sender, draft)
            if chance.random() < 0.3:
                member = chance.randrange(1, N + 1)
                table.machines[member] = table.replayed(member)
    assert finished(table).secrets == toy_epoch(N, QUORUM).secrets


def test_nothing_is_due_twice_and_after_the_end_nothing_at_all():
    table = CeremonyTable(federation())
    (sender, draft), *_ = table.due()
    table.publish(sender, draft)
    assert sender not in dict(table.due())
    table.run()
    assert table.due() == []


# ── aborts ──


def test_an_abort_stops_everybody_and_says_why():
    table = said_once(N + 2)
    table.publish(2, Draft(CEREMONY, Abort(4, "deal", "it is gone")))
    assert table.failures == dict.fromkeys(table.machines, (4, "deal"))
    for i in table.machines:
        replayed = table.replayed(i)
        assert replayed.aborted
        assert replayed.due() == table.machines[i].due() == seed_of_member(table, i)


def seed_of_member(table: CeremonyTable, member: int) -> Draft:
    return Draft(CEREMONY, Disclosure(table.seeds[member]))


def test_after_an_abort_everybody_discloses_its_seed_once_and_is_done():
    table = said_once(N + 2)
    table.publish(2, Draft(CEREMONY, Abort(4, "deal", "it is gone")))
    assert all(machine.owes_seed for machine in table.machines.values())
    table.run()
    assert table.due() == []
    said = [p.post for p in table.board.entries if isinstance(p.post.body, Disclosure)]
    assert {post.sender: post.body.seed for post in said} == table.seeds
    assert len(said) == N
    for machine in table.machines.values():
        assert machine.disclosed == table.seeds
        assert not machine.owes_seed


def test_who_has_not_joined_has_no_seed_to_disclose():
    table = said_once(2)
    table.publish(1, Draft(CEREMONY, Abort(0, "join", "I change my mind")))
    assert sorted(dict(table.due())) == [1, 2]
    table.run()
    assert set(table.machines[4].disclosed) == {1, 2}
    assert table.verdict.silent == ()


def test_who_joins_before_it_sees_the_abort_discloses_too():
    """Else it would be shown as silent for ever, and never come to the next ceremony."""
    table = said_once(2)
    on_its_way = dict(table.due())[3]
    table.publish(1, Draft(CEREMONY, Abort(0, "join", "I change my mind")))
    table.publish(3, on_its_way)
    table.run()
    assert set(table.machines[4].disclosed) == {1, 2, 3}
    assert table.verdict.silent == ()
    assert not any(table.replayed(i).owes_seed for i in table.machines)


def test_who_has_certified_keeps_its_seed():
    """The others might hold all certificates already, and use the key."""
    table = CeremonyTable(federation()).before_the_end()
    certified, draft = table.due()[0]
    table.publish(certified, draft)
    table.publish(2, Draft(CEREMONY, Abort(0, "certificate", "I change my mind")))
    table.run()
    assert set(table.machines[1].disclosed) == set(table.machines) - {certified}
    assert table.due() == []
    assert table.verdict.silent == ()


def test_an_abort_after_the_end_takes_no_key_away():
    table = CeremonyTable(federation()).run()
    table.publish(2, Draft(CEREMONY, Abort(4, "deal", "too late")))
    assert all(m.outcome and not m.failure for m in table.machines.values())


def test_a_long_reason_still_fits_into_an_abort():
    machine = CeremonyTable(federation()).machine(1)
    machine.failure = CeremonyFailed(2, "deal", "x" * 2_000)
    draft = machine.due()
    assert draft is not None
    assert isinstance(draft.body, Abort)
    assert len(draft.body.reason) == 500


def test_progress_says_who_is_waited_for():
    table = CeremonyTable(federation())
    assert table.machines[1].progress.waiting_for == (1, 2, 3, 4)
    table.publish(3, dict(table.due())[3])
    progress = table.machines[1].progress
    assert (progress.step, progress.waiting_for) == ("join", (1, 2, 4))
    table.run()
    done = table.machines[1].progress
    assert done.step == "done"
    assert done.candidates % table.machines[1]._run.layout.batch_size == 0
    assert done.candidates > 0 < done.tests
    assert done.expected_candidates > done.expected_tests > 1
