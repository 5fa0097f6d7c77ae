"""Odd posts in a ceremony: it fails, and names who."""

from __future__ import annotations

import copy
from collections.abc import Callable

import msgspec
import pytest
from gmpy2 import mpz

from protocol import candidate_steps, key_steps
from protocol import ceremony as ceremony_module
from protocol.ceremony import KINDS
from protocol.ceremony_run import CeremonyRun, StepId
from protocol.draft import Draft, Envelope
from protocol.encoding import pack_numbers, unpack_numbers, width_of
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
from protocol.sealing import SealingKey
from tests.protocol.small_ceremony import (
    PRIVATE,
    PUBLIC,
    QUORUM,
    N,
    federation,
    label_of,
    name_of,
    plaintexts_of,
    said_once,
)
from tests.toy import CEREMONY, CeremonyTable, toy_epoch, toy_federation


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


def test_a_step_called_join_is_no_join():
    table = said_once(1)
    table.publish(3, Draft(CEREMONY, Step("join", 0, 0, ())))
    table.run()
    assert_everybody_names(table, 3, "join")


def test_a_step_called_certificate_is_no_certificate():
    step = Draft(CEREMONY, Step("certificate", 0, 0, ()))
    assert_everybody_names(altered("certificate", lambda *_: step), 2, "certificate")


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


def winner(n: int = 4, quorum: int = 2) -> tuple[CeremonyRun, StepId]:
    """A member's knowledge when the ceremony was over, and the winner's batch and position."""
    toy = toy_epoch(n, quorum)
    run = copy.copy(toy.table.machines[1]._run)
    run.batch = copy.deepcopy(run.batch)
    run.batch.passing = []
    return run, StepId("", run.batch.number, run.batch.moduli.index(toy.key.n))


def payloads_of(table: CeremonyTable, step: StepId) -> dict[int, bytes]:
    """The public payloads that were posted in a step."""
    return {
        posted.post.sender: table.payloads(posted, 0)[0]
        for posted in table.board.entries
        if isinstance(body := posted.post.body, Step) and (body.step, body.batch, body.part) == step
    }


def test_a_gap_that_is_not_coprime_rejects_the_candidate():
    run, (_, batch, part) = winner()
    step = StepId("gap", batch, part)
    opened_values = payloads_of(toy_epoch(4, 2).table, step)
    assert candidate_steps.finish_gap(run, step, opened_values, {}).name == "dealing"
    zeros = {i: bytes(len(data)) for i, data in opened_values.items()}
    assert candidate_steps.finish_gap(run, step, zeros, {}) == StepId("units", batch + 1)
    run.batch.passing = [part]
    assert candidate_steps.finish_gap(run, step, zeros, {}) == StepId("rounds", batch, part)


@pytest.mark.parametrize("number", [0, 31, 63])
def test_one_failed_round_of_64_rejects_the_candidate(number):
    run, (_, batch, part) = winner()
    n = run.modulus(part)
    step = StepId("rounds", batch, part)
    width = width_of(n)
    private = {i: pack_numbers([mpz(1), mpz(1)], width) for i in run.everyone}
    public = payloads_of(toy_epoch(4, 2).table, step)
    assert candidate_steps.finish_rounds(run, step, public, private) == StepId("gap", batch, part)
    values = unpack_numbers(public[2], width, 64, n, "rounds")
    values[number] = values[number] * 2 % n
    changed = public | {2: pack_numbers(values, width)}
    following = candidate_steps.finish_rounds(run, step, changed, private)
    assert following == StepId("units", batch + 1)


def test_a_ceremony_that_finds_nothing_ends(monkeypatch):
    """Member 2 opens wrong moduli, for ever, so that no candidate is any good."""
    monkeypatch.setattr(candidate_steps, "MAX_EXCESS", 2)
    table = CeremonyTable(federation())

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender != 2 or name_of(draft.body) != "moduli":
            return draft
        return with_payload(draft, 0, lambda data: bytes(len(data)))

    table.run(tamper)
    assert_everybody_names(table, 0, "units")
    tried = table.machines[1].progress.candidates
    assert tried > 2 * table.machines[1].progress.expected_candidates


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
            i: unpack_numbers(payload[: 2 * width_of(square)], width_of(square), 2, square, "trial")
            for i, payload in payloads.items()
        },
    )


def trial_payloads(values: dict[int, list[mpz]], square: mpz) -> dict[int, bytes]:
    sealing_key = SealingKey(bytes(32)).public
    return {i: pack_numbers(row, width_of(square)) + sealing_key for i, row in values.items()}


def trial_failure(n: int, quorum: int, wrong: int, position: int, factor: mpz) -> int:
    """Whom the trial names when one member's value at a position is multiplied."""
    run, step, values = trial_values(n, quorum)
    square = run.modulus(step.part) ** 2
    values[wrong][position] = values[wrong][position] * factor % square
    public = trial_payloads(values, square)
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


@pytest.mark.parametrize(("n", "quorum"), SIZES)
def test_a_trial_part_that_fits_and_gives_another_plaintext_names_its_sender(n, quorum):
    for wrong in range(1, n + 1):
        assert trial_failure(n, quorum, wrong, 1, 1 + toy_epoch(n, quorum).key.n) == wrong


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("factor", [0, 2])
def test_where_all_are_needed_a_wrong_value_fails_without_a_name(position, factor):
    assert trial_failure(4, 4, 2, position, mpz(factor)) == 0


def test_the_trial_passes_with_the_values_as_they_are():
    run, step, values = trial_values(5, 3)
    public = trial_payloads(values, run.modulus(step.part) ** 2)
    assert key_steps.finish_trial(run, step, public, {}) == ceremony_module.CERTIFICATE


def test_a_wrong_trial_part_ends_the_ceremony_for_all():
    def double(data: bytes) -> bytes:
        width = width_of(mpz(1) << 512)
        return data[:width] + data[:width] + data[2 * width :]

    table = altered("trial", lambda _, draft: with_payload(draft, 0, double))
    assert_everybody_names(table, 2, "trial")


def test_a_bad_sealing_key_for_the_rounds_fails_its_sender():
    table = altered("trial", lambda _, draft: with_payload(draft, 0, lambda d: d[:-32] + bytes(32)))
    assert_everybody_names(table, 2, "trial")


def test_a_modulus_that_shares_a_factor_with_its_trial_fails_before_the_trial(monkeypatch):
    monkeypatch.setattr(key_steps, "trial_ciphertext", lambda n, context: (mpz(0), n))
    assert_everybody_names(CeremonyTable(federation()).run(), 0, "theta")


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
