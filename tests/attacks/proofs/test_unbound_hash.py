"""A prover leaves something out of the hash that makes its challenge, and picks it afterwards.

mpcsec.org, "tss-lib ProofBobWC missing u in hash" (a first message), and "Context binding" (session
and prover); what follows for our proof of equal exponents is worked out here for each part.
"""

from collections.abc import Callable
from typing import Any

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

from keyshare.ceremony.biprimality import accepts
from keyshare.proofs import equality_proof
from keyshare.proofs.equality_proof import prove
from protocol.ceremony import key_steps, winner_steps
from protocol.ceremony.key_steps import Trial
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import decode, encode, unpack_numbers, width_of
from protocol.errors import CeremonyFailed
from protocol.key.proof_encoding import proof_context, write_proof
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.attacks.rounds.test_wrong_partial import shifted
from tests.stage.ceremony.adversary import EITHER_WAY, honest_table, modulus_of, winners_dealers
from tests.stage.ceremony.equality_proofs import answered, batch_of
from tests.stage.ceremony.liar import Lies, LyingTable, assert_caught, lying

LIAR = winners_dealers()[1]


# ── the statement left out of the coefficients t_k ──


def constant_coefficients(patch: pytest.MonkeyPatch) -> None:
    """t_k that do not depend on the values, so that they are known before the values are made."""
    bound = equality_proof._coefficients
    patch.setattr(equality_proof, "_coefficients", lambda statement, count: bound(b"", count))


def two_wrong_rounds(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    """w_1·u^(t_2), w_2·u^(-t_1): wrong, but ∏ w_k^(t_k) is what it was."""
    candidate = winner_steps._candidate(run, step)
    n, u = candidate.n, candidate.u
    values = winner_steps.ProvedValues.read(said, run, step, run.index).values
    one, two = equality_proof._coefficients(b"", 2)
    values.witnesses[0] *= gmpy2.powmod(u, two, n)
    values.witnesses[1] *= gmpy2.invert(gmpy2.powmod(u, one, n), n)
    values.witnesses[:2] = [w % n for w in values.witnesses[:2]]
    statement = winner_steps._equal_exponents(run, step, run.index, values)
    proof = prove(run.test_exponent(step.candidate), statement, run.stream("attack", step.label))
    return winner_steps.ProvedValues(values, write_proof(proof)).write(run, step)


@EITHER_WAY
def test_two_wrong_rounds_are_caught_where_the_coefficients_hash_the_statement(play):
    assert_caught(play(lying({LIAR: Lies({"winner": two_wrong_rounds})})), LIAR, "winner")


def test_with_coefficients_known_before_a_dealer_throws_away_the_moduli_it_dislikes(monkeypatch):
    """A good N is rejected, nobody is named, and the ceremony goes on until the dealer likes it."""
    constant_coefficients(monkeypatch)
    disliked = modulus_of()

    def lie(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
        is_it = run.batch.moduli[step.candidate] == disliked
        return two_wrong_rounds(run, step, said) if is_it else said

    table = LyingTable({LIAR: Lies({"winner": lie})}).run()
    keys = {m.outcome[0].joint_key().n for m in table.machines.values() if m.outcome}
    assert len(keys) == 1
    assert keys != {disliked}
    assert table.named == set()


# ── a first message left out of the challenge ──


def without_second_message(patch: pytest.MonkeyPatch) -> None:
    """c = H(statement, a): b is sent and checked, but may be picked when c is known."""
    bound = equality_proof._challenge
    patch.setattr(equality_proof, "_challenge", lambda batch, a, b: bound(batch, a, mpz(0)))


def proved_anyway(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    """A wrong partial decryption, with b = G^z·V^c after c = H(statement, a, 0)."""
    trial = decode(shifted(run, step, said), Trial, "", MAX_BLOB_BYTES)
    n, bound = run.the_winner.n, run.the_winner.shape.share_bound
    assert run.share
    square = n**2
    _, ciphertext = key_steps.trial_ciphertext(n, run.context)
    (partial,) = unpack_numbers(trial.partial, width_of(square), 1, square, "")
    false = key_steps._said(run, step, run.index, partial, ciphertext).statement
    batch = batch_of(false)
    r = equality_proof._reach(bound) + run.stream("attack").below(bound << 256)
    a = gmpy2.powmod(batch.first, r, square)
    c = equality_proof._challenge(batch, a, mpz(0)).number
    z = r - c * run.share.value
    b = gmpy2.powmod(batch.second, z, square) * gmpy2.powmod(batch.second_power, c, square)
    proof = write_proof(answered(false, a, b % square, z))
    return encode(msgspec.structs.replace(trial, partial_proof=proof))


@EITHER_WAY
def test_a_wrong_partial_with_a_proof_made_for_it_is_caught(play):
    assert_caught(play(lying({LIAR: Lies({"trial": proved_anyway})})), LIAR, "trial")


def test_with_a_first_message_left_out_the_proof_of_a_wrong_partial_holds(monkeypatch):
    without_second_message(monkeypatch)
    table = LyingTable({LIAR: Lies({"trial": proved_anyway})}).run()
    assert table.named == {0}  # the trial fails, and no proof says through whom


# ── the prover left out of the context ──


def copied_values(
    context: Callable[[bytes, str, int], bytes],
) -> dict[int, winner_steps.DealerValues]:
    """A composite N, the lead copying its fellow dealer's word and the third one saying 1."""
    runs = {i: machine._run for i, machine in honest_table().machines.items()}
    run = runs[1]
    part = composite_survivor(run)
    step = StepId("winner", run.batch.number, part)
    lead, honest, third = winner_steps.winners_dealers(run, step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winner_steps, "proof_context", context)
        said = {honest: winner_steps.tell_exponent(runs[honest], step)}
        said[lead] = said[honest]
        patch.setattr(CeremonyRun, "test_exponent", lambda run, candidate: mpz(0))
        said[third] = winner_steps.tell_exponent(runs[third], step)
        candidate = winner_steps._candidate(run, step)
        for i in (lead, honest, third):
            winner_steps._check_proof(run, step, i, said[i])
    found = {i: said[i].values for i in (lead, honest, third)}
    for k in range(winner_steps.ROUNDS):
        assert accepts({i: v.witnesses[k] for i, v in found.items()}, lead, candidate.n)
    return found


def composite_survivor(run: CeremonyRun) -> int:
    return next(k for k in run.batch.survivors if k != run.the_winner.number)


def test_a_proof_copied_from_another_dealer_names_the_one_who_copied():
    run = honest_table().machines[1]._run
    number = run.layout.class_of(composite_survivor(run))
    with pytest.raises(CeremonyFailed) as caught:
        copied_values(proof_context)
    assert caught.value.culprit == run.layout.dealers(number)[0]
    assert "proof" in caught.value.reason


def test_were_the_prover_not_hashed_a_copying_lead_would_pass_any_composite():
    """x_lead = x_honest and x_third = 0 make every round 1 = 1, whatever N is."""
    assert len(copied_values(lambda session, step, member: b"")) == 3


@pytest.mark.parametrize("part", ["session", "step", "member"])
def test_a_context_differs_if_one_of_its_parts_does(part):
    parts: dict[str, Any] = {"session": b"a" * 32, "step": "winner/0/1", "member": 1}
    other = {"session": b"b" * 32, "step": "winner/0/2", "member": 2}
    assert proof_context(**parts) != proof_context(**parts | {part: other[part]})
