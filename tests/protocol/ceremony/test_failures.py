"""Odd posts in a ceremony: it fails, and names who."""

from collections.abc import Callable

import msgspec
import pytest

from protocol.board.draft import Draft
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Step
from protocol.sealing import SealingKey
from tests.stage.ceremony.altered import (
    Change,
    altered,
    assert_everybody_names,
    assert_named,
    resealed,
    without,
)
from tests.stage.ceremony.small_ceremony import (
    LIAR,
    PRIVATE,
    PUBLIC,
    QUORUM,
    VICTIM,
    N,
    name_of,
    said_once,
)
from tests.stage.files import flipped, with_payload
from tests.stage.toy import CEREMONY, CeremonyTable, toy_epoch


def bad_at(step: str, change: Change) -> str:
    """The step in which a change shows: that of a bare commitment, when it is opened."""
    is_bare = step.endswith("-commit") and step != "theta-commit"
    return step.removesuffix("-commit") if is_bare and len(change(bytes(32))) == 32 else step


@pytest.mark.parametrize("step", PUBLIC)
@pytest.mark.parametrize(
    "change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"\xff" * len(d), lambda d: b""]
)
def test_a_public_payload_of_another_length_or_range_fails_its_sender(step, change):
    table = altered(step, lambda _, draft: with_payload(draft, 0, change))
    if step == "deal" and len(change(bytes(32))) == 32:  # no leaves belong to such a commitment
        assert {f[0] for f in table.failures.values() if f} == {LIAR}
        assert_named(table, LIAR)
    else:
        assert_everybody_names(table, LIAR, bad_at(step, change))


@pytest.mark.parametrize("step", PRIVATE)
def test_a_damaged_seal_fails_its_sender(step):
    table = altered(step, lambda _, draft: with_payload(draft, VICTIM, flipped))
    assert_everybody_names(table, LIAR, step)


@pytest.mark.parametrize("step", PRIVATE)
@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b""])
def test_a_private_payload_of_another_length_fails_its_sender(step, change):
    table = altered(step, lambda table, draft: resealed(table, draft, change))
    assert_everybody_names(table, LIAR, step)


@pytest.mark.parametrize("step", PRIVATE)
def test_a_private_number_out_of_range_fails_its_sender(step):
    change: Callable[[bytes], bytes] = lambda data: b"\xff" * len(data)  # noqa: E731
    assert_everybody_names(altered(step, lambda t, d: resealed(t, d, change)), LIAR, step)


@pytest.mark.parametrize(("step", "to"), [(s, 0) for s in PUBLIC] + [(s, VICTIM) for s in PRIVATE])
def test_a_missing_payload_fails_its_sender(step, to):
    table = altered(step, lambda _, draft: without(draft, to))
    assert_everybody_names(table, LIAR, step)
    assert_named(table, LIAR)


@pytest.mark.parametrize("step", sorted(set(PUBLIC) - set(PRIVATE)))
def test_a_sealed_payload_in_a_step_that_has_none_fails_its_sender(step):
    def add(_: CeremonyTable, draft: Draft) -> Draft:
        assert isinstance(draft.body, Step)
        more = (*draft.body.attachments, attach(b"hello", VICTIM))
        body = msgspec.structs.replace(draft.body, attachments=more)
        return Draft(draft.session, body, draft.blobs)

    table = altered(step, add)
    assert_everybody_names(table, LIAR, step)
    assert_named(table, LIAR)
    aborts = [p.post.sender for p in table.board.entries if isinstance(p.post.body, Abort)]
    assert set(aborts) == set(table.machines)  # all see it at once, so that nobody goes on


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
        Join(SealingKey(bytes(32)).public, bytes(32)),
        Certificate(bytes(32), b""),
        Step("join", 0, 0, ()),
        Step("certificate", 0, 0, ()),
        Step("no-such-step", 0, 0, ()),
        Step("deal", 0, 1, ()),
        Step("moduli-commit", 0, 0, ()),
        Step("moduli", 0, 0, ()),
        Disclosure(bytes(32)),
        Step("trial", 0, 0, ()),
    ],
)
def test_a_post_out_of_turn_fails_its_sender_at_once(body):
    table = said_once(N)  # all have joined: shares are due
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
    def said_first(table, draft):
        table.publish(LIAR, Draft(CEREMONY, Step("certificate", 0, 0, ())))
        assert LIAR in table.machines[1].progress.waiting_for
        return draft

    table = altered("certificate", said_first)
    assert all(machine.outcome for machine in table.machines.values())


def test_before_the_last_step_a_step_called_certificate_is_none():
    said = Draft(CEREMONY, Step("certificate", 0, 0, ()))
    assert_everybody_names(altered("deal", lambda *_: said), LIAR, "certificate")


def test_a_member_that_does_not_deal_the_winner_fails_if_it_speaks_of_it():
    entries = toy_epoch(N, QUORUM).table.board.entries
    first = next(p for p in entries if name_of(p.post.body) == "winner-commit")
    table = said_once(first.position - 1)
    (outsider, *_) = set(table.machines) - set(dict(table.due()))
    table.publish(outsider, Draft(CEREMONY, first.post.body))
    assert {f[0] for f in table.failures.values() if f} == {outsider}
    assert_named(table.run(), outsider)


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
    table = altered("join", lambda _, draft: Draft(CEREMONY, Join(public, bytes(32))))
    assert_everybody_names(table, LIAR, "join")
