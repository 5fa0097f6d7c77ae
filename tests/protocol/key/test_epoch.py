"""What a ceremony leaves behind, read back with care."""

from typing import Any

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

from keyshare.digest import number_bytes
from protocol.board import epoch_of
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.key.epoch import Epoch, HeldKey, epoch_secret, read_epoch, read_secret, to_number
from protocol.messages.ceremony import Abort, Certificate
from tests.stage.ceremony.opened_key import factors_of_the_key
from tests.stage.toy import Table, toy_epoch, toy_federation

TOY = toy_epoch()
TERMS, EPOCH = TOY.federation.terms, TOY.epoch
KEY = TOY.key


def changed(**fields: Any) -> bytes:
    return encode(msgspec.structs.replace(EPOCH, **fields))


def keys_with(value: bytes) -> tuple[bytes, ...]:
    return (*EPOCH.verification_keys[:2], value, *EPOCH.verification_keys[3:])


def test_an_epoch_comes_back_from_its_bytes():
    found = read_epoch(encode(EPOCH), TERMS)
    assert found == EPOCH
    assert found.digest == EPOCH.digest
    assert found.joint_key() == KEY


def test_every_field_of_an_epoch_changes_its_digest():
    changes: list[dict[str, Any]] = [
        {"federation": bytes(32)},
        {"number": 2},
        {"quorum": 4},
        {"n": number_bytes(KEY.n + 4)},
        {"first_members": 6},
        {"theta": number_bytes(KEY.theta + 1)},
        {"is_negative": True},
        {"commitments": EPOCH.commitments[::-1]},
        {"point_bound": b"\1"},
        {"verification_base": b"\2"},
        {"verification_keys": EPOCH.verification_keys[::-1]},
        {"sealing_keys": EPOCH.sealing_keys[::-1]},
    ]
    digests = {msgspec.structs.replace(EPOCH, **change).digest for change in changes}
    assert len(digests | {EPOCH.digest}) == len(changes) + 1
    assert {name for change in changes for name in change} == set(Epoch.__struct_fields__)


@pytest.mark.parametrize(
    "fields",
    [
        {"federation": bytes(32)},
        {"number": 0},
        {"quorum": 4},
        {"quorum": 0},
        {"n": number_bytes(KEY.n >> 1)},
        {"n": number_bytes(KEY.n + 2)},
        {"n": b""},
        {"n": b"\0" + EPOCH.n},
        {"theta": b""},
        {"theta": EPOCH.n},
        {"first_members": 1},
        {"first_members": 17},
        {"commitments": EPOCH.commitments[:2]},
        {"commitments": (*EPOCH.commitments, b"\1")},
        {"commitments": (EPOCH.n, *EPOCH.commitments[1:])},
        {"commitments": (b"", *EPOCH.commitments[1:])},
        {"commitments": (b"\0\1", *EPOCH.commitments[1:])},
        {"point_bound": b""},
        {"point_bound": b"\0" + EPOCH.point_bound},
        {"theta": b"\0" + EPOCH.theta},
        {"verification_base": b""},
        {"verification_base": number_bytes(KEY.n)},
        {"verification_base": number_bytes(KEY.n**2 + 1)},
        {"verification_keys": EPOCH.verification_keys[:4]},
        {"verification_keys": (*EPOCH.verification_keys, b"\1")},
        {"verification_keys": keys_with(b"")},
        {"verification_keys": keys_with(number_bytes(3 * KEY.n))},
        {"verification_keys": keys_with(b"\0\1")},
        {"sealing_keys": EPOCH.sealing_keys[:4]},
        {"sealing_keys": (*EPOCH.sealing_keys[:4], b"short")},
    ],
)
def test_an_epoch_that_does_not_fit_is_refused(fields):
    with pytest.raises(Malformed):
        read_epoch(changed(**fields), TERMS)


def test_a_prime_factor_of_n_in_theta_is_refused():
    """θ must be a unit: its inverse is needed to decrypt."""
    p, _ = factors_of_the_key(TOY.table)
    assert KEY.n % p == 0
    with pytest.raises(Malformed):
        read_epoch(changed(theta=number_bytes(p)), TERMS)


def test_an_epoch_of_another_federation_is_refused():
    with pytest.raises(Malformed):
        read_epoch(encode(EPOCH), toy_federation(name="Other").terms)


