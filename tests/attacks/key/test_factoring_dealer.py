"""A dealer that can factor a candidate of several primes passes all its tests, and owns the key.

The biprimality test of Boneh, Franklin, J. ACM 48(4), 2001, is for parties that follow it;
Frederiksen, Lindell, Osheter, Pinkas, CRYPTO 2018, have its correct execution proved.

With the primes of N the dealer knows p and q, and takes the test exponent with which the joint one
is a multiple of the order of every number: each test gives 1, proofs hold, points fit their
commitments, θ' fits, and every quorum decrypts the trial. The dealer decrypts alone. What the
elliptic curve method would find, in hours or never, an oracle tells here: it has p and q.
"""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony.modulus import candidate_shape, survivors
from keyshare.ceremony.shamir import integer_lagrange
from keyshare.key.threshold_key import key_shape
from protocol.ceremony import dealt_exponents, judgement
from protocol.ceremony.dealt_exponents import DEALT
from protocol.ceremony.machine import UnsealedStep
from protocol.ceremony.run import CeremonyRun
from protocol.encoding import pack_numbers, width_of
from tests.simulator.federation import toy_of
from tests.simulator.plan import Plan
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    PLAN,
    SESSION,
    Malicious,
    assert_caught,
    at_table,
    certified_modulus,
    decrypted_alone,
    seed_of,
)
from tests.stage.ceremony.interpolation import through

RHO_STEPS = 1 << 12  # enough for factors of some 24 bits
HASH = 32


class Prize(NamedTuple):
    """A candidate of the first batch with more than two primes, and what the oracle says of it."""

    plan: Plan
    dealers: tuple[int, ...]  # the lead first
    candidate: int
    p: mpz
    q: mpz
    primes: tuple[mpz, ...]

    @property
    def n(self) -> mpz:
        return self.p * self.q

    @property
    def order(self) -> mpz:
        """λ(N): of every unit modulo N a power with this exponent is 1."""
        return gmpy2.lcm(*(r - 1 for r in self.primes))


def small_factor(n: mpz) -> mpz | None:
    """A factor that is found in a few steps [Pollard, 1975]."""
    slow, fast, product = mpz(2), mpz(2), mpz(1)
    for step in range(1, RHO_STEPS):
        slow = (slow * slow + 1) % n
        fast = (fast * fast + 1) % n
        fast = (fast * fast + 1) % n
        product = product * (slow - fast) % n
        if step % 64 == 0 and (factor := gmpy2.gcd(product, n)) > 1:
            return factor if factor < n else None
    return None


