"""The test of a biprime, over every base of every small N; the screen and its check."""

import itertools
import math
from collections.abc import Iterator

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keyshare.ceremony import biprimality
from keyshare.randomness import Stream
from tests.stage.toy import seed_of
from tests.vectors import vectors

VECTORS = vectors("biprimality")
FACTORS = [mpz(x) for x in range(3, 200, 4)]  # all that are 3 mod 4
LARGEST = 9_000
DEALERS = 4


def bases(n: mpz) -> list[mpz]:
    """Every unit of Jacobi symbol 1."""
    return [g for g in map(mpz, range(1, n)) if gmpy2.jacobi(g, n) == 1]


def split(value: mpz, dealers: int, label: str, lead: int = 1) -> dict[int, mpz]:
    """Additive shares as a ceremony gives them: all multiples of 4 but the lead's, 3 mod 4."""
    stream = Stream.derive(seed_of("split"), label, int(value))
    shares = {i: 4 * stream.below(1_000) for i in range(1, dealers + 1) if i != lead}
    return {lead: value - sum(shares.values()), **shares}


def exponents_of(p_shares: dict[int, mpz], q_shares: dict[int, mpz], lead: int) -> dict[int, mpz]:
    n = sum(p_shares.values()) * sum(q_shares.values())
    return {i: biprimality.exponent(i == lead, p_shares[i], q_shares[i], n) for i in p_shares}


def shared_exponents(p: mpz, q: mpz, dealers: int = DEALERS, lead: int = 1) -> dict[int, mpz]:
    return exponents_of(split(p, dealers, "p", lead), split(q, dealers, "q", lead), lead)


def witnesses_of(g: mpz, exponents: dict[int, mpz], n: mpz) -> dict[int, mpz]:
    return {i: biprimality.witness(g, x, n) for i, x in exponents.items()}


def pairs(prime: bool) -> Iterator[tuple[mpz, mpz]]:
    """p <= q with p·q small; both prime and different, or at least one of them composite."""
    for p in FACTORS:
        for q in FACTORS:
            both = gmpy2.is_prime(p) and gmpy2.is_prime(q)
            if p <= q and p * q <= LARGEST and both == prime and not (both and p == q):
                yield p, q


def acceptance(p: mpz, q: mpz) -> float:
    """How many of all bases N = p·q passes with."""
    n, exponents = p * q, shared_exponents(p, q)
    found = [biprimality.accepts(witnesses_of(g, exponents, n), 1, n) for g in bases(n)]
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


