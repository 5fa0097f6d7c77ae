"""What two colluding members of five learn from an opening that no sharing of zero covers.

Ben-Or, Goldwasser, Wigderson, STOC 1988: the polynomial of a product is not random, and must be
made so before it is opened. The coalition keeps to the rules, so there is nobody to name.

Each member opens λ_i·S(i) with S a product of two sharings P·Q of degree t = 2. Without zero
sharing everyone sees S(i) itself. The coalition has t points of P and of Q, so that with
m(x) = ∏ (x - c) over its own points c

    P = L_P + a·m,   Q = L_Q + b·m,   S = L_P·L_Q + (a·L_Q + b·L_P)·m + a·b·m²

where only a and b are unknown; the three honest points give three equations that are linear in
(a, b, ab). That is enough for N = p·q. For θ' a term N·ΔR(x) with one unknown more is added:
of a line of solutions only those with ab = a·b are left, two at most.

Each attack is run twice: against members whose shares of zero are all 0 it must yield the factors,
and against the members as they are it must not. There, for every other pair of factors, shares of
zero exist that explain all that was opened.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from unittest.mock import patch

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony.lanes import lanes
from keyshare.ceremony.shamir import lagrange
from keyshare.randomness import Stream, derive_key
from protocol.ceremony.run import CeremonyRun
from protocol.messages.ceremony import Step
from tests.stage.ceremony.interpolation import through
from tests.stage.toy import CeremonyTable, finished, seed_of, toy_federation

HONEST = (3, 4, 5)
COALITION = (1, 2)
QUORUM = 3
NONCE = 32
DELTA = mpz(120)  # 5!


@dataclass(frozen=True)
class Views:
    """What the coalition holds: its members' runs, and the shares that were opened."""

    runs: dict[int, CeremonyRun]
    opened: dict[str, dict[int, mpz]]  # by step and sender, for the winner
    n: mpz

    @property
    def number(self) -> int:
        """The winner's class."""
        run = self.runs[1]
        return run.layout.class_of(run.the_winner.number)

    @property
    def position(self) -> int:
        """The winner's lane in its class."""
        run = self.runs[1]
        return run.the_winner.number % run.layout.class_size

    @property
    def field(self) -> mpz:
        """P of the multiplication p·q."""
        return self.runs[1].rows.prime

    def factor_points(self, member: int) -> tuple[mpz, mpz]:
        """A coalition member's points P(i) and Q(i) of the winner."""
        run = self.runs[member]
        rows = zip(*run.batch.points[self.number].values(), strict=True)
        p, q = (
            sum(run.rows.split(row)[self.position] for row in side) % self.field for side in rows
        )
        return p, q


@lru_cache(maxsize=2)
def views(zero_sharing: bool) -> Views:
    """The coalition's views of a whole ceremony; no honest member's secrets are in them."""
    table = CeremonyTable(toy_federation(5, QUORUM, 256), "coalition")
    if zero_sharing:
        toy = finished(table.run())
    else:
        with patch.object(CeremonyRun, "zero_row", lambda run, rows, *labels: mpz(0)):
            toy = finished(table.run())
    runs = {i: table.machines[i]._run for i in COALITION}
    seen = Views(runs, {"moduli": {}, "theta": {}}, toy.key.n)
    run, rows = runs[1], runs[1].rows
    for posted in table.board.entries:
        body, sender = posted.post.body, posted.post.sender
        if not isinstance(body, Step) or body.batch != run.batch.number:
            continue
        if body.step == "moduli":
            start = NONCE + seen.number * rows.size
            row = rows.decode(table.payloads(posted, 0)[0][start : start + rows.size])
            seen.opened["moduli"][sender] = rows.split(row)[seen.position] % rows.prime
        if body.step == "theta" and body.candidate == run.the_winner.number:
            data = table.payloads(posted, 0)[0][NONCE:]
            seen.opened["theta"][sender] = mpz(int.from_bytes(data, "big"))
    return seen


# ── linear algebra modulo a prime, or an N whose factors are not met ──


