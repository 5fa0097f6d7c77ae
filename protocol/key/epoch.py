"""What a ceremony leaves behind: the public epoch, and each member's secret part of it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, NamedTuple, Protocol

import gmpy2
from gmpy2 import mpz
from msgspec import Meta

from keyshare.ceremony import MAX_MEMBERS
from keyshare.digest import number_bytes
from keyshare.errors import KeyshareError
from keyshare.handover import KeyState
from keyshare.key import JointKey, SecretShare, verification_key
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed
from protocol.sealing import SealingKey, check_public
from protocol.terms import Terms

MAX_EPOCH_BYTES = 128 << 10

Number = Annotated[bytes, Meta(max_length=1_024)]
LongNumber = Annotated[bytes, Meta(max_length=1_280)]


class Epoch(Message, frozen=True, dict=True):
    """The public result of ceremony ``number``; its digest is bound into every round.

    Numbers are big-endian bytes without leading zeros; lists are in roster order. What they mean
    is said of ``keyshare.handover.KeyState``. ``theta``: |θ'|, below 0 where ``is_negative``.
    """

    federation: bytes
    number: int
    first_members: int
    quorum: int
    n: Number
    theta: LongNumber
    is_negative: bool
    commitments: tuple[Number, ...]
    point_bound: LongNumber
    verification_base: Number
    verification_keys: tuple[Number, ...]
    sealing_keys: tuple[bytes, ...]

    @cached_property
    def digest(self) -> bytes:
        """The epoch's identity: 32 bytes."""
        return digest("quorate/epoch", encode(self))

    def joint_key(self) -> JointKey:
        """The key as the mathematics wants it."""
        state = self.state
        return JointKey(
            state.n,
            state.theta_prime % state.n,
            state.n_members,
            state.quorum,
            state.base,
            tuple(to_number(key) for key in self.verification_keys),
            state.share_bound,
        )

    @cached_property
    def state(self) -> KeyState:
        """What is public of the key, in the form in which it can be handed over."""
        theta = to_number(self.theta)
        return KeyState(
            to_number(self.n),
            to_number(self.verification_base),
            self.first_members,
            len(self.verification_keys),
            self.quorum,
            -theta if self.is_negative else theta,
            tuple(to_number(number) for number in self.commitments),
            to_number(self.point_bound),
        )


def epoch_of_state(
    federation: bytes, number: int, state: KeyState, sealing_keys: tuple[bytes, ...]
) -> Epoch:
    """The epoch of a key; its verification keys are computed."""
    return Epoch(
        federation,
        number,
        state.first_members,
        state.quorum,
        number_bytes(state.n),
        number_bytes(abs(state.theta_prime)),
        state.theta_prime < 0,
        tuple(map(number_bytes, state.commitments)),
        number_bytes(state.point_bound),
        number_bytes(state.base),
        tuple(map(number_bytes, state.joint_key.verification_keys)),
        sealing_keys,
    )


class EpochSecret(Message, frozen=True):
    """What a member keeps in its vault for an epoch."""

    epoch: bytes
    index: int
    negative: bool
    share: bytes
    sealing_seed: bytes

    def __repr__(self) -> str:
        return f"EpochSecret(index={self.index}, <secret>)"

    def secret_share(self) -> SecretShare:
        """The member's f_i."""
        value = to_number(self.share)
        return SecretShare(self.index, -value if self.negative else value)


def epoch_secret(epoch: Epoch, share: SecretShare, sealing_seed: bytes) -> EpochSecret:
    """The vault's content for a finished ceremony."""
    magnitude = number_bytes(abs(share.value))
    return EpochSecret(encode(epoch), share.index, share.value < 0, magnitude, sealing_seed)


def read_epoch(data: bytes, terms: Terms) -> Epoch:
    """An epoch of this federation; raises Malformed on anything out of range."""
    epoch = decode(data, Epoch, "epoch", MAX_EPOCH_BYTES)
    n = to_number(epoch.n)
    square = n * n
    units = [epoch.verification_base, *epoch.verification_keys]
    numbers = [epoch.n, epoch.theta, epoch.point_bound, *epoch.commitments, *units]
    checks = (
        ("federation", epoch.federation == terms.federation),
        ("quorum", epoch.quorum == terms.quorum),
        ("number", epoch.number >= 1),
        ("modulus", n.bit_length() == terms.key_bits and n % 4 == 1),
        ("keys", len(epoch.verification_keys) == len(epoch.sealing_keys) == terms.n_members),
        ("members", 2 <= epoch.first_members <= MAX_MEMBERS),
        ("commitments", len(epoch.commitments) == epoch.quorum),
        ("spelling", all(number_bytes(to_number(data)) == data for data in numbers)),
        ("theta", gmpy2.gcd(to_number(epoch.theta), n) == 1),
        ("bound", to_number(epoch.point_bound) > 0),
        ("units", _are_units(units, square) and _are_units(epoch.commitments, n)),
    )
    for what, holds in checks:
        if not holds:
            raise Malformed("epoch", f"its {what} does not fit the terms")
    for key in epoch.sealing_keys:
        check_public(key)
    return epoch


class HeldKey(NamedTuple):
    """A key with one member's secret part of it."""

    epoch: Epoch
    secret: EpochSecret


class HeldKeys(Protocol):
    """The keys that a member holds now; those that it has erased are not among them."""

    @property
    def current(self) -> HeldKey:
        """The key of the newest epoch."""

    @property
    def index(self) -> int:
        """The member's number."""

    def of(self, epoch: bytes) -> HeldKey | None:
        """The key of the epoch with this digest, None if the member holds none."""


def read_secret(data: bytes, terms: Terms, index: int) -> HeldKey:
    """A vault's content, checked. Raises Malformed.

    The share fits its own verification key, and the seed the member's sealing key.
    """
    secret = decode(data, EpochSecret, "key share", 2 * MAX_EPOCH_BYTES)
    epoch = read_epoch(secret.epoch, terms)
    key, share = epoch.joint_key(), secret.secret_share()
    # A longer one would take an exponentiation as long as it is.
    if abs(share.value) >= key.share_bound:
        raise Malformed("key share", "it is out of range")
    try:
        found = verification_key(key.verification_base, share, key.delta, key.n)
    except (KeyshareError, ZeroDivisionError, ValueError):
        raise Malformed("key share", "it is damaged") from None
    if secret.index != index or found != key.verification_keys[index - 1]:
        raise Malformed("key share", "it does not fit this member's verification key")
    if SealingKey(secret.sealing_seed).public != epoch.sealing_keys[index - 1]:
        raise Malformed("key share", "its sealing seed does not fit this member's sealing key")
    return HeldKey(epoch, secret)


def _are_units(numbers: Sequence[bytes], modulus: mpz) -> bool:
    values = map(to_number, numbers)
    return all(0 < value < modulus and gmpy2.gcd(value, modulus) == 1 for value in values)


def to_number(data: bytes) -> mpz:
    """The inverse of ``number_bytes``."""
    return mpz(int.from_bytes(data, "big"))
