"""The step in which a candidate that passed the screen becomes N, if it passes all tests.

Its dealers show that one and the same test exponent is behind all their values, and share it, with
masks for θ', over the integers and verifiably. Sources are those of
``keyshare.ceremony.biprimality``, ``keyshare.proofs.equality_proof`` and
``keyshare.key.threshold_key``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import feldman
from keyshare.ceremony.biprimality import ROUNDS, accepts, round_base, witness
from keyshare.ceremony.shamir import evaluate, integer_polynomial
from keyshare.key.threshold_key import KeyShape, key_shape, verification_base
from keyshare.proofs.equality_proof import EqualPowers, prove, verify
from protocol.board.messages import MAX_BLOB_BYTES
from protocol.ceremony.candidate_steps import next_candidate
from protocol.ceremony.commitment import commit_first, committed
from protocol.ceremony.run import (
    CeremonyRun,
    Payloads,
    StepId,
    StepKind,
    Winner,
    read_one,
)
from protocol.encoding import Message, decode, encode, pack_numbers, width_of
from protocol.errors import CeremonyFailed, Malformed
from protocol.key.proof_encoding import Proof, proof_context, read_proof, write_proof


class Winning(Message, frozen=True):
    """A dealer's word: numbers below N as ``DealerValues`` has them, and the proof of exponents."""

    numbers: bytes
    proof: Proof


@dataclass(frozen=True)
class DealerValues:
    """u^(x_i); g_k^(x_i) for each round; u^a for the coefficients a of the three polynomials.

    The constant of the first polynomial is Δ·x_i, so that its commitment follows from u^(x_i).
    """

    exponent: mpz
    witnesses: list[mpz]
    exponent_coefficients: list[mpz]
    mask: list[mpz]
    blind: list[mpz]

    @property
    def numbers(self) -> list[mpz]:
        """All of them, in the order of the fields."""
        head = [self.exponent, *self.witnesses]
        return [*head, *self.exponent_coefficients, *self.mask, *self.blind]


def _split(numbers: Sequence[mpz], shape: KeyShape) -> DealerValues:
    ends = [1, 1 + ROUNDS]
    for count in (shape.degree, shape.degree + 1, shape.quorum):
        ends.append(ends[-1] + count)
    rounds, exponents, mask, blind = (list(numbers[a:b]) for a, b in pairwise(ends))
    return DealerValues(numbers[0], rounds, exponents, mask, blind)


def _count(shape: KeyShape) -> int:
    return 1 + ROUNDS + shape.degree + (shape.degree + 1) + shape.quorum


def winners_dealers(run: CeremonyRun, step: StepId) -> tuple[int, ...]:
    """Who dealt the candidate; the lead first."""
    return run.layout.dealers(run.layout.class_of(step.candidate))


def tell_exponent(run: CeremonyRun, step: StepId) -> bytes:
    candidate = _candidate(run, step)
    n, u, x = candidate.n, candidate.u, run.test_exponent(step.candidate)
    exponents, mask, blind = (feldman.commit(f, u, n) for f in _polynomials(run, step))
    witnesses = [witness(g, x, n) for g in _bases(run, n)]
    values = DealerValues(gmpy2.powmod(u, x, n), witnesses, exponents[1:], mask, blind)
    statement = _equal_exponents(run, step, run.index, values)
    proof = prove(x, statement, run.stream("proof", step.label))
    return encode(Winning(pack_numbers(values.numbers, width_of(n)), write_proof(proof)))


def deal_key(run: CeremonyRun, step: StepId) -> dict[int, bytes]:
    """Each member's points of the three polynomials."""
    polynomials, bounds = _polynomials(run, step), _point_bounds(_candidate(run, step).shape)
    return {
        j: b"".join(
            pack_numbers([evaluate(f, j)], width_of(bound))
            for f, bound in zip(polynomials, bounds, strict=True)
        )
        for j in run.everyone
    }


def finish_winner(run: CeremonyRun, step: StepId, public: Payloads, private: Payloads) -> StepId:
    candidate, dealers = _candidate(run, step), winners_dealers(run, step)
    values = {i: _read_values(run, step, candidate, i, public[i]) for i in dealers}
    exponents = {i: v.exponent for i, v in values.items()}
    rounds = [{i: v.witnesses[k] for i, v in values.items()} for k in range(ROUNDS)]
    if not all(accepts(found, dealers[0], candidate.n) for found in [exponents, *rounds]):
        run.batch.failed[step.candidate] = exponents
        return next_candidate(run)
    candidate.exponents = exponents
    candidate.blinds = feldman.add([v.blind for v in values.values()], candidate.n)
    if not run.is_observer:
        points = {i: _read_points(run, step, candidate, values[i], i, private[i]) for i in dealers}
        candidate.exponent_points = {i: row[0] for i, row in points.items()}
        candidate.points = _add_points(points, dealers[0])
    run.winner = candidate
    return commit_first("theta", step.batch, step.candidate)


