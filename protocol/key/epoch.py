"""What a ceremony leaves behind: the public epoch, and each member's secret part of it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Annotated, NamedTuple

import gmpy2
from gmpy2 import mpz
from msgspec import Meta

from keyshare.digest import number_bytes
from keyshare.errors import KeyshareError
from keyshare.key import JointKey, SecretShare, key_shape, verification_key
from protocol.board import Abort, Certificate, Certification, Posted, of_kind
from protocol.encoding import Message, decode, digest, encode
from protocol.errors import Malformed
from protocol.sealing import check_public
from protocol.terms import Terms

MAX_EPOCH_BYTES = 128 << 10

Number = Annotated[bytes, Meta(max_length=1_024)]


class Epoch(Message, frozen=True, dict=True):
    """The public result of ceremony ``number``; its digest is bound into every round.

    Numbers are big-endian bytes without leading zeros; lists are in roster order.
    """

    federation: bytes
    number: int
    quorum: int
    n: Number
    theta: Number
    verification_base: Number
    verification_keys: tuple[Number, ...]
    sealing_keys: tuple[bytes, ...]

    @cached_property
    def digest(self) -> bytes:
        """The epoch's identity: 32 bytes."""
        return digest("quorate/epoch", encode(self))

    def joint_key(self) -> JointKey:
        """The key as the mathematics wants it."""
        return JointKey(
            to_number(self.n),
            to_number(self.theta),
            len(self.verification_keys),
            self.quorum,
            to_number(self.verification_base),
            tuple(to_number(key) for key in self.verification_keys),
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
    numbers = [epoch.theta, epoch.verification_base, *epoch.verification_keys]
    checks = (
        ("federation", epoch.federation == terms.federation),
        ("quorum", epoch.quorum == terms.quorum),
        ("number", epoch.number >= 1),
        ("modulus", n.bit_length() == terms.key_bits and n % 4 == 1),
        ("keys", len(epoch.verification_keys) == len(epoch.sealing_keys) == terms.n_members),
        ("theta", 0 < to_number(epoch.theta) < n),
        ("spelling", all(number_bytes(to_number(data)) == data for data in [epoch.n, *numbers])),
        ("units", all(0 < (v := to_number(d)) < square and gmpy2.gcd(v, n) == 1 for d in numbers)),
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


def read_secret(data: bytes, terms: Terms, index: int) -> HeldKey:
    """A vault's content, checked: the share fits its own verification key. Raises Malformed."""
    secret = decode(data, EpochSecret, "key share", 2 * MAX_EPOCH_BYTES)
    epoch = read_epoch(secret.epoch, terms)
    key, share = epoch.joint_key(), secret.secret_share()
    # A longer one would take an exponentiation as long as it is.
    if abs(share.value) >= key_shape(key.n, key.n_members, key.quorum).share_bound:
        raise Malformed("key share", "it is out of range")
    try:
        found = verification_key(key.verification_base, share, key.delta, key.n)
    except (KeyshareError, ZeroDivisionError, ValueError):
        raise Malformed("key share", "it is damaged") from None
    if secret.index != index or found != key.verification_keys[index - 1]:
        raise Malformed("key share", "it does not fit this member's verification key")
    return HeldKey(epoch, secret)


def epoch_of(entries: Sequence[Posted], terms: Terms) -> Epoch | None:
    """The newest epoch that all members certified alike, None if there is none yet.

    What is certified after an abort does not count. Raises Malformed as ``read_epoch`` does.
    """
    newest: Epoch | None = None
    for posted in certified_by_all(entries, terms):
        newest = read_epoch(posted.post.body.epoch, terms)
    return newest


def certified_by_all(entries: Sequence[Posted], terms: Terms) -> Iterator[Posted[Certificate]]:
    """The certificates with which all members have certified alike, before any abort."""
    sessions = defaultdict[str, Certification](lambda: Certification(terms.n_members))
    for posted in entries:
        post = posted.post
        if not isinstance(post.body, Abort | Certificate):
            continue
        found = sessions[post.session]
        if found.take(post.sender, post.body) and found.is_complete:
            yield from of_kind([posted], Certificate)


def to_number(data: bytes) -> mpz:
    """The inverse of ``number_bytes``."""
    return mpz(int.from_bytes(data, "big"))
