"""Which set this hospital has chosen to help with in each round: one, and it is durable first."""

from __future__ import annotations

import hmac

from participant.outbox import Storage


class SetLedger:
    """The ledger that a restart, or an aggregator with a second closing, cannot get around."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def choose(self, session: str, chosen: bytes) -> bool:
        """Record a set unless another one is recorded; whether ``chosen`` is the recorded one."""
        name = f"chosen/{session.replace('/', '-')}"
        recorded = self._storage.read(name)
        if recorded is None:
            self._storage.write(name, chosen)
            return True
        return hmac.compare_digest(recorded, chosen)