def solve(rows: list[list[mpz]], modulus: mpz) -> tuple[list[mpz], list[mpz] | None]:
    """One solution of the augmented system, and a direction of its kernel if it has one."""
    rows = [list(row) for row in rows]
    unknowns = len(rows[0]) - 1
    pivots: list[int] = []
    for column in range(unknowns):
        rank = len(pivots)
        found = next((r for r in range(rank, len(rows)) if rows[r][column] % modulus), None)
        if found is None:
            continue
        rows[rank], rows[found] = rows[found], rows[rank]
        inverse = gmpy2.invert(rows[rank][column], modulus)
        rows[rank] = [value * inverse % modulus for value in rows[rank]]
        for r in range(len(rows)):
            if r != rank:
                factor = rows[r][column]
                rows[r] = [
                    (a - factor * b) % modulus for a, b in zip(rows[r], rows[rank], strict=True)
                ]
        pivots.append(column)
    solution = [mpz(0)] * unknowns
    for r, column in enumerate(pivots):
        solution[column] = rows[r][-1]
    free = [column for column in range(unknowns) if column not in pivots]
    if not free:
        return solution, None
    assert len(free) == 1
    direction = [mpz(0)] * unknowns
    direction[free[0]] = mpz(1)
    for r, column in enumerate(pivots):
        direction[column] = -rows[r][free[0]] % modulus
    return solution, direction


def test_the_solver_solves():
    modulus = mpz(10_007)
    solution, kernel = solve([[mpz(2), mpz(1), mpz(5)], [mpz(1), mpz(3), mpz(10)]], modulus)
    assert (solution, kernel) == ([1, 3], None)
    solution, kernel = solve([[mpz(1), mpz(2), mpz(4)]], modulus)
    assert (solution, kernel) == ([4, 0], [modulus - 2, 1])


def vanishing(x: int) -> mpz:
    """m(x) = (x - 1)(x - 2)."""
    return mpz((x - 1) * (x - 2))


def points_of_product(opened: dict[int, mpz], factor: mpz, modulus: mpz) -> dict[int, mpz]:
    """S(i) from factor·λ_i·S(i), as if no share of zero were in it."""
    weights = lagrange(range(1, 6), modulus)
    return {i: opened[i] * gmpy2.invert(factor * weights[i], modulus) % modulus for i in HONEST}


def attack_product(
    product: dict[int, mpz], left: dict[int, mpz], right: dict[int, mpz], modulus: mpz
) -> tuple[mpz, mpz]:
    """P(0) and Q(0) from the honest points of P·Q and the coalition's points of P and of Q."""
    line_p, line_q = through(left, modulus), through(right, modulus)
    rows = []
    for i, value in product.items():
        rest = (value - line_p(i) * line_q(i)) * gmpy2.invert(vanishing(i), modulus)
        rows.append([line_q(i), line_p(i), vanishing(i), rest])
    (a, b, _), kernel = solve(rows, modulus)
    assert kernel is None
    return (line_p(0) + a * vanishing(0)) % modulus, (line_q(0) + b * vanishing(0)) % modulus


# ── the two openings ──


def guess_from_moduli(seen: Views) -> Iterator[mpz]:
    """Factors of N from the opening of N = p·q."""
    points = {i: seen.factor_points(i) for i in COALITION}
    left, right = ({i: points[i][k] for i in COALITION} for k in (0, 1))
    product = points_of_product(seen.opened["moduli"], DELTA, seen.field)
    yield from attack_product(product, left, right, seen.field)


def guess_from_theta(seen: Views) -> Iterator[mpz]:
    """Factors of N from the opening of θ' = 4·(Δφ/4)·(Δβ) + N·ΔR."""
    winners = {i: seen.runs[i].the_winner for i in COALITION}
    field = lanes(winners[1].shape.theta_exponent, 1).prime
    phi, beta, blind = (
        through({i: winners[i].points[k] for i in COALITION}, field) for k in range(3)
    )
    rows = []
    for i, value in points_of_product(seen.opened["theta"], mpz(1), field).items():
        m = vanishing(i)
        rest = (value - 4 * phi(i) * beta(i) - seen.n * blind(i)) * gmpy2.invert(m, field)
        rows.append([4 * beta(i), 4 * phi(i), 4 * m, seen.n, rest])
    base, kernel = solve(rows, field)
    assert kernel is not None
    # ab = a·b on the line base + s·kernel: a quadratic in s.
    (a0, b0, c0, _), (a1, b1, c1, _) = base, kernel
    for s in quadratic(a1 * b1, a0 * b1 + a1 * b0 - c1, a0 * b0 - c0, field):
        constant = phi(0) + (a0 + s * a1) * vanishing(0)
        phi_of_n = 4 * constant * gmpy2.invert(DELTA, field) % field
        yield from roots(seen.n + 1 - phi_of_n, seen.n)


