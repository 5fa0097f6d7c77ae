"""The measurements of handovers, with keys too short to be of any use."""

import os
import subprocess
import sys
from fractions import Fraction

import gmpy2
import pytest
from gmpy2 import mpz

from benchmarks.__main__ import main
from benchmarks.handover import growth, whole
from benchmarks.handover.clock import Clock
from benchmarks.handover.dealt_key import deal_state, put_key
from benchmarks.handover.whole import Sizes
from examples.demo.stored import stored_board
from keyshare.errors import BadCombination
from keyshare.handover import LAMBDA, KeyState
from keyshare.key import SecretShare
from tests.stage.consortium import found


def secret_of(state: KeyState, shares: dict[int, SecretShare], members: list[int]) -> Fraction:
    """S from a quorum's shares."""
    total = Fraction(0)
    for i in members:
        weight = Fraction(1)
        for j in members:
            weight *= Fraction(j, j - i) if j != i else 1
        total += weight * int(shares[i].value)
    return total


def test_a_dealt_key_has_the_form_that_is_handed_over() -> None:
    state, shares = deal_state(512, 5, 3)
    for i, share in shares.items():
        point = state.point(share)  # raises for what the commitments do not fit
        assert state.share(i, point) == share
    secret = secret_of(state, shares, [1, 2, 3])
    assert secret == secret_of(state, shares, [2, 4, 5])
    assert secret.denominator == 1
    assert secret % int(LAMBDA**3) == 0
    x = mpz(3)
    assert gmpy2.powmod(x, mpz(int(secret)), state.n) == 1  # a multiple of φ
    assert (int(secret) - state.theta_prime) % state.n == 0


def test_a_dealt_key_stands_where_a_ceremony_leaves_it(tmp_path) -> None:
    made = found(tmp_path)
    members = [made.member(i) for i in (1, 2, 3)]
    epoch = put_key(made.terms, members, tmp_path / "stored")
    board = stored_board(tmp_path / "stored", made.terms)
    assert board.epoch == epoch
    assert board.head.position == len(members)
    for member in members:
        assert member.held_key().epoch == epoch


def test_shares_of_refreshes_stay_as_long_as_they_were_and_the_classical_ones_grow() -> None:
    result = growth.measure(Sizes(3, 5), 512, 6)
    ours, classical = result["share_bits"], result["classical_share_bits"]
    assert len(ours) == len(classical) == 7
    assert max(ours[1:]) - min(ours[1:]) <= 6
    assert (classical[-1] - classical[1]) / 5 == pytest.approx(149, abs=5)


def test_the_classical_way_shares_a_multiple_of_the_same_secret() -> None:
    before = {1: mpz(10 + 3), 2: mpz(10 + 6), 3: mpz(10 + 9)}  # 10 + 3·x
    after = growth.redistributed(before, Sizes(2, 3), mpz(6))
    assert [2 * after[1] - after[2], 3 * after[2] - 2 * after[3]] == [10 * 6**2] * 2


def test_shares_that_decrypt_nothing_are_no_measurement(monkeypatch) -> None:
    honest = growth.refreshed

    def swapped(state: KeyState, shares: growth.Shares, number: int) -> growth.Refreshed:
        after, new = honest(state, shares, number)
        last = max(new)
        return after, new | {last: SecretShare(last, new[last].value + state.n)}

    monkeypatch.setattr(growth, "refreshed", swapped)
    with pytest.raises(BadCombination):
        growth.measure(Sizes(2, 3), 512, 1)


def test_arrivals_are_no_round_of_their_own() -> None:
    steps = ["consent", "arrive", "freeze", "commit", "deal", "show", "release", "acknowledge"]
    assert whole.board_rounds(steps) == 7


def test_sizes_are_a_quorum_of_a_number_of_members() -> None:
    assert Sizes.read("9/16") == Sizes(quorum=9, n_members=16)
    with pytest.raises(ValueError, match="unpack"):
        Sizes.read("9")


def test_other_numbers_are_not_measured(monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "handover", "--from", "2/3", "--to", "3/4"])
    with pytest.raises(SystemExit, match="alike"):
        main()


@pytest.mark.slow
def test_whole_processes_refresh_a_dealt_key() -> None:
    result = whole.measure(Sizes(2, 3), 512, 1)
    assert result["board_rounds"] == 7
    assert 10_000 < result["bytes_on_board"] < 200_000
    before, after = result["share_bits"]
    assert abs(after - before) < 40
    assert 0 < result["seconds"]["max"] < result["seconds_of_processes"]["max"]


def test_a_clock_tells_the_time_of_ended_children_from_that_of_others() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as service:
        clock = Clock(service.pid)
        subprocess.run([sys.executable, "-c", burn], check=True)
        taken = clock.read()
        service.communicate(b"\n")
    assert 0.3 <= taken.cpu_of_children < 0.3 + 0.5
    assert taken.cpu_of_service < 0.3
    assert taken.seconds > 0.29
    assert 0 <= taken.others <= (os.cpu_count() or 1)
