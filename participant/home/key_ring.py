"""The keys that a hospital's tasks work with: one for each epoch of which it has a key share."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Self

from participant.errors import RetiredShare
from protocol.key import HeldKey


class KeyRing:
    """What the vault has, once it is read; the one place that keeps it in memory.

    Tasks outlive an epoch. So they keep the ring, ask it for a key when they need one, and keep no
    key: after ``renew`` nothing is left here of a share that has been erased. For any thread.
    """

    def __init__(self, read: Callable[[Sequence[HeldKey]], Sequence[HeldKey]]) -> None:
        """``read``: the keys of all epochs in the vault, at least one, ascending by number.

        It gets those that the ring has, and need not open them again.
        """
        self._read, self._reading = read, threading.Lock()
        self._keys: Sequence[HeldKey] = ()  # none before they are read

    def __repr__(self) -> str:
        return "<key ring>"

    def renew(self) -> None:
        """Have what the vault has now, and nothing else; raises what reading it raises.

        A ring that has nothing yet reads it once it is asked.
        """
        with self._reading:
            if self._keys:
                self._renew()

    def _renew(self) -> None:
        found: Sequence[HeldKey] = ()
        try:
            found = tuple(self._read(self._keys))
        finally:
            self._keys = found

    def read(self) -> Self:
        """The ring, with its keys read; raises what reading them raises, the first time."""
        _ = self._known
        return self

    @property
    def _known(self) -> Sequence[HeldKey]:
        if not (keys := self._keys):
            with self._reading:
                if not self._keys:
                    self._renew()
                keys = self._keys
        return keys

    @property
    def current(self) -> HeldKey:
        """The key of the newest epoch."""
        return self._known[-1]

    @property
    def index(self) -> int:
        """This member's number."""
        return self.current.secret.index

    def of(self, epoch: bytes) -> HeldKey | None:
        """The key of the epoch with this digest; None where this member has no share of it.

        So also where it has none any more, since it has left. Raises what reading the vault raises.
        """
        with contextlib.suppress(RetiredShare):
            return next((key for key in self._known if key.epoch.digest == epoch), None)
        return None
