"""What each member may put on the board: a pure function of the terms and of the entries before.

The aggregator refuses what is beyond a member's budget. Whoever is shown it nevertheless, by an
aggregator that is in league with the member, treats it as unsaid: nothing is fetched for it, kept
of it, or follows from it. All do the same, since all see the same board. No honest member can
meet a limit, except that of what a person may ask for again and again: then it waits. What is
said without right is beyond a budget too: of studies, see ``study_budget``.

The aggregator's own posts have no budget: it is trusted for going on, and for nothing else.
"""

from collections import Counter, deque
from collections.abc import Hashable, Iterable
from typing import get_args

from protocol.board.ceremony_budget import TWICE, CeremonyBudget
from protocol.board.key_history import KeyHistory
from protocol.board.payload_sizes import MAX_CHECK_BYTES, certificate_bytes
from protocol.board.rest import BudgetState, Tries
from protocol.board.study import Studies
from protocol.board.study_budget import StudyBudget
from protocol.encoding import Message
from protocol.errors import Malformed
from protocol.messages import (
    Abort,
    Approval,
    Body,
    CardSeen,
    CheckPart,
    CheckRequest,
    Content,
    Contribution,
    Ending,
    HandoverProposal,
    InheritedPart,
    KeyInherited,
    Overdue,
    Plan,
    Statement,
    Text,
    Withdrawal,
    purpose_of,
    read_session,
)
from protocol.terms import AGGREGATOR, Terms

# What no honest member says a second time, not even with a data folder that was put back: it reads
# the board before it speaks, and sends what was on its way as the same post.
_ONCE = (
    *(Contribution, Plan, Ending, CardSeen),
    *(KeyInherited, InheritedPart, HandoverProposal, *get_args(Content)),
)
# Models stated anew, and approvals that change.
_AGAIN = (Statement, Approval, Withdrawal)
# What may be done again and again: models stated anew, overdue steps named.
TRIES_AN_HOUR = 60
CHECKS_A_DAY = 24  # of the key; a person asks for each
# Ceremonies that a member is the first to give up. All who wait for a silent one give up at about
# the same time, and each needs all members' commands: persons, who look for the cause after a few.
ABORTS_A_DAY = 12
PLANS_A_DAY = 100
HANDOVERS_A_DAY = 12  # that a member proposes, after as many that were given up
APPROVALS_A_DAY = 200  # of all studies; each changes what stood before
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_TRIES: dict[type, tuple[int, int, str]] = {  # so many, in so many ms
    Statement: (TRIES_AN_HOUR, _HOUR_MS, "hour"),
    Overdue: (TRIES_AN_HOUR, _HOUR_MS, "hour"),
    Abort: (ABORTS_A_DAY, _DAY_MS, "day"),
    CheckRequest: (CHECKS_A_DAY, _DAY_MS, "day"),
    Plan: (PLANS_A_DAY, _DAY_MS, "day"),
    HandoverProposal: (HANDOVERS_A_DAY, _DAY_MS, "day"),
    Approval: (APPROVALS_A_DAY, _DAY_MS, "day"),
}


class Surplus(Message, frozen=True):
    """In the place of a body beyond its sender's budget: it was not said.

    It is on nobody's wire, and no body of a post.
    """

    reason: Text


