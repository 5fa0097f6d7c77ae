"""What was said once is said again: in another session, batch or step, or by another party.

mpcsec.org, "Context binding"; tss-lib's range proof without a session, replayed from one signing to
the next (binston.in, "Incomplete GG20 session binding in tss-lib v2").
"""

import msgspec
import pytest

from protocol.board.board import Board
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.ceremony import commitment
from protocol.ceremony.run import StepId
from protocol.encoding import digest
from protocol.errors import BadEntry, BadSeal
from protocol.messages.ceremony import Join, Step
from protocol.sealing import SealContext, SealingKey, seal
from tests.stage.ceremony.adversary import PLAN, AttackTable
from tests.stage.files import with_payload
from tests.stage.toy import CEREMONY, CeremonyTable, Tamper, replace_terms, toy_federation

LIAR, VICTIM = 5, 3  # the liar is the last one to speak in every step


def post_of(table: AttackTable, sender: int, step: str) -> Posted:
    """A member's last post of a step."""
    return next(
        p
        for p in reversed(table.board.entries)
        if p.post.sender == sender and isinstance(p.post.body, Step) and p.post.body.step == step
    )


def copying(table: AttackTable, *steps: str) -> Tamper:
    """In these steps the liar repeats the victim's word, byte for byte."""

    def tamper(sender: int, draft: Draft) -> Draft:
        body = draft.body
        if sender != LIAR or not isinstance(body, Step) or body.step not in steps:
            return draft
        payload = table.all_payloads(post_of(table, VICTIM, body.step))[0]
        said = 32 if body.step.endswith("-commit") else len(payload)  # leaves beside it are its own
        return with_payload(draft, 0, lambda own: payload[:said] + own[said:])

    return tamper


def test_a_copied_commitment_cannot_be_opened():
    table = AttackTable(PLAN, {})
    table.run(copying(table, "moduli-commit", "moduli"))
    assert {f for f in table.failures.values() if f} == {(LIAR, "moduli")}
    verdict = table.verdict
    assert set(verdict.culprits) == {LIAR}
    assert verdict.culprits[LIAR].startswith("moduli-commit")


def test_were_the_commitment_not_bound_to_its_sender_the_copy_would_count(monkeypatch):
    def unbound(context: bytes, step: StepId, sender: int, opening: bytes) -> bytes:
        return digest("quorate/commitment", context, step.label.encode(), opening)

    monkeypatch.setattr(commitment, "commitment_to", unbound)
    table = AttackTable(PLAN, {})
    table.run(copying(table, "theta-commit", "theta"))
    # The copy passes for the liar's own share of θ', and nobody can say whose share is wrong.
    assert {f for f in table.failures.values() if f} == {(0, "theta")}


def test_a_commitment_opens_in_one_step_only(monkeypatch):
    """Were the step's label not hashed, what opens one of batch 0 would open one of batch 1."""
    nonce_and_values = bytes(40)
    labels = [StepId("moduli", 0), StepId("moduli", 1), StepId("screen", 0), StepId("moduli", 0, 1)]
    hashes = {commitment.commitment_to(b"session", s, LIAR, nonce_and_values) for s in labels}
    assert len(hashes) == len(labels)
    monkeypatch.setattr(StepId, "label", "")
    hashes = {commitment.commitment_to(b"session", s, LIAR, nonce_and_values) for s in labels}
    assert len(hashes) == 1


def resealed(table: AttackTable) -> Tamper:
    """The liar passes on what the victim sealed for member 1, as if it were its own."""

    def tamper(sender: int, draft: Draft) -> Draft:
        body = draft.body
        if sender != LIAR or not isinstance(body, Step) or body.step != "deal" or body.batch:
            return draft
        payload = table.all_payloads(post_of(table, VICTIM, "deal"))[1]
        return with_payload(draft, 1, lambda own: payload)

    return tamper


def test_another_members_sealed_payload_does_not_open_as_ones_own():
    table = AttackTable(PLAN, {})
    table.run(resealed(table))
    verdict = table.verdict
    assert verdict.culprits == {LIAR: "deal: what it sealed for member 1 does not open"}


def test_were_the_seal_not_bound_to_its_context_it_would_open(monkeypatch):
    """The liar would deal shares that it does not know, and hold the victim's pairwise key."""
    monkeypatch.setattr(SealContext, "info", lambda context: b"")
    table = AttackTable(PLAN, {})
    table.run(resealed(table))
    received = table.machines[1]._run.keys_received
    assert received[LIAR] == received[VICTIM]


@pytest.mark.parametrize("field", ["federation", "session", "what", "sender", "recipient"])
def test_a_seal_opens_nowhere_else(field):
    key = SealingKey(bytes(32))
    context = SealContext(bytes(32), CEREMONY, "deal/0/0", 2, 1)
    sealed = seal(key.public, b"share", context)
    other = {"federation": b"f" * 32, "session": "ceremony/2", "what": "deal/1/0"}
    changed = msgspec.structs.replace(context, **{field: other.get(field, 3)})
    assert key.unseal(sealed, context) == b"share"
    with pytest.raises(BadSeal):
        key.unseal(sealed, changed)


def test_a_post_is_taken_once_and_by_its_own_federation_alone():
    table = CeremonyTable(toy_federation(5, 3))
    (sender, draft), *_ = table.due()
    signed = table.sign(CEREMONY, sender, draft.body)
    table.put(signed)
    with pytest.raises(BadEntry, match="due is 1"):
        table.put(signed)
    federation = table.federation
    other = Board(replace_terms(federation.terms, name="Another one with the same members"))
    with pytest.raises(BadEntry, match="another federation"):
        other.open(signed)


def test_were_posts_not_numbered_a_replay_would_make_an_honest_member_speak_twice(monkeypatch):
    monkeypatch.setattr(Board, "_check_order", lambda *post: None)
    table = AttackTable(PLAN, {})
    drafts = table.due()
    for sender, draft in drafts[:3]:
        table.publish(sender, draft)
    replayed = table.put(table.entries[VICTIM - 1].post)
    table.show(replayed)
    assert isinstance(replayed.post.body, Join)
    assert {m.failure.culprit for m in table.machines.values() if m.failure} == {VICTIM}


def test_one_seed_gives_other_secrets_in_every_session():
    table = CeremonyTable(toy_federation(5, 3))
    terms, seed = table.federation.terms, table.seeds[1]
    runs = [type(table.machines[1]._run)(terms, 1, f"ceremony/{k}", seed) for k in (1, 2)]
    assert len({run.seed for run in runs}) == 2
    assert len({run.sealing.public for run in runs}) == 2
    assert len({run.begin_batch(0).leaves[0] for run in runs}) == 2
