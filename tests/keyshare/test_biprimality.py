"""The test of a biprime, over every base of every small N."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare import biprimality
from keyshare.randomness import Stream
from tests.toy import seed_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "biprimality.json").read_text())
FACTORS = [mpz(x) for x in range(3, 200, 4)]  # all that are 3 mod 4
LARGEST = 9_000
N_MEMBERS = 4


def bases(n: mpz) -> list[mpz]:
    """Every unit of Jacobi symbol 1."""
    return [g for g in map(mpz, range(1, n)) if gmpy2.jacobi(g, n) == 1]


def split(value: mpz, n_members: int, label: str) -> dict[int, mpz]:
    """Additive shares as a ceremony gives them: all multiples of 4 but member 1's, 3 mod 4."""
    stream = Stream.derive(seed_of("split"), label, int(value))
    shares = {i: 4 * stream.below(1_000) for i in range(2, n_members + 1)}
    return {1: value - sum(shares.values()), **shares}


def passes(n: mpz, g: mpz, p_shares: dict[int, mpz], q_shares: dict[int, mpz], lead: int) -> bool:
    """One round among members who hold the shares."""
    witnesses = {
        i: biprimality.witness(i, lead, g, n, biprimality.exponent(i, p_shares[i], q_shares[i]))
        for i in p_shares
    }
    return biprimality.accepts(witnesses, lead, n)


def pairs(prime: bool) -> Iterator[tuple[mpz, mpz]]:
    """p <= q with p·q small; both prime and different, or at least one of them composite."""
    for p in FACTORS:
        for q in FACTORS:
            both = gmpy2.is_prime(p) and gmpy2.is_prime(q)
            if p <= q and p * q <= LARGEST and both == prime and not (both and p == q):
                yield p, q


def acceptance(p: mpz, q: mpz) -> float:
    """How many of all bases N = p·q passes with."""
    n = p * q
    shares = split(p, N_MEMBERS, "p"), split(q, N_MEMBERS, "q")
    found = [passes(n, g, *shares, lead=1 + k % N_MEMBERS) for k, g in enumerate(bases(n))]
    return sum(found) / len(found)


def test_every_biprime_passes_with_every_base():
    checked = 0
    for p, q in pairs(prime=True):
        assert acceptance(p, q) == 1, (p, q)
        checked += 1
    assert checked > 100


def test_a_composite_factor_passes_with_a_quarter_of_the_bases_at_most():
    frequencies = [
        acceptance(p, q) for p, q in pairs(prime=False) if math.gcd(p * q, p + q - 1) == 1
    ]
    assert len(frequencies) > 200
    assert max(frequencies) == 0.25


def test_without_the_gap_being_coprime_a_composite_may_always_pass():
    """Why gcd(N, p+q-1) = 1 is a step of its own: 27 · 19."""
    assert acceptance(mpz(19), mpz(27)) == 1
    assert math.gcd(19 * 27, 19 + 27 - 1) != 1


@pytest.mark.parametrize("n_members", range(3, 8))
def test_how_the_factors_are_shared_and_who_leads_makes_no_difference(n_members):
    for p, q in [(mpz(43), mpz(83)), (mpz(35), mpz(67)), (mpz(27), mpz(19))]:
        n = p * q
        expected = [gmpy2.powmod(g, (n + 1 - p - q) // 4, n) in (1, n - 1) for g in bases(n)]
        for lead in range(1, n_members + 1):
            shares = split(p, n_members, f"p{lead}"), split(q, n_members, f"q{lead}")
            assert [passes(n, g, *shares, lead=lead) for g in bases(n)] == expected


@settings(max_examples=30, deadline=None)
@given(bad=st.integers(1, N_MEMBERS), factor=st.integers(2, 3_000), lead=st.integers(1, N_MEMBERS))
def test_one_changed_witness_fails(bad, factor, lead):
    p, q = mpz(43), mpz(83)
    n = p * q
    if factor % n in (1, n - 1) or gmpy2.gcd(factor, n) != 1:
        return
    g = biprimality.round_base(b"changed", n, 0)
    p_shares, q_shares = split(p, N_MEMBERS, "p"), split(q, N_MEMBERS, "q")
    witnesses = {
        i: biprimality.witness(i, lead, g, n, biprimality.exponent(i, p_shares[i], q_shares[i]))
        for i in p_shares
    }
    assert biprimality.accepts(witnesses, lead, n)
    witnesses[bad] = witnesses[bad] * factor % n
    assert not biprimality.accepts(witnesses, lead, n)


def test_exponents_are_whole_and_add_up():
    p, q = mpz(43), mpz(83)
    for n_members in range(3, 8):
        p_shares, q_shares = split(p, n_members, "p"), split(q, n_members, "q")
        exponents = [biprimality.exponent(i, p_shares[i], q_shares[i]) for i in p_shares]
        n = p * q
        assert (n - 5) // 4 - sum(exponents) == (n + 1 - p - q) // 4
        assert (n + 1 - p - q) % 4 == 0


def test_every_member_leads_in_turn():
    for n_members in range(3, 8):
        leads = [biprimality.lead_of(k, n_members) for k in range(2 * n_members)]
        assert sorted(leads) == sorted([*range(1, n_members + 1)] * 2)


@pytest.mark.parametrize("vector", VECTORS["bases"])
def test_bases_are_those_of_the_vectors(vector):
    context, n = bytes.fromhex(vector["context"]), mpz(vector["n"])
    assert biprimality.round_base(context, n, vector["number"]) == int(vector["base"])


def test_bases_of_different_rounds_moduli_and_sessions_differ():
    n, other = mpz(2) ** 255 + 1, mpz(2) ** 255 + 5
    found = {
        biprimality.round_base(context, modulus, number)
        for context in (b"a", b"b")
        for modulus in (n, other)
        for number in range(20)
    }
    assert len(found) == 80
    assert all(gmpy2.jacobi(biprimality.round_base(b"a", n, k), n) == 1 for k in range(20))


@pytest.mark.parametrize("n_members", range(3, 8))
def test_gap_shares_add_up_to_p_plus_q_minus_1(n_members):
    p, q = mpz(43), mpz(83)
    n = p * q
    p_shares, q_shares = split(p, n_members, "p"), split(q, n_members, "q")
    shares = [biprimality.gap_share(i, p_shares[i], q_shares[i], n) for i in p_shares]
    assert sum(shares) % n == p + q - 1
    assert all(0 <= share < n for share in shares)


def test_the_gap_is_coprime_exactly_if_its_masked_product_is():
    n = mpz(19 * 27)
    assert biprimality.gap_is_coprime(mpz(7 * 5), n)
    assert not biprimality.gap_is_coprime(mpz(19 + 27 - 1) * 7, n)
    assert not biprimality.gap_is_coprime(mpz(0), n)


def test_the_rounds_leave_less_than_two_to_the_minus_128():
    assert 0.25**biprimality.ROUNDS <= 2.0**-128
