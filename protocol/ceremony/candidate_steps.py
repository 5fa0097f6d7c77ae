"""The steps that draw candidates for N and find one that passes the screen.

Sources are those of ``keyshare.ceremony.modulus`` and ``keyshare.ceremony.biprimality``. N = p·q is
multiplied as in Ben-Or, Goldwasser, Wigderson, STOC 1988: every member opens λ_j·P(j)·Q(j) under a
share of zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import biprimality
from keyshare.ceremony.modulus import expected_candidates, survivors
from keyshare.ceremony.shamir import integer_lagrange
from protocol.ceremony.candidate_openings import check_leaves, leaves_commitment, opened_leaves
from protocol.ceremony.commitment import commit_first, committed
from protocol.ceremony.run import CeremonyRun, Payloads, StepId, StepKind, read
from protocol.encoding import pack_numbers, width_of
from protocol.errors import CeremonyFailed

# An honest ceremony needs more than so many times the mean with probability e^-40.
MAX_EXCESS = 40
_HASH_BYTES = 32


# ── deal: shares of p_i and q_i for the candidates of a batch ──


def tell_leaves(run: CeremonyRun, step: StepId) -> bytes:
    """A commitment to this batch's leaves, and the leaves of the last batch, all rejected."""
    root = leaves_commitment(run.begin_batch(step.batch).leaves)
    return root + (opened_leaves(run, keep=None) if step.batch else b"")


def deal_shares(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    """Rows for the classes that this member deals; with the first ones a key for zero sharings."""
    dealings = run.begin_batch(step.batch).dealings.values()
    rows = {
        j: b"".join(run.rows.encode(row) for dealing in dealings for row in dealing.points(j))
        for j in run.everyone
    }
    if step.batch == 0:
        return {j: row + run.keys_sent.get(j, bytes(_HASH_BYTES)) for j, row in rows.items()}
    return rows


def finish_deal(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    roots = {sender: payload[:_HASH_BYTES] for sender, payload in public.items()}
    rejected = {sender: payload[_HASH_BYTES:] for sender, payload in public.items()}
    for sender, payload in public.items():
        if len(payload) < _HASH_BYTES or (not step.batch and rejected[sender]):
            raise CeremonyFailed(sender, step.name, "its commitment has another length")
    if step.batch:
        check_leaves(run, step, rejected, keep=None)
    run.batch = run.begin_batch(step.batch)
    run.batch.roots = roots
    run.batch.points = {c: {} for c in run.layout.classes}
    for sender, payload in private.items():
        _take_shares(run, step, sender, payload)
    return commit_first("moduli", step.batch)


def _take_shares(run: CeremonyRun, step: StepId, sender: int, payload: bytes) -> None:
    size, classes = run.rows.size, run.layout.dealt_by(sender)
    end = 2 * len(classes) * size
    if len(payload) != end + (0 if step.batch else _HASH_BYTES):
        raise CeremonyFailed(sender, step.name, "its shares have another length")
    rows = [run.rows.decode(payload[k : k + size]) for k in range(0, end, size)]
    if not all(run.rows.is_reduced(row) for row in rows):
        raise CeremonyFailed(sender, step.name, "a share is out of range")
    for k, number in enumerate(classes):
        run.batch.points[number][sender] = rows[2 * k], rows[2 * k + 1]
    if not step.batch and sender != run.index:
        run.keys_received[sender] = payload[end:]


# ── moduli: N = p·q, opened under a sharing of zero ──


def open_moduli(run: CeremonyRun, step: StepId) -> bytes:
    """Δ·λ_j·P(j)·Q(j) + z_j for every candidate."""
    rows, prime = run.rows, run.rows.prime
    weight = integer_lagrange(run.everyone, mpz(factorial(run.terms.n_members)))[run.index]
    opened = []
    for number in run.layout.classes:
        p_row, q_row = (
            rows.reduce(sum(side, mpz(0)))
            for side in zip(*run.batch.points[number].values(), strict=True)
        )
        products = (
            weight * p * q % prime
            for p, q in zip(rows.split(p_row), rows.split(q_row), strict=True)
        )
        zero = run.zero_row(rows, "moduli", step.batch, number)
        opened.append(rows.encode(rows.reduce(rows.join(products) + zero)))
    return b"".join(opened)


def finish_moduli(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    batch, layout = run.batch, run.layout
    for sender, payload in public.items():
        if len(payload) != run.rows.size * layout.n_members:
            raise CeremonyFailed(sender, step.name, "its shares of N have another length")
    batch.moduli = tuple(n for number in layout.classes for n in _moduli(run, step, number, public))
    batch.survivors = survivors(batch.moduli, run.shape)
    run.candidates_tried += layout.batch_size
    return commit_first("screen", step.batch) if batch.survivors else next_candidate(run)


def _moduli(run: CeremonyRun, step: StepId, number: int, public: Payloads) -> Iterator[mpz]:
    rows, start = run.rows, number * run.rows.size
    total = mpz(0)
    for sender, payload in public.items():
        row = rows.decode(payload[start : start + rows.size])
        if not rows.is_reduced(row):
            raise CeremonyFailed(sender, step.name, "a share of N is out of range")
        total += row
    inverse = gmpy2.invert(mpz(factorial(run.terms.n_members)), rows.prime)
    return (n * inverse % rows.prime for n in rows.split(rows.reduce(total)))


# ── screen: one biprimality round on every survivor of trial division ──


def witness_survivors(run: CeremonyRun, step: StepId) -> bytes:
    """4^(x_i) mod N for the survivors that this member deals."""
    own = run.layout.chosen(run.batch.survivors, run.index)
    values = (biprimality.screen_witness(run.test_exponent(k), run.batch.moduli[k]) for k in own)
    return pack_numbers(values, width_of(mpz(1) << run.terms.key_bits))


def finish_screen(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    batch, layout, top = run.batch, run.layout, mpz(1) << run.terms.key_bits
    batch.witnesses = {k: {} for k in batch.survivors}
    for sender, payload in public.items():
        chosen = layout.chosen(batch.survivors, sender)
        values = read({sender: payload}, top, len(chosen), step)[sender]
        for k, value in zip(chosen, values, strict=True):
            if value >= batch.moduli[k]:
                raise CeremonyFailed(sender, step.name, "a number is out of range")
            batch.witnesses[k][sender] = value
    run.tests_done += len(batch.survivors)
    batch.passing = [
        k
        for k, values in batch.witnesses.items()
        if biprimality.accepts(values, layout.dealers(layout.class_of(k))[0], batch.moduli[k])
    ]
    return next_candidate(run)


def next_candidate(run: CeremonyRun) -> StepId:
    """A candidate that passed the screen, or the next batch."""
    batch = run.batch
    if batch.passing:
        return commit_first("winner", batch.number, batch.passing.pop(0))
    mean = expected_candidates(run.terms.key_bits, run.terms.n_members)
    if run.candidates_tried > MAX_EXCESS * mean:
        reason = f"no biprime among {run.candidates_tried} candidates: somebody's values are wrong"
        raise CeremonyFailed(0, "deal", reason)
    return StepId("deal", batch.number + 1)


STEPS = (
    StepKind("deal", finish_deal, public=tell_leaves, private=deal_shares),
    *committed(StepKind("moduli", finish_moduli, public=open_moduli)),
    *committed(StepKind("screen", finish_screen, public=witness_survivors)),
)
