"""The ceremony's machine: in any order, after any restart, and against every odd post."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
import pytest
from gmpy2 import mpz

from keyshare.threshold_key import KeyShare
from protocol import ceremony as ceremony_module
from protocol import key_steps
from protocol.ceremony import KINDS, Ceremony
from protocol.ceremony_run import CeremonyRun, StepId
from protocol.draft import Draft, Envelope
from protocol.encoding import encode, pack_numbers, unpack_numbers, width_of
from protocol.epoch import read_secret
from protocol.errors import CeremonyFailed
from protocol.messages import (
    MAX_INLINE_BYTES,
    Abort,
    Attachment,
    Certificate,
    Join,
    Step,
    attach,
)
from protocol.sealing import SealContext, SealingKey
from tests.toy import CEREMONY, CeremonyTable, finished, seed_of, toy_epoch, toy_federation

STEPS = ["join", *KINDS, "certificate"]
N, QUORUM = 4, 2
PUBLIC = [name for name, kind in KINDS.items() if kind.public]
PRIVATE = [name for name, kind in KINDS.items() if kind.private]


def federation():
    return toy_federation(N, QUORUM)


def name_of(body: object) -> str:
    return body.step if isinstance(body, Step) else type(body).__name__.lower()


def opened(table: CeremonyTable, recipient: int, sender: int, label: str, sealed: bytes) -> bytes:
    terms = table.federation.terms
    run = CeremonyRun(terms, recipient, CEREMONY, table.seeds[recipient])
    context = SealContext(terms.federation, CEREMONY, label, sender, recipient)
    return run.sealing.unseal(sealed, context)


def label_of(body: Step) -> str:
    return f"{body.step}/{body.batch}/{body.part}"


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


def plaintexts_of(draft: Draft, table: CeremonyTable, sender: int) -> dict[int, bytes]:
    """A draft's payloads with the seals taken off."""
    body, blobs = draft.body, iter(draft.blobs)
    if not isinstance(body, Step):
        return {0: encode(body)}
    found = dict[int, bytes]()
    for attachment in body.attachments:
        data = next(blobs) if attachment.is_blob else attachment.data
        if attachment.to:
            data = opened(table, attachment.to, sender, label_of(body), data)
        found[attachment.to] = data
    return found


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


# ── odd posts: the ceremony fails, and names who ──


def altered(step: str, change: Callable[[CeremonyTable, Draft], Draft], culprit: int = 2):
    """A ceremony in which one member's first draft of a step is changed."""
    # Only with three dealers there is a product to reduce.
    table = CeremonyTable(toy_federation(5, 3) if step == "reduce" else federation())
    done = list[str]()

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender != culprit or done or name_of(draft.body) != step:
            return draft
        done.append(step)
        return change(table, draft)

    table.run(tamper)
    assert done
    return table


def with_payload(draft: Draft, to: int, change: Callable[[bytes], bytes]) -> Draft:
    """The draft with the payload for one recipient (0: for all) changed."""
    assert isinstance(draft.body, Step)
    attachments, blobs = list[Attachment](), list[bytes]()
    old_blobs = iter(draft.blobs)
    for attachment in draft.body.attachments:
        data = next(old_blobs) if attachment.is_blob else attachment.data
        if attachment.to == to:
            data = change(data)
        attachments.append(attach(data, attachment.to))
        blobs += [data] if len(data) > MAX_INLINE_BYTES else []
    body = msgspec.structs.replace(draft.body, attachments=tuple(attachments))
    return Draft(draft.session, body, tuple(blobs))


def assert_everybody_names(table: CeremonyTable, culprit: int, step: str) -> None:
    assert table.failures == dict.fromkeys(table.machines, (culprit, step))
    assert all(machine.aborted for machine in table.machines.values())
    assert not any(machine.outcome for machine in table.machines.values())
    aborts = [p.post.body for p in table.board.entries if isinstance(p.post.body, Abort)]
    assert {(abort.culprit, abort.step) for abort in aborts} == {(culprit, step)}


@pytest.mark.parametrize("step", PUBLIC)
@pytest.mark.parametrize(
    "change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"\xff" * len(d), lambda d: b""]
)
def test_a_public_payload_of_another_length_or_range_fails_its_sender(step, change):
    table = altered(step, lambda _, draft: with_payload(draft, 0, change))
    assert_everybody_names(table, 2, step)


@pytest.mark.parametrize("step", PRIVATE)
def test_a_damaged_seal_fails_its_sender(step):
    def flip(sealed: bytes) -> bytes:
        return sealed[:-1] + bytes([sealed[-1] ^ 1])

    table = altered(step, lambda _, draft: with_payload(draft, 3, flip))
    assert_everybody_names(table, 2, step)


