"""A dealer's share that is off by a huge number makes θ' show an honest member's share of φ.

In a product of shared secrets a wrong share adds an error that depends on the secrets: Genkin,
Ishai, Prabhakaran, Sahai, Tromer, STOC 2014, call it an additive attack. Feldman, FOCS 1987, has
the shares checked.

With E added to the victim's share of β, all that is opened adds up to θ' + 4·λ·Φ(victim)·E, and
its high bits are Φ(victim). With the coalition's t points of Φ that is φ, and the factors of N.
"""

from math import factorial

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.ceremony import feldman
from keyshare.ceremony.lanes import lanes
from keyshare.ceremony.shamir import lagrange
from protocol.ceremony import commitment, winner_steps
from protocol.ceremony.machine import UnsealedStep
from protocol.encoding import pack_numbers, unpack_numbers, width_of
from tests.stage.ceremony.adversary import (
    EITHER_WAY,
    Aftermath,
    Malicious,
    assert_caught,
    at_table,
    certified_modulus,
    modulus_of,
    winners_dealers,
)

NONCE = 32
DEALER, ALLY = winners_dealers()[:2]
VICTIM = next(i for i in range(1, 6) if i not in (DEALER, ALLY))
WIDE = mpz(1) << 1200  # the bound of all shares where members do not check them
ERROR_BITS = {False: 500, True: 820}  # within the bounds of a share, and beyond θ'


class ShareShifter(Malicious):
    """Adds 2^500, or where nothing is checked 2^820, to the victim's share of its mask."""

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.name != "winner" or not honest.private:
            return honest
        bounds = winner_steps._point_bounds(winner_steps._candidate(self.run, honest.step).shape)
        shift = mpz(1) << ERROR_BITS[bounds[0] == WIDE]
        payload, parts, start = honest.private[VICTIM], list[bytes](), 0
        for k, bound in enumerate(bounds):
            width = width_of(bound)
            (point,) = unpack_numbers(payload[start : start + width], width, 1, bound, "share")
            parts.append(pack_numbers([point + (shift if k == 1 else 0)], width))
            start += width
        private = honest.private | {VICTIM: b"".join(parts)}
        return UnsealedStep(honest.step, honest.public, private)


def signed(number: mpz, prime: mpz) -> mpz:
    """The number of least size that is the same modulo a prime: λ and Φ(victim) may be negative."""
    rest = number % prime
    return rest - prime if rest > prime // 2 else rest


class Repairer(Malicious):
    """The ally, last to open its share of θ': it learns φ, and takes the error out again."""

    speaks_last = frozenset({"theta"})
    repairs = True

    def say(self, honest: UnsealedStep) -> UnsealedStep:
        if honest.step.name != "theta":
            return honest
        winner = self.run.the_winner
        prime = lanes(winner.shape.theta_exponent, 1).prime
        width = width_of(prime)
        own = mpz(int.from_bytes(honest.public[NONCE:], "big"))
        opened = own + sum(
            mpz(int.from_bytes(said[NONCE : NONCE + width], "big")) for said in self.heard.values()
        )
        weight = signed(lagrange(self.run.everyone, prime)[VICTIM], prime)
        factor = 4 * weight << ERROR_BITS[True]
        # θ' is not negative, and below the factor without its sign.
        phi_point = signed(opened, prime) // abs(factor) * (1 if factor > 0 else -1)
        points = {i: run.the_winner.points[0] for i, run in self.coalition.runs.items()}
        self.coalition.notes["phi"] = phi_from(points | {VICTIM: phi_point}, prime)
        if self.repairs:
            own = (own - phi_point * factor) % prime
        return UnsealedStep(honest.step, honest.public[:NONCE] + pack_numbers([own], width), {})


class Reader(Repairer):
    """The same, but it lets the error stand."""

    repairs = False


def phi_from(points: dict[int, mpz], prime: mpz) -> mpz:
    """φ from t+1 points of the sharing of Δφ/4."""
    weights = lagrange(points, prime)
    constant = sum((weights[i] * point for i, point in points.items()), mpz(0))
    return 4 * constant * gmpy2.invert(mpz(factorial(5)), prime) % prime


def assert_factored(aftermath: Aftermath) -> None:
    """What the coalition noted down gives the factors of N."""
    phi, n = aftermath.coalition.notes["phi"], modulus_of()
    assert isinstance(phi, mpz)
    total = n + 1 - phi
    root = gmpy2.isqrt(total * total - 4 * n)
    p, q = (total + root) // 2, (total - root) // 2
    assert p * q == n
    assert gmpy2.is_prime(p)
    assert gmpy2.is_prime(q)


def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members take what shares they get."""
    monkeypatch.setattr(feldman, "fits", lambda *said: True)
    monkeypatch.setattr(winner_steps, "_point_bounds", lambda shape: [WIDE] * 3)


@EITHER_WAY
def test_a_share_that_is_off_does_not_fit_its_commitments(play):
    aftermath = play({DEALER: ShareShifter, ALLY: Malicious})
    assert_caught(aftermath, DEALER)
    assert "does not fit its commitments" in str(aftermath.failures[VICTIM])


def test_without_a_check_of_shares_the_coalition_factors_n_from_what_is_opened(monkeypatch):
    unchecked(monkeypatch)
    aftermath = at_table({DEALER: ShareShifter, ALLY: Reader})
    assert_factored(aftermath)
    # What was opened is no θ': that is seen from the commitments, so this key is not used.
    assert_caught(aftermath, DEALER)
    assert {f.step for f in aftermath.failures.values()} == {"theta"}


def test_without_commitments_either_the_factored_key_is_certified(monkeypatch):
    unchecked(monkeypatch)
    monkeypatch.setattr(commitment, "commitment_to", lambda *said: bytes(32))
    aftermath = at_table({DEALER: ShareShifter, ALLY: Repairer})
    assert certified_modulus(aftermath) == modulus_of()
    assert_factored(aftermath)
