"""How a connection begins: both sides show who they are, and share keys that nobody else has.

It happens above TLS, which may end at a proxy. A signed Diffie-Hellman exchange [SIGMA, Krawczyk
2003], with X25519 [RFC 7748] and HKDF-SHA256 [RFC 5869]:

1. The aggregator sends a challenge: a nonce and a fresh key, signed.
2. The member answers with a fresh key of its own, and its introduction, sealed for the aggregator:
   federation, number, process, purpose, and the card that it dialled. Its signature is over all of
   that and over the challenge. A guest of a handover speaks likewise, with its number there.
3. The aggregator signs the whole transcript, in the first frame of the channel.

So whoever sits in between sees two fresh keys, a nonce and a signature over them, and no more. What
one side signed fits no other connection, federation, card or address.

A stranger costs the aggregator one signature and one key, after TLS has cost it more. Nothing is
opened, and no signature checked, before a whole hello is here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol.encoding import decode, digest, encode
from protocol.errors import BadSignature, Malformed
from protocol.signing import sign, verify
from protocol.terms import AGGREGATOR, AddressCard, Terms
from protocol.wire.channel import SealedChannel
from protocol.wire.frames import (
    MAX_HELLO_BYTES,
    MAX_INTRODUCTION_BYTES,
    Challenge,
    Confirmation,
    Hello,
    Introduction,
    Rejected,
    decode_challenge,
)

_CHALLENGE, _INTRODUCTION = "quorate/challenge", "quorate/introduction"
_CONFIRMATION, _TRANSCRIPT = "quorate/confirmation", "quorate/handshake"
_ONCE = bytes(12)  # the nonce of a key that seals one text


@dataclass(frozen=True)
class Introduced:
    """A member that has shown who it is, and the channel to it.

    key: with which it has signed. A guest's number may be another one's in the next handover.
    """

    member: int
    key: bytes
    instance: bytes
    purpose: Literal["member", "status"]
    card: int
    channel: SealedChannel
    transcript: bytes


@dataclass(frozen=True)
class TurnedAway:
    """Somebody who is not let in, and the channel on which it is told why."""

    answer: Rejected
    channel: SealedChannel


class AggregatorHandshake:
    """The aggregator's side of one connection. Sans-I/O.

    knows: whether a card of this number, with this URL, was ever signed.
    guest_key: the signing key of whoever has this number, beside the members, when it is asked for;
    None of nobody.
    """

    def __init__(
        self,
        terms: Terms,
        key: Ed25519PrivateKey,
        nonce: bytes,
        knows: Callable[[int, str], bool],
        guest_key: Callable[[int], bytes | None] = lambda number: None,
    ) -> None:
        self._terms, self._knows, self._guest_key = terms, knows, guest_key
        self._key, self._own = key, X25519PrivateKey.generate()
        public = self._own.public_key().public_bytes_raw()
        self.challenge = Challenge(nonce, public, sign(key, _CHALLENGE, nonce, public))

    def take(self, data: bytes) -> Introduced | TurnedAway:
        """Judge the member's answer, once; raises Malformed for what is no such answer."""
        hello = decode(data, Hello, "hello", MAX_HELLO_BYTES)
        keys = _Keys(self.challenge, hello.key, self._own, hello.key)
        opened = keys.opened(hello.sealed)
        said = decode(opened, Introduction, "introduction", MAX_INTRODUCTION_BYTES)
        members_key, own_key = keys.of_channel(hello.sealed)
        channel, transcript = SealedChannel(own_key, members_key), keys.transcript(hello.sealed)
        key = self._key_of(said.member)
        if refusal := self._refusal(said, keys, key):
            return TurnedAway(refusal, channel)
        assert key is not None  # or it would have been refused
        return Introduced(
            said.member, key, said.instance, said.purpose, said.card, channel, transcript
        )

    def confirmation(self, member: Introduced) -> Confirmation:
        """The first frame of the channel."""
        return Confirmation(sign(self._key, _CONFIRMATION, member.transcript))

    def _key_of(self, member: int) -> bytes | None:
        """The signing key of a member or guest, None of nobody."""
        if member > self._terms.n_members:
            return self._guest_key(member)
        return self._terms.key_of(member) if member else None  # the aggregator calls nobody

    def _refusal(self, said: Introduction, keys: "_Keys", key: bytes | None) -> Rejected | None:
        if said.federation != self._terms.federation:
            return Rejected("other-federation", "this aggregator serves another federation")
        if key is None:
            reason = (
                f"there is no member number {said.member} in this federation, and no handover "
                "under way names one"
            )
            return Rejected("unknown-identity", reason)
        try:
            verify(key, said.signature, said.member, _INTRODUCTION, *_signed(said, keys))
        except BadSignature:
            # By its number: whoever is not let in yet learns no name.
            is_guest = said.member > self._terms.n_members
            where = "the handover under way has" if is_guest else "the terms have"
            reason = f"not signed with the key that {where} for member {said.member}"
            return Rejected("bad-signature", reason)
        if not self._knows(said.card, said.url):
            reason = f"no card {said.card} of this aggregator has the address that was dialled"
            return Rejected("wrong-address", reason)
        return None


