"""What a handover is about, and the ranges of all that is said in it.

With μ_i = Δ·λ_i for the dealers D, Δ = n! of the old roster, K = 2^κ, and n', k' of the new one:

    b    = G·Λ²·n₁!·n₁·K²·N                      of ρ_i: G·Λ²·n₁!·n₁·K·N is the most to hide
    B'   = Λ·b·2^(κ+k'-2)                        of the coefficients b_(i,a)
    T    = Λ·b + 2·B'·(n' + n'² + … + n'^(k'-1)) above every point B_i(j)
    E_i  = |μ_i|·X + Δ·Λ·b                       above |e_i|, X above every old point P(i)
    X'   = k·T                                   above every new point

B' is 2^κ times what the argument asks for. That is a margin: whatever becomes known of ρ_i, the
points that k'-1 new members get say nothing more about it. Derived in docs/security/handover.md.
"""

from dataclasses import dataclass
from functools import cached_property
from math import factorial

from gmpy2 import mpz

from keyshare.ceremony import checked, integer_lagrange
from keyshare.digest import digest, number_bytes
from keyshare.errors import BadIndices, BadParameters
from keyshare.handover.bounds import LAMBDA, checked_quorum, spread
from keyshare.handover.state import KeyState
from keyshare.key import threshold_key


@dataclass(frozen=True)
class HandoverPlan:
    """The old epoch, the sizes of the new one, and who deals.

    n_members, quorum: of the new epoch. dealers: members of the old one, as many as its quorum, in
    rising order. context: all else that the dealings are bound to, such as session and rosters.
    Raises BadParameters or BadIndices for others.
    """

    old: KeyState
    n_members: int
    quorum: int
    dealers: tuple[int, ...]
    context: bytes

    def __post_init__(self) -> None:
        checked_quorum(self.quorum, self.n_members)
        if len(self.dealers) != self.old.quorum:
            raise BadParameters("dealers", len(self.dealers), f"{self.old.quorum}")
        if self.dealers != tuple(checked(self.dealers)) or self.dealers[-1] > self.old.n_members:
            raise BadIndices(list(self.dealers))

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that the old state, all sizes, the dealers and the context go into.

        What a dealer draws is bound to it. One ρ_i under two sets of dealers gives P(i) away.
        """
        sizes = (self.n_members, self.quorum, *self.dealers)
        parts = (self.old.digest, self.context, *map(number_bytes, sizes))
        return digest("quorate/handover/plan", *parts)

    @cached_property
    def weights(self) -> dict[int, mpz]:
        """μ_i, with Σ μ_i·P(i) = Δ·P(0)."""
        return integer_lagrange(self.dealers, self.old.delta)

    @property
    def step(self) -> mpz:
        """Δ·Λ: e_i = μ_i·P(i) - Δ·Λ·ρ_i."""
        return self.old.delta * LAMBDA

    @cached_property
    def mask_bound(self) -> mpz:
        """b."""
        first = self.old.first_members
        most = spread(self.old.n_members, self.old.quorum) * LAMBDA**2 * factorial(first) * first
        return (most * self.old.n) << (2 * threshold_key.STATISTICAL_BITS)

    @property
    def coefficient_bound(self) -> mpz:
        """B'."""
        return (LAMBDA * self.mask_bound) << (threshold_key.STATISTICAL_BITS + self.quorum - 2)

    @cached_property
    def dealt_bound(self) -> mpz:
        """T."""
        top = sum((mpz(self.n_members) ** a for a in range(1, self.quorum)), mpz(0))
        return LAMBDA * self.mask_bound + 2 * self.coefficient_bound * top

    def difference_bound(self, dealer: int) -> mpz:
        """E_i."""
        return abs(self.weights[dealer]) * self.old.point_bound + self.step * self.mask_bound

    @property
    def point_bound(self) -> mpz:
        """X'."""
        return self.old.quorum * self.dealt_bound
