"""The lead deals a share that makes p a multiple of a small prime.

BitForge, CVE-2023-33241 (Fireblocks, "Practical Key-Extraction Attacks in Leading MPC Wallets",
2023): GG18 and GG20 took Paillier moduli with small factors, since nobody looked.

Modulo 3, 5 and 7 the lead decides p alone. All else that it deals is masked by the other dealers'
shares: it cannot choose p, only spoil it.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony import biprimality
from keyshare.key import threshold_key as tk
from protocol.ceremony import candidate_steps, key_steps, winner_steps
from protocol.ceremony.machine import UnsealedStep
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    PLAN,
    Aftermath,
    Malicious,
    assert_caught,
    at_table,
    certified_modulus,
)

LEAD = 1  # of class 0
FACTOR = 7
PLANS = [replace(PLAN, seed=seed) for seed in range(40)]


class SmallFactor(Malicious):
    """Shifts its p_i for candidate 0, and every share of it, so that 7 divides p."""

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.name != "deal" or honest.step.batch:
            return honest
        run = self.run
        rows, batch = run.rows, run.next_batch
        dealing = batch.dealings[0]
        (p_share, q_share), *others = dealing.factors
        shift = next(mpz(s) for s in range(0, 4 * FACTOR, 4) if (p_share + s) % FACTOR == 0)
        factors = ((p_share + shift, q_share), *others)
        dealings = {**batch.dealings, 0: replace(dealing, factors=factors)}
        run.next_batch = replace(batch, dealings=dealings)
        start = 2 * run.layout.dealt_by(self.index).index(0) * rows.size
        private = {}
        for j, payload in honest.private.items():
            row = rows.decode(payload[start : start + rows.size])
            shifted = rows.encode(rows.reduce(row + shift))  # candidate 0 has the lowest lane
            private[j] = payload[:start] + shifted + payload[start + rows.size :]
        return UnsealedStep(honest.step, honest.public, private)


@EITHER_WAY
def test_a_candidate_with_a_small_factor_is_opened_and_names_its_lead(play):
    aftermath = play({LEAD: SmallFactor})
    assert_caught(aftermath, LEAD)
    assert {f.culprit for f in aftermath.failures.values()} == {LEAD}
    assert "does not give what it dealt" in str(aftermath.failures[2])


def let_composites_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial division, no test of N."""

    def of_full_length(moduli, shape):
        return [k for k, n in enumerate(moduli) if n.bit_length() == shape.bits]

    monkeypatch.setattr(candidate_steps, "survivors", of_full_length)
    for module in (biprimality, winner_steps, key_steps):
        monkeypatch.setattr(module, "accepts", lambda *said: True)


def played() -> Iterator[Aftermath]:
    """In one plan after another; not where the values of a composite have no proof at all."""
    for plan in PLANS:
        with contextlib.suppress(ValueError):
            yield at_table({LEAD: SmallFactor}, plan)


def test_without_tests_of_n_its_small_factor_is_seen_only_when_the_key_does_not_decrypt(
    monkeypatch,
):
    let_composites_pass(monkeypatch)
    aftermath = next(played())
    assert aftermath.coalition.runs[LEAD].the_winner.n % FACTOR == 0
    assert {(f.culprit, f.step) for f in aftermath.failures.values()} == {(0, "theta")}
    assert_caught(aftermath, LEAD)


def test_where_nobody_looks_at_n_the_joint_key_has_a_small_factor(monkeypatch):
    let_composites_pass(monkeypatch)
    monkeypatch.setattr(tk, "theta_fits", lambda *said: True)
    monkeypatch.setattr(tk, "sliding_quorums", lambda *said: [])
    # In a third of all plans 7 divides neither p+q-1 nor a hashed number, which θ would show.
    aftermath = next(aftermath for aftermath in played() if aftermath.keys)
    n = certified_modulus(aftermath)
    assert n.bit_length() == PLAN.key_bits
    assert gmpy2.gcd(n, FACTOR) == FACTOR
