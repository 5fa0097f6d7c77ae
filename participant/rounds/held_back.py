"""When a round is held back, and for whom: enough have contributed, and no sum may be opened.

Other sums over what hospitals add to it are open: the model stays after a void round, and another
study may be over the same data. A sum over almost the same hospitals would then show, by
difference, what few of them added, so that no hospital helps with it
(``protocol.rounds.history``). The round waits for those who are missing, for as long as it
takes. The other way out is another study, once this one is ended by votes.
"""

import time
from collections.abc import Callable
from typing import Any

from participant.waiting import Waiting
from protocol.rounds import OpenedSets, RoundMember, RoundView
from protocol.terms import AGGREGATOR


class HeldBack:
    """Looks at an open round again and again; by the hospital's own clock.

    member: this hospital's part in the round.
    waiting_for: who must contribute before any sum of a round that is held back may be opened;
    empty where nobody's contribution would help.
    """

    def __init__(
        self, member: RoundMember, history: OpenedSets, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._member, self._history, self._clock = member, history, clock
        self._since: float | None = None
        self.is_held = False
        self.waiting_for: tuple[int, ...] = ()

    def look(self) -> bool:
        """Whether the round is found to be held back, or to wait for others than before.

        Others are waited for first, as long as the plan says.
        """
        before = self.is_held, self.waiting_for
        self.is_held, self.waiting_for = self._found(self._clock())
        return self.is_held and before != (True, self.waiting_for)

    @property
    def facts(self) -> dict[str, Any]:
        """Those of the event "held-back"; ``needed``: hospitals that can end the study.

        ``waits_for_own``: whether it waits for this hospital, too.
        """
        terms, view = self._member.terms, self._member.view
        return {
            "study": view.study,
            "members": [terms.name_of(m) for m in self.waiting_for],
            "rounds": list(self._history.compared(view)),
            "needed": terms.lock_threshold,
            "waits_for_own": self._member.index in self.waiting_for,
        }

    def waiting(self, view: RoundView) -> Waiting | None:
        """The wait for those who are missing, None where the round is not held back.

        view: the round as the board has it by now.
        """
        if not self.is_held or view.closing:
            return None
        members = self.waiting_for or (AGGREGATOR,)
        return Waiting("held-back", members, {"session": view.session, **self.facts})

    def _found(self, now: float) -> tuple[bool, tuple[int, ...]]:
        member, view, history = self._member, self._member.view, self._history
        least = member.study.least_contributors
        self._since = now if self._since is None else self._since
        is_early = now < self._since + member.study.plan.seconds
        if view.closing or is_early or not history.binds(view):
            return False, ()
        if len(fit := member.fitting) < least:
            return False, ()
        if len(history.closable(view, fit)) >= least:
            return False, ()
        return True, tuple(sorted(history.awaited(view, fit)))
