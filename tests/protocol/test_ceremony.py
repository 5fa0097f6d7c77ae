"""The ceremony's machine: in any order, after any restart, and showing no secret."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
import pytest

from keyshare.threshold_key import KeyShare
from protocol.ceremony import Ceremony
from protocol.ceremony_run import CeremonyRun
from protocol.draft import Draft
from protocol.encoding import encode
from protocol.epoch import read_secret
from protocol.errors import BadSeal, CeremonyFailed
from protocol.messages import (
    Abort,
    Step,
)
from protocol.sealing import SealContext, SealingKey
from tests.protocol.small_ceremony import (
    QUORUM,
    STEPS,
    N,
    federation,
    label_of,
    name_of,
    opened,
    plaintexts_of,
    said_once,
)
from tests.toy import CEREMONY, CeremonyTable, finished, seed_of, toy_epoch, toy_federation

# ── the course of a ceremony ──


def test_every_step_takes_place():
    names = [name_of(p.post.body) for p in toy_epoch(N, QUORUM).table.board.entries]
    assert set(names) == set(STEPS) - {"reduce"}  # two dealers: nothing to reduce
    assert names[:N] == ["join"] * N
    assert names[-N:] == ["certificate"] * N
    larger = {name_of(p.post.body) for p in toy_epoch(5, 3).table.board.entries}
    assert larger == set(STEPS)


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
    table, compared = CeremonyTable(toy.federation), 0
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
            compared += 1
        if position < len(toy.table.board.entries):
            table.feed(steady, toy.table.board.entries[position])
    assert compared >= len(STEPS)
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
    table.publish(2, Draft(CEREMONY, Abort(4, "keys", "it is gone")))
    assert table.due() == []
    assert table.failures == dict.fromkeys(table.machines, (4, "keys"))
    for i in table.machines:
        replayed = table.replayed(i)
        assert replayed.aborted
        assert replayed.due() is None


def test_an_abort_after_the_end_takes_no_key_away():
    table = CeremonyTable(federation()).run()
    table.publish(2, Draft(CEREMONY, Abort(4, "keys", "too late")))
    assert all(m.outcome and not m.failure for m in table.machines.values())


def test_a_long_reason_still_fits_into_an_abort():
    machine = CeremonyTable(federation()).machine(1)
    machine.failure = CeremonyFailed(2, "keys", "x" * 2_000)
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
    assert done.candidates % table.machines[1]._run.batch_size == 0
    assert done.candidates > 0 < done.tests
    assert done.expected_candidates > done.expected_tests > 1


# ── secrets ──


@lru_cache(maxsize=1)
def machine_in_work() -> Ceremony:
    """A machine with every field of it filled: all but the last certificate said."""
    table = CeremonyTable(federation())
    while table.machines[1].progress.step != "certificate":
        for sender, draft in table.due():
            table.publish(sender, draft)
    return table.machines[1]


def everything_in(thing: Any, seen: set[int]) -> Iterator[Any]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield thing
    if isinstance(thing, dict):
        inner = list(thing.values())
    elif isinstance(thing, list | tuple | set):
        inner = list(thing)
    elif isinstance(thing, msgspec.Struct):
        inner = list(msgspec.structs.astuple(thing))
    else:
        inner = list(getattr(thing, "__dict__", {}).values())
    for item in inner:
        yield from everything_in(item, seen)


def secrets_of(run: CeremonyRun) -> list[str]:
    """A member's secrets in every spelling that a repr might use."""
    assert run.share is not None
    numbers = [
        *run.batch.factor_shares,
        *run.batch.factor_points,
        *run.batch.gap_points,
        *(share for row in run.batch.sharings for share in row),
        run.phi_point,
        run.beta_point,
        run.blind_point,
        run.share.value,
    ]
    data = [run.seed, run.epoch_sealing_seed, *run.keys_sent.values(), *run.keys_received.values()]
    spelled = [str(number) for number in numbers] + [hex(number)[2:] for number in numbers]
    return spelled + [item for d in data for item in (repr(d)[2:-1], d.hex())]


def test_no_object_of_a_ceremony_shows_a_secret():
    machine = machine_in_work()
    secrets, shown = secrets_of(machine._run), 0
    assert len(secrets) > 50
    for thing in everything_in(machine, set()):
        ours = type(thing).__module__.partition(".")[0] in ("keyshare", "protocol")
        if ours:
            shown += 1
            found = repr(thing) + str(thing)
            assert not any(secret in found for secret in secrets), type(thing)
    assert shown > 5


def test_what_a_vault_keeps_opens_nothing_of_the_ceremony():
    """Else few stolen vaults and the board would give the factors, whatever the quorum."""
    toy = toy_epoch(N, QUORUM)
    key = SealingKey(toy.secrets[3].sealing_seed)
    assert key.public == toy.epoch.sealing_keys[2]
    sealed = 0
    for posted in toy.table.board.entries:
        body, sender = posted.post.body, posted.post.sender
        for to, payload in toy.table.payloads(posted, 3).items() if isinstance(body, Step) else ():
            if to == 3 and isinstance(body, Step):
                sealed += 1
                label = label_of(body)
                assert opened(toy.table, 3, sender, label, payload)
                identity = toy.federation.terms.federation
                with pytest.raises(BadSeal):
                    key.unseal(payload, SealContext(identity, CEREMONY, label, sender, 3))
    assert sealed > 3 * len(toy.federation.members)


def test_no_draft_and_no_outcome_shows_a_secret():
    table = CeremonyTable(federation())
    drafts = []
    table.run(lambda sender, draft: drafts.append(draft) or draft)
    run = table.machines[1]._run
    found = "".join(map(repr, drafts)) + repr(table.machines[1].outcome)
    assert not any(secret in found for secret in secrets_of(run))


def test_no_public_part_of_the_board_holds_a_share():
    table = toy_epoch(N, QUORUM).table
    said = b"".join(encode(entry) for entry in table.entries) + b"".join(table.blobs.values())
    for machine in table.machines.values():
        run = machine._run
        assert isinstance(run.share, KeyShare)
        for number in (*run.batch.factor_shares, run.phi_point, run.beta_point, run.share.value):
            data = int(abs(number)).to_bytes((number.bit_length() + 7) // 8, "big")
            assert data not in said
        for secret in (table.seeds[machine.index], run.seed, *run.keys_sent.values()):
            assert secret not in said
