"""What an epoch consists of: every field counts, and shares and points are two forms of one."""

import dataclasses

import pytest
from gmpy2 import mpz

from keyshare.errors import BadKeyShare, BadParameters
from keyshare.handover import LAMBDA, normal_factor, normal_form, normal_share
from keyshare.key import SecretShare
from keyshare.key.threshold_key import theta_fits
from tests.keyshare.handover.histories import PHI, N, U, V, first_epoch, hand_over, secret_from
from tests.keyshare.key.test_joint_key import U_ORDER, dealt, joint_key

CHANGES = [
    {"n": N + 2},
    {"base": V + N},  # the same u
    {"first_members": 4},
    {"n_members": 6},
    {"theta_prime": mpz(7)},
    {"theta_prime": -first_epoch(5, 3).state.theta_prime},
    {"commitments": (*first_epoch(5, 3).state.commitments[:2], U)},
    {"commitments": first_epoch(5, 3).state.commitments[::-1]},
    {"point_bound": first_epoch(5, 3).state.point_bound + 1},
    {"quorum": 2, "commitments": first_epoch(5, 3).state.commitments[:2]},
]


@pytest.mark.parametrize("changes", CHANGES, ids=", ".join)
def test_the_digest_holds_every_field(changes):
    state = first_epoch(5, 3).state
    assert dataclasses.replace(state, **changes).digest != state.digest
    assert dataclasses.replace(state).digest == state.digest


def test_every_field_is_among_those_that_were_changed():
    names = {field.name for field in dataclasses.fields(first_epoch(5, 3).state)}
    assert {name for changes in CHANGES for name in changes} == names


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (5, 3), (5, 5), (7, 4)])
def test_the_normal_form_has_multiples_of_the_ceremonys_shares(n, quorum):
    made, epoch, factor = dealt(n, quorum), first_epoch(n, quorum), int(normal_factor(n))
    before, key = joint_key(made), epoch.state.joint_key
    assert key.theta == factor * before.theta % N
    for i, share in made.shares.items():
        new = normal_share(share, n)
        assert (new.index, new.value) == (i, factor * share.value)
        assert epoch.state.point(new) == epoch.points[i] < epoch.state.point_bound
        assert epoch.state.share(i, epoch.points[i]).value == new.value
        assert abs(new.value) < epoch.state.share_bound
        expected = pow(int(before.verification_keys[i - 1]), factor, int(N * N))
        assert key.verification_keys[i - 1] == expected


def test_the_normal_form_decrypts_with_every_quorum():
    for n, quorum in ((3, 2), (5, 3), (5, 5)):
        epoch = first_epoch(n, quorum)
        assert all(epoch.decrypts(members) for members in epoch.quorums())


def test_a_mask_of_the_ceremony_that_is_no_multiple_of_delta_leaves_one_of_the_cube():
    """A dealer of the ceremony may share 1 more than Δ·β_i, and all checks of θ' hold.

    Then S is Δ·φ·(Δβ + 1) before it is brought to normal form.
    """
    made, n = dealt(5, 3), 5
    delta, cube = int(made.shape.delta), int(LAMBDA) ** 3
    theta_prime = made.theta_prime + delta * PHI
    assert theta_fits(theta_prime, made.blind_commitments[0], U, N)
    state = normal_form(N, V, theta_prime, made.blind_commitments, n, 3)
    secret = secret_from(state, {i: first_epoch(5, 3).points[i] for i in (1, 2, 3)})
    assert secret == normal_factor(n) * delta * PHI * (delta * made.beta + 1)
    assert secret % cube == 0
    assert cube // delta**2 * delta * PHI * (delta * made.beta + 1) % cube != 0


def test_what_is_no_share_of_the_epoch_has_no_point():
    old = first_epoch(5, 3)
    new = hand_over(old, 5, 3).after
    share = old.state.share(2, old.points[2])
    too_far = U_ORDER * (old.state.point_bound // U_ORDER + 1)  # which fits the commitments
    of_another = new.state.share(2, new.points[2])
    for wrong in (
        SecretShare(2, share.value + 1),
        SecretShare(2, share.value + N),
        SecretShare(2, share.value - N * old.state.point_bound),
        SecretShare(2, old.state.theta_prime + N),
        SecretShare(2, share.value - N * too_far),
        SecretShare(3, share.value),
        of_another,
    ):
        with pytest.raises(BadKeyShare) as raised:
            old.state.point(wrong)
        assert raised.value.member == wrong.index


def test_a_state_of_other_sizes_is_refused():
    state = first_epoch(5, 3).state
    for changes in (
        {"quorum": 2},
        {"quorum": 4},
        {"commitments": ()},
        {"first_members": 1},
        {"first_members": 17},
        {"n_members": 17},
        {"n_members": 2},
    ):
        with pytest.raises(BadParameters):
            dataclasses.replace(state, **changes)
