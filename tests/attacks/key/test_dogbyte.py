"""A passive observer of a whole ceremony, rejected candidates opened, computes the factors.

ZenGo, "DogByte attack: playing red team for Eth2.0 VDF": of Diogenes any passive observer could
covertly learn p and q. Here it has the board, all that is said to all, and every opened leaf.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony.modulus import deal_factors
from protocol.ceremony import key_steps
from protocol.ceremony.candidate_openings import opened_leaves
from protocol.ceremony.key_steps import Trial
from protocol.ceremony.run import CeremonyRun
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode, width_of
from protocol.messages.ceremony import Step
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.adversary import PLAN, AttackTable, honest_table

LEAF = 32


def said(table: AttackTable) -> Iterator[tuple[int, Step, bytes]]:
    """Everything that was said to all: sender, step and payload."""
    for posted in table.board.entries:
        body = posted.post.body
        if isinstance(body, Step) and (payload := table.all_payloads(posted).get(0)) is not None:
            yield posted.post.sender, body, payload


def opened(table: AttackTable) -> dict[tuple[int, int], list[bytes]]:
    """The leaves that each member opened, by batch; a closed one as its hash."""
    found, before = {}, LEAF + width_of(table.machines[1]._run.rows.prime)
    for sender, body, payload in said(table):
        if body.step == "deal" and body.batch:
            found[body.batch - 1, sender] = payload[LEAF:]
        if body.step == "theta-commit":
            found[body.batch, sender] = payload[before:]
    return {
        key: [data[k : k + LEAF] for k in range(0, len(data), LEAF)] for key, data in found.items()
    }


def factor_shares(table: AttackTable, batch: int, candidate: int) -> list[tuple[mpz, mpz]]:
    """(p_i, q_i) of a candidate's dealers, as what they opened gives them."""
    layout, leaves = table.machines[1]._run.layout, opened(table)
    number, position = divmod(candidate, layout.class_size)
    dealers, shares = layout.dealers(number), list[Any]()
    for i in dealers:
        place = layout.dealt_by(i).index(number) * layout.class_size + position
        leaf = leaves[batch, i][place]
        shares += deal_factors(layout.shape, i == dealers[0], [leaf]).factors
    return shares


@lru_cache(maxsize=1)
def rejected() -> list[list[tuple[mpz, mpz]]]:
    """The factor shares of all rejected candidates of an honest ceremony."""
    table = honest_table()
    winner = table.machines[1]._run
    return [
        factor_shares(table, batch, candidate)
        for batch in range(winner.batch.number + 1)
        for candidate in range(winner.layout.batch_size)
        if (batch, candidate) != (winner.batch.number, winner.the_winner.number)
    ]


def chunks(payload: bytes) -> Iterator[mpz]:
    """Every number of a payload that could be one modulo N or N², or a lane."""
    lane = honest_table().machines[1]._run.rows.width
    for width in (LEAF, 2 * LEAF, lane):
        for k in range(0, len(payload) - width + 1, width):
            yield mpz(int.from_bytes(payload[k : k + width], "big"))
            yield mpz(int.from_bytes(payload[k : k + width], "little"))


def shares_a_factor(numbers: Iterator[mpz] | list[mpz], n: mpz) -> bool:
    """Whether any of the numbers, or of their neighbours, has a factor in common with N."""
    product = mpz(1)
    for number in numbers:
        for near in (number - 1, number, number + 1):
            if near % n:
                product = product * near % n
    return gmpy2.gcd(product, n) not in (1, n)


def n_of_the_toy() -> mpz:
    return honest_table().machines[1]._run.the_winner.n


def test_what_is_opened_gives_the_factors_of_all_rejected_candidates():
    """So the observer reads the leaves rightly: for all others it does find p and q."""
    table = honest_table()
    run = table.machines[1]._run
    batch = run.batch.number
    for candidate in set(range(run.layout.batch_size)) - {run.the_winner.number}:
        shares = factor_shares(table, batch, candidate)
        p, q = (sum(side) for side in zip(*shares, strict=True))
        assert p * q == run.batch.moduli[candidate]


def test_no_number_that_was_said_has_a_factor_in_common_with_n():
    numbers = (number for _, _, payload in said(honest_table()) for number in chunks(payload))
    assert not shares_a_factor(numbers, n_of_the_toy())


def test_no_opened_share_or_factor_has_one_either():
    numbers = [
        x
        for shares in rejected()
        for p, q in [*shares, [sum(side) for side in zip(*shares, strict=True)]]
        for x in (p, q, p + q)
    ]
    assert not shares_a_factor(numbers, n_of_the_toy())


def test_no_leaf_or_factor_share_occurs_twice():
    leaves = [leaf for found in opened(honest_table()).values() for leaf in found]
    assert len(set(leaves)) == len(leaves)
    shares = [x for found in rejected() for pair in found for x in pair]
    assert len(set(shares)) == len(shares)


def test_no_nonce_commitment_or_proof_occurs_twice():
    heads, proofs = [], []
    for _, body, payload in said(honest_table()):
        heads.append(payload[:LEAF])
        if body.step == "winner":
            proofs.append(decode(payload[LEAF:], Winning, "", MAX_BLOB_BYTES).proof.first)
        if body.step == "trial":
            trial = decode(payload, Trial, "", MAX_BLOB_BYTES)
            proofs += [p.first for p in (trial.partial_proof, trial.fresh_proof) if p]
    assert len(set(heads)) == len(heads)
    assert len(set(proofs)) == len(proofs)


def test_the_winners_leaves_stay_closed():
    run = honest_table().machines[1]._run
    shares = factor_shares(honest_table(), run.batch.number, run.the_winner.number)
    p, q = (sum(side) for side in zip(*shares, strict=True))
    assert gmpy2.gcd(p * q, n_of_the_toy()) == 1  # its hash in its place says nothing


def test_were_they_opened_with_the_rest_the_observer_would_have_p_and_q(monkeypatch):
    def all_leaves(run: CeremonyRun, keep: int | None) -> list[bytes]:
        return opened_leaves(run, keep=None)

    monkeypatch.setattr(key_steps, "opened_leaves", all_leaves)
    monkeypatch.setattr(key_steps, "check_leaves", lambda *opened, **keep: None)
    table = AttackTable(PLAN, {})
    table.run()
    outcome = table.machines[1].outcome
    assert outcome
    run = table.machines[1]._run
    shares = factor_shares(table, run.batch.number, run.the_winner.number)
    p, q = (sum(side) for side in zip(*shares, strict=True))
    assert p * q == outcome[0].joint_key().n


@pytest.mark.parametrize("number", [0, 2, -7])
def test_the_search_for_common_factors_finds_one_that_is_there(number):
    run = honest_table().machines[1]._run
    candidate = next(k for k in range(len(run.batch.moduli)) if k != run.the_winner.number)
    n = run.batch.moduli[candidate]
    shares = factor_shares(honest_table(), run.batch.number, candidate)
    p = sum(p for p, _ in shares)
    assert shares_a_factor([mpz(number), p * 12_345 + 1], n)
