"""What a dealer draws and says, what is wrong with it, and what follows for everybody.

Dealer i of D has the point P(i) of the old epoch and draws ρ_i < b and b_(i,1), …, b_(i,k'-1) < B'
(``plan`` has the ranges):

    B_i(x) = Λ·ρ_i + 2·Σ b_(i,a)·x^a
    to all     c_i = u^ρ_i,  C_(i,a) = u^b_(i,a) mod N,  e_i = μ_i·P(i) - Δ·Λ·ρ_i, an integer
    sealed     B_i(j) to the new member j
    all check  u^e_i · c_i^(Δ·Λ) = (u^P(i))^μ_i mod N, and ranges
    j checks   0 <= B_i(j) < T  and  u^B_i(j) = c_i^Λ · ∏ (C_(i,a)²)^(j^a) mod N
    result     w = Σ e_i/Δ = P(0) - P'(0),  θ'' = θ' - N·w,  P' = Σ B_i,  so that S stays S

Commitments are used as squares and Λ-th powers alone: Λ is even, so that signs vanish, and a dealer
that takes the known square root of u for ρ_i or b_(i,a) of a half commits to integers all the same.

Sources: additive shares dealt anew with a public remainder, Rabin, CRYPTO 1998; commitments,
Feldman, FOCS 1987, §3. The composition over the integers is derived in docs/security/handover.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import gmpy2
from gmpy2 import mpz

from keyshare.ceremony import evaluate, feldman
from keyshare.errors import BadHandover
from keyshare.handover.bounds import LAMBDA
from keyshare.handover.plan import HandoverPlan
from keyshare.handover.state import KeyState
from keyshare.key import SecretShare, threshold_key
from keyshare.randomness import Stream


class Fault(Enum):
    """What is wrong with a dealing, or with a point of one."""

    NO_DEALER = "it does not deal in this handover"
    DEGREE = "its polynomial has another degree"
    NO_UNIT = "a commitment is not a unit modulo N"
    LARGE_DIFFERENCE = "its difference is out of range"
    DIFFERENCE = "its difference does not fit its share of the old epoch"
    LARGE_POINT = "a point is out of range"
    POINT = "a point does not fit its commitments"


@dataclass(frozen=True)
class Dealing:
    """What a dealer says to all.

    mask: c_i; coefficients: C_(i,1), …, C_(i,k'-1); all in [1, N). difference: e_i, |e_i| < E_i.
    """

    mask: mpz
    coefficients: tuple[mpz, ...]
    difference: mpz

    def commitments(self, n: mpz) -> tuple[mpz, ...]:
        """u^(coefficient a of B_i): c_i^Λ and C_(i,a)²."""
        squares = (c * c % n for c in self.coefficients)
        return (gmpy2.powmod(self.mask, LAMBDA, n), *squares)


@dataclass(frozen=True)
class Drawn:
    """What a dealer draws: with what it says to all, it is the dealer's old share.

    So it is forgotten, with the seed, before the dealing is sent.
    """

    mask: mpz = field(repr=False)  # ρ_i
    coefficients: tuple[mpz, ...] = field(repr=False)  # b_(i,a)

    @property
    def polynomial(self) -> tuple[mpz, ...]:
        """Of B_i, from the constant upwards."""
        return (LAMBDA * self.mask, *(2 * b for b in self.coefficients))


def draw(plan: HandoverPlan, dealer: int, seed: bytes) -> Drawn:
    """What a dealer draws in this handover; for other dealers or another context, something else.

    seed: 32 secret bytes, for this dealing alone.
    """
    stream = Stream.derive(seed, "handover", plan.digest, dealer)
    mask = stream.below(plan.mask_bound)
    return Drawn(mask, tuple(stream.below(plan.coefficient_bound) for _ in range(plan.quorum - 1)))


def deal(plan: HandoverPlan, dealer: int, point: mpz, drawn: Drawn) -> Dealing:
    """What a dealer says to all; point: its P(i). What it seals to each is ``points_for``."""
    n, u = plan.old.n, plan.old.u
    mask, *coefficients = feldman.commit((drawn.mask, *drawn.coefficients), u, n)
    difference = plan.weights[dealer] * point - plan.step * drawn.mask
    return Dealing(mask, tuple(coefficients), difference)


def points_for(plan: HandoverPlan, drawn: Drawn) -> dict[int, mpz]:
    """B_i(j) for each new member j, in [0, T)."""
    return {j: evaluate(drawn.polynomial, j) for j in range(1, plan.n_members + 1)}


def wrong_dealing(plan: HandoverPlan, dealer: int, said: Dealing) -> Fault | None:
    """What everybody sees wrong with what a dealer says to all, None if nothing."""
    if dealer not in plan.dealers:
        return Fault.NO_DEALER
    if len(said.coefficients) != plan.quorum - 1:
        return Fault.DEGREE
    n, u = plan.old.n, plan.old.u
    for number in (said.mask, *said.coefficients):
        if not 0 < number < n or gmpy2.gcd(number, n) != 1:
            return Fault.NO_UNIT
    if abs(said.difference) >= plan.difference_bound(dealer):
        return Fault.LARGE_DIFFERENCE
    left = gmpy2.powmod(u, said.difference, n) * gmpy2.powmod(said.mask, plan.step, n) % n
    right = gmpy2.powmod(plan.old.committed_point(dealer), plan.weights[dealer], n)
    return None if left == right else Fault.DIFFERENCE


def wrong_point(plan: HandoverPlan, said: Dealing, member: int, point: mpz) -> Fault | None:
    """What a new member, and after a complaint everybody, sees wrong with its point B_i(j)."""
    if not 0 <= point < plan.dealt_bound:
        return Fault.LARGE_POINT
    n = plan.old.n
    fits = feldman.fits(point, said.commitments(n), member, plan.old.u, n)
    return None if fits else Fault.POINT


def wrong_points(
    plan: HandoverPlan, said: Mapping[int, Dealing], member: int, points: Mapping[int, mpz]
) -> dict[int, Fault]:
    """The dealers whose points are wrong for a new member, by one power where none is.

    said, points: of all dealers. Wrong points whose errors cancel in the sum are taken: the
    member's new point is the sum, and every summand is in its range.
    """
    n, bound = plan.old.n, plan.dealt_bound
    if all(0 <= points[i] < bound for i in plan.dealers):
        total = feldman.add([said[i].commitments(n) for i in plan.dealers], n)
        if feldman.fits(sum(points.values(), mpz(0)), total, member, plan.old.u, n):
            return {}
    found = {i: wrong_point(plan, said[i], member, points[i]) for i in plan.dealers}
    return {i: fault for i, fault in found.items() if fault is not None}


def advance(plan: HandoverPlan, said: Mapping[int, Dealing]) -> KeyState:
    """The new epoch's public state, from what all dealers said, checked by ``wrong_dealing``.

    Raises BadHandover where they do not add up. Of checked dealings that would take somebody who
    finds roots modulo N.
    """
    old = plan.old
    if tuple(sorted(said)) != plan.dealers:
        raise BadHandover("these are not the dealings of its dealers")
    total = sum((said[i].difference for i in plan.dealers), mpz(0))
    moved, rest = gmpy2.f_divmod(total, old.delta)
    if rest:
        raise BadHandover("the differences do not add up to a multiple of Δ")
    theta_prime = old.theta_prime - old.n * moved
    commitments = feldman.add([said[i].commitments(old.n) for i in plan.dealers], old.n)
    if not threshold_key.theta_fits(theta_prime, commitments[0], old.u, old.n):
        raise BadHandover("θ' does not fit the commitments")
    return KeyState(
        n=old.n,
        base=old.base,
        first_members=old.first_members,
        n_members=plan.n_members,
        quorum=plan.quorum,
        theta_prime=theta_prime,
        commitments=tuple(commitments),
        point_bound=plan.point_bound,
    )


def new_share(state: KeyState, member: int, points: Mapping[int, mpz]) -> SecretShare:
    """A new member's share of the new epoch; points: of all dealers for it, checked."""
    return state.share(member, sum(points.values(), mpz(0)))
