"""What the board shows of an attempt, entry by entry: how far it is, and who did wrong.

What does not count now is passed over, as ``Attempt`` has it. What would count and is wrong does
not count either, and its sender is named. Of a member that was named nothing is checked any more.
So nobody can make others check without end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from keyshare.errors import BadHandover
from keyshare.handover import HandoverPlan
from protocol.handover.attempt import Attempt, word_of
from protocol.handover.handed import (
    AnyFault,
    ContentFault,
    judged,
    new_epoch,
    plan_of,
    wrong_arrival,
    wrong_handed,
    wrong_shown,
)
from protocol.handover.succession import Succession
from protocol.key import Epoch
from protocol.messages import (
    Arrival,
    BareWord,
    Consent,
    Content,
    DealingCommitment,
    HandedDealing,
    PointAccusation,
    Said,
    ShownPart,
)

NOBODY = 0


class Misdeed(NamedTuple):
    """What somebody did wrong, seen by all at the entry with this number, counted from 1.

    culprit: its number on the board, NOBODY where it is nobody's in particular.
    """

    entry: int
    culprit: int
    fault: AnyFault


@dataclass(frozen=True)
class HandoverView:
    """What was said and counts, and all that follows from it.

    plan: once the dealers are known. epoch: the new one, once all have dealt.
    """

    about: Succession
    attempt: Attempt
    entries: int = 0
    arrivals: Mapping[int, Arrival] = field(default_factory=dict)
    commitments: Mapping[int, DealingCommitment] = field(default_factory=dict)
    dealings: Mapping[int, HandedDealing] = field(default_factory=dict)
    plan: HandoverPlan | None = None
    epoch: Epoch | None = None
    misdeeds: tuple[Misdeed, ...] = ()

    @classmethod
    def start(cls, about: Succession) -> "HandoverView":
        """Nothing has been said."""
        return cls(about, Attempt(about.rosters))

    @property
    def culprits(self) -> frozenset[int]:
        """Who was named."""
        return frozenset(misdeed.culprit for misdeed in self.misdeeds) - {NOBODY}

    def after(self, sender: int, content: Content) -> "HandoverView":
        """What the board shows once this stands on it."""
        view = replace(self, entries=self.entries + 1)
        if sender in self.culprits and not isinstance(content, BareWord):
            return view
        if isinstance(content, PointAccusation):
            return view._judged(sender, content)
        if not self.attempt.counts(sender, word_of(content)) or view._is_early(content):
            return view
        fault = view._fault(sender, content)
        return view._named(sender, fault) if fault else view._taken(sender, content)

    def _is_early(self, said: Said) -> bool:
        """Whether a part is shown of a key that is none, since the dealings do not add up."""
        return isinstance(said, ShownPart) and self.epoch is None

    def _named(self, culprit: int, fault: AnyFault) -> "HandoverView":
        return replace(self, misdeeds=(*self.misdeeds, Misdeed(self.entries, culprit, fault)))

    def _judged(self, accuser: int, accused: PointAccusation) -> "HandoverView":
        """It counts while the attempt is open, once the dealer has dealt, unless it was named."""
        is_due = not self.attempt.outcome and accused.dealer in self.attempt.dealt - self.culprits
        if self.plan is None or not is_due or accuser not in self.attempt.rosters.new:
            return self
        arrival, handed = self.arrivals[accuser], self.dealings[accused.dealer]
        return self._named(*judged(self.about, self.plan, accuser, accused, arrival, handed))

    def _fault(self, sender: int, said: Said) -> AnyFault | None:
        plan, about = self.plan, self.about
        if isinstance(said, Consent):
            return None if said.subject == about.subject else ContentFault.ELSEWHERE
        if isinstance(said, Arrival):
            return wrong_arrival(about, said)
        if isinstance(said, HandedDealing):
            assert plan is not None  # there are dealers, or it would not count
            return wrong_handed(plan, sender, said, self.commitments[sender])
        if isinstance(said, ShownPart):
            assert plan is not None and self.epoch is not None
            return wrong_shown(plan, self.epoch, about.new_number(sender), said)
        return None

    def _taken(self, sender: int, said: Said) -> "HandoverView":
        attempt = self.attempt.after(sender, word_of(said))
        view = replace(self, attempt=attempt)
        if isinstance(said, Arrival):
            view = replace(view, arrivals={**self.arrivals, sender: said})
        if isinstance(said, DealingCommitment):
            view = replace(view, commitments={**self.commitments, sender: said})
        if isinstance(said, HandedDealing):
            view = replace(view, dealings={**self.dealings, sender: said})
        if self.plan is None and attempt.dealers:
            view = replace(view, plan=plan_of(self.about, view.arrivals, attempt.dealers))
        return view._added() if attempt.is_dealt and not self.attempt.is_dealt else view

    def _added(self) -> "HandoverView":
        """With the new epoch, once all have dealt."""
        assert self.plan is not None
        try:
            epoch = new_epoch(self.about, self.plan, self.arrivals, self.dealings)
        except BadHandover:
            return self._named(NOBODY, ContentFault.SUM)
        return replace(self, epoch=epoch)