@pytest.mark.parametrize("dealers", range(2, 9))
def test_how_the_factors_are_shared_and_who_leads_makes_no_difference(dealers):
    for p, q in [(mpz(43), mpz(83)), (mpz(35), mpz(67)), (mpz(27), mpz(19))]:
        n = p * q
        expected = [gmpy2.powmod(g, (n + 1 - p - q) // 4, n) in (1, n - 1) for g in bases(n)]
        for lead in range(1, dealers + 1):
            exponents = shared_exponents(p, q, dealers, lead)
            rounds = (witnesses_of(g, exponents, n) for g in bases(n))
            assert [biprimality.accepts(values, lead, n) for values in rounds] == expected


@settings(max_examples=30, deadline=None)
@given(bad=st.integers(1, DEALERS), factor=st.integers(2, 3_000), lead=st.integers(1, DEALERS))
def test_one_changed_witness_fails(bad, factor, lead):
    p, q = mpz(43), mpz(83)
    n = p * q
    assume(factor % n not in (1, n - 1) and gmpy2.gcd(factor, n) == 1)
    g = biprimality.round_base(b"changed", n, 0)
    witnesses = witnesses_of(g, shared_exponents(p, q, lead=lead), n)
    assert biprimality.accepts(witnesses, lead, n)
    witnesses[bad] = witnesses[bad] * factor % n
    assert not biprimality.accepts(witnesses, lead, n)


def test_another_lead_than_the_one_whose_exponent_it_is_does_not_pass():
    p, q = mpz(43), mpz(83)
    n = p * q
    witnesses = witnesses_of(mpz(4), shared_exponents(p, q, lead=2), n)
    assert biprimality.accepts(witnesses, 2, n)
    assert not any(biprimality.accepts(witnesses, lead, n) for lead in (1, 3, 4))


@pytest.mark.parametrize("zeros", [{1}, {2}, {1, 2}, {2, 3}, {1, 2, 3, 4}])
def test_zeros_never_pass(zeros):
    """With 0 for everything both sides would agree for every N."""
    p, q = mpz(43), mpz(83)
    witnesses = witnesses_of(mpz(4), shared_exponents(p, q), p * q)
    assert not biprimality.accepts(witnesses | dict.fromkeys(zeros, mpz(0)), 1, p * q)


def test_values_that_multiply_to_zero_never_pass():
    n = mpz(43 * 83)
    assert not biprimality.accepts({1: mpz(0), 2: mpz(43), 3: mpz(83)}, 1, n)


@pytest.mark.parametrize("dealers", range(2, 9))
def test_exponents_are_whole_and_add_up_to_a_quarter_of_phi(dealers):
    for (p, q), lead in itertools.product([(43, 83), (35, 67), (19, 27)], range(1, dealers + 1)):
        p_shares, q_shares = (split(mpz(x), dealers, "x", lead) for x in (p, q))
        exponents = exponents_of(p_shares, q_shares, lead)
        for i in set(p_shares) - {lead}:
            assert 4 * exponents[i] == p_shares[i] + q_shares[i]
        assert 4 * exponents[lead] == p * q + 1 - p_shares[lead] - q_shares[lead]
        others = sum(x for i, x in exponents.items() if i != lead)
        assert 4 * (exponents[lead] - others) == (p - 1) * (q - 1)


# ── the screen ──


@pytest.mark.parametrize("vector", VECTORS["screens"])
def test_screens_are_those_of_the_vectors(vector):
    p_shares, q_shares = (
        dict(enumerate(map(mpz, vector[name]), start=1)) for name in ("p_shares", "q_shares")
    )
    n = sum(p_shares.values()) * sum(q_shares.values())
    exponents = exponents_of(p_shares, q_shares, 1)
    witnesses = {i: biprimality.screen_witness(x, n) for i, x in exponents.items()}
    assert list(exponents.values()) == [int(x) for x in vector["exponents"]]
    assert list(witnesses.values()) == [int(x) for x in vector["witnesses"]]
    assert biprimality.accepts(witnesses, 1, n) == vector["passes"]


@given(x=st.integers(0, 2**80), n=st.integers(1, 2**60).map(lambda k: 2 * k + 1))
def test_the_screen_is_a_round_with_base_4(x, n):
    expected = biprimality.witness(mpz(4), mpz(x), mpz(n))
    assert biprimality.screen_witness(mpz(x), mpz(n)) == expected == pow(4, x, n)


def test_every_biprime_passes_the_screen():
    for p, q in pairs(prime=True):
        assert gmpy2.jacobi(4, p * q) == 1
        assert biprimality.accepts(screened(p, q)[0], 1, p * q)


P, Q = mpz(2) ** 89 - 1, mpz(2) ** 61 - 1
FACTOR_PAIRS = [(P, Q), (P * 7 + 2, Q * 19 + 2)]  # primes, and numbers like most candidates
weights = st.fixed_dictionaries(dict.fromkeys(range(1, DEALERS + 1), st.integers(1, 2**64 - 1)))


def screened(p: mpz, q: mpz, lead: int = 1) -> tuple[dict[int, mpz], dict[int, mpz]]:
    """Values and exponents of a screen on p·q."""
    exponents = shared_exponents(p, q, lead=lead)
    return {i: biprimality.screen_witness(x, p * q) for i, x in exponents.items()}, exponents


def fit(values: dict[int, mpz], exponents: dict[int, mpz], w: dict[int, int], p: mpz) -> bool:
    drawn = {i: mpz(weight) for i, weight in w.items()}
    return biprimality.screen_witnesses_fit(values, exponents, drawn, p)


@given(
    w=weights,
    pair=st.sampled_from(FACTOR_PAIRS),
    lead=st.integers(1, DEALERS),
    negative=st.sets(st.integers(1, DEALERS)),
)
def test_true_values_fit_whatever_their_signs(w, pair, lead, negative):
    """A sign changes nothing in a round: the other side may have it too."""
    values, exponents = screened(*pair, lead=lead)  # type: ignore[misc]
    n = pair[0] * pair[1]
    signed = {i: n - v if i in negative else v for i, v in values.items()}
    for p in pair:
        assert fit(signed, exponents, w, p)
        assert all(fit({i: v}, exponents, w, p) for i, v in signed.items())


@given(w=weights, bad=st.integers(1, DEALERS), factor=st.integers(2, int(Q) - 2))
def test_one_wrong_value_does_not_fit(w, bad, factor):
    values, exponents = screened(P, Q)
    wrong = values | {bad: values[bad] * factor % (P * Q)}
    for p in (P, Q):
        assume(gmpy2.powmod(factor, 2 * w[bad], p) != 1)  # in 2^-50 of the cases
        assert not fit(wrong, exponents, w, p)
        for i in wrong:
            assert fit({i: wrong[i]}, exponents, w, p) == (i != bad)


@given(w=weights, factor=st.integers(2, int(Q) - 2))
def test_errors_that_cancel_in_the_round_do_not_fit(w, factor):
    """Two dealers' values, one too large by what the other is too small by, pass ``accepts``."""
    (values, exponents), n = screened(P, Q), P * Q
    inverse = gmpy2.invert(factor, n)
    wrong = values | {2: values[2] * factor % n, 3: values[3] * inverse % n}
    assert biprimality.accepts(wrong, 1, n)
    for p in (P, Q):
        assume(gmpy2.powmod(factor, 2 * (w[2] - w[3]), p) != 1)
        assert not fit(wrong, exponents, w, p)


def test_equal_weights_would_let_such_errors_through():
    values, exponents = screened(P, Q)
    wrong = values | {2: values[2] * 5 % (P * Q), 3: values[3] * gmpy2.invert(5, P * Q) % (P * Q)}
    assert fit(wrong, exponents, dict.fromkeys(values, 12_345), P)
    assert not fit(wrong, exponents, {i: 12_345 + i for i in values}, P)


@pytest.mark.parametrize("bad", range(1, DEALERS + 1))
def test_zeros_and_multiples_of_a_factor_do_not_fit(bad):
    values, exponents = screened(P, Q)
    for value in (mpz(0), P, 5 * P):
        assert not fit(values | {bad: value}, exponents, dict.fromkeys(values, 3), P)


# ── the bases ──


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


def test_the_rounds_leave_less_than_two_to_the_minus_128():
    assert 0.25**biprimality.ROUNDS <= 2.0**-128