def resealed(table: CeremonyTable, draft: Draft, change: Callable[[bytes], bytes]) -> Draft:
    """The draft with what is sealed to member 3 changed inside its seal."""
    body = draft.body
    assert isinstance(body, Step)
    payload = plaintexts_of(draft, table, 2)[3]
    keys = {i: m._run.sealing.public for i, m in table.machines.items()}
    envelope = Envelope(table.federation.terms.federation, CEREMONY, 2, keys)
    (attachment,), blobs = envelope.seal_all({3: change(payload)}, label_of(body))
    sealed = blobs[0] if blobs else attachment.data
    return with_payload(draft, 3, lambda _: sealed)


@pytest.mark.parametrize("step", PRIVATE)
@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b""])
def test_a_private_payload_of_another_length_fails_its_sender(step, change):
    table = altered(step, lambda table, draft: resealed(table, draft, change))
    assert_everybody_names(table, 2, step)


@pytest.mark.parametrize("step", [step for step in PRIVATE if step != "keys"])
def test_a_private_number_out_of_range_fails_its_sender(step):
    change: Callable[[bytes], bytes] = lambda data: b"\xff" * len(data)  # noqa: E731
    assert_everybody_names(altered(step, lambda t, d: resealed(t, d, change)), 2, step)


def without(draft: Draft, to: int) -> Draft:
    assert isinstance(draft.body, Step)
    kept = tuple(a for a in draft.body.attachments if a.to != to)
    return Draft(draft.session, msgspec.structs.replace(draft.body, attachments=kept), draft.blobs)


@pytest.mark.parametrize("step", KINDS)
def test_a_missing_payload_fails_its_sender(step):
    to = 0 if KINDS[step].public else 3
    assert_everybody_names(altered(step, lambda _, draft: without(draft, to)), 2, step)


@pytest.mark.parametrize("step", [step for step in PRIVATE if not KINDS[step].public])
def test_a_payload_for_all_in_a_private_step_fails_its_sender(step):

    def add(_: CeremonyTable, draft: Draft) -> Draft:
        assert isinstance(draft.body, Step)
        more = (*draft.body.attachments, attach(b"hello"))
        return Draft(
            draft.session, msgspec.structs.replace(draft.body, attachments=more), draft.blobs
        )

    assert_everybody_names(altered(step, add), 2, step)


def said_once(position: int) -> CeremonyTable:
    """A ceremony stopped after so many entries."""
    table = CeremonyTable(federation())
    while len(table.board.entries) < position:
        for sender, draft in table.due():
            if len(table.board.entries) < position:
                table.publish(sender, draft)
    return table


@pytest.mark.parametrize("position", [1, N, N + 1, 2 * N - 1, 3 * N])
def test_a_message_said_twice_fails_its_sender(position):
    table = said_once(position)
    last = table.board.entries[-1].post
    draft = Draft(CEREMONY, last.body)
    table.publish(last.sender, draft)
    assert {f[0] for f in table.failures.values() if f} == {last.sender}
    assert all(table.failures.values())


@pytest.mark.parametrize(
    "body",
    [
        Join(SealingKey(bytes(32)).public),
        Certificate(bytes(32), b""),
        Step("join", 0, 0, ()),
        Step("certificate", 0, 0, ()),
        Step("no-such-step", 0, 0, ()),
        Step("", 0, 0, ()),
        Step("keys", 0, 1, ()),
        Step("keys", 1, 0, ()),
        Step("factors", 0, 0, ()),
        Step("trial", 0, 0, ()),
    ],
)
def test_a_post_out_of_turn_fails_its_sender_at_once(body):
    table = said_once(N)  # all have joined: keys are due
    table.publish(3, Draft(CEREMONY, body))
    assert {f[0] for f in table.failures.values() if f} == {3}
    assert all(table.failures.values())
    table.run()
    assert all(machine.aborted for machine in table.machines.values())


def test_a_member_who_is_no_dealer_fails_if_it_deals():
    table = said_once(2 * N)  # units are due, from members 1 and 2
    assert sorted(dict(table.due())) == [1, 2]
    table.publish(4, Draft(CEREMONY, Step("units", 0, 0, ())))
    assert {f[0] for f in table.failures.values() if f} == {4}


@pytest.mark.parametrize(
    "public",
    [
        b"",
        b"short",
        SealingKey(bytes(32)).public[:-1],
        SealingKey(bytes(32)).public[:-32] + bytes(32),
    ],
)
def test_a_sealing_key_that_nothing_can_be_sealed_to_fails_its_owner(public):
    table = altered("join", lambda _, draft: Draft(CEREMONY, Join(public)))
    assert_everybody_names(table, 2, "join")


# ── the trial and the certificate ──


