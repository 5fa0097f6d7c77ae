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
    """Looks at the open round again and again; by the hospital's own clock."""

    def __init__(
        self, terms: Terms, history: OpenedSets, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terms, self._history, self._clock = terms, history, clock
        self._session, self._since = "", 0.0
        self.waiting_for: tuple[int, ...] = ()  # members; empty where nothing is held back

    def look(self, view: RoundView) -> bool:
        """Whether a round is found to be held back, or to wait for others than was found before.

        ``waiting_for`` then has them. Others are waited for first, as long as the terms say.
        """
        if view.session != self._session:
            self._session, self._since, self.waiting_for = view.session, self._clock(), ()
        before, self.waiting_for = self.waiting_for, self._awaited(view)
        return bool(self.waiting_for) and self.waiting_for != before

    def _awaited(self, view: RoundView) -> tuple[int, ...]:
        given = frozenset(view.contributions)
        is_due = self._clock() >= self._since + self._terms.rounds.seconds
        if view.closing or not is_due or len(given) < self._terms.least_contributors:
            return ()
        if len(self._history.closable(view, given)) >= self._terms.least_contributors:
            return ()
        return tuple(sorted(self._history.awaited(view, given)))
