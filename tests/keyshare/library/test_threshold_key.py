"""A quorum opens a ciphertext; every other list of parts is refused, by name where one is wrong."""

import itertools
import json
import pickle
from dataclasses import asdict, replace
from typing import Any

import phe
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshare import (
    BadIndices,
    BadParameters,
    BadPart,
    BadPlaintext,
    Ciphertext,
    KeyShare,
    PartialDecryption,
    PublicKey,
    ThresholdKey,
    TooFewPartials,
    WrongKey,
    combine,
)
from keyshare.library.threshold_key import as_proved
from tests.keyshare.library import KEY, SHARES, dealt

CIPHERTEXT = KEY.encrypt(3) + KEY.encrypt(5)
PARTS = [share.decrypt_part(CIPHERTEXT) for share in SHARES]


@pytest.mark.parametrize(("members", "quorum"), [(2, 2), (3, 2), (4, 2), (4, 3), (5, 5)])
@given(data=st.data())
@settings(max_examples=3, deadline=None)
def test_every_quorum_and_more_reads_what_the_factors_read(members, quorum, data):
    key, shares, p, q = dealt(members, quorum)
    numbers = st.integers(-key.largest // 4, key.largest // 4)
    total = key.encrypt(data.draw(numbers)) * 2 - key.encrypt(data.draw(numbers)) + 1
    parts = [share.decrypt_part(total) for share in shares]
    expected = phe.PaillierPrivateKey(key.to_phe(), int(p), int(q)).decrypt(total.to_phe())
    for size in range(quorum, members + 1):
        for some in itertools.combinations(parts, size):
            assert key.combine(total, some) == expected


def test_the_order_of_the_parts_does_not_matter_and_combine_is_a_function_too():
    assert combine(KEY, CIPHERTEXT, reversed(PARTS)) == KEY.combine(CIPHERTEXT, PARTS) == 8


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_parts_than_the_quorum_are_too_few(count):
    with pytest.raises(TooFewPartials) as caught:
        KEY.combine(CIPHERTEXT, PARTS[:count])
    assert (caught.value.have, caught.value.need) == (count, 3)


def test_two_parts_of_one_member_are_not_two_members():
    with pytest.raises(BadIndices) as caught:
        KEY.combine(CIPHERTEXT, [PARTS[0], PARTS[1], PARTS[0]])
    assert caught.value.indices == [1, 1, 2]


def assert_named(member: int, part: PartialDecryption, ciphertext: Ciphertext = CIPHERTEXT) -> None:
    others = [one for one in PARTS if one.member != part.member]
    for parts in ([part, *others], [*others, part]):
        with pytest.raises(BadPart) as caught:
            KEY.combine(ciphertext, parts)
        assert caught.value.member == member
        assert f"member {member}" in str(caught.value)


@pytest.mark.parametrize("factor", [2, 1 + KEY.modulus], ids=["2", "1 + N"])
def test_a_wrong_part_names_its_member_among_a_quorum_and_beyond_it(factor):
    value = PARTS[3].value * factor % KEY.modulus**2
    assert_named(4, replace(PARTS[3], value=value))


@pytest.mark.parametrize("value", [0, -1, KEY.modulus, KEY.modulus**2])
def test_a_part_that_is_no_unit_names_its_member(value):
    assert_named(2, replace(PARTS[1], value=value))


def test_a_part_of_another_member_names_who_gives_it():
    assert_named(2, replace(PARTS[4], member=2))


@pytest.mark.parametrize("member", [6, 7, 100])
def test_a_part_of_nobody_names_nobody_in_the_key(member):
    assert_named(member, replace(PARTS[4], member=member))


def test_a_part_of_another_ciphertext_of_the_same_number_names_its_member():
    assert_named(3, SHARES[2].decrypt_part(CIPHERTEXT + KEY.encrypt(0)))


def test_a_part_of_the_ciphertext_with_another_sign_names_its_member():
    """Its values are the same but for what the context hashes: (-c)^2 = c^2."""
    opposite = Ciphertext(KEY.modulus, KEY.modulus**2 - CIPHERTEXT.value)
    part = SHARES[2].decrypt_part(opposite)
    assert part.value == PARTS[2].value
    assert_named(3, part)


def test_a_proof_is_bound_to_every_number_of_the_key_the_ciphertext_and_the_member():
    others = [
        replace(KEY, quorum=2),
        replace(KEY, theta=KEY.theta - 1),
        replace(KEY, verification_base=2),
        *(
            replace(KEY, verification_keys=(*keys[:k], 2, *keys[k + 1 :]))
            for keys in [KEY.verification_keys]
            for k in range(5)
        ),
    ]
    value, one = mpz(CIPHERTEXT.value), KEY.joint
    asked = [(value, 1, key.joint) for key in (KEY, *others)]
    asked += [(value, member, one) for member in range(2, 6)] + [(value + 1, 1, one)]
    assert len({as_proved(mpz(1), *each).context for each in asked}) == len(asked)


@pytest.mark.parametrize("other", [{"theta": KEY.modulus - KEY.theta}, {"quorum": 2}])
def test_a_part_under_a_key_that_differs_in_one_number_alone_names_its_member(other):
    other = replace(KEY, **other)
    assert_named(1, KeyShare(other, 1, SHARES[0].secret).decrypt_part(CIPHERTEXT))


@pytest.mark.parametrize("change", [(), (1,), (1, 2, 3), PARTS[0].proof[:-1]])
def test_a_part_with_half_a_proof_names_its_member(change):
    assert_named(1, replace(PARTS[0], proof=change))


@pytest.mark.parametrize("k", range(10))
def test_a_part_with_a_changed_number_in_its_proof_names_its_member(k):
    proof = [*PARTS[0].proof]
    proof[k] += 1
    assert_named(1, replace(PARTS[0], proof=tuple(proof)))


def test_a_ciphertext_of_another_key_is_neither_opened_nor_decrypted_in_part():
    other, *_ = dealt(3, 2)
    with pytest.raises(WrongKey):
        KEY.combine(other.encrypt(1), PARTS)
    with pytest.raises(WrongKey):
        SHARES[0].decrypt_part(other.encrypt(1))


@pytest.mark.parametrize("wrong", [8, 8.0, "8", None, KEY])
def test_what_is_no_ciphertext_and_no_part_is_a_type_error(wrong):
    for refused in (
        lambda: KEY.combine(wrong, PARTS),
        lambda: KEY.combine(CIPHERTEXT, [*PARTS, wrong]),
        lambda: SHARES[0].decrypt_part(wrong),
    ):
        with pytest.raises(TypeError):
            refused()


@pytest.mark.parametrize("wrong", [1.0, "1", None])
def test_what_is_no_whole_number_is_in_no_part_and_no_key(wrong):
    """Who sent it is known when it is read, and no longer when the parts are combined."""
    for field, value in {"member": wrong, "value": wrong, "proof": (wrong, 1)}.items():
        with pytest.raises(TypeError):
            replace(PARTS[0], **{field: value})
    for field in ("theta", "quorum"):
        with pytest.raises(TypeError):
            replace(KEY, **{field: wrong})


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_that_has_outgrown_the_key_is_noticed(sign):
    total = KEY.encrypt(sign * KEY.largest) + sign * KEY.largest
    with pytest.raises(BadPlaintext):
        KEY.combine(total, [share.decrypt_part(total) for share in SHARES])


def test_whoever_has_the_modulus_alone_encrypts_for_the_members():
    ciphertext = PublicKey.from_phe(KEY.to_phe()).encrypt(-5)
    assert KEY.combine(ciphertext, [share.decrypt_part(ciphertext) for share in SHARES[2:]]) == -5


def test_a_key_and_its_parts_are_the_same_written_and_read():
    written = json.loads(json.dumps(asdict(KEY)))
    key = ThresholdKey(**written | {"verification_keys": tuple(written["verification_keys"])})
    assert key == KEY == pickle.loads(pickle.dumps(KEY))
    parts = [PartialDecryption(**json.loads(json.dumps(asdict(part)))) for part in PARTS]
    assert key.combine(CIPHERTEXT, parts) == 8
    assert all(len(repr(one)) < 60 for one in (KEY, *PARTS))


@pytest.mark.parametrize("quorum", [0, 1, 6])
def test_a_quorum_that_the_members_cannot_make_is_refused(quorum):
    with pytest.raises(BadParameters):
        replace(KEY, quorum=quorum)


@pytest.mark.parametrize("number", [0, KEY.modulus, KEY.modulus**2])
@pytest.mark.parametrize("where", ["theta", "verification_base", "verification_keys"])
def test_a_key_with_a_number_that_is_no_unit_is_none(where, number):
    wrong: Any = (*KEY.verification_keys[1:], number) if where == "verification_keys" else number
    with pytest.raises(WrongKey):
        replace(KEY, **{where: wrong})


@pytest.mark.parametrize(("bound", "error"), [(0, WrongKey), (-1, WrongKey), (1.5, TypeError)])
def test_a_bound_that_no_share_is_below_is_none(bound: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        replace(KEY, share_bound=bound)
