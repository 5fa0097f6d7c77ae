"""Whether key shares are whole: one by itself, or those of a quorum in a joint test decryption.

Nobody chooses what is decrypted. Plaintext and ciphertext are hashed from the epoch, the session
and the post that asked for the check, which holds a nonce of its sender; a member makes a part of
that ciphertext alone. So a check can open no contribution and no sum: to have one decrypted, its
ciphertext would have to come out of the hash. The plaintext is public, and the parts are in the
clear, with a proof each that they were made with the share of the member's verification key.

Sources are those of ``keyshare.key.partial_decryption`` and ``keyshare.proofs.proved_parts``.
"""

from collections.abc import Mapping
from typing import Annotated

from gmpy2 import mpz
from msgspec import Meta

from keyshare.errors import KeyshareError
from keyshare.key import combine, sliding_quorums, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from keyshare.proofs import MemberParts, parts_hold, prove_parts
from keyshare.randomness import Stream
from protocol.board import Draft, Posted, public_payload
from protocol.encoding import (
    Message,
    decode,
    digest,
    encode,
    pack_numbers,
    unpack_numbers,
    width_of,
)
from protocol.errors import Malformed
from protocol.key import Epoch, EpochSecret, Proof, proof_context, read_proof, write_proof
from protocol.messages import CheckPart, CheckRequest

NONCE_BYTES = 32
_MAX_PART_BYTES = 64 << 10


class ProvenPart(Message, frozen=True):
    """Payload of a CheckPart: a number below N², in as many bytes as N² has, and its proof."""

    part: Annotated[bytes, Meta(max_length=1_024)]
    proof: Proof


class KeyCheck:
    """One member's side of a joint test decryption: a pure function of the board and its share.

    index: its number. nonce: 32 fresh bytes, said if this member is the one who asks. stream:
    fresh, for its proof.
    """

    def __init__(
        self, session: str, epoch: Epoch, index: int, nonce: bytes, stream: Stream
    ) -> None:
        self.session, self.epoch, self.index = session, epoch, index
        self.request: Posted | None = None
        self.good: dict[int, mpz] = {}  # parts by member, their proofs checked
        self.wrong: dict[int, str] = {}  # why a member's part is none
        self._nonce, self._stream = nonce, stream
        self._trial: _Trial | None = None  # what is decrypted, once somebody has asked

    @property
    def heard(self) -> list[int]:
        """The members whose part is on the board."""
        return sorted({*self.good, *self.wrong})

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take an entry of the session; the first request under this epoch opens the check."""
        body, sender = posted.post.body, posted.post.sender
        if isinstance(body, CheckRequest):
            if self.request is None and body.epoch == self.epoch.digest:
                self.request = posted
                self._trial = _Trial(self.epoch, self.session, posted.digest)
        elif self._trial and self.needs(posted):  # not of those who hold another epoch
            try:
                self.good[sender] = self._trial.checked(sender, payloads.get(0, b""))
            except Malformed as error:
                self.wrong[sender] = error.reason

    def needs(self, posted: Posted) -> bool:
        """Whether an entry, received next, is the first part of its sender that answers."""
        body, asked = posted.post.body, self.request
        answers = isinstance(body, CheckPart) and asked is not None and body.request == asked.digest
        return answers and posted.post.sender not in self.heard

    def due(self, secret: EpochSecret) -> Draft | None:
        """The request, if nobody has asked; then this member's part. secret: of this epoch."""
        if self.request is None or self._trial is None:
            return Draft(self.session, CheckRequest(self.epoch.digest, self._nonce))
        if self.index in self.heard:
            return None
        payload = self._trial.part(secret, self._stream)
        (attachment,), blobs = public_payload(payload)
        return Draft(self.session, CheckPart(self.request.digest, attachment), tuple(blobs))

    @property
    def decrypts(self) -> bool:
        """Whether there are good parts of a quorum, and all of them give the test value."""
        return self._trial is not None and self._trial.opens(self.good)


def is_whole(epoch: Epoch, secret: EpochSecret, nonce: bytes, stream: Stream) -> bool:
    """Whether a share makes a part of a fresh test value that its verification key confirms.

    nonce: 32 fresh bytes; nothing is said to anyone.
    """
    trial = _Trial(epoch, "", nonce)
    try:
        trial.checked(secret.index, trial.part(secret, stream))
    except (Malformed, ValueError):
        return False
    return True


class _Trial:
    """The test value of one check; ``source``: 32 bytes that nobody could know before it."""

    def __init__(self, epoch: Epoch, session: str, source: bytes) -> None:
        self._key = epoch.joint_key()
        self._context = digest("quorate/key check", epoch.digest, session.encode(), source)
        self._plaintext, self._ciphertext = trial_ciphertext(self._key.n, self._context)

    def part(self, secret: EpochSecret, stream: Stream) -> bytes:
        """A member's proven part of this value; there is no way to give another ciphertext."""
        share, key = secret.secret_share(), self._key
        part = partial_decryption(self._ciphertext, share, key)
        proof = prove_parts(self._said(share.index, part), share, stream)
        return encode(ProvenPart(pack_numbers([part], width_of(key.n**2)), write_proof(proof)))

    def checked(self, member: int, payload: bytes) -> mpz:
        """The part in a payload; raises Malformed unless the member's share made it."""
        square = self._key.n**2
        said = decode(payload, ProvenPart, "part", _MAX_PART_BYTES)
        (part,) = unpack_numbers(said.part, width_of(square), 1, square, "part")
        proof = read_proof(said.proof)
        if proof is None or not parts_hold(proof, self._said(member, part)):
            raise Malformed("part", "it was not made with the key share that the ceremony gave")
        return part

    def _said(self, member: int, part: mpz) -> MemberParts:
        context = proof_context(self._context, "part", member)
        return MemberParts((part,), (self._ciphertext,), member, self._key, context)

    def opens(self, parts: Mapping[int, mpz]) -> bool:
        """Whether every quorum of neighbours gives the plaintext; False without a quorum."""
        quorums = sliding_quorums(sorted(parts), self._key.quorum)
        try:
            found = {combine({m: parts[m] for m in quorum}, self._key) for quorum in quorums}
        except (KeyshareError, ZeroDivisionError):
            return False
        return found == {self._plaintext}
