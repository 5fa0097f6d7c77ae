"""Samples of models that a hospital has let go of, sealed, and how often each may nearly be wrong.

Whoever proposes a study chooses the model that it starts from, and reads on the board what
hospitals call near. The places of a sample are secret. But each answer that could have been another
with other places tells a bit about them: a *close* answer. With enough of those a model could be
made that is near at most weights, and far at these places. So a sample gives ``MOST_CLOSE`` close
answers, and from then on all is near to its model.

Why that is enough: with p = 2^-BITS (participant/model/sample.py), let no estimate be off by more
than its margin u, and half be what the estimate is compared with. A model with X > half near
weights is called near then, and one with X <= half - 2u far. What lies between is within 2u of the
threshold half - u, and so it is counted. Of Q models that are asked about, one after the other, the
answers are therefore one of at most (Q + 1)·2^MOST_CLOSE rows: the sample is used up before one of
the Q, or never, and each close answer is a bit. Who asks sees the answers alone, so it asks one of
Q·(Q + 1)·2^MOST_CLOSE models, which do not depend on the places. One of them has an estimate that
is off by more with a probability below 2p·Q·(Q + 1)·2^MOST_CLOSE. For Q = 2^16 and a million
samples that is 2^-43 [after the counting of Dwork and others, STOC 2015, for few answers].
"""

import secrets
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyshare.randomness import derive_key
from participant.disk import Storage
from participant.model import Model, Sample
from participant.study import Kept
from protocol.encoding import decode, encode
from protocol.errors import Malformed

MOST_CLOSE = 32  # answers of one sample
_MAX_BYTES = 256 << 20
_NONCE_BYTES, _HASH_BYTES = 12, 16
_CLOSE = "close-answers/"


class SampledModels:
    """One hospital's samples, and its close answers."""

    def __init__(self, secret: bytes, storage: Storage) -> None:
        """secret: 32 bytes that follow from the identity, for this alone."""
        self.storage = storage
        self._seal_key = derive_key(secret, "samples of models at rest")
        self._hash_key = derive_key(secret, "hash of a close answer")

    def __repr__(self) -> str:
        return "<samples of models>"

    def keep(self, study: str, number: int, sample: Sample) -> None:
        """Keep the sample of the model after a study's round, durably and sealed."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._seal_key).encrypt(nonce, encode(sample), _about(study, number))
        self.storage.write(_name(study, number), nonce + sealed)

    def kept(self, study: str, number: int) -> Sample | None:
        """The sample of the model after a study's round; None if none is here that opens."""
        return self._opened(self.storage.read(_name(study, number)), study, number)

    def of(self, kept: Kept, digest: bytes) -> Sample | None:
        """The sample of the model, with that digest, from which a contribution was made.

        None if there is none that opens, or it is of another model.
        """
        number = kept.number - 1
        found = self._opened(kept.read(_name(kept.study, number)), kept.study, number)
        return found if found is not None and found.model == digest else None

    def is_near(self, sample: Sample, start: Model, bound: float) -> bool:
        """Whether a model is near to the one that a sample is of.

        What cannot be told is near, and so is all once the sample has given too many close answers.
        """
        said = self.storage.read(_close_name(sample.model)) or b""
        if len(said) >= MOST_CLOSE * _HASH_BYTES or len(said) % _HASH_BYTES:
            return True
        try:
            found = sample.nearness(start, bound)
        except Malformed:
            return True
        if found.is_close:
            self._note(sample.model, said, encode((start.digest, bound)))
        return found.is_near

    def carry_over(self, new: Storage) -> None:
        """Have the close answers count in the storage of the federation that comes after, too.

        Durably; again with that outcome, whatever was added there meanwhile.
        """
        for name in self.storage.names(_CLOSE):
            said = self.storage.read(name) or b""
            if not (new.read(name) or b"").startswith(said):
                new.write(name, said)

    def _note(self, digest: bytes, said: bytes, asked: bytes) -> None:
        """Count a close answer, durably, before it is said; the same one again is not another."""
        one = blake2b(asked, digest_size=_HASH_BYTES, key=self._hash_key).digest()
        known = {said[k : k + _HASH_BYTES] for k in range(0, len(said), _HASH_BYTES)}
        if one not in known:
            self.storage.write(_close_name(digest), said + one)

    def _opened(self, found: bytes | None, study: str, number: int) -> Sample | None:
        found = found or b""
        nonce, sealed = found[:_NONCE_BYTES], found[_NONCE_BYTES:]
        try:
            data = AESGCM(self._seal_key).decrypt(nonce, sealed, _about(study, number))
            return decode(data, Sample, "sample", _MAX_BYTES)
        except (InvalidTag, ValueError, Malformed):
            return None


def _about(study: str, number: int) -> bytes:
    return encode((study, number))


def _close_name(digest: bytes) -> str:
    return f"{_CLOSE}{digest.hex()}"


def _name(study: str, number: int) -> str:
    return f"studies/{study}/sample-{number}"
