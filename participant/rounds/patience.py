"""How long a partial decryption is held back for the locks of contributors that are still missing.

Once a quorum has spoken, a lock's checksum counts no more, and every hospital has to read the
vector instead. So there is time for as long as that reading would take, by the hospital's own
clock. Nothing but time is at stake: whoever does not wait makes others read more.
"""

import time
from collections.abc import Callable

from participant.rounds.vector_reader import vector_bytes
from protocol.rounds import RoundMember, claims_of

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
        quorum, view = self._member.epoch.quorum, self._member.view
        if len(view.partials) >= quorum or not self.missing:
            return False
        if self._began is None:
            self._began = self._clock()
        seconds = self.seconds
        return seconds >= _LEAST_SECONDS and self._clock() < self._began + seconds

    @property
    def seconds(self) -> float:
        """How long it waits in all."""
        return vector_bytes(self._member.view, self._member.study) / _BYTES_A_SECOND

    @property
    def missing(self) -> tuple[int, ...]:
        """The contributors whose locks are waited for."""
        view, member = self._member.view, self._member
        claims = claims_of(view, member.terms.federation, member.epoch.quorum)
        said = (*view.lock_posts, *view.refusals)
        return tuple(sorted(m for m in claims.missing if m not in said))
