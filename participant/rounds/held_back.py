"""When a round is held back, and for whom: enough have contributed, and no sum may be opened.

After a void round the model stays, and after one that an update did not fit. A sum over almost the
same hospitals would then show, by difference, what few of them added, so that no hospital helps
with it (``protocol.rounds.history``). The round waits for those who are missing, for as long as it
takes. The other way out is another model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from protocol.board.messages import Opening
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.terms.terms import Terms


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

    def look(self, member: RoundMember) -> bool:
        """Whether a round is found to be held back, or to wait for others than was found before.

        member: this hospital's part in the open round. Others are waited for first, as long as the
        terms say.
        """
        view, now = member.view, self._clock()
        if view.session != self._session:
            self._session, self._since = view.session, now
            self.is_held, self.waiting_for = False, ()
        before = self.is_held, self.waiting_for
        self.is_held, self.waiting_for = self._found(member, now)
        return self.is_held and before != (True, self.waiting_for)

    def facts(self, number: int, opening: Opening) -> dict[str, Any]:
        """Those of the event "held-back"; ``needed``: of hospitals that begin another model."""
        is_last = number == self._terms.rounds.count
        return {
            "members": [self._terms.name_of(m) for m in self.waiting_for],
            "rounds": list(self._history.opened_from(opening.model)),
            "needed": 0 if is_last else self._terms.least_agreeing,
        }

    def _found(self, member: RoundMember, now: float) -> tuple[bool, tuple[int, ...]]:
        view, history, least = member.view, self._history, self._terms.least_contributors
        wait = self._terms.rounds.seconds
        if view.closing or now < self._since + wait or not history.binds(view):
            return False, ()
        if len(fit := member.fitting) < least:
            return False, ()
        if len(history.closable(view, fit)) >= least:
            return False, ()
        return True, tuple(sorted(history.awaited(view, fit)))
