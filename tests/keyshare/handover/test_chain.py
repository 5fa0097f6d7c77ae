"""One key through many rosters and quorums: S, N and θ stay, and nothing grows."""

import random
from fractions import Fraction

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare.handover import LAMBDA, normal_factor
from keyshare.key import threshold_key
from tests.keyshare.handover.histories import PHI, Epoch, N, first_epoch, hand_over, lagrange_at
from tests.stage.toy import toy_epoch

# The members that deal, and the new roster and quorum.
STEPS = [
    ((2, 4, 5), 7, 4),
    ((1, 3, 6, 7), 3, 2),
    ((2, 3), 16, 9),
    (tuple(range(8, 17)), 5, 3),
    ((1, 3, 5), 5, 5),
    ((1, 2, 3, 4, 5), 3, 3),
    ((1, 2, 3), 2, 2),
    ((1, 2), 16, 2),
    ((1, 16), 16, 16),
    (tuple(range(1, 17)), 5, 3),
]


def test_a_key_goes_through_rosters_and_quorums_and_every_quorum_decrypts():
    epoch = first_epoch(5, 3)
    secret, theta = epoch.secret, epoch.state.theta_prime % N
    assert secret % PHI == 0
    assert secret % LAMBDA**3 == 0
    for number, (dealers, n, quorum) in enumerate(STEPS):
        epoch = hand_over(epoch, n, quorum, dealers, f"handover/{number}").after
        assert (epoch.state.n, epoch.state.base) == (N, first_epoch(5, 3).state.base)
        assert epoch.secret == secret
        assert epoch.state.theta_prime % N == theta == secret % N
        assert all(epoch.decrypts(members) for members in epoch.quorums(12))


@pytest.mark.slow
def test_every_quorum_of_a_chain_decrypts():
    epoch = first_epoch(5, 3)
    for number, (dealers, n, quorum) in enumerate(STEPS):
        epoch = hand_over(epoch, n, quorum, dealers, f"handover/{number}").after
        assert all(epoch.decrypts(members) for members in epoch.quorums(20_000))


def test_shares_of_a_chain_are_as_long_as_their_roster_asks_and_come_back():
    epoch, found = first_epoch(5, 3), []
    for number, (dealers, n, quorum) in enumerate([*STEPS, ((1, 2, 3), 5, 3)] * 2):
        epoch = hand_over(epoch, n, quorum, dealers[:], f"handover/{number}").after
        found.append(epoch.share_bits)
        assert all(abs(f) < epoch.state.share_bound for f in shares(epoch))
    first, second = found[: len(found) // 2], found[len(found) // 2 :]
    for once, again in zip(first, second, strict=True):
        assert abs(once - again) <= 4  # of what is drawn, the upper bits


def shares(epoch: Epoch) -> list[mpz]:
    return [epoch.state.share(i, x).value for i, x in epoch.points.items()]


def test_fifty_refreshes_leave_shares_as_long_as_the_first():
    epoch, rng, found = first_epoch(5, 3), random.Random(1), []
    secret = epoch.secret
    for number in range(50):
        epoch = hand_over(epoch, 5, 3, rng.sample(range(1, 6), 3), f"refresh/{number}").after
        assert epoch.secret == secret
        found.append(epoch.share_bits)
    assert max(found) - min(found) <= 4
    assert all(epoch.decrypts(members) for members in epoch.quorums())


@pytest.mark.parametrize(("n", "quorum", "bits"), [(5, 3, 149), (16, 9, 261)])
def test_sharing_the_shares_anew_would_grow_with_every_epoch(n, quorum, bits):
    """Desmedt and Jajodia's redistribution over the integers, for comparison."""
    rng, epoch = random.Random(2), first_epoch(n, quorum)
    delta, dealers = int(epoch.state.delta), range(1, quorum + 1)
    points, lengths = {j: int(x) for j, x in epoch.points.items()}, []
    for _ in range(4):
        most = (delta * max(map(abs, points.values()))) << (128 + quorum - 1)
        new = dict.fromkeys(points, 0)
        for i in dealers:
            weight = delta * lagrange_at(0, dealers, i)
            tail = [rng.randrange(most) for _ in range(quorum - 1)]
            for j in new:
                tail_at = sum(a * j ** (k + 1) for k, a in enumerate(tail))
                new[j] += weight.numerator * (delta * points[i] + tail_at)
        points = new
        lengths.append(max(map(abs, points.values())).bit_length())
    assert (lengths[-1] - lengths[0]) / 3 == pytest.approx(bits, abs=5)


def test_verification_keys_are_powers_of_the_new_shares():
    epoch = hand_over(first_epoch(5, 3), 7, 4, (1, 4, 5)).after
    state, square = epoch.state, N * N
    for i, x in epoch.points.items():
        share = int(state.theta_prime - N * x)
        expected = pow(int(state.base), 5_040 * share, int(square))
        assert state.joint_key.verification_keys[i - 1] == expected


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (5, 3)])
def test_a_key_of_the_ceremony_itself_is_handed_over(n, quorum):
    toy = toy_epoch(n, quorum, 256)
    winner = toy.table.machines[1]._run.the_winner
    base, state, shares = toy.key.verification_base, toy.epoch.state, toy.shares
    factor = normal_factor(n)
    assert state.theta_prime == shares[1].value + toy.key.n * factor * winner.points[2]
    raised = [pow(int(blind), int(factor), int(toy.key.n)) for blind in winner.blinds]
    assert list(state.commitments) == raised
    epoch = Epoch(state, {i: state.point(share) for i, share in shares.items()})
    for share in shares.values():
        assert threshold_key.verification_key(base, share, state.delta, state.n) in (
            state.joint_key.verification_keys
        )
    secret = epoch.secret
    for number, (members, least) in enumerate([(5, 3), (3, 2), (4, 4)]):
        epoch = hand_over(epoch, members, least, None, f"handover/{number}").after
        assert epoch.secret == secret
        assert gmpy2.powmod(2, secret, state.n) == 1
        assert all(epoch.decrypts(some) for some in epoch.quorums())


def test_mixtures_of_old_and_new_shares_below_both_quorums_give_no_multiple_of_the_order():
    made = hand_over(first_epoch(5, 3), 7, 4)
    old, new = made.before, made.after
    rng = random.Random(3)
    for _ in range(300):
        places = rng.sample(range(1, 6), 5)
        few, rest = places[: rng.randrange(3)], places[3 : 3 + rng.randrange(1, 3)]
        values = {i: old.state.share(i, old.points[i]).value for i in few}
        values |= {i: new.state.share(i, new.points[i]).value for i in rest}
        guess = sum(
            (lagrange_at(0, list(values), i) * int(f) for i, f in values.items()), Fraction()
        )
        assert int(guess * 5_040 * 120) % int(PHI) != 0
