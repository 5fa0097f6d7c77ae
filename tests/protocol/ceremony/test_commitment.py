"""Commit, then open: bound to ceremony, step, sender and payload, hiding until opened."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ceremony.commitment import commitment_to
from protocol.ceremony.machine import KINDS
from protocol.ceremony.run import StepId
from protocol.messages.ceremony import Step
from tests.stage.ceremony.altered import altered, assert_everybody_names, assert_named
from tests.stage.ceremony.small_ceremony import LIAR, QUORUM, N, name_of
from tests.stage.files import flipped, with_payload
from tests.stage.toy import CeremonyTable, toy_epoch, toy_federation

COMMITTED = [name for name in KINDS if f"{name}-commit" in KINDS]
STEP = StepId("moduli", 1, 0)


def public_payloads(table: CeremonyTable, name: str) -> dict[tuple[int, int, int], bytes]:
    """What was said to all in a step, by sender, batch and part."""
    return {
        (posted.post.sender, body.batch, body.candidate): table.payloads(posted, 0)[0]
        for posted in table.board.entries
        if isinstance(body := posted.post.body, Step) and body.step == name
    }


def test_all_values_that_add_up_to_a_secret_are_committed_to_first():
    assert COMMITTED == ["moduli", "screen", "winner", "theta"]


@pytest.mark.parametrize("name", COMMITTED)
def test_every_opening_is_the_one_committed_to_and_all_commitments_come_first(name):
    table = toy_epoch(N, QUORUM).table
    context = table.machines[1]._run.context
    said, opened = public_payloads(table, f"{name}-commit"), public_payloads(table, name)
    assert said.keys() == opened.keys() != set()
    for (sender, batch, part), payload in opened.items():
        expected = commitment_to(context, StepId(name, batch, part), sender, payload)
        assert said[sender, batch, part][:32] == expected
    order = [name_of(p.post.body) for p in table.board.entries]
    first = order.index(name)
    assert f"{name}-commit" in order[:first]
    assert f"{name}-commit" not in order[first : first + len({s for s, *_ in opened})]


@pytest.mark.parametrize("name", COMMITTED)
def test_every_opening_begins_with_a_nonce_of_its_own(name):
    """Without one, who can guess a payload (a screen's values of a leaf) could check its guess."""
    table = toy_epoch(N, QUORUM).table
    nonces = [payload[:32] for payload in public_payloads(table, name).values()]
    assert len(set(nonces)) == len(nonces) > 1
    other = CeremonyTable(toy_federation(N, QUORUM), "other seeds").run()
    assert not set(nonces) & {p[:32] for p in public_payloads(other, name).values()}


@given(
    opening=st.binary(min_size=1, max_size=80),
    other=st.binary(min_size=1, max_size=80),
    sender=st.integers(1, 15),
)
def test_a_commitment_fits_one_payload_sender_step_and_ceremony(opening, other, sender):
    found = commitment_to(b"context", STEP, sender, opening)
    assert len(found) == 32
    assert found == commitment_to(b"context", STEP, sender, opening)
    assert (found == commitment_to(b"context", STEP, sender, other)) == (opening == other)
    assert found != commitment_to(b"context", STEP, sender + 1, opening)
    assert found != commitment_to(b"other", STEP, sender, opening)
    for step in (StepId("moduli", 0, 0), StepId("moduli", 1, 1), StepId("screen", 1, 0)):
        assert found != commitment_to(b"context", step, sender, opening)


def test_the_hash_is_that_of_the_written_form():
    parts = [b"ctx", b"moduli/1/0", (7).to_bytes(8, "big"), b"nonce and payload"]
    written = b"".join(
        len(part).to_bytes(8, "big") + part for part in [b"quorate/commitment", *parts]
    )
    assert commitment_to(b"ctx", STEP, 7, b"nonce and payload") == hashlib.sha256(written).digest()


@pytest.mark.parametrize("name", COMMITTED)
@pytest.mark.parametrize("change", [flipped, lambda d: flipped(d[:32]) + d[32:]])
def test_another_payload_and_another_nonce_are_both_noticed_by_all(name, change):
    table = altered(name, lambda _, draft: with_payload(draft, 0, change))
    assert_everybody_names(table, LIAR, name)
    assert all("commit" in m.failure.reason for m in table.machines.values() if m.failure)
    assert_named(table, LIAR)


@pytest.mark.parametrize("name", COMMITTED)
def test_a_copied_commitment_cannot_be_opened(name):
    """Whoever repeats another's commitment does not know what to open; nor may it repeat that."""
    dealers = toy_epoch(N, QUORUM).table.machines[1]._run.the_winner.exponents
    source = next(i for i in dealers if i != LIAR)
    table = CeremonyTable(toy_federation(N, QUORUM))

    def copied(sender, draft):
        body = draft.body
        if (
            sender != LIAR
            or not isinstance(body, Step)
            or body.step not in (name, f"{name}-commit")
        ):
            return draft
        theirs = public_payloads(table, body.step)[source, body.batch, body.candidate]
        return with_payload(draft, 0, lambda _: theirs)

    table.run(copied, order=lambda drafts: sorted(drafts, key=lambda d: d[0] == LIAR))
    # Beside the commitments to θ' stands what gives the copy away, though not yet whose it is.
    assert_everybody_names(table, *((0, "dealt") if name == "theta" else (LIAR, name)))
    assert_named(table, LIAR)
