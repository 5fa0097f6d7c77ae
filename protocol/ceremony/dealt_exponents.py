"""The check that ties the exponents under N to what was dealt before N was known.

See ``keyshare.key.deviation``. Every member posts its D(j) beside its commitment to its share of
θ': in the clear, since t+1 honest points leave the last speaker no choice, and never under a
sharing of zero, which would give it one. All check before anybody opens θ'.
"""

from collections.abc import Mapping

from gmpy2 import mpz

from keyshare.ceremony import CandidateShape
from keyshare.key import part, vanishes
from protocol.ceremony.run import CeremonyRun
from protocol.errors import CeremonyFailed

DEALT = "dealt"  # what an abort names as the step where the check fails


def own_parts(run: CeremonyRun) -> dict[int, mpz]:
    """Of this member's D(j) the part of each dealer of N; empty before N is found."""
    winner, rows = run.winner, run.rows
    if winner is None or run.is_observer:
        return {}
    number, position = divmod(winner.number, run.layout.class_size)
    lead = run.layout.dealers(number)[0]
    return {
        i: part(
            i == lead,
            rows.at(p_row, position),
            rows.at(q_row, position),
            winner.exponent_points[i],
            winner.shape,
            rows.prime,
        )
        for i, (p_row, q_row) in run.batch.points[number].items()
    }


def own_deviation(run: CeremonyRun) -> mpz:
    """This member's D(j)."""
    return sum(own_parts(run).values(), mpz(0)) % run.rows.prime


def check_deviation(run: CeremonyRun, points: Mapping[int, mpz]) -> None:
    """Raises CeremonyFailed, with nobody as culprit, unless D has degree t and is 0 at 0."""
    if not vanishes(points, run.shape.degree, run.rows.prime):
        raise CeremonyFailed(0, DEALT, "the exponents under N are not those that were dealt")


def misdealers(shape: CandidateShape, parts: Mapping[int, Mapping[int, mpz]]) -> list[int]:
    """The dealers whose part of D is not of degree t, or not 0 at 0.

    parts: by member j, the parts of D(j) as its machine has them. Those of t or fewer members show
    nothing, those of t+1 do: what a dealer has sealed for them is on the board, so that it need not
    disclose its seed, and no honest dealer is ever among the misdealers.
    """
    prime = (mpz(1) << shape.field_exponent) - 1
    dealers = sorted({i for own in parts.values() for i in own})
    return [
        i
        for i in dealers
        if not vanishes({j: own[i] for j, own in parts.items() if i in own}, shape.degree, prime)
    ]
