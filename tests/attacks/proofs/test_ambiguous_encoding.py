"""Two lists that are hashed alike are taken for each other.

TSSHOCK alpha-shuffle (Verichains, 2023): values joined by a delimiter, so that boundaries can move
without a change of the hash; mpcsec.org, "Ambiguous hash encoding". In this ceremony the worst that
could come of it is a mask used twice: the shares of zero of (batch 1, class 11) and (batch 11,
class 1) would be one, and what is opened of a rejected batch would unmask another.
"""

import hashlib
from dataclasses import dataclass, replace
from itertools import product as pairs
from math import factorial, prod

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from keyshare.ceremony.shamir import integer_lagrange
from keyshare.digest import digest
from keyshare.randomness import derive_key
from protocol.ceremony import run as ceremony_run
from protocol.ceremony.candidate_steps import open_moduli
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.ceremony.winner_steps import Winning
from protocol.encoding import decode
from protocol.messages.fields import MAX_BLOB_BYTES
from tests.stage.ceremony.adversary import EITHER_WAY, winners_dealers
from tests.stage.ceremony.interpolation import through
from tests.stage.ceremony.liar import Lies, assert_caught, lying
from tests.stage.toy import CEREMONY, seed_of, toy_federation

LIAR = winners_dealers()[1]
N_MEMBERS = 12
COALITION = range(1, 6)  # t = 5
REJECTED, WINNING = (1, 11), (11, 1)  # batch and class

labels = st.lists(st.one_of(st.text(max_size=4), st.integers(0, 10**6), st.binary(max_size=4)))
parts = st.lists(st.binary(max_size=4), max_size=4)


# ── one spelling of everything that is said ──