@pytest.mark.parametrize("index", TOY.federation.members)
def test_a_secret_comes_back_for_its_member_alone(index):
    data = encode(TOY.secrets[index])
    epoch, secret = read_secret(data, TERMS, index)
    assert epoch == EPOCH
    assert secret.secret_share() == TOY.shares[index]
    for other in set(TOY.federation.members) - {index}:
        with pytest.raises(Malformed):
            read_secret(data, TERMS, other)


def test_a_damaged_share_is_refused():
    secret = TOY.secrets[2]
    for fields in (
        {"negative": not secret.negative},
        {"index": 3},
        {"share": number_bytes(to_number(secret.share) + 1)},
        {"share": b""},
        {"share": TOY.secrets[3].share},
        {"epoch": changed(number=0)},
    ):
        with pytest.raises(Malformed):
            read_secret(encode(msgspec.structs.replace(secret, **fields)), TERMS, 2)


@pytest.mark.parametrize("seed", [b"", bytes(32), TOY.secrets[3].sealing_seed])
def test_a_seed_of_another_sealing_key_is_refused(seed):
    """With it the member could open nothing that is sealed to it in rounds."""
    other = msgspec.structs.replace(TOY.secrets[2], sealing_seed=seed)
    with pytest.raises(Malformed, match="sealing seed"):
        read_secret(encode(other), TERMS, 2)


def test_a_share_of_any_length_is_refused_before_it_is_an_exponent():
    long = msgspec.structs.replace(TOY.secrets[2], share=bytes([1]) * 100_000)
    with pytest.raises(Malformed, match="out of range"):
        read_secret(encode(long), TERMS, 2)


@pytest.mark.parametrize("value", [-5, -1, 0, 1, 255, 256, -(2**300)])
def test_shares_of_either_sign_are_kept(value):
    share = type(TOY.shares[1])(1, mpz(value))
    assert epoch_secret(EPOCH, share, bytes(32)).secret_share() == share


def test_a_secret_shows_nothing_of_itself():
    secret = TOY.secrets[1]
    for found in (repr(secret), str(secret), repr([secret])):
        assert found.strip("[]") == "EpochSecret(index=1, <secret>)"
    assert repr(HeldKey(EPOCH, secret)).endswith("secret=EpochSecret(index=1, <secret>))")


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 2**300])
def test_numbers_have_no_leading_zeros(value):
    data = number_bytes(mpz(value))
    assert to_number(data) == value
    assert not data.startswith(b"\0")
    assert len(data) == (gmpy2.mpz(value).bit_length() + 7) // 8


# ── which epoch holds ──


def certified(table: Table, epoch: Epoch, senders: list[int], session: str, transcript: bytes):
    for sender in senders:
        table.put(table.sign(session, sender, Certificate(transcript, encode(epoch))))


def test_an_epoch_holds_when_all_have_certified_it():
    table = Table(TOY.federation)
    for sender in TOY.federation.members:
        assert epoch_of(table.board.entries, TERMS) is None
        certified(table, EPOCH, [sender], "ceremony/1", bytes(32))
    assert epoch_of(table.board.entries, TERMS) == EPOCH


def test_a_member_who_certifies_twice_does_not_stand_in_for_another():
    table = Table(TOY.federation)
    certified(table, EPOCH, [1, 2, 3, 4, 4], "ceremony/1", bytes(32))
    assert epoch_of(table.board.entries, TERMS) is None


def test_certificates_of_two_transcripts_sessions_or_epochs_do_not_add_up():
    other = msgspec.structs.replace(EPOCH, number=2)
    for difference in (
        (EPOCH, "ceremony/1", b"t" * 32),
        (EPOCH, "ceremony/2", bytes(32)),
        (other, "ceremony/1", bytes(32)),
    ):
        table = Table(TOY.federation)
        certified(table, EPOCH, [1, 2, 3, 4], "ceremony/1", bytes(32))
        certified(table, difference[0], [5], *difference[1:])
        assert epoch_of(table.board.entries, TERMS) is None


def test_no_key_follows_a_key():
    table = Table(TOY.federation)
    newer = msgspec.structs.replace(EPOCH, number=2)
    everyone = list(TOY.federation.members)
    certified(table, EPOCH, everyone, "ceremony/1", bytes(32))
    table.put(table.sign("ceremony/1", 1, Abort(0, "join", "too late")))
    certified(table, newer, everyone, "ceremony/2", bytes(32))
    assert epoch_of(table.board.entries, TERMS) == EPOCH


def test_the_ceremonys_own_board_gives_its_epoch():
    assert epoch_of(TOY.table.board.entries, TERMS) == EPOCH
    assert epoch_of(TOY.table.board.entries[:-1], TERMS) is None
