"""When a round is held back, and for whom: enough have contributed, and no sum may be opened.

After a void round the model stays. A sum over almost the same hospitals would then show, by
difference, what few of them added, so that no hospital helps with it (``protocol.history``). The
round waits for those who are missing, for as long as it takes. The other way out is another model.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from protocol.history import OpenedSets
from protocol.round import RoundView
from protocol.terms import Terms


class HeldBack:
    """Looks at the open round again and again; by the hospital's own clock.

    waiting_for: who must contribute before any sum of a round that is held back may be opened;
    empty where nobody's contribution would help.
    """

    def __init__(
        self, terms: Terms, history: OpenedSets, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terms, self._history, self._clock = terms, history, clock
        self._session, self._since = "", 0.0
        self.is_held = False
        self.waiting_for: tuple[int, ...] = ()

    def look(self, view: RoundView) -> bool:
        """Whether a round is found to be held back, or to wait for others than was found before.

        Others are waited for first, as long as the terms say. Who has contributed what cannot be
        added, a hospital does not know: where the board has enough contributions and the round is
        still open after twice that time, it is held back all the same.
        """
        if view.session != self._session:
            self._session, self._since = view.session, self._clock()
            self.is_held, self.waiting_for = False, ()
        before = self.is_held, self.waiting_for
        self.is_held, self.waiting_for = self._found(view)
        return self.is_held and before != (True, self.waiting_for)

    def _found(self, view: RoundView) -> tuple[bool, tuple[int, ...]]:
        given, least = frozenset(view.contributions), self._terms.least_contributors
        waited, wait = self._clock() - self._since, self._terms.rounds.seconds
        if view.closing or waited < wait or len(given) < least or not self._history.binds(view):
            return False, ()
        if len(self._history.closable(view, given)) >= least:
            return waited >= 2 * wait, ()
        return True, tuple(sorted(self._history.awaited(view, given)))
