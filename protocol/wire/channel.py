"""The sealed channel: every frame after the hello is encrypted, in order, once.

Each direction has a key of its own and counts its frames. A frame opens under the next number of
its direction alone: one that was changed, repeated, left out, cut short, sent back or sent out of
turn opens as nothing, and the channel is over. ChaCha20-Poly1305 [RFC 8439]; the number is the
nonce, so that none is used twice under one key.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from protocol.errors import BrokenChannel
from protocol.wire.frames import MAX_FRAME_BYTES

TAG_BYTES = 16
MAX_SEALED_BYTES = MAX_FRAME_BYTES + TAG_BYTES
_NONCE_BYTES = 12
_MAX_FRAMES = 1 << 48  # in one direction; no connection lasts so long


class SealedChannel:
    """One side's end; the other side has the keys the other way round. Sans-I/O."""

    def __init__(self, own_key: bytes, other_key: bytes) -> None:
        """own_key seals what is sent, other_key opens what comes; 32 bytes each."""
        self._sealing, self._opening = ChaCha20Poly1305(own_key), ChaCha20Poly1305(other_key)
        self._sent = self._received = 0
        self._is_broken = False

    def __repr__(self) -> str:
        return f"SealedChannel(sent={self._sent}, received={self._received}, keys=<secret>)"

    def seal(self, frame: bytes) -> bytes:
        """The next frame, to be sent in this order; raises BrokenChannel once that has happened."""
        if self._is_broken or self._sent >= _MAX_FRAMES:
            raise BrokenChannel(self._sent)
        sealed = self._sealing.encrypt(_nonce(self._sent), frame, None)
        self._sent += 1
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """The frame that came next; raises BrokenChannel unless it is the one that was sent next.

        Nothing is sealed or opened any more after that.
        """
        number = self._received
        try:
            if self._is_broken or number >= _MAX_FRAMES or len(sealed) > MAX_SEALED_BYTES:
                raise InvalidTag
            frame = self._opening.decrypt(_nonce(number), sealed, None)
        except InvalidTag:
            self._is_broken = True
            raise BrokenChannel(number) from None
        self._received += 1
        return frame


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "little")
