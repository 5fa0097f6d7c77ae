"""A share shows nothing, fits one member of one key, and comes from a dealer with safe defaults."""

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from keyshare import BadKeyShare, BadParameters, KeyShare, deal
from keyshare.key.threshold_key import key_shape
from keyshare.proofs.proved_parts import prove_parts
from keyshare.randomness import Stream
from tests.keyshare.key.test_joint_key import interpolate
from tests.keyshare.library import BITS, KEY, SHARES, dealt


@pytest.mark.parametrize("shown", [repr, str, "{}".format])
def test_a_share_shows_its_member_and_no_secret(shown):
    text = shown(SHARES[1])
    assert str(abs(SHARES[1].secret)) not in text
    assert hex(abs(SHARES[1].secret))[2:] not in text
    assert "member 2 of" in repr(SHARES[1])


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_share_is_not_pickled_or_copied(copied: Callable[[Any], Any]):
    with pytest.raises(TypeError, match="not pickled or copied") as caught:
        copied(SHARES[0])
    assert str(abs(SHARES[0].secret)) not in str(caught.value)


def test_a_share_is_made_again_from_its_secret():
    again = KeyShare(KEY, 2, SHARES[1].secret)
    ciphertext = KEY.encrypt(4)
    parts = [share.decrypt_part(ciphertext) for share in (SHARES[0], again, SHARES[4])]
    assert KEY.combine(ciphertext, parts) == 4


@pytest.mark.parametrize("off", [1, -1, 2**64])
def test_a_share_that_is_not_the_members_is_refused_and_not_shown(off):
    with pytest.raises(BadKeyShare) as caught:
        KeyShare(KEY, 1, SHARES[0].secret + off)
    assert caught.value.member == 1
    assert str(abs(SHARES[0].secret + off)) not in str(caught.value)


def test_another_members_share_and_another_keys_are_refused():
    other, theirs, *_ = dealt(3, 2)
    for key, member, secret in (
        (KEY, 2, SHARES[0].secret),
        (KEY, 1, theirs[0].secret),
        (other, 1, SHARES[0].secret),
    ):
        with pytest.raises(BadKeyShare):
            KeyShare(key, member, secret)


@pytest.mark.parametrize("member", [-1, 0, 6])
def test_nobody_in_the_key_has_no_share(member):
    with pytest.raises(BadKeyShare):
        KeyShare(KEY, member, SHARES[4].secret)


def test_a_share_as_long_as_an_attack_costs_nothing(monkeypatch):
    monkeypatch.setattr("keyshare.library.key_share.verification_key", None)
    with pytest.raises(BadKeyShare):
        KeyShare(KEY, 1, 1 << 10_000)


@pytest.mark.parametrize("wrong", [1.0, "1", None])
def test_a_share_of_no_integer_is_a_type_error(wrong):
    for arguments in ((KEY, wrong, SHARES[0].secret), (KEY, 1, wrong)):
        with pytest.raises(TypeError):
            KeyShare(*arguments)


def test_a_broken_source_of_randomness_alone_tells_nobody_what_a_proof_draws(monkeypatch):
    """It says the same to all; r = z + c·f_i, if known, would give the share."""
    monkeypatch.setattr("secrets.token_bytes", bytes)
    drawn = []

    def noted(said, share, stream):
        drawn.append(stream.bytes(32))
        return prove_parts(said, share, Stream(drawn[-1]))

    monkeypatch.setattr("keyshare.library.key_share.prove_parts", noted)
    for share in SHARES:
        share.decrypt_part(KEY.encrypt(1))
    assert len(set(drawn)) == len(SHARES)


# ── the dealer ──


@pytest.mark.parametrize("bits", [256, 1024, 2046, 2049, 4098])
def test_a_small_or_odd_key_is_not_dealt_unless_one_says_so(bits):
    with pytest.raises(BadParameters) as caught:
        deal(bits)
    assert (caught.value.field, caught.value.value) == ("bits", bits)


@pytest.mark.parametrize("bits", [254, 255, 257, 4098])
def test_what_no_key_can_have_is_not_dealt_whoever_says_so(bits):
    with pytest.raises(BadParameters):
        deal(bits, allow_small_key=True)


@pytest.mark.parametrize(("members", "quorum"), [(1, 1), (17, 9), (5, 1), (5, 6), (5, 0)])
def test_members_and_quorum_are_checked(members, quorum):
    with pytest.raises(BadParameters):
        deal(BITS, members, quorum, allow_small_key=True)


def test_what_is_dealt_unless_told_is_large_enough():
    defaults = inspect.signature(deal).parameters
    assert [defaults[name].default for name in ("bits", "members", "quorum")] == [3072, 5, 3]
    assert defaults["allow_small_key"].default is False
    assert defaults["allow_small_key"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(("members", "quorum"), [(5, 3), (3, 2), (4, 4)])
def test_the_factors_are_what_the_proofs_and_the_encryption_ask_for(members, quorum):
    key, _, p, q = dealt(members, quorum)
    assert p * q == key.modulus != p * p
    assert key.bits == BITS
    assert all(gmpy2.is_prime(x, 40) and x % 4 == 3 and x.bit_length() == BITS // 2 for x in (p, q))
    assert gmpy2.gcd(key.modulus, (p - 1) * (q - 1)) == 1


@pytest.mark.parametrize(("members", "quorum"), [(5, 3), (3, 2), (4, 4)])
def test_the_shares_are_points_of_a_polynomial_that_hides_a_multiple_of_phi(members, quorum):
    """F(0) from a quorum's points is Δ²·φ·β; each of quorum-1 points alone, a wrong one."""
    key, shares, p, q = dealt(members, quorum)
    joint = key.joint
    shape = key_shape(joint.n, members, quorum)
    constant = interpolated(shares)
    assert constant % (joint.delta**2 * (p - 1) * (q - 1)) == 0
    assert constant % key.modulus == key.theta
    assert 0 < constant < joint.delta**2 * joint.n * shape.mask_bound
    assert interpolated(shares[:quorum]) == constant
    assert interpolated(shares[: quorum - 1]) % (p - 1) != 0
    assert all(abs(share.secret) < shape.share_bound for share in shares)


def test_the_shares_are_as_long_as_those_of_a_ceremony():
    """Each coefficient is drawn from a range that hides the largest difference of two constants."""
    key, shares, *_ = dealt()
    shape = key_shape(key.joint.n, 5, 3)
    widest = shape.delta**2 * shape.mask_bound  # of e, in F(0) - F'(0) = e·N
    assert shape.coefficient_bound(shape.blind_bound, 2) >= widest << (2 + 128)
    lengths = [abs(share.secret).bit_length() for share in shares]
    assert (
        min(lengths)
        > (key.joint.n * shape.coefficient_bound(shape.blind_bound, 2)).bit_length() - 30
    )


def interpolated(shares: tuple[KeyShare, ...]) -> int:
    """F(0), rounded down where it is no integer."""
    return math.floor(interpolate({share.member: mpz(share.secret) for share in shares}))
