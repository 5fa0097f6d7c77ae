"""The steps that draw candidates for N and find one that passes the screen.

Sources are those of ``keyshare.ceremony.modulus`` and ``keyshare.ceremony.biprimality``. N = p·q is
multiplied as in Ben-Or, Goldwasser, Wigderson, STOC 1988: every member opens λ_j·P(j)·Q(j) under a
share of zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import factorial

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import biprimality, expected_candidates, integer_lagrange, survivors
from protocol.ceremony.candidate_openings import (
    LEAF_BYTES,
    check_leaves,
    leaves_commitment,
    opened_leaves,
)
from protocol.ceremony.commitment import commit_first, committed
from protocol.ceremony.run import CeremonyRun, Rows, StepId
from protocol.ceremony.step import Payload, Spellings, StepKind, each, number, raw, row
from protocol.errors import CeremonyFailed

# An honest ceremony needs more than so many times the mean with probability e^-40.
MAX_EXCESS = 40
_KEY_BYTES = 32


# ── deal: shares of p_i and q_i for the candidates of a batch ──


@dataclass(frozen=True, repr=False)
class Leaves(Payload):
    """To all: a commitment to this batch's leaves; the leaves of the last one, all rejected."""

    root: bytes
    rejected: Sequence[bytes]

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        rejected = run.layout.leaves_of(sender) if step.batch else 0
        return raw(LEAF_BYTES), each(raw(LEAF_BYTES), rejected)


@dataclass(frozen=True, repr=False)
class Shares(Payload):
    """To each: rows of p and q for every class that the sender deals; at first a key for zeros."""

    rows: Sequence[mpz]
    pairwise_key: bytes

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        rows = each(row(run), 2 * len(run.layout.dealt_by(sender)))
        return rows, raw(0 if step.batch else _KEY_BYTES)


def tell_leaves(run: CeremonyRun, step: StepId) -> Leaves:
    root = leaves_commitment(run.begin_batch(step.batch).leaves)
    return Leaves(root, opened_leaves(run, keep=None) if step.batch else ())


def deal_shares(run: CeremonyRun, step: StepId) -> dict[int, Shares]:
    dealings = run.begin_batch(step.batch).dealings.values()
    keys = {} if step.batch else {run.index: bytes(_KEY_BYTES)} | run.keys_sent
    return {
        j: Shares([row for dealt in dealings for row in dealt.points(j)], keys.get(j, b""))
        for j in run.everyone
    }


def finish_deal(
    run: CeremonyRun, step: StepId, told: Mapping[int, Leaves], dealt: Mapping[int, Shares]
) -> StepId:
    if step.batch:
        check_leaves(run, step, {i: leaves.rejected for i, leaves in told.items()}, keep=None)
    points: dict[int, dict[int, Rows]] = {c: {} for c in run.layout.classes}
    for sender, shares in dealt.items():
        rows = iter(shares.rows)
        for c in run.layout.dealt_by(sender):
            points[c][sender] = next(rows), next(rows)
        if not step.batch and sender != run.index:
            run.keys_received[sender] = shares.pairwise_key
    roots = {sender: leaves.root for sender, leaves in told.items()}
    run.batch = replace(run.begin_batch(step.batch), roots=roots, points=points)
    return commit_first("moduli", step.batch)


# ── moduli: N = p·q, opened under a sharing of zero ──


@dataclass(frozen=True, repr=False)
class ModuliShares(Payload):
    """To all: Δ·λ_j·P(j)·Q(j) + z_j for every candidate, a row for each class."""

    rows: Sequence[mpz]

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        return (each(row(run), run.layout.n_members),)


def open_moduli(run: CeremonyRun, step: StepId) -> ModuliShares:
    rows, prime = run.rows, run.rows.prime
    weight = integer_lagrange(run.everyone, mpz(factorial(run.terms.n_members)))[run.index]
    opened = []
    for c in run.layout.classes:
        p_row, q_row = (
            rows.reduce(sum(side, mpz(0)))
            for side in zip(*run.batch.points[c].values(), strict=True)
        )
        products = (
            weight * p * q % prime
            for p, q in zip(rows.split(p_row), rows.split(q_row), strict=True)
        )
        zero = run.zero_row(rows, "moduli", step.batch, c)
        opened.append(rows.reduce(rows.join(products) + zero))
    return ModuliShares(opened)


def finish_moduli(run: CeremonyRun, step: StepId, said: Mapping[int, ModuliShares]) -> StepId:
    rows, inverse = run.rows, gmpy2.invert(mpz(factorial(run.terms.n_members)), run.rows.prime)
    moduli = tuple(
        n * inverse % rows.prime
        for shares in zip(*(one.rows for one in said.values()), strict=True)
        for n in rows.split(rows.reduce(sum(shares, mpz(0))))
    )
    run.batch = replace(run.batch, moduli=moduli, survivors=survivors(moduli, run.shape))
    run.candidates_tried += run.layout.batch_size
    return commit_first("screen", step.batch) if run.batch.survivors else next_candidate(run)


# ── screen: one biprimality round on every survivor of trial division ──


@dataclass(frozen=True, repr=False)
class Witnesses(Payload):
    """To all: 4^(x_i) mod N for the survivors that the sender deals."""

    values: Sequence[mpz]

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        count = len(run.layout.chosen(run.batch.survivors, sender))
        return (each(number(mpz(1) << run.terms.key_bits), count),)


def witness_survivors(run: CeremonyRun, step: StepId) -> Witnesses:
    own, moduli = run.layout.chosen(run.batch.survivors, run.index), run.batch.moduli
    return Witnesses([biprimality.screen_witness(run.test_exponent(k), moduli[k]) for k in own])


def finish_screen(run: CeremonyRun, step: StepId, said: Mapping[int, Witnesses]) -> StepId:
    batch, layout = run.batch, run.layout
    witnesses: dict[int, dict[int, mpz]] = {k: {} for k in batch.survivors}
    for sender, told in said.items():
        chosen = layout.chosen(batch.survivors, sender)
        for k, value in zip(chosen, told.values, strict=True):
            if value >= batch.moduli[k]:
                raise CeremonyFailed(sender, step.name, "a number is out of range")
            witnesses[k][sender] = value
    run.tests_done += len(batch.survivors)
    passing = [
        k
        for k, values in witnesses.items()
        if biprimality.accepts(values, layout.dealers(layout.class_of(k))[0], batch.moduli[k])
    ]
    run.batch = replace(batch, witnesses=witnesses, passing=passing)
    return next_candidate(run)


def next_candidate(run: CeremonyRun) -> StepId:
    """A candidate that passed the screen, or the next batch."""
    batch = run.batch
    if batch.passing:
        first, *others = batch.passing
        run.batch = replace(batch, passing=others)
        return commit_first("winner", batch.number, first)
    mean = expected_candidates(run.terms.key_bits, run.terms.n_members)
    if run.candidates_tried > MAX_EXCESS * mean:
        reason = f"no biprime among {run.candidates_tried} candidates: somebody's values are wrong"
        raise CeremonyFailed(0, "deal", reason)
    return StepId("deal", batch.number + 1)


STEPS = (
    StepKind("deal", Leaves, tell_leaves, finish_deal, Shares, deal_shares),
    *committed(StepKind("moduli", ModuliShares, open_moduli, finish_moduli)),
    *committed(StepKind("screen", Witnesses, witness_survivors, finish_screen)),
)