def trial_values(n: int, quorum: int) -> tuple[CeremonyRun, StepId, dict[int, list[mpz]]]:
    """A member's knowledge at the trial, and every member's verification key and trial part."""
    toy = toy_epoch(n, quorum)
    runs = {i: machine._run for i, machine in toy.table.machines.items()}
    batch = runs[1].batch
    step = StepId("trial", batch.number, batch.moduli.index(toy.key.n))
    payloads = {i: key_steps.try_share(run, step) for i, run in runs.items()}
    square = toy.key.n**2
    return (
        runs[1],
        step,
        {
            i: unpack_numbers(payload, width_of(square), 2, square, "trial")
            for i, payload in payloads.items()
        },
    )


def trial_failure(n: int, quorum: int, wrong: int, position: int, factor: mpz) -> int:
    """Whom the trial names when one member's value at a position is multiplied."""
    run, step, values = trial_values(n, quorum)
    square = run.modulus(step.part) ** 2
    values[wrong][position] = values[wrong][position] * factor % square
    public = {i: pack_numbers(row, width_of(square)) for i, row in values.items()}
    with pytest.raises(CeremonyFailed) as raised:
        key_steps.finish_trial(run, step, public, {})
    assert raised.value.step == "trial"
    return raised.value.culprit


SIZES = [(3, 2), (4, 2), (4, 3), (5, 2), (5, 3), (5, 4), (7, 4)]


@pytest.mark.parametrize(("n", "quorum"), SIZES)
@pytest.mark.parametrize("position", [0, 1])
def test_the_trial_names_the_sender_of_a_wrong_value(n, quorum, position):
    for wrong in range(1, n + 1):
        assert trial_failure(n, quorum, wrong, position, mpz(2)) == wrong


@pytest.mark.parametrize(("n", "quorum"), SIZES)
@pytest.mark.parametrize("position", [0, 1])
def test_the_trial_names_the_sender_of_a_zero(n, quorum, position):
    for wrong in range(1, n + 1):
        assert trial_failure(n, quorum, wrong, position, mpz(0)) == wrong


@pytest.mark.parametrize(("n", "quorum"), SIZES)
def test_a_verification_key_that_is_wrong_by_an_nth_of_a_unit_blames_nobody_else(n, quorum):
    """A factor 1 + N leaves v^(Δ²·F(0)) at 1 mod N; it takes two quorums without i to tell."""
    factor = 1 + toy_epoch(n, quorum).key.n
    for wrong in range(1, n + 1):
        expected = wrong if n - quorum >= 2 else 0
        assert trial_failure(n, quorum, wrong, 0, factor) == expected


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("factor", [0, 2])
def test_where_all_are_needed_a_wrong_value_fails_without_a_name(position, factor):
    assert trial_failure(4, 4, 2, position, mpz(factor)) == 0


def test_the_trial_passes_with_the_values_as_they_are():
    run, step, values = trial_values(5, 3)
    width = width_of(run.modulus(step.part) ** 2)
    public = {i: pack_numbers(row, width) for i, row in values.items()}
    assert key_steps.finish_trial(run, step, public, {}) == ceremony_module.CERTIFICATE


def test_a_wrong_trial_part_ends_the_ceremony_for_all():
    def double(data: bytes) -> bytes:
        half = len(data) // 2
        return data[:half] + data[:half]

    table = altered("trial", lambda _, draft: with_payload(draft, 0, double))
    assert_everybody_names(table, 2, "trial")


@pytest.mark.parametrize("field", ["transcript", "epoch"])
def test_a_certificate_of_something_else_fails_its_sender(field):
    def change(_: CeremonyTable, draft: Draft) -> Draft:
        value = getattr(draft.body, field)
        other = value[:-1] + bytes([value[-1] ^ 1])
        return Draft(CEREMONY, msgspec.structs.replace(draft.body, **{field: other}))

    assert_everybody_names(altered("certificate", change), 2, "certificate")


def test_without_the_last_certificate_nobody_has_a_key():
    table = CeremonyTable(federation())
    while not all(m.progress.step == "certificate" for m in table.machines.values()):
        for sender, draft in table.due():
            table.publish(sender, draft)
    for sender, draft in table.due()[:-1]:
        table.publish(sender, draft)
    assert not any(m.outcome for m in table.machines.values())
    assert table.machines[1].progress.waiting_for == (N,)
    table.run()
    assert all(m.outcome for m in table.machines.values())


def test_the_transcript_is_the_head_that_all_have_reached():
    table = toy_epoch(N, QUORUM).table
    last_trial = max(p.position for p in table.board.entries if name_of(p.post.body) == "trial")
    certificates = [p for p in table.board.entries if isinstance(p.post.body, Certificate)]
    for posted in certificates:
        assert posted.post.body.transcript == table.board.hash_at(last_trial)


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
    data = [run.seed, run.sealing_seed, *run.keys_sent.values(), *run.keys_received.values()]
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