class MemberHandshake:
    """A member's side of one connection, to where a card says. Sans-I/O.

    terms: of the federation whose board it is. member: the number of ``key`` there: a guest's is
    that of the handover under way.
    """

    def __init__(
        self,
        terms: Terms,
        card: AddressCard,
        member: int,
        instance: bytes,
        purpose: Literal["member", "status"],
        key: Ed25519PrivateKey,
    ) -> None:
        self._terms, self._key, self._own = terms, key, X25519PrivateKey.generate()
        self._said = Introduction(
            terms.federation, member, instance, purpose, card.number, card.url, bytes(64)
        )
        self._transcript = b""

    def answer(self, data: bytes) -> tuple[Hello, SealedChannel]:
        """What to answer to the aggregator's first frame, and the channel that follows.

        Raises Malformed, and BadSignature if it is not the aggregator of the terms that speaks.
        """
        challenge = decode_challenge(data)
        verify(
            self._terms.aggregator_key, challenge.signature, AGGREGATOR,
            _CHALLENGE, challenge.nonce, challenge.key,
        )  # fmt: skip
        public = self._own.public_key().public_bytes_raw()
        keys = _Keys(challenge, public, self._own, challenge.key)
        signature = sign(self._key, _INTRODUCTION, *_signed(self._said, keys))
        said = Introduction(*_fields(self._said), signature)
        sealed = keys.sealed(encode(said))
        self._transcript = keys.transcript(sealed)
        return Hello(public, sealed), SealedChannel(*keys.of_channel(sealed))

    def check(self, said: Confirmation) -> None:
        """Raises BadSignature unless it is the aggregator's, of this very connection."""
        key = self._terms.aggregator_key
        verify(key, said.signature, AGGREGATOR, _CONFIRMATION, self._transcript)


class _Keys:
    """What both sides derive from the exchange."""

    def __init__(
        self, challenge: Challenge, member_key: bytes, own: X25519PrivateKey, other: bytes
    ) -> None:
        """Raises Malformed where the other side's key is a point of small order."""
        self.so_far = digest(
            _TRANSCRIPT, challenge.nonce, challenge.key, challenge.signature, member_key
        )
        try:
            self._secret = own.exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError:
            raise Malformed("key", "it is no key that can be shared with") from None

    def sealed(self, introduction: bytes) -> bytes:
        """The introduction, for the aggregator alone."""
        return self._once().encrypt(_ONCE, introduction, None)

    def opened(self, sealed: bytes) -> bytes:
        """The introduction; raises Malformed if it was not sealed under this exchange."""
        try:
            return self._once().decrypt(_ONCE, sealed, None)
        except InvalidTag:
            raise Malformed("introduction", "it does not open") from None

    def transcript(self, sealed: bytes) -> bytes:
        """The digest of all that was sent."""
        return digest(_TRANSCRIPT, self.so_far, sealed)

    def of_channel(self, sealed: bytes) -> tuple[bytes, bytes]:
        """The key of the member's frames, and that of the aggregator's."""
        both = self._derive(self.transcript(sealed), b"quorate/channel", 64)
        return both[:32], both[32:]

    def _once(self) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(self._derive(self.so_far, b"quorate/introduction", 32))

    def _derive(self, salt: bytes, info: bytes, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, salt, info).derive(self._secret)


def _signed(said: Introduction, keys: _Keys) -> tuple[bytes, ...]:
    """What a member signs: the exchange so far, and all that it says of itself."""
    return keys.so_far, encode(_fields(said))


def _fields(said: Introduction) -> tuple[bytes, int, bytes, Literal["member", "status"], int, str]:
    return said.federation, said.member, said.instance, said.purpose, said.card, said.url