def primes_of(n: mpz) -> tuple[mpz, ...]:
    """All prime factors, none at all if one of them is not found."""
    if gmpy2.is_prime(n):
        return (n,)
    factor = small_factor(n)
    parts = [primes_of(factor), primes_of(n // factor)] if factor else [()]
    return sum(parts, ()) if all(parts) else ()


def split(plan: Plan) -> Prize | None:
    """What stands before the first biprime of a plan's first batch, and splits."""
    runs = {
        i: CeremonyRun(toy_of(plan).terms, i, SESSION, seed_of(plan, i))
        for i in range(1, plan.n_members + 1)
    }
    layout, dealt = runs[1].layout, {i: run.begin_batch(0).dealings for i, run in runs.items()}
    factors = []
    for k in range(layout.batch_size):
        number, position = divmod(k, layout.class_size)
        own = [dealt[i][number].factors[position] for i in layout.dealers(number)]
        factors.append(tuple(sum(side, mpz(0)) for side in zip(*own, strict=True)))
    for k in survivors(tuple(p * q for p, q in factors), layout.shape):
        found = [primes_of(factor) for factor in factors[k]]
        if all(found):
            primes = sum(found, ())
            dealers = layout.dealers(layout.class_of(k))
            return Prize(plan, dealers, k, *factors[k], primes) if len(primes) > 2 else None  # type: ignore[call-arg]
    return None


@cache
def prize() -> Prize:
    """Of the first plan that has one."""
    return next(found for seed in range(500) if (found := split(replace(PLAN, seed=seed))))


SMOOTH = prize().plan
LEAD, OTHER, _ = prize().dealers
ROLES = pytest.mark.parametrize(
    "dealer",
    [pytest.param(LEAD, marks=pytest.mark.slow, id="lead"), pytest.param(OTHER, id="another")],
)


class Factoring(Malicious):
    """Takes the test exponent with which the candidate passes that it can factor."""

    def __init__(self, *about) -> None:
        super().__init__(*about)
        run, true = self.run, self.run.test_exponent

        def exponent(candidate: int) -> mpz:
            due, found = true(candidate), prize()
            if (run.batch.number, candidate) != (0, found.candidate):
                return due
            quarter = (found.p - 1) * (found.q - 1) // 4
            # The joint exponent becomes the order, up to sign. Were it 0, θ would be no unit.
            return (due - quarter if self.index == LEAD else due + quarter) + found.order

        run.test_exponent = exponent


class Secretive(Factoring):
    """Keeps its seed."""

    discloses = False


Points = dict[int, mpz]


def on_the_line(honest: Points, at: int, run: CeremonyRun) -> mpz:
    """Its point of the polynomial through the honest ones, which is not 0 at 0."""
    return through(honest, run.rows.prime)(at)


def through_zero(honest: Points, at: int, run: CeremonyRun) -> mpz:
    """Its point of a polynomial that is 0 at 0, through t of the honest ones."""
    few = dict(sorted(honest.items())[: run.shape.degree])
    return through(few | {0: mpz(0)}, run.rows.prime)(at)


class LastSpeaker(Malicious):
    """Has heard all honest members' D(j), and says one that fits as well as it can."""

    speaks_last = frozenset({"theta-commit"})
    fit = staticmethod(on_the_line)

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.name != "theta-commit":
            return honest
        size = width_of(self.run.rows.prime)
        said = {
            i: mpz(int.from_bytes(payload[HASH : HASH + size], "big"))
            for i, payload in self.heard.items()
            if i not in self.coalition.machines
        }
        told = pack_numbers([self.fit(said, self.index, self.run)], size)
        payload = honest.public[:HASH] + told + honest.public[HASH + size :]
        return UnsealedStep(honest.step, payload, honest.private)


class LastDealer(LastSpeaker, Factoring):
    """Both."""


@ROLES
@EITHER_WAY
def test_a_dealer_with_an_exponent_that_it_did_not_deal_is_named(play, dealer):
    aftermath = play({dealer: Factoring}, SMOOTH)
    assert_caught(aftermath, dealer)
    assert {(f.culprit, f.step) for f in aftermath.failures.values()} == {(0, DEALT)}


@ROLES
@EITHER_WAY
def test_it_is_named_without_its_seed_too(play, dealer):
    aftermath = play({dealer: Secretive}, SMOOTH)
    assert_caught(aftermath, dealer, silent=[dealer])
    assert aftermath.verdict.culprits[dealer].startswith(DEALT)


@pytest.mark.parametrize(
    ("fit", "discloses"),
    [
        (on_the_line, False),
        (through_zero, True),
        pytest.param(on_the_line, True, marks=pytest.mark.slow),
        pytest.param(through_zero, False, marks=pytest.mark.slow),
    ],
)
def test_nothing_that_t_members_say_last_makes_the_points_fit(fit, discloses):
    """t+1 honest points are all there is to D. An ally's false point is shown by its seed alone."""
    changes = {"fit": staticmethod(fit), "discloses": discloses}
    ally = next(i for i in range(1, PLAN.n_members + 1) if i not in prize().dealers)
    kinds = {OTHER: LastDealer, ally: LastSpeaker}
    aftermath = at_table({i: type("Last", (kind,), changes) for i, kind in kinds.items()}, SMOOTH)
    lied = kinds if fit is through_zero else [OTHER]  # an ally's point on the line is its own
    assert_caught(
        aftermath, *(lied if discloses else [OTHER]), silent=[] if discloses else sorted(kinds)
    )


@ROLES
@EITHER_WAY
def test_without_the_check_the_joint_key_is_the_dealers(play, dealer, monkeypatch):
    monkeypatch.setattr(dealt_exponents, "vanishes", lambda *points: True)
    aftermath = play({dealer: Factoring}, SMOOTH)
    assert certified_modulus(aftermath) == prize().n
    assert decrypted_alone(prize().n, prize().order) == 42


def test_unless_what_it_dealt_is_looked_at_who_keeps_its_seed_goes_unnamed(monkeypatch):
    monkeypatch.setattr(judgement, "misdealers", lambda shape, parts: [])
    assert_caught(at_table({OTHER: Secretive}, SMOOTH), silent=[OTHER])


def test_no_multiple_of_the_fields_order_hides_the_exponent_that_it_wants():
    """Points are integers and the check is modulo P; of the m in 4F = Δ²(N+1-p-q) + m·P none does.

    F is Δ² times the joint exponent, as t+1 honest points give it, and must be 0 modulo the order.
    """
    shape = candidate_shape(PLAN.key_bits, PLAN.n_members)
    prime, order = (mpz(1) << shape.field_exponent) - 1, prize().order
    key = key_shape(prize().n, PLAN.n_members, PLAN.quorum)
    due = key.delta**2 * (prize().p - 1) * (prize().q - 1)
    m = -due * gmpy2.invert(prime, order) % order
    weights = integer_lagrange(range(1, shape.dealers + 1), key.delta).values()
    top = 4 * sum(map(abs, weights)) * shape.dealers * key.point_bound(key.n, key.degree)
    assert min(m, order - m) > (top + due) // prime
