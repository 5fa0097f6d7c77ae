"""The steps that draw candidates for N and find a biprime among them.

Sources are those of ``keyshare.modulus`` and ``keyshare.biprimality``; products of sharings are
reduced as in Gennaro, Rabin, Rabin, PODC 1998, §3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gmpy2 import mpz

from keyshare import biprimality
from keyshare.modulus import expected_candidates, factor_share, survivors
from keyshare.randomness import Stream
from keyshare.shamir import deal, lagrange
from protocol.ceremony_run import (
    Batch,
    CeremonyRun,
    StepId,
    StepKind,
    add_rows,
    read,
    share_out,
)
from protocol.encoding import pack_numbers, width_of
from protocol.errors import CeremonyFailed

Payloads = Mapping[int, bytes]

# An honest ceremony needs more than so many times the mean with probability e^-40.
MAX_EXCESS = 40


# ── keys: what each pair of members has in common ──


def deal_keys(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    """k_{i→j} for every j; the own one is never used."""
    return {**run.keys_sent, run.index: b""}


def finish_keys(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    for sender in run.peers:
        if len(private[sender]) != 32:
            raise CeremonyFailed(sender, step.name, "a pairwise key has 32 bytes")
        run.keys_received[sender] = private[sender]
    return StepId("units", 0)


# ── units: t+1 members share random units of Z_M; the product of those is p, and q ──


def dealers(run: CeremonyRun) -> range:
    """Members 1..t+1: one of them is honest, which makes the product a uniform unit."""
    return range(1, run.shape.degree + 2)


def deal_units(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    units = run.shape.units

    def columns() -> Iterator[list[mpz]]:
        for stream in _candidate_streams(run, step):
            for _factor in "pq":
                yield deal(stream.unit(units), run.shape.degree, run.terms.n_members, units, stream)

    return share_out(columns(), units, run.terms.n_members)


def finish_units(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    run.batch = Batch(step.batch)
    rows = read(private, run.shape.units, 2 * run.batch_size, step)
    run.batch.sharings = list(rows.values())
    return _after_product(run)


def _after_product(run: CeremonyRun, level: int = 0) -> StepId:
    batch = run.batch
    if len(batch.sharings) > 2:
        return StepId("reduce", batch.number, level + 1)
    return StepId("factors", batch.number)


# ── reduce: products of pairs of sharings, shared anew at degree t ──


def deal_products(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    units, degree, n = run.shape.units, run.shape.degree, run.terms.n_members
    pairs = _pairs(run.batch.sharings)

    def columns() -> Iterator[list[mpz]]:
        for k, stream in enumerate(_candidate_streams(run, step)):
            for left, right in pairs:
                for position in (2 * k, 2 * k + 1):
                    yield deal(left[position] * right[position] % units, degree, n, units, stream)

    return share_out(columns(), units, n)


def finish_products(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    units, batch = run.shape.units, run.batch
    pairs = len(_pairs(batch.sharings))
    rows = read(private, units, 2 * pairs * run.batch_size, step)
    weights = lagrange(run.everyone, units)
    weighted = {i: [weights[i] * share for share in row] for i, row in rows.items()}
    products = add_rows(weighted, units)
    reduced: list[list[mpz]] = [[] for _ in range(pairs)]
    for start in range(0, len(products), 2):
        reduced[start // 2 % pairs] += products[start : start + 2]
    batch.sharings = reduced + batch.sharings[2 * pairs :]
    return _after_product(run, step.part)


def _pairs(sharings: list[list[mpz]]) -> list[tuple[list[mpz], list[mpz]]]:
    return [(sharings[k], sharings[k + 1]) for k in range(0, len(sharings) - 1, 2)]


# ── factors: additive shares of p and q over the integers, shared over a field ──


def deal_factors(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    run.batch.factor_shares = list(_factor_shares(run, step))
    field, degree, n = run.shape.field, run.shape.degree, run.terms.n_members

    def columns() -> Iterator[list[mpz]]:
        for k, stream in enumerate(_candidate_streams(run, step)):
            for share in run.factors(k):
                yield deal(share, degree, n, field, stream)

    return share_out(columns(), field, n)


def _factor_shares(run: CeremonyRun, step: StepId) -> Iterator[mpz]:
    units, (left, right) = run.shape.units, run.batch.sharings
    weight = lagrange(run.everyone, units)[run.index]
    for k in range(run.batch_size):
        zero = run.zero("residues", step.batch, k)
        stream = run.stream("candidate", step.batch, k, "span")
        for position in (2 * k, 2 * k + 1):
            residue = (weight * left[position] * right[position] + zero(units)) % units
            yield factor_share(run.index, residue, run.shape, stream)


def finish_factors(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    rows = read(private, run.shape.field, 2 * run.batch_size, step)
    run.batch.factor_points = add_rows(rows, run.shape.field)
    return StepId("moduli", step.batch)


# ── moduli: N = p·q, opened under a sharing of zero ──


def open_moduli(run: CeremonyRun, step: StepId) -> bytes:
    field, points = run.shape.field, run.batch.factor_points
    weight = lagrange(run.everyone, field)[run.index]
    opened = (
        (weight * points[2 * k] * points[2 * k + 1] + run.zero("moduli", step.batch, k)(field))
        % field
        for k in range(run.batch_size)
    )
    return pack_numbers(opened, width_of(field))


def finish_moduli(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    batch = run.batch
    batch.moduli = add_rows(read(public, run.shape.field, run.batch_size, step), run.shape.field)
    batch.survivors = survivors(batch.moduli, run.shape)
    run.candidates_tried += run.batch_size
    return StepId("first", step.batch) if batch.survivors else _next_candidate(run)


# ── first: one round of the biprimality test on every survivor ──


def witness_survivors(run: CeremonyRun, step: StepId) -> bytes:
    values = (_witness(run, k, 0) for k in run.batch.survivors)
    return pack_numbers(values, width_of(mpz(1) << run.terms.key_bits))


def finish_first(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    batch = run.batch
    rows = read(public, mpz(1) << run.terms.key_bits, len(batch.survivors), step)
    for sender, row in rows.items():
        if any(value >= run.modulus(k) for value, k in zip(row, batch.survivors, strict=True)):
            raise CeremonyFailed(sender, step.name, "a number is out of range")
    run.tests_done += len(batch.survivors)
    batch.passing = [
        k
        for position, k in enumerate(batch.survivors)
        if _passes(run, k, {i: row[position] for i, row in rows.items()})
    ]
    return _next_candidate(run)


def _next_candidate(run: CeremonyRun) -> StepId:
    batch = run.batch
    if batch.passing:
        return StepId("rounds", batch.number, batch.passing.pop(0))
    mean = expected_candidates(run.terms.key_bits, run.terms.n_members)
    if run.candidates_tried > MAX_EXCESS * mean:
        reason = f"no biprime among {run.candidates_tried} candidates: somebody's values are wrong"
        raise CeremonyFailed(0, "units", reason)
    return StepId("units", batch.number + 1)


def _witness(run: CeremonyRun, candidate: int, number: int) -> mpz:
    n = run.modulus(candidate)
    g = biprimality.round_base(run.context, n, number)
    e = biprimality.exponent(run.index, *run.factors(candidate))
    lead = biprimality.lead_of(run.lead(candidate), run.terms.n_members)
    return biprimality.witness(run.index, lead, g, n, e)


def _passes(run: CeremonyRun, candidate: int, witnesses: Mapping[int, mpz]) -> bool:
    lead = biprimality.lead_of(run.lead(candidate), run.terms.n_members)
    return biprimality.accepts(witnesses, lead, run.modulus(candidate))


# ── rounds: the other 64 rounds on one candidate; p+q-1 and a mask are shared mod N ──


def witness_candidate(run: CeremonyRun, step: StepId) -> bytes:
    values = (_witness(run, step.part, k) for k in range(1, biprimality.ROUNDS + 1))
    return pack_numbers(values, width_of(mpz(1) << run.terms.key_bits))


def deal_gap(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    n = run.modulus(step.part)
    stream = run.stream("gap", step.batch, step.part)
    gap = biprimality.gap_share(run.index, *run.factors(step.part), n)
    secrets = (stream.below(n), gap)
    columns = (deal(s, run.shape.degree, run.terms.n_members, n, stream) for s in secrets)
    return share_out(columns, n, run.terms.n_members)


def finish_rounds(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    n = run.modulus(step.part)
    rows = read(public, n, biprimality.ROUNDS, step)
    for k in range(biprimality.ROUNDS):
        if not _passes(run, step.part, {i: row[k] for i, row in rows.items()}):
            return _next_candidate(run)
    mask, gap = add_rows(read(private, n, 2, step), n)
    run.batch.gap_points = (mask, gap)
    return StepId("gap", step.batch, step.part)


# ── gap: is p+q-1 coprime to N? ──


def open_gap(run: CeremonyRun, step: StepId) -> bytes:
    n = run.modulus(step.part)
    mask, gap = run.batch.gap_points
    weight = lagrange(run.everyone, n)[run.index]
    zero = run.zero("gap", step.batch, step.part)(n)
    return pack_numbers([(weight * mask * gap + zero) % n], width_of(n))


def finish_gap(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    n = run.modulus(step.part)
    (masked_gap,) = add_rows(read(public, n, 1, step), n)
    if not biprimality.gap_is_coprime(masked_gap, n):
        return _next_candidate(run)
    return StepId("dealing", step.batch, step.part)


def _candidate_streams(run: CeremonyRun, step: StepId) -> Iterator[Stream]:
    """A stream of its own for each candidate, so that one can be opened without the others."""
    for k in range(run.batch_size):
        yield run.stream("candidate", step.batch, k, step.name, step.part)


STEPS = (
    StepKind("keys", finish_keys, private=deal_keys),
    StepKind("units", finish_units, private=deal_units, senders=dealers),
    StepKind("reduce", finish_products, private=deal_products),
    StepKind("factors", finish_factors, private=deal_factors),
    StepKind("moduli", finish_moduli, public=open_moduli),
    StepKind("first", finish_first, public=witness_survivors),
    StepKind("rounds", finish_rounds, public=witness_candidate, private=deal_gap),
    StepKind("gap", finish_gap, public=open_gap),
)
