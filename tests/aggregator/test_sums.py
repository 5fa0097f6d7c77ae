"""What is added and what is left out, from payloads alone."""

from __future__ import annotations

from gmpy2 import mpz, powmod
from hypothesis import given
from hypothesis import strategies as st

from aggregator.sums import Candidate, Selection, payload_of_sum, select
from keyshare.statistic import EncryptedValue, aligned_sum, max_spread
from protocol.ciphertexts import Encrypted, EncryptionKey, read_ciphertexts, write_ciphertexts
from protocol.messages import Contribution, Opening, attach
from tests.toy import toy_epoch

EPOCH = toy_epoch(3, 2)
TERMS, N = EPOCH.federation.terms, EPOCH.key.n
SPREAD = max_spread(N)


def encrypted_zero(number: int) -> mpz:
    return powmod(2 + number, N, N * N)


def opening(length: int) -> Opening:
    return Opening("statistic", EPOCH.epoch.digest, bytes(32), length)


def chosen_of(payloads: dict[int, bytes], length: int) -> Selection:
    candidates = {
        m: Candidate(Contribution(bytes(32), attach(payload)), payload)
        for m, payload in payloads.items()
    }
    key = EncryptionKey.of(EPOCH.epoch)
    return select(candidates, "statistic/age", opening(length), TERMS, key)


@given(st.lists(st.lists(st.integers(-512, 512), min_size=2, max_size=2), min_size=1, max_size=6))
def test_what_is_chosen_can_always_be_added(exponents: list[list[int]]) -> None:
    rows = {
        member: Encrypted(
            tuple(encrypted_zero(10 * member + k) for k in range(2)), tuple(exponents[member - 1])
        )
        for member in range(1, len(exponents) + 1)
    }
    payloads = {member: write_ciphertexts(row, N) for member, row in rows.items()}
    selection = chosen_of(payloads, 2)
    assert selection.chosen.keys() | selection.left_out.keys() == set(rows)
    assert not selection.chosen.keys() & selection.left_out.keys()
    assert selection.chosen, "the nearest to the median is never too far from itself"
    total = read_ciphertexts(payload_of_sum(selection.chosen, N), opening(2), TERMS, N)
    for k in range(2):
        column = [EncryptedValue(c.values[k], c.exponents[k]) for c in selection.chosen.values()]
        found = aligned_sum(column, N)
        assert (found.ciphertext, found.exponent) == (total.values[k], total.exponents[k])


@given(st.permutations([1, 2, 3]), st.integers(-40, 40), st.integers(SPREAD + 1, 400))
def test_a_lone_outlier_is_left_out_whatever_the_order(
    order: list[int], usual: int, away: int
) -> None:
    exponents = {1: usual, 2: usual, 3: usual + away}
    payloads = {
        m: write_ciphertexts(Encrypted((encrypted_zero(m),), (exponents[m],)), N) for m in order
    }
    selection = chosen_of(payloads, 1)
    assert set(selection.chosen) == {1, 2}
    assert list(selection.chosen) == sorted(selection.chosen)
    assert set(selection.left_out) == {3}


def test_no_payload_gives_no_choice() -> None:
    selection = chosen_of({}, 1)
    assert (selection.chosen, selection.left_out) == ({}, {})


def test_all_bad_payloads_are_all_named() -> None:
    selection = chosen_of({1: b"", 2: b"\xc0", 3: b"x" * 9}, 1)
    assert selection.chosen == {}
    assert set(selection.left_out) == {1, 2, 3}
