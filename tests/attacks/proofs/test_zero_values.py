"""Values that are 0, or whose square is 0, satisfy equations that say nothing about a secret.

The authors of "Tiresias" (Friedman et al., eprint 2023/998) say so in their implementation
(dwallet-labs/tiresias, src/proofs/equality_of_discrete_logs.rs): N is not 0, but N² is modulo N².

The lead and another dealer of a class give 0 where the lead's value must be the product of the
others'; and a member gives N for its partial decryption.
"""

from dataclasses import replace

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

from keyshare.ceremony import biprimality
from keyshare.ceremony.biprimality import ROUNDS
from keyshare.proofs import equality_proof
from protocol.ceremony import key_steps
from protocol.ceremony.key_steps import Trial
from protocol.ceremony.machine import UnsealedStep
from protocol.ceremony.run import StepId
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, encode, pack_numbers, unpack_numbers, width_of
from protocol.key.proof_encoding import write_proof
from protocol.messages.ceremony import Step
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.simulator.plan import Plan
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    PLAN,
    Aftermath,
    Malicious,
    assert_caught,
    at_table,
    honest_table,
    modulus_of,
    winners_dealers,
)
from tests.stage.ceremony.equality_proofs import answered

TOP = mpz(1) << PLAN.key_bits
LOSERS = (1, 2)  # the lead of a class in which there is no biprime, and a dealer beside it
WINNERS = winners_dealers()[:2]


class ZeroScreen(Malicious):
    """Gives 0 in the screen for all candidates of the class that the pair's first leads."""

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        if step.name != "screen":
            return honest
        layout, width = self.run.layout, width_of(TOP)
        own = layout.chosen(self.run.batch.survivors, self.index)
        values = unpack_numbers(honest, width, len(own), TOP, "screen")
        pair, n = self.coalition.machines, layout.n_members
        led = next(i for i in pair if i % n + 1 in pair) - 1
        zeroed = [
            mpz(0) if layout.class_of(k) == led else value
            for k, value in zip(own, values, strict=True)
        ]
        return pack_numbers(zeroed, width)


class ZeroRounds(Malicious):
    """Gives 0 in the rounds of the winner."""

    def prepare(self, step: StepId, honest: bytes) -> bytes:
        if step.name != "winner":
            return honest
        said, n = decode(honest, Winning, "winner", MAX_BLOB_BYTES), modulus_of()
        width = width_of(n)
        values = unpack_numbers(said.numbers, width, len(said.numbers) // width, n, "winner")
        values[1 : 1 + ROUNDS] = [mpz(0)] * ROUNDS
        return encode(msgspec.structs.replace(said, numbers=pack_numbers(values, width)))


class ZeroPartial(Malicious):
    """Gives N for its partial decryption, with the best proof there is."""

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.name != "trial":
            return honest
        run, n = self.run, modulus_of()
        said, square = decode(honest.public, Trial, "trial", MAX_BLOB_BYTES), n * n
        _, ciphertext = key_steps.trial_ciphertext(n, run.context)
        false = key_steps._said(run, honest.step, self.index, n, ciphertext).statement
        assert run.share is not None
        bound = run.the_winner.shape.share_bound
        batch = equality_proof._batch(false)
        proof = said.partial_proof  # where there is no such statement
        if batch is not None:
            # The second commitment is 0 whatever the exponent, so the first alone must be right.
            r = equality_proof._reach(bound) + run.stream("zero").below(bound << 256)
            a = gmpy2.powmod(batch.first, r, square)
            challenge = equality_proof._challenge(batch, a, mpz(0)).number
            response = r - challenge * run.share.value
            proof = write_proof(answered(false, a, mpz(0), response))
        partial = pack_numbers([n], width_of(square))
        false = msgspec.structs.replace(said, partial=partial, partial_proof=proof)  # type: ignore[assignment]
        return UnsealedStep(honest.step, encode(false), {})


def tried_as_winners(aftermath: Aftermath) -> set[tuple[int, int]]:
    """Batch and number of the candidates that passed the screen."""
    bodies = [p.post.body for p in aftermath.entries]
    tried = [b for b in bodies if isinstance(b, Step) and b.step == "winner-commit"]
    return {(b.batch, b.candidate) for b in tried}


@EITHER_WAY
@pytest.mark.parametrize("pair", [LOSERS, WINNERS])
def test_zeros_in_the_screen_reject_a_candidate_and_name_both_dealers(play, pair):
    aftermath = play(dict.fromkeys(pair, ZeroScreen))
    assert_caught(aftermath, *pair)
    assert {f.culprit for f in aftermath.failures.values()} <= set(pair)
    layout = aftermath.coalition.runs[pair[0]].layout
    assert all(layout.class_of(k) != pair[0] - 1 for _, k in tried_as_winners(aftermath))


def test_if_zeros_count_as_equal_composites_pass_the_screen(monkeypatch):
    def accepts(values, lead, n):
        product = mpz(1)
        for i, value in values.items():
            product = product if i == lead else product * value % n
        return values[lead] in (product, n - product)

    monkeypatch.setattr(biprimality, "accepts", accepts)
    plans = (replace(PLAN, seed=seed) for seed in range(20))  # not all have a biprime there
    assert any(composites_tried(plan) for plan in plans)


def composites_tried(plan: Plan) -> list[int]:
    """Candidates of the class that the pair leads, tried as winners though they are no biprimes."""
    aftermath = at_table(dict.fromkeys(LOSERS, ZeroScreen), plan)
    layout = aftermath.coalition.runs[1].layout
    passed = {k for _, k in tried_as_winners(aftermath) if layout.class_of(k) == 0}
    moduli = honest_table(plan).machines[3]._run.batch.moduli
    return [k for k in passed if not is_biprime(moduli[k], k, plan)]


def is_biprime(n: mpz, candidate: int, plan: Plan) -> bool:
    """Whether both factors of a candidate of the first batch are prime, from its dealers' runs."""
    runs = {i: machine._run for i, machine in honest_table(plan).machines.items()}
    layout = runs[1].layout
    number, position = divmod(candidate, layout.class_size)
    shares = [runs[i].batch.dealings[number].factors[position] for i in layout.dealers(number)]
    p, q = (sum(side) for side in zip(*shares, strict=True))
    assert p * q == n
    return bool(gmpy2.is_prime(p) and gmpy2.is_prime(q))


@EITHER_WAY
def test_zeros_in_the_rounds_are_no_units(play):
    aftermath = play(dict.fromkeys(WINNERS, ZeroRounds))
    assert_caught(aftermath, *WINNERS)
    assert "not a unit" in str(next(iter(aftermath.failures.values())))


@EITHER_WAY
def test_a_partial_decryption_whose_square_is_zero_names_its_member(play):
    aftermath = play({3: ZeroPartial})
    assert_caught(aftermath, 3)
    assert {(f.culprit, f.step) for f in aftermath.failures.values()} == {(3, "trial")}


def test_where_no_units_are_asked_for_the_proof_of_it_holds_and_names_nobody(monkeypatch):
    monkeypatch.setattr(equality_proof, "are_units", lambda numbers, modulus: True)
    aftermath = at_table({3: ZeroPartial})
    assert {f.culprit for f in aftermath.failures.values()} == {0}
    assert "do not decrypt" in str(aftermath.failures[1])


def test_n_squared_is_zero():
    n = modulus_of()
    assert gmpy2.powmod(n, 2, n * n) == 0