def quadratic(two: mpz, one: mpz, zero: mpz, prime: mpz) -> list[mpz]:
    """Roots of two·x² + one·x + zero modulo a prime that is 3 mod 4."""
    if two % prime == 0:
        return [-zero * gmpy2.invert(one, prime) % prime]
    discriminant = (one * one - 4 * two * zero) % prime
    root = gmpy2.powmod(discriminant, (prime + 1) // 4, prime)
    if root * root % prime != discriminant:
        return []
    half = gmpy2.invert(2 * two, prime)
    return [(-one + sign * root) * half % prime for sign in (1, -1)]


def roots(total: mpz, n: mpz) -> list[mpz]:
    """p and q from p + q and p·q over the integers, if they are such."""
    discriminant = total * total - 4 * n
    if discriminant < 0 or not gmpy2.is_square(discriminant):
        return []
    root = gmpy2.isqrt(discriminant)
    return [(total + root) // 2, (total - root) // 2]


def factors(guesses: Iterator[mpz], n: mpz) -> set[mpz]:
    """Those guesses that are proper factors of N."""
    return {gcd for guess in guesses if 1 < (gcd := gmpy2.gcd(guess, n)) < n}


OPENINGS = {"moduli": guess_from_moduli, "theta": guess_from_theta}


@pytest.mark.parametrize("opening", OPENINGS)
def test_without_zero_sharing_two_of_five_factor_n(opening):
    seen = views(zero_sharing=False)
    found = factors(OPENINGS[opening](seen), seen.n)
    assert found
    p = found.pop()
    assert gmpy2.is_prime(p)
    assert gmpy2.is_prime(seen.n // p)


@pytest.mark.parametrize("opening", OPENINGS)
def test_with_zero_sharing_the_same_attack_finds_nothing(opening):
    seen = views(zero_sharing=True)
    assert not factors(OPENINGS[opening](seen), seen.n)


# ── why nothing is found: every pair of factors explains what was opened ──


def unexplained(seen: Views, p: mpz, q: mpz) -> dict[int, mpz]:
    """What the honest members' keys among themselves have to add to Δ·λ_i·P(i)·Q(i), for p and q.

    P and Q go through the coalition's points and have P(0) = p, Q(0) = q. The shares of zero that
    the coalition has a part in are taken off; what is left comes from keys it never saw.
    """
    field, weights = seen.field, lagrange(range(1, 6), seen.field)
    points = {i: seen.factor_points(i) for i in COALITION}
    values = {}
    for i in HONEST:
        product = mpz(1)
        for position, constant in ((0, p), (1, q)):
            line = through({c: points[c][position] for c in COALITION}, field)
            top = (constant - line(0)) * gmpy2.invert(vanishing(0), field)
            product = product * (line(i) + top * vanishing(i)) % field
        known = mpz(0)
        for c in COALITION:
            run = seen.runs[c]
            labels = ("moduli", run.batch.number, seen.number)
            known += lane(seen, run.rows.expand(derive_key(run.keys_received[i], *labels)))
            known -= lane(seen, run.rows.expand(derive_key(run.keys_sent[i], *labels)))
        values[i] = (seen.opened["moduli"][i] - DELTA * weights[i] * product - known) % field
    return values


def lane(seen: Views, row: mpz) -> mpz:
    """The winner's number in a row."""
    return seen.runs[1].rows.split(row)[seen.position]


def test_with_zero_sharing_every_pair_of_factors_explains_the_opened_values():
    seen = views(zero_sharing=True)
    field, stream = seen.field, Stream.derive(seed_of("guess"), "factors")
    for _ in range(20):
        p = stream.unit(field)
        rest = unexplained(seen, p, seen.n * gmpy2.invert(p, field) % field)
        assert sum(rest.values()) % field == 0
        assert all(rest.values())


def test_a_pair_whose_product_is_not_n_explains_nothing():
    seen = views(zero_sharing=True)
    field, stream = seen.field, Stream.derive(seed_of("guess"), "others")
    for _ in range(20):
        rest = unexplained(seen, stream.unit(field), stream.unit(field))
        assert sum(rest.values()) % field != 0


def test_opened_values_of_the_coalition_itself_follow_from_what_it_knows():
    """The views are whole: the coalition's own posts are reproduced from them."""
    seen = views(zero_sharing=True)
    for c in COALITION:
        run, field = seen.runs[c], seen.field
        left, right = seen.factor_points(c)
        zero = lane(seen, run.zero_row(run.rows, "moduli", run.batch.number, seen.number))
        weight = DELTA * lagrange(range(1, 6), field)[c]
        assert seen.opened["moduli"][c] == (weight * left * right + zero) % field
