"""Whatever one member says, and whenever: nobody else is named, and no bad key is made."""

from dataclasses import dataclass

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from protocol.board.draft import Draft
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Step
from tests.stage.ceremony.altered import resealed
from tests.stage.ceremony.small_ceremony import QUORUM, N, federation
from tests.stage.files import with_payload
from tests.stage.toy import CEREMONY, CeremonyTable, finished, seed_of, toy_epoch

MEMBERS = range(1, N + 1)
POSTS = len(toy_epoch(N, QUORUM).table.board.entries) // N  # how often a member speaks, about
FEW, MANY = 20, 120  # examples


@dataclass(frozen=True)
class Lie:
    """In its ``turn``-th post: one byte of a payload for ``to`` (0: for all) at a place in 2^16."""

    turn: int
    to: int
    place: int
    mask: int
    inside_seal: bool

    def damaged(self, data: bytes) -> bytes:
        if not data:
            return bytes([self.mask])
        place = self.place * len(data) >> 16
        return data[:place] + bytes([data[place] ^ self.mask]) + data[place + 1 :]

    def told(self, table: CeremonyTable, sender: int, draft: Draft) -> Draft:
        body = draft.body
        if isinstance(body, Join):
            key = self.damaged(body.sealing_key) if self.inside_seal else body.sealing_key
            seed = body.seed_digest if self.inside_seal else self.damaged(body.seed_digest)
            return Draft(CEREMONY, Join(key, seed))
        if isinstance(body, Certificate):
            return Draft(CEREMONY, Certificate(self.damaged(body.transcript), body.epoch))
        if not isinstance(body, Step):
            return draft
        recipients = [a.to for a in body.attachments]
        to = self.to if self.to in recipients else 0
        if to and self.inside_seal:
            return resealed(table, draft, self.damaged, sender, to)
        return with_payload(draft, to, self.damaged)


lies = st.builds(
    Lie,
    turn=st.integers(0, POSTS),
    to=st.integers(0, N),
    place=st.integers(0, (1 << 16) - 1),
    mask=st.integers(1, 255),
    inside_seal=st.booleans(),
)


def assert_decrypts(table: CeremonyTable) -> None:
    toy = finished(table)
    plaintext, ciphertext = trial_ciphertext(toy.key.n, b"afterwards")
    for first in range(1, N - QUORUM + 2):
        partials = {
            i: partial_decryption(ciphertext, toy.shares[i], toy.key)
            for i in range(first, first + QUORUM)
        }
        assert combine(partials, toy.key) == plaintext


some_lie = given(liar=st.sampled_from(MEMBERS), lie=lies, order=st.permutations(MEMBERS))


@settings(max_examples=FEW)
@some_lie
def test_one_damaged_byte_anywhere_never_gets_an_honest_member_named(liar, lie, order):
    damage_and_judge(liar, lie, order)


@pytest.mark.slow
@settings(max_examples=MANY)
@some_lie
def test_many_damaged_bytes_never_get_an_honest_member_named(liar, lie, order):
    damage_and_judge(liar, lie, order)


def damage_and_judge(liar: int, lie: Lie, order: list[int]) -> None:
    table, turns = CeremonyTable(federation()), 0

    def tamper(sender: int, draft: Draft) -> Draft:
        nonlocal turns
        if sender != liar:
            return draft
        turns += 1
        return lie.told(table, sender, draft) if turns - 1 == lie.turn else draft

    table.run(tamper, lambda drafts: sorted(drafts, key=lambda d: order[d[0] - 1]))
    ended = {bool(machine.outcome) for machine in table.machines.values()}
    assert len(ended) == 1
    verdict = table.verdict
    event(f"key: {ended == {True}}, named: {sorted(verdict.culprits) == [liar]}")
    if ended == {True}:
        assert_decrypts(table)
        return
    assert set(verdict.culprits) <= {liar}
    assert set(verdict.silent) <= {liar}
    certified = any(isinstance(p.post.body, Certificate) for p in table.board.entries)
    assert certified or set(verdict.culprits) == {liar}


claims = st.builds(
    Abort, st.integers(0, N), st.sampled_from(["join", "deal", "theta", "trial"]), st.just("so")
)


some_abort = given(
    liar=st.sampled_from(MEMBERS),
    turn=st.integers(0, POSTS),
    claim=claims,
    seed=st.sampled_from(["own", "another", "none"]),
)


@settings(max_examples=FEW)
@some_abort
def test_an_abort_at_any_time_with_any_seed_gets_nobody_else_named(liar, turn, claim, seed):
    abort_and_judge(liar, turn, claim, seed)


@pytest.mark.slow
@settings(max_examples=MANY)
@some_abort
def test_many_aborts_get_nobody_else_named(liar, turn, claim, seed):
    abort_and_judge(liar, turn, claim, seed)


def abort_and_judge(liar: int, turn: int, claim: Abort, seed: str) -> None:
    table, turns, over = CeremonyTable(federation()), 0, False
    while not over:
        over = True
        for sender, draft in table.due():
            said: Draft | None = draft
            if sender == liar:
                turns += 1
                if turns - 1 == turn:
                    said = Draft(CEREMONY, claim)
                elif isinstance(draft.body, Disclosure):
                    others = {"own": draft, "another": Draft(CEREMONY, Disclosure(seed_of("x")))}
                    said = others.get(seed)
            if said is not None:
                over = False
                table.publish(sender, said)
    if not any(machine.aborted for machine in table.machines.values()):
        assert_decrypts(table)
        return
    verdict = table.verdict
    assert set(verdict.culprits) <= {liar}
    assert set(verdict.silent) <= {liar}
    assert set(verdict.culprits) | set(verdict.silent) == {liar}
