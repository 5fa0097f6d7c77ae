"""The same view with another secret: the argument of docs/security/handover.md, carried out.

A world has a secret S* of the right form, the honest members' points and draws that go with it, and
η, the N-th root of u that a ceremony's public values give. What its honest dealers say is computed
from these alone. For the true S it is what the code says; for another S*, it must be the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from gmpy2 import mpz

from keyshare.ceremony import evaluate
from keyshare.handover import LAMBDA, Dealing, Drawn, HandoverPlan, KeyState
from tests.keyshare.handover.histories import Epoch, at, lagrange_at, nth_root_of_u, vanishing

Members = Sequence[int]


def integer(value: Fraction) -> mpz:
    assert value.denominator == 1, value
    return mpz(value.numerator)


@dataclass(frozen=True)
class World:
    """A secret S*, a multiple of Λ³ with S* ≡ θ mod N, and η with η^N = u mod N."""

    secret: int
    root: mpz
    state: KeyState  # any of the key

    def element(self, exponent: mpz, share: Fraction) -> mpz:
        """u^(exponent + share·S*/N) mod N."""
        n = int(self.state.n)
        moved = integer(share * self.secret)
        return mpz(
            pow(int(self.state.u), int(exponent), n) * pow(int(self.root), int(moved), n) % n
        )

    def says(
        self, plan: HandoverPlan, dealer: int, point: mpz, drawn: Drawn, old: Members, new: Members
    ) -> Dealing:
        """An honest dealer's word to all; old, new: the corrupted, quorum-1 in each epoch."""
        move = lagrange_at(0, plan.dealers, dealer) * at(vanishing(old), dealer) / int(LAMBDA)
        tail = vanishing(new)[1:]
        tail += [Fraction(0)] * (plan.quorum - 1 - len(tail))
        return Dealing(
            self.element(drawn.mask, move),
            tuple(
                self.element(b, move * int(LAMBDA) / 2 * a)
                for b, a in zip(drawn.coefficients, tail, strict=True)
            ),
            plan.weights[dealer] * point - plan.step * drawn.mask,
        )


def shifted_point(point: mpz, member: int, delta: int, corrupted: Members) -> mpz:
    """P(i) + d(i), d(x) = -Λ³·δ·∏ (1 - x/j)."""
    return point - integer(LAMBDA**3 * delta * at(vanishing(corrupted), member))


def mask_shift(
    plan: HandoverPlan, dealer: int, delta: int, old: Members, new: Members
) -> tuple[mpz, list[mpz]]:
    """By how much ρ_i and each b_(i,a) move."""
    d = -(LAMBDA**3) * delta * at(vanishing(old), dealer)
    r = integer(lagrange_at(0, plan.dealers, dealer) * d / int(LAMBDA))
    tail = [integer(int(LAMBDA) * int(r) * a / 2) for a in vanishing(new)[1:]]
    assert len(tail) <= plan.quorum - 1, "a polynomial of this quorum cannot vanish at so many"
    return r, tail + [mpz(0)] * (plan.quorum - 1 - len(tail))


def shifted_draw(
    plan: HandoverPlan, dealer: int, drawn: Drawn, delta: int, old: Members, new: Members
) -> Drawn:
    """The draw of the world of S + N·Λ³·δ; it has to be in range."""
    r, tail = mask_shift(plan, dealer, delta, old, new)
    mask = drawn.mask + r
    coefficients = tuple(b + x for b, x in zip(drawn.coefficients, tail, strict=True))
    assert 0 <= mask < plan.mask_bound
    assert all(0 <= b < plan.coefficient_bound for b in coefficients)
    return Drawn(mask, coefficients)


def world_of(epoch: Epoch, delta: int = 0) -> World:
    secret = epoch.secret + int(epoch.state.n) * int(LAMBDA) ** 3 * delta
    return World(secret, nth_root_of_u(epoch.state), epoch.state)


def received(drawn: Mapping[int, Drawn], member: int) -> dict[int, mpz]:
    """B_i(j) of the dealers whose draws these are."""
    return {i: evaluate(one.polynomial, member) for i, one in drawn.items()}
