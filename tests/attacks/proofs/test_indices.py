"""A party takes the index 0, another's index, or one of nobody: f(0) is the secret itself.

mpcsec.org, "Parties' shares not validated as non-zero and distinct". Here nobody says its index: it
is the place of the signing key in the terms that all have signed.
"""

import pytest
from gmpy2 import mpz

from keyshare.ceremony import shamir
from keyshare.errors import BadIndices
from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from protocol.board import board as board_module
from protocol.board.draft import Draft
from protocol.ceremony.candidate_steps import deal_shares
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.errors import BadEntry, BadTerms
from protocol.messages.attachment import attach
from protocol.messages.ceremony import Join, Step
from protocol.sealing import SealingKey
from protocol.terms.terms import Member, check
from tests.stage.ceremony.adversary import PLAN, AttackTable
from tests.stage.toy import (
    CEREMONY,
    CeremonyTable,
    next_post,
    replace_terms,
    seed_of,
    toy_epoch,
    toy_federation,
)

LIAR, VICTIM = 2, 3


def join() -> Join:
    return Join(SealingKey(bytes(32)).public, bytes(32))


@pytest.mark.parametrize("sender", [0, VICTIM, 6, 16])
def test_a_post_under_another_index_is_refused_before_it_counts(sender):
    table = CeremonyTable(toy_federation(5, 3))
    federation = table.federation
    signed = next_post(federation.keys[LIAR], table.board, CEREMONY, sender, join())
    with pytest.raises(BadEntry):
        table.put(signed)
    assert table.board.head.position == 0


def test_without_signatures_a_party_speaks_as_another_one_and_the_honest_one_is_named(monkeypatch):
    monkeypatch.setattr(board_module, "verify", lambda *signature: None)
    table = AttackTable(PLAN, {})
    table.publish(VICTIM, Draft(CEREMONY, join()))  # anybody could have written this
    table.run()
    assert VICTIM in table.verdict.culprits


@pytest.mark.parametrize("recipients", [(2, 2), (0, 0), (6,), (1, 16)])
def test_payloads_for_one_index_twice_or_for_nobodys_index_are_refused(recipients):
    table = CeremonyTable(toy_federation(5, 3))
    body = Step("deal", 0, 0, tuple(attach(b"share", to) for to in recipients))
    with pytest.raises(BadEntry) as caught:
        table.say(LIAR, Draft(CEREMONY, body))
    assert caught.value.sender == LIAR


def test_members_are_numbered_from_one():
    """A share for member 0 would be the factor itself, in an attachment that is for all."""
    table = CeremonyTable(toy_federation(5, 3))
    run = table.machines[1]._run
    assert 0 not in deal_shares(run, StepId("deal"))


def test_were_they_numbered_from_zero_the_first_share_would_be_the_secret(monkeypatch):
    monkeypatch.setattr(CeremonyRun, "everyone", property(lambda run: range(run.terms.n_members)))
    run = CeremonyTable(toy_federation(5, 3)).machines[1]._run
    shares = deal_shares(run, StepId("deal"))[0]
    for number, (_, dealing) in enumerate(run.next_batch.dealings.items()):
        assert run.rows.split(shares.rows[2 * number]) == [p for p, _ in dealing.factors]


@pytest.mark.parametrize("indices", [[0, 1, 2], [1, 1, 2], [-1, 1, 2], []])
def test_no_interpolation_takes_zero_or_one_index_twice(indices):
    with pytest.raises(BadIndices):
        shamir.lagrange(indices, mpz(101))
    with pytest.raises(BadIndices):
        shamir.integer_lagrange(indices, mpz(120))


def test_without_that_check_the_one_with_index_zero_outvotes_all_others(monkeypatch):
    monkeypatch.setattr(shamir, "checked", sorted)
    assert shamir.integer_lagrange([0, 1, 2], mpz(6)) == {0: 6, 1: 0, 2: 0}


def test_terms_with_one_key_at_two_indices_are_refused():
    terms = toy_federation(3, 2).terms
    twice = Member("H9", terms.members[0].key)
    with pytest.raises(BadTerms) as caught:
        check(replace_terms(terms, members=(*terms.members[:2], twice)))
    assert caught.value.field == "members[3].key"


def test_without_that_check_one_hospital_is_a_quorum_alone():
    """Two places in the roster are two shares: a quorum of two."""
    toy = toy_epoch(3, 2)
    plaintext, ciphertext = trial_ciphertext(toy.key.n, seed_of("anything"))
    own = {i: partial_decryption(ciphertext, toy.shares[i], toy.key) for i in (1, 3)}
    assert combine(own, toy.key) == plaintext