def longer_proof(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    """The proof's response with a byte of zeros in front: the same number."""
    winning = decode(said, Winning, "", MAX_BLOB_BYTES)
    proof = msgspec.structs.replace(winning.proof, response=b"\0" + winning.proof.response)
    return msgspec.msgpack.encode(msgspec.structs.replace(winning, proof=proof))


def longer_header(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    """An array of two elements with a header of three bytes instead of one: the same message."""
    assert said[0] == 0x92
    return b"\xdc\x00\x02" + said[1:]


@pytest.mark.parametrize("lie", [longer_proof, longer_header])
@EITHER_WAY
def test_another_spelling_of_the_same_message_is_caught(play, lie):
    assert_caught(play(lying({LIAR: Lies({"winner": lie})})), LIAR, "winner")


# ── no two lists are hashed alike ──


@given(labels, labels)
def test_purposes_are_equal_if_their_keys_are(left, right):
    def typed(found):
        return [(type(label), label) for label in found]

    same = typed(left) == typed(right)
    assert (derive_key(b"seed", *left) == derive_key(b"seed", *right)) == same


@given(parts, parts)
def test_lists_are_equal_if_their_digests_are(left, right):
    assert (digest("domain", *left) == digest("domain", *right)) == (left == right)


def test_joined_with_a_delimiter_different_lists_have_one_hash():
    assert ambiguous(b"seed", "moduli", *REJECTED) == ambiguous(b"seed", "moduli", *WINNING)
    assert derive_key(b"seed", "moduli", *REJECTED) != derive_key(b"seed", "moduli", *WINNING)


def ambiguous(seed: bytes, *labels: str | int | bytes) -> bytes:
    """A key from labels that are written one after the other, as text."""
    return hashlib.sha256(seed + "".join(map(str, labels)).encode()).digest()


# ── what would come of it: five of twelve members factor N ──


@dataclass(frozen=True)
class Batches:
    """The members' runs, and the rows that each opened, by batch and class."""

    runs: dict[int, CeremonyRun]
    opened: dict[tuple[int, int], dict[int, list[mpz]]]
    points: dict[tuple[int, int], dict[int, tuple[list[mpz], list[mpz]]]]


def dealt_and_opened() -> Batches:
    """Twelve honest members deal batches 1 and 11 and open their shares of the moduli."""
    terms = toy_federation(N_MEMBERS, 7).terms
    members = range(1, N_MEMBERS + 1)
    runs = {i: CeremonyRun(terms, i, CEREMONY, seed_of("ambiguous", i)) for i in members}
    for i, j in pairs(members, members):
        if i != j:
            runs[i].keys_received[j] = runs[j].keys_sent[i]
    found = Batches(runs, {}, {})
    for batch, number in (REJECTED, WINNING):
        begun = {i: run.begin_batch(batch) for i, run in runs.items()}
        found.opened[batch, number], found.points[batch, number] = {}, {}
        for i, run in runs.items():
            points = {
                c: {d: begun[d].dealings[c].points(i) for d in run.layout.dealers(c)}
                for c in run.layout.classes
            }
            run.batch = replace(begun[i], points=points)
            rows, opened = run.rows, open_moduli(run, StepId("moduli", batch)).rows
            found.opened[batch, number][i] = rows.split(opened[number])
            p, q = (
                rows.split(rows.reduce(sum(side)))
                for side in zip(*run.batch.points[number].values(), strict=True)
            )
            found.points[batch, number][i] = p, q
    return found


def recovered(seen: Batches, lane: int) -> tuple[mpz, mpz]:
    """p·q of the lane as opened, and P(0) as the coalition computes it.

    Of the rejected batch all points are known, so are the shares of zero. Less these, every honest
    member's opening gives P(i)·Q(i), with P = L + a·m through the coalition's points: three of
    them give a.
    """
    run = seen.runs[1]
    prime, members = run.rows.prime, range(1, N_MEMBERS + 1)
    weights = integer_lagrange(members, mpz(factorial(N_MEMBERS)))
    products = {}
    for i in members:
        p, q = (side[lane] for side in seen.points[REJECTED][i])
        zero = seen.opened[REJECTED][i][lane] - weights[i] * p * q
        masked = seen.opened[WINNING][i][lane] - zero
        products[i] = masked * gmpy2.invert(weights[i], prime) % prime
    opened = sum(row[lane] for row in seen.opened[WINNING].values())
    modulus = opened * gmpy2.invert(mpz(factorial(N_MEMBERS)), prime) % prime
    p_line, q_line = (
        through({i: seen.points[WINNING][i][side][lane] for i in COALITION}, prime)
        for side in (0, 1)
    )
    rows = []
    for i in (6, 7, 8):
        m = vanishing(i, prime)
        rest = (products[i] - p_line(i) * q_line(i)) * gmpy2.invert(m, prime) % prime
        rows.append([q_line(i), p_line(i), m, rest])
    return modulus, (p_line(0) + first_unknown(rows, prime) * vanishing(0, prime)) % prime


def vanishing(x: int, prime: mpz) -> mpz:
    """m(x), which is 0 at the coalition's points."""
    return prod((x - c for c in COALITION), start=mpz(1)) % prime


def first_unknown(rows: list[list[mpz]], prime: mpz) -> mpz:
    """The first of three unknowns, by Cramer's rule; a row is three coefficients and a result."""

    def determinant(a: list[mpz], b: list[mpz], c: list[mpz]) -> mpz:
        return (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
        ) % prime

    replaced = [[row[3], row[1], row[2]] for row in rows]
    return determinant(*replaced) * gmpy2.invert(determinant(*rows), prime) % prime


def test_masks_of_two_batches_differ_and_nothing_is_recovered():
    seen = dealt_and_opened()
    for lane in range(3):
        modulus, guess = recovered(seen, lane)
        assert guess > modulus or modulus % guess


def test_with_labels_joined_as_text_five_of_twelve_factor_n(monkeypatch):
    monkeypatch.setattr(ceremony_run, "derive_key", ambiguous)
    seen = dealt_and_opened()
    for lane in range(3):
        modulus, factor = recovered(seen, lane)
        assert 1 < factor < modulus
        assert modulus % factor == 0