class Budget:
    """What has counted so far, and what would be too much next."""

    def __init__(self, terms: Terms, studies: Studies, key: KeyHistory) -> None:
        """studies, key: of the board, which tells them what counts after it was counted here."""
        self._terms = terms
        self._ceremonies = CeremonyBudget(terms)
        self._studies = StudyBudget(terms, studies, key)
        self._key = key
        self._said: dict[str, Counter[Hashable]] = {}  # by session: sender and purpose
        self._tries: dict[tuple[int, type], deque[int]] = {}
        self._next_check = 1

    @property
    def upload_bytes(self) -> int:
        """What one honest post so far may need beside the board, by the terms and the openings."""
        return max(self._studies.upload_bytes, self._ceremonies.upload_bytes)

    def excess(self, session: str, sender: int, body: Body, time_ms: int) -> str:
        """Why a post would be beyond its sender's budget at that time, empty if it is not.

        time_ms: of its entry, in ms since 1970.
        """
        if sender == AGGREGATOR:
            return ""
        named = read_session(session)
        if named.kind == "ceremony":
            found = self._ceremony_excess(named.number, sender, body)
        elif self._has_said(session, sender, body):
            found = "its sender has said this before"
        elif named.kind == "check":
            found = self._check_excess(named.number, body)
        elif named.kind == "handover":
            found = self._handover_excess(named.number, sender, body)
        elif named.kind == "address":
            found = ""  # there is one for each number, and the aggregator has signed them all
        else:
            found = self._studies.excess(session, sender, body, time_ms)
        return found or self._try_excess(session, sender, body, time_ms)

    def bar(self, session: str, sender: int, body: Body) -> str:
        """Why the key bars this in a round now, empty if it does not."""
        return self._studies.bar(session, sender, body)

    def chunk_excess(self, session: str, sizes: Iterable[int]) -> str:
        """Why chunks of so many bytes are too large for a contribution's vector, empty if not.

        The board has their names alone: whoever has the blobs asks this beside ``excess``.
        """
        return self._studies.chunk_excess(session, sizes)

    def take(self, position: int, session: str, sender: int, body: Body, time_ms: int) -> None:
        """Count a post that is within its sender's budget, and stands at that position."""
        named, tries = read_session(session), self._tries_of(session, sender, body)
        if tries is not None:
            tries.append(time_ms)
        if named.kind == "ceremony":
            self._ceremonies.take(named.number, sender, body)
            return
        self._count(session, sender, body)
        if named.kind in ("study", "round"):
            self._studies.take(position, session, sender, body, time_ms)
        elif isinstance(body, CheckRequest) and named.number == self._next_check:
            self._next_check += 1

    def forget(self, session: str) -> None:
        """Let go of what was said in a round that is at rest."""
        self._said.pop(session, None)
        self._studies.forget(session)

    def remember(self, position: int, session: str, sender: int, body: Body) -> None:
        """Count a post of a round that was at rest once more: for that round alone."""
        self._count(session, sender, body)
        self._studies.remember(position, session, sender, body)

    @property
    def state(self) -> BudgetState:
        """What counts over all sessions."""
        tries = [Tries(m, kind.__name__, tuple(times)) for (m, kind), times in self._tries.items()]
        spent, due = self._studies.spent, self._studies.due
        tries.sort(key=lambda one: (one.sender, one.kind))
        return BudgetState(tuple(tries), *spent, due, self._studies.upload_bytes)

    def opened(self, study: str) -> int:
        """How many of a study's rounds were opened, one after the other from the first on."""
        return self._studies.opened(study)

    def resume(self, state: BudgetState) -> None:
        """Go on from what counted over all sessions, once the rest is counted; raises Malformed."""
        kinds = {kind.__name__: kind for kind in _TRIES}
        self._tries.clear()
        for one in state.tries:
            if (kind := kinds.get(one.kind)) is None:
                raise Malformed("board", f"nobody tries {one.kind} again and again")
            self._tries[one.sender, kind] = deque(one.times, _TRIES[kind][0])
        self._studies.resume(state)

    def _count(self, session: str, sender: int, body: Body) -> None:
        said = self._said.setdefault(session, Counter())
        said[sender, purpose_of(body)] += 1

    def _times(self, session: str, sender: int, purpose: Hashable) -> int:
        said = self._said.get(session)
        return said[sender, purpose] if said else 0

    def _has_said(self, session: str, sender: int, body: Body) -> bool:
        """Whether a member has said as often as it may what a post is for; not in a ceremony."""
        if isinstance(body, _AGAIN):
            return False
        most = 1 if isinstance(body, _ONCE) else TWICE
        return self._times(session, sender, purpose_of(body)) >= most

    def _ceremony_excess(self, number: int, sender: int, body: Body) -> str:
        if self._terms.takes_over_key:
            return "the terms take a key over, so no ceremony makes one"
        return self._ceremonies.excess(number, sender, body)

    def _inheritance_excess(self, body: KeyInherited) -> str:
        if not self._terms.takes_over_key:
            return "the terms take no key over"
        size, most = len(body.epoch), certificate_bytes(self._terms)
        return f"a key of {size} bytes, where {most} are the most" if size > most else ""

    def _handover_excess(self, number: int, sender: int, body: Body) -> str:
        handovers = self._key.handovers
        if isinstance(body, KeyInherited):
            return self._inheritance_excess(body)
        if isinstance(body, InheritedPart):
            return self._key.inheritance.part_excess(body)
        if isinstance(body, HandoverProposal):
            return handovers.proposal_excess(number, body, self._key.newest)
        if (handover := handovers.of(number)) is None:
            return "nobody has proposed this handover"
        assert isinstance(body, Content)  # nothing else is said in such a session
        return handover.word_excess(sender, body)

    # ── checks, and what a person may try again ──

    def _check_excess(self, number: int, body: Body) -> str:
        if number > self._next_check:
            return f"check {number} cannot begin before check {self._next_check}"
        if isinstance(body, CheckPart):
            if number == self._next_check:
                return "nobody has asked for this check"
            if body.payload.size > MAX_CHECK_BYTES:
                return f"a part of {body.payload.size} bytes; the most is {MAX_CHECK_BYTES}"
        return ""

    def _try_excess(self, session: str, sender: int, body: Body, time_ms: int) -> str:
        tries = self._tries_of(session, sender, body)
        if tries is None:
            return ""
        most, span, word = _TRIES[type(body)]
        if len(tries) == most and time_ms < tries[0] + span:
            return f"{most} times in the last {word} is the most; try again later"
        return ""

    def _tries_of(self, session: str, sender: int, body: Body) -> deque[int] | None:
        """When a member did what may be done again, the last times; None of all else."""
        if type(body) not in _TRIES:
            return None
        if isinstance(body, Abort):
            number = read_session(session).number
            if not self._ceremonies.begins_abort(number, body):
                return None
        elif isinstance(body, Statement) and not self._times(session, sender, Statement):
            return None
        most = _TRIES[type(body)][0]
        return self._tries.setdefault((sender, type(body)), deque(maxlen=most))
