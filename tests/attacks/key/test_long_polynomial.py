"""A dealer commits to a longer polynomial than agreed, and raises the threshold for everybody.

Dahlgren, Trail of Bits, 2024, on Pedersen's key generation in ten implementations; WSTS, issue 87,
in mpcsec.org, "Received sequence has the wrong length".
"""

from itertools import combinations
from typing import Any

import pytest
from gmpy2 import mpz

from keyshare.ceremony import feldman
from keyshare.errors import BadCombination
from keyshare.handover import KeyState
from keyshare.key import threshold_key as tk
from keyshare.key.partial_decryption import combine, partial_decryption, trial_ciphertext
from keyshare.key.threshold_key import JointKey, KeyShape, SecretShare
from protocol.ceremony import winner_steps
from protocol.ceremony.run import CeremonyRun, StepId
from protocol.encoding import unpack_numbers, width_of
from tests.stage.ceremony import adversary
from tests.stage.ceremony.adversary import EITHER_WAY, winners_dealers
from tests.stage.ceremony.liar import Lies, LyingTable, assert_caught, lying
from tests.stage.toy import finished

LIAR = winners_dealers()[1]
QUORUM = 3


def one_coefficient_more(run: CeremonyRun, step: StepId, said: bytes) -> bytes:
    """All over again with the polynomial for ΔR of degree ``quorum`` instead of quorum - 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winner_steps, "_ranges", long_ranges)
        return winner_steps.tell_exponent(run, step).write(run, step)


def long_points(run: CeremonyRun, step: StepId, said: dict[int, bytes]) -> dict[int, bytes]:
    """The points of the long polynomial, in the width of honest ones."""
    bounds = winner_steps._point_bounds(winner_steps._candidate(run, step).shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winner_steps, "_ranges", long_ranges)
        patch.setattr(winner_steps, "_point_bounds", lambda shape: bounds)
        dealt = winner_steps.deal_key(run, step)
        return {i: points.write(run, step) for i, points in dealt.items()}


def long_ranges(shape: KeyShape) -> list[tuple[mpz, int]]:
    """The bound is lowered, so that the points do not show the degree by their size."""
    degree, hidden = shape.degree, shape.blind_bound >> 16
    return [(shape.n, degree), (shape.mask_bound, degree), (hidden, shape.quorum)]


LIES = Lies({"winner": one_coefficient_more}, {"winner": long_points})


@EITHER_WAY
def test_a_long_polynomial_is_caught_by_the_number_of_its_commitments(play):
    assert_caught(play(lying({LIAR: LIES})), LIAR, "winner")


def take_any_length(patch: pytest.MonkeyPatch) -> None:
    """Without the check of the length: whatever is there belongs to the last polynomial."""
    values, add = winner_steps.DealerValues, feldman.add

    def read_any(data: bytes, run: CeremonyRun, step: StepId, sender: int) -> Any:
        n, degree = (made := winner_steps._candidate(run, step)).n, made.shape.degree
        numbers = unpack_numbers(data, width_of(n), len(data) // width_of(n), n, "values")
        a, b = 1 + winner_steps.ROUNDS, 1 + winner_steps.ROUNDS + degree
        c = b + degree + 1
        return values(numbers[0], numbers[1:a], numbers[a:b], numbers[b:c], numbers[c:])

    def add_any(rows: list[list[mpz]], n: mpz) -> list[mpz]:
        longest = max(map(len, rows))
        return add([[*row, *[mpz(1)] * (longest - len(row))] for row in rows], n)

    patch.setattr(values, "read", read_any)
    patch.setattr(KeyState, "__post_init__", lambda state: None)
    patch.setattr(feldman, "add", add_any)


@EITHER_WAY
def test_without_that_check_the_trial_still_stops_the_key(monkeypatch, play):
    take_any_length(monkeypatch)
    aftermath = play(lying({LIAR: LIES}))
    assert {failure.step for failure in aftermath.failures.values()} == {"trial"}
    assert aftermath.verdict.culprits[LIAR].startswith("winner")
    adversary.assert_caught(aftermath, LIAR)


def test_without_that_check_and_the_trial_no_quorum_can_decrypt(monkeypatch):
    take_any_length(monkeypatch)
    monkeypatch.setattr(tk, "sliding_quorums", lambda members, quorum: [])
    toy = finished(LyingTable({LIAR: LIES}).run())
    plaintext, ciphertext = trial_ciphertext(toy.key.n, b"a round")
    for members in combinations(toy.shares, QUORUM):
        assert decrypted(ciphertext, toy.key, toy.shares, members) != plaintext
    raised = JointKey(**vars(toy.key) | {"quorum": QUORUM + 1})
    assert decrypted(ciphertext, raised, toy.shares, (1, 2, 3, 4)) == plaintext


def decrypted(
    ciphertext: mpz, key: JointKey, shares: dict[int, SecretShare], members: tuple[int, ...]
) -> mpz | None:
    try:
        return combine({i: partial_decryption(ciphertext, shares[i], key) for i in members}, key)
    except BadCombination:
        return None