def _add_points(points: Mapping[int, Sequence[mpz]], lead: int) -> tuple[mpz, ...]:
    """This member's points of Δφ/4, Δβ and ΔR from those of the dealers."""
    return (
        sum(((1 if i == lead else -1) * point[0] for i, point in points.items()), mpz(0)),
        sum((point[1] for point in points.values()), mpz(0)),
        sum((point[2] for point in points.values()), mpz(0)),
    )


def _candidate(run: CeremonyRun, step: StepId) -> Winner:
    n = run.batch.moduli[step.candidate]
    u = verification_base(n, run.context) % n
    return Winner(step.candidate, n, u, key_shape(n, run.terms.n_members, run.terms.quorum))


def _equal_exponents(
    run: CeremonyRun, step: StepId, dealer: int, values: DealerValues
) -> EqualPowers:
    """One test exponent is behind all of a dealer's values for the candidate."""
    candidate = _candidate(run, step)
    return EqualPowers(
        base=candidate.u,
        value=values.exponent,
        bases=_bases(run, candidate.n),
        values=values.witnesses,
        modulus=candidate.n,
        bound=candidate.n,
        context=proof_context(run.context, step.label, dealer),
    )


def _bases(run: CeremonyRun, n: mpz) -> list[mpz]:
    return [round_base(run.context, n, number) for number in range(ROUNDS)]


def _polynomials(run: CeremonyRun, step: StepId) -> list[list[mpz]]:
    """Of Δ·x_i, Δ·β_i and Δ·R_i."""
    shape, stream = _candidate(run, step).shape, run.stream("key", step.label)
    secrets = (
        run.test_exponent(step.candidate),
        stream.below(shape.mask_bound),
        stream.below(shape.blind_bound),
    )
    return [
        integer_polynomial(
            shape.delta * secret, degree, shape.coefficient_bound(bound, degree), stream
        )
        for secret, (bound, degree) in zip(secrets, _ranges(shape), strict=True)
    ]


def _ranges(shape: KeyShape) -> list[tuple[mpz, int]]:
    """Bound of the secret and degree, of each of the three polynomials."""
    return [
        (shape.n, shape.degree),
        (shape.mask_bound, shape.degree),
        (shape.blind_bound, shape.quorum - 1),
    ]


def _point_bounds(shape: KeyShape) -> list[mpz]:
    return [shape.point_bound(bound, degree) for bound, degree in _ranges(shape)]


def _read_values(
    run: CeremonyRun, step: StepId, candidate: Winner, sender: int, payload: bytes
) -> DealerValues:
    n, shape = candidate.n, candidate.shape
    try:
        said = decode(payload, Winning, "values of the winner", MAX_BLOB_BYTES)
    except Malformed as error:
        raise CeremonyFailed(sender, step.name, error.reason) from None
    values = _split(read_one(sender, said.numbers, n, _count(shape), step), shape)
    if any(gmpy2.gcd(number, n) != 1 for number in values.numbers):
        raise CeremonyFailed(sender, step.name, "a number is not a unit modulo N")
    proof = read_proof(said.proof)
    if proof is None or not verify(proof, _equal_exponents(run, step, sender, values)):
        raise CeremonyFailed(sender, step.name, "its proof of equal exponents does not hold")
    return values


def _read_points(
    run: CeremonyRun,
    step: StepId,
    candidate: Winner,
    values: DealerValues,
    dealer: int,
    payload: bytes,
) -> list[mpz]:
    """This member's points of a dealer's polynomials, checked against the commitments."""
    n, shape = candidate.n, candidate.shape
    commitments: tuple[list[mpz], ...] = (
        [gmpy2.powmod(values.exponent, shape.delta, n), *values.exponent_coefficients],
        values.mask,
        values.blind,
    )
    points, start = [], 0
    for bound, row in zip(_point_bounds(shape), commitments, strict=True):
        end = start + width_of(bound)
        (point,) = read_one(dealer, payload[start:end], bound, 1, step)
        if not feldman.fits(point, row, run.index, candidate.u, n):
            raise CeremonyFailed(dealer, step.name, "a share does not fit its commitments")
        points.append(point)
        start = end
    if start != len(payload):
        raise CeremonyFailed(dealer, step.name, "its shares have another length")
    return points


STEPS = committed(
    StepKind(
        "winner", finish_winner, public=tell_exponent, private=deal_key, senders=winners_dealers
    )
)
