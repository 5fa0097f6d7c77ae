"""Keys whose every secret is known here, and handovers of them, honest unless a test steps in.

Fractions and Python's integers check what the code computes with gmpy2.
"""

import hashlib
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

from keyshare.handover import (
    Dealing,
    Drawn,
    HandoverPlan,
    KeyState,
    advance,
    deal,
    draw,
    new_share,
    normal_factor,
    normal_form,
    points_for,
    wrong_dealing,
    wrong_points,
)
from keyshare.key import combine, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from tests.keyshare.key.test_joint_key import PHI, N, U, V, dealt
from tests.stage.toy import seed_of

__all__ = ["PHI", "N", "U", "V"]

Tamper = Callable[[int, Dealing, dict[int, mpz]], tuple[Dealing, dict[int, mpz]]]


@dataclass(frozen=True)
class Epoch:
    """A state with the points P(i) of all members."""

    state: KeyState
    points: Mapping[int, mpz]

    @property
    def secret(self) -> int:
        """S = θ' - N·P(0) over the integers, from the first quorum's points."""
        return secret_from(self.state, {i: self.points[i] for i in self.members[: self.quorum]})

    @property
    def members(self) -> Sequence[int]:
        return range(1, self.state.n_members + 1)

    @property
    def quorum(self) -> int:
        return self.state.quorum

    @property
    def share_bits(self) -> int:
        shares = (self.state.share(i, x).value for i, x in self.points.items())
        return max(abs(value).bit_length() for value in shares)

    def quorums(self, most: int = 40) -> list[tuple[int, ...]]:
        """All quorums, or so many of them, the same ones each time."""
        if math.comb(len(self.members), self.quorum) <= most:
            return list(itertools.combinations(self.members, self.quorum))
        rng = random.Random(seed_of("quorums", *self.members, self.quorum))
        return [tuple(sorted(rng.sample(self.members, self.quorum))) for _ in range(most)]

    def decrypts(self, members: Sequence[int]) -> bool:
        """Whether these members decrypt a trial ciphertext, by the code for every key."""
        key = self.state.joint_key
        plaintext, ciphertext = trial_ciphertext(key.n, b"handover")
        shares = {i: self.state.share(i, self.points[i]) for i in members}
        parts = {i: partial_decryption(ciphertext, share, key) for i, share in shares.items()}
        return bool(combine(parts, key) == plaintext)


@dataclass(frozen=True)
class Handover:
    """One handover with all that was drawn in it."""

    before: Epoch
    plan: HandoverPlan
    drawn: Mapping[int, Drawn]
    said: Mapping[int, Dealing]
    dealt: Mapping[int, Mapping[int, mpz]]  # B_i(j) by i and j
    after: Epoch = field(repr=False)


def lagrange_at(x: int, members: Sequence[int], i: int) -> Fraction:
    """The Lagrange coefficient of member i at x, over some members."""
    return math.prod((Fraction(x - j, i - j) for j in members if j != i), start=Fraction(1))


def interpolate(points: Mapping[int, mpz], x: int = 0) -> Fraction:
    members = list(points)
    terms = (lagrange_at(x, members, i) * int(points[i]) for i in members)
    return sum(terms, Fraction(0))


def secret_from(state: KeyState, points: Mapping[int, mpz]) -> int:
    constant = interpolate(points)
    assert constant.denominator == 1
    return int(state.theta_prime) - int(state.n) * constant.numerator


def vanishing(members: Sequence[int]) -> list[Fraction]:
    """The coefficients of ∏ (1 - x/j), from the constant upwards."""
    found = [Fraction(1)]
    for j in members:
        shifted = [Fraction(0), *(-a / j for a in found)]
        found = [a + b for a, b in zip([*found, Fraction(0)], shifted, strict=True)]
    return found


def at(polynomial: Sequence[Fraction], x: int) -> Fraction:
    return sum((a * x**k for k, a in enumerate(polynomial)), Fraction(0))


@lru_cache(maxsize=32)
def first_epoch(n: int, quorum: int) -> Epoch:
    """A ceremony's key in normal form."""
    made = dealt(n, quorum)
    state = normal_form(N, V, made.theta_prime, made.blind_commitments, n, quorum)
    factor = normal_factor(n)
    return Epoch(state, {i: factor * blind for i, (_, _, blind) in made.points.items()})


def plan_for(
    epoch: Epoch, n: int, quorum: int, dealers: Sequence[int], label: str = "handover/1"
) -> HandoverPlan:
    return HandoverPlan(epoch.state, n, quorum, tuple(sorted(dealers)), label.encode())


def hand_over(
    epoch: Epoch,
    n: int,
    quorum: int,
    dealers: Sequence[int] | None = None,
    label: str = "handover/1",
    tamper: Tamper = lambda dealer, said, points: (said, points),
) -> Handover:
    """A handover in which everybody checks everything; ``tamper`` changes what a dealer says."""
    plan = plan_for(epoch, n, quorum, dealers or epoch.members[: epoch.quorum], label)
    drawn = {i: draw(plan, i, seed_of(label, i)) for i in plan.dealers}
    said, dealt_points = {}, {}
    for i in plan.dealers:
        honest = deal(plan, i, epoch.points[i], drawn[i])
        said[i], dealt_points[i] = tamper(i, honest, points_for(plan, drawn[i]))
        assert wrong_dealing(plan, i, said[i]) is None
    received = {j: {i: dealt_points[i][j] for i in said} for j in range(1, n + 1)}
    for j, points in received.items():
        assert wrong_points(plan, said, j, points) == {}
    state = advance(plan, said)
    shares = {j: new_share(state, j, points) for j, points in received.items()}
    after = Epoch(state, {j: state.point(share) for j, share in shares.items()})
    return Handover(epoch, plan, drawn, said, dealt_points, after)


def root_of_u() -> mpz:
    """y with y² = u, which everybody can hash."""
    size = 2 * ((N.bit_length() + 7) // 8)
    context = b"joint key"
    seed = b"quorate/verification-base" + len(context).to_bytes(8, "big") + context
    data = hashlib.shake_256(seed + int(N).to_bytes(size, "big")).digest(size + 16)
    root = mpz(int.from_bytes(data, "big")) % N
    assert root * root % N == U
    return root


def nth_root_of_u(state: KeyState) -> mpz:
    """η with η^N = u, from public values: u^θ' = C_0^N and gcd(θ', N) = 1."""
    divisor, a, b = gmpy2.gcdext(state.theta_prime, state.n)
    assert divisor == 1
    c, n = state.commitments[0], state.n
    root = pow(int(c), int(a), int(n)) * pow(int(state.u), int(b), int(n)) % n
    assert pow(int(root), int(n), int(n)) == state.u
    return mpz(root)
