"""Partial decryptions as they travel: proved, encrypted once, under a key that can be shown.

    payload     AES-256-GCM, key H(place, k), of (c_{i,1}, …, c_{i,m}, proof), for all
    commitment  H(place, k), in the post;  place = federation, session, sender i, chosen set
    k           32 bytes, made for this post alone, sealed to each reader of the study

The proof is that of ``keyshare.proofs.proved_parts``.

Since the commitment fixes k, the payload opens in one way for all: whoever finds the parts wrong
shows k, and everyone sees the same. Nobody who lacks k, the aggregator for one, sees the parts.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from gmpy2 import mpz

from keyshare.key import JointKey
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import MemberParts, parts_hold, prove_parts
from keyshare.randomness import Stream, derive_key
from protocol.board import Envelope, public_payload
from protocol.encoding import (
    Message,
    decode,
    digest,
    encode,
    pack_numbers,
    unpack_numbers,
    width_of,
)
from protocol.errors import BadSeal, Malformed
from protocol.key import Epoch, EpochSecret, Proof, read_proof, write_proof
from protocol.messages import MAX_BLOB_BYTES, Partial, blob_name
from protocol.rounds.ciphertexts import Encrypted
from protocol.sealing import SealContext, SealingKey

KEY_BYTES = 32
_NONCE = bytes(12)  # a content key encrypts one payload


class Parts(Message, frozen=True):
    """What a payload is the encryption of: numbers below N², as many as the sum has, and proof."""

    numbers: bytes
    proof: Proof


@dataclass(frozen=True)
class LockedSum:
    """The sum that a round's members have locked, as partial decryptions of it are checked."""

    epoch: Epoch
    session: str
    chosen: bytes
    ciphertexts: tuple[mpz, ...]
    key: JointKey
    readers: tuple[int, ...] = ()
    # Of members' parts that were checked, under the keys that they committed to: others may speak
    # of the same parts as often as they like.
    _checked: dict[bytes, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        epoch: Epoch,
        session: str,
        chosen: bytes,
        total: Encrypted,
        readers: tuple[int, ...] = (),
    ) -> LockedSum:
        """``total``: the recomputed sum of the set whose name is ``chosen``.

        readers: whom a member's own parts are sealed to; nobody where others' are judged.
        """
        return cls(epoch, session, chosen, total.values, epoch.joint_key(), readers)

    def commitment(self, member: int, content_key: bytes) -> bytes:
        """What a post says of the key of its payload; it hides the key and fixes it."""
        return self._bound("quorate/partial key", member, content_key)

    def fits(self, said: Partial, member: int, content_key: bytes) -> bool:
        """Whether a key is the one that the member's post commits to."""
        if len(content_key) != KEY_BYTES:
            return False
        return hmac.compare_digest(said.commitment, self.commitment(member, content_key))

    def make(self, secret: EpochSecret) -> tuple[Partial, tuple[bytes, ...]]:
        """A member's partial decryptions, proved, encrypted and sealed: body and blobs.

        Each call takes a new content key. Fresh bytes are hashed with the member's secret, so that
        a broken source of randomness alone gives nobody the key.
        """
        member, share = secret.index, secret.secret_share()
        fresh = derive_key(secret.sealing_seed, "partial", secrets.token_bytes(32))
        parts = [partial_decryption(c, share, self.key) for c in self.ciphertexts]
        content_key = derive_key(fresh, "content key", self.session, self.chosen)
        payload = self.encrypt(self.proved(parts, secret, fresh), member, content_key)
        (public,), blobs = public_payload(payload)
        keys = {reader: self.epoch.sealing_keys[reader - 1] for reader in self.readers}
        envelope = Envelope(self.epoch.federation, self.session, member, keys)
        sealed, more = envelope.seal_all(dict.fromkeys(keys, content_key), "partial")
        body = Partial(self.chosen, self.commitment(member, content_key), (public, *sealed))
        return body, (*blobs, *more)

    def proved(self, parts: list[mpz], secret: EpochSecret, fresh: bytes) -> Parts:
        """The parts with the proof that they are those of the member's share."""
        share, stream = secret.secret_share(), Stream.derive(fresh, "partial proof")
        proof = prove_parts(self._said(share.index, parts), share, stream)
        return Parts(pack_numbers(parts, width_of(self.key.n**2)), write_proof(proof))

    def encrypt(self, parts: Parts, member: int, content_key: bytes) -> bytes:
        """The payload for all."""
        return self._cipher(member, content_key).encrypt(_NONCE, encode(parts), None)

    def unseal(self, said: Partial, member: int, sealed: bytes, key: SealingKey, me: int) -> bytes:
        """The content key that was sealed to a member; empty if it isn't the committed one."""
        context = SealContext(self.epoch.federation, self.session, "partial", member, me)
        try:
            content_key = key.unseal(sealed, context)
        except BadSeal:
            return b""
        return content_key if self.fits(said, member, content_key) else b""

    def holds(self, content_key: bytes, payload: bytes, member: int) -> bool:
        """Whether ``open_with`` gives a member's parts; they are checked only once."""
        name = self._name(content_key, payload, member)
        if name not in self._checked:
            with contextlib.suppress(Malformed):
                self.open_with(content_key, payload, member)
        return self._checked[name]

    def open_with(self, content_key: bytes, payload: bytes, member: int) -> list[mpz]:
        """A member's partial decryptions, verified. The key must fit its commitment.

        Raises Malformed if the payload does not open, does not read or is not proved: then the
        member is to blame, and the key is the evidence.
        """
        name = self._name(content_key, payload, member)
        try:
            parts = self._open(content_key, payload, member)
        except Malformed:
            self._checked[name] = False
            raise
        self._checked[name] = True
        return parts

    def _open(self, content_key: bytes, payload: bytes, member: int) -> list[mpz]:
        square = self.key.n**2
        try:
            data = self._cipher(member, content_key).decrypt(_NONCE, payload, None)
        except InvalidTag:
            raise Malformed("partial", "it does not open under the key it commits to") from None
        found = decode(data, Parts, "partial", MAX_BLOB_BYTES)
        count = len(self.ciphertexts)
        parts = unpack_numbers(found.numbers, width_of(square), count, square, "partial")
        proof = read_proof(found.proof)
        if proof is None or not parts_hold(proof, self._said(member, parts)):
            raise Malformed("partial", "its proof does not hold")
        return parts

    def _name(self, content_key: bytes, payload: bytes, member: int) -> bytes:
        return self._bound("quorate/checked partial", member, content_key) + blob_name(payload)

    def _said(self, member: int, parts: list[mpz]) -> MemberParts:
        place = (self.epoch.digest, self.session.encode(), self.chosen, member.to_bytes(8, "big"))
        context = digest("quorate/partial proof", *place)
        return MemberParts(tuple(parts), self.ciphertexts, member, self.key, context)

    def _cipher(self, member: int, content_key: bytes) -> AESGCM:
        return AESGCM(self._bound("quorate/partial cipher", member, content_key))

    def _bound(self, domain: str, member: int, content_key: bytes) -> bytes:
        """A hash of the content key that holds for this federation, round, set and sender only."""
        place = (self.epoch.federation, self.session.encode(), self.chosen)
        return digest(domain, *place, member.to_bytes(8, "big"), content_key)
