"""The step in which a candidate that passed the screen becomes N, if it passes all tests.

Its dealers show that one and the same test exponent is behind all their values, and share it, with
masks for θ', over the integers and verifiably. Sources are those of
``keyshare.ceremony.biprimality``, ``keyshare.proofs.equality_proof`` and
``keyshare.key.threshold_key``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import (
    ROUNDS,
    accepts,
    evaluate,
    feldman,
    integer_polynomial,
    round_base,
    witness,
)
from keyshare.key import KeyShape, key_shape, verification_base
from keyshare.proofs import EqualPowers, prove, verify
from protocol.ceremony.candidate_steps import next_candidate
from protocol.ceremony.commitment import commit_first, committed
from protocol.ceremony.run import Candidate, CeremonyRun, StepId, Winner
from protocol.ceremony.step import Payload, Spellings, StepKind, each, number, unit
from protocol.encoding import Message, decode, encode
from protocol.errors import CeremonyFailed
from protocol.key import Proof, proof_context, read_proof, write_proof
from protocol.messages import MAX_BLOB_BYTES


class Winning(Message, frozen=True):
    """``ProvedValues`` on the board."""

    numbers: bytes
    proof: Proof


@dataclass(frozen=True, repr=False)
class DealerValues(Payload):
    """u^(x_i); g_k^(x_i) for each round; u^a for the coefficients a of the three polynomials.

    The constant of the first polynomial is Δ·x_i, so that its commitment follows from u^(x_i).
    """

    exponent: mpz
    witnesses: list[mpz]
    exponent_coefficients: list[mpz]
    mask: list[mpz]
    blind: list[mpz]

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        candidate = _candidate(run, step)
        one, degree = unit(candidate.n), candidate.shape.degree
        counts = (ROUNDS, degree, degree + 1, candidate.shape.quorum)
        return one, *(each(one, count) for count in counts)


@dataclass(frozen=True, repr=False)
class ProvedValues(Payload):
    """To all: a dealer's values, and the proof that one exponent is behind them."""

    values: DealerValues
    proof: Proof

    def write(self, run: CeremonyRun, step: StepId) -> bytes:
        return encode(Winning(self.values.write(run, step), self.proof))

    @classmethod
    def read(cls, data: bytes, run: CeremonyRun, step: StepId, sender: int) -> Self:
        said = decode(data, Winning, "values of the winner", MAX_BLOB_BYTES)
        return cls(DealerValues.read(said.numbers, run, step, sender), said.proof)


@dataclass(frozen=True, repr=False)
class Points(Payload):
    """To each: its points of a dealer's polynomials, whose constants are Δ·x_i, Δ·β_i and Δ·R_i."""

    exponent: mpz
    mask: mpz
    blind: mpz

    @staticmethod
    def spelling(run: CeremonyRun, step: StepId, sender: int) -> Spellings:
        return tuple(map(number, _point_bounds(_candidate(run, step).shape)))


def winners_dealers(run: CeremonyRun, step: StepId) -> tuple[int, ...]:
    """Who dealt the candidate; the lead first."""
    return run.layout.dealers(run.layout.class_of(step.candidate))


def tell_exponent(run: CeremonyRun, step: StepId) -> ProvedValues:
    candidate = _candidate(run, step)
    n, u, x = candidate.n, candidate.u, run.test_exponent(step.candidate)
    exponents, mask, blind = (feldman.commit(f, u, n) for f in _polynomials(run, step))
    witnesses = [witness(g, x, n) for g in _bases(run, n)]
    values = DealerValues(gmpy2.powmod(u, x, n), witnesses, exponents[1:], mask, blind)
    statement = _equal_exponents(run, step, run.index, values)
    return ProvedValues(values, write_proof(prove(x, statement, run.stream("proof", step.label))))


def deal_key(run: CeremonyRun, step: StepId) -> dict[int, Points]:
    polynomials = _polynomials(run, step)
    return {j: Points(*(evaluate(f, j) for f in polynomials)) for j in run.everyone}


def finish_winner(
    run: CeremonyRun, step: StepId, told: Mapping[int, ProvedValues], dealt: Mapping[int, Points]
) -> StepId:
    candidate, dealers = _candidate(run, step), winners_dealers(run, step)
    for i, said in told.items():
        _check_proof(run, step, i, said)
    values = {i: told[i].values for i in dealers}
    exponents = {i: v.exponent for i, v in values.items()}
    rounds = [{i: v.witnesses[k] for i, v in values.items()} for k in range(ROUNDS)]
    if not all(accepts(found, dealers[0], candidate.n) for found in [exponents, *rounds]):
        run.batch = replace(run.batch, failed={**run.batch.failed, step.candidate: exponents})
        return next_candidate(run)
    for i, points in dealt.items():
        _check_points(run, step, i, points, values[i])
    run.winner = Winner(
        **vars(candidate),
        exponents=exponents,
        blinds=feldman.add([v.blind for v in values.values()], candidate.n),
        exponent_points={i: points.exponent for i, points in dealt.items()},
        points=_add_points(dealt, dealers[0]),
    )
    return commit_first("theta", step.batch, step.candidate)


def _add_points(points: Mapping[int, Points], lead: int) -> tuple[mpz, ...]:
    """This member's points of Δφ/4, Δβ and ΔR from those of the dealers."""
    return (
        sum(((1 if i == lead else -1) * own.exponent for i, own in points.items()), mpz(0)),
        sum((own.mask for own in points.values()), mpz(0)),
        sum((own.blind for own in points.values()), mpz(0)),
    )


def _candidate(run: CeremonyRun, step: StepId) -> Candidate:
    n = run.batch.moduli[step.candidate]
    u = verification_base(n, run.context) % n
    shape = key_shape(n, run.terms.n_members, run.terms.quorum)
    return Candidate(step.candidate, n, u, shape)


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


def _check_proof(run: CeremonyRun, step: StepId, dealer: int, said: ProvedValues) -> None:
    proof = read_proof(said.proof)
    if proof is None or not verify(proof, _equal_exponents(run, step, dealer, said.values)):
        raise CeremonyFailed(dealer, step.name, "its proof of equal exponents does not hold")


def _check_points(
    run: CeremonyRun, step: StepId, dealer: int, points: Points, values: DealerValues
) -> None:
    """This member's points of a dealer's polynomials fit the commitments."""
    candidate = _candidate(run, step)
    n, u, delta = candidate.n, candidate.u, candidate.shape.delta
    exponent = [gmpy2.powmod(values.exponent, delta, n), *values.exponent_coefficients]
    rows = (exponent, values.mask, values.blind)
    for point, row in zip(vars(points).values(), rows, strict=True):
        if not feldman.fits(point, row, run.index, u, n):
            raise CeremonyFailed(dealer, step.name, "a share does not fit its commitments")


STEPS = committed(
    StepKind(
        "winner", ProvedValues, tell_exponent, finish_winner, Points, deal_key, winners_dealers
    )
)
