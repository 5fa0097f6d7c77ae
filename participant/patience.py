"""How long a partial decryption is held back for the locks of contributors that are still missing.

Once a quorum has spoken, a lock's fingerprint counts no more, and every hospital has to read the
vector instead. So there is time for as long as that reading would take, by the hospital's own
clock. Nothing but time is at stake: whoever does not wait makes others read more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from participant.vector_reader import vector_bytes
from protocol.decryption import RoundMember
from protocol.fingerprints import claims_of

_BYTES_A_SECOND = 10e6
_LEAST_SECONDS = 1.0  # what is read sooner is not waited for


class Patience:
    """One round's: asked whenever a partial decryption is due."""

    def __init__(self, member: RoundMember, clock: Callable[[], float] = time.monotonic) -> None:
        self._member, self._clock = member, clock
        self._began: float | None = None

    @property
    def waits(self) -> bool:
        """Whether the partial decryption is to be held back."""
        member, view = self._member, self._member.view
        quorum = member.epoch.quorum
        missing = claims_of(view, member.terms.federation, quorum).missing
        is_over = len(view.partials) >= quorum
        if is_over or all(m in view.lock_posts or m in view.refusals for m in missing):
            return False
        if self._began is None:
            self._began = self._clock()
        seconds = vector_bytes(view, member.terms) / _BYTES_A_SECOND
        return seconds >= _LEAST_SECONDS and self._clock() < self._began + seconds
