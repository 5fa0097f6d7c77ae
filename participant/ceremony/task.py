"""Taking part in a key ceremony, over as many restarts as it takes."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from participant.agent import Task
from participant.errors import NoCeremony, NoSeed
from participant.waiting import Kind, Waiting
from protocol.board import Board, Draft, Posted, is_aborted
from protocol.ceremony import Ceremony, CeremonyProgress, StepId, silent
from protocol.key import Epoch, HeldKey
from protocol.messages import Body, Certificate, Join, Overdue
from protocol.terms import AGGREGATOR, Terms

# A session with a link asks what is due more often than that, whatever comes.
_LONGEST_PAUSE_SECONDS = 60.0


class CeremonySecrets(Protocol):
    """Where a ceremony's seed comes from and its key share goes; both durable on return."""

    def seed(self, session: str) -> bytes:
        """The session's 32-byte seed, made at the first call and the same ever after."""

    def holds(self, session: str) -> bool:
        """Whether the session's seed is still there."""

    def withhold(self, session: str) -> None:
        """Note for good that the session's seed is never to be disclosed."""

    def withholds(self, session: str) -> bool:
        """Whether the session's seed is never to be disclosed."""

    def keep(self, session: str, held: HeldKey) -> None:
        """Store the key share, then destroy the seed."""


class CeremonyTask(Task):
    """One member's part in the ceremony that is due: the first that nobody has aborted.

    ``clock``: seconds, by which this process finds that others let a step's time pass. One that is
    started anew waits anew, and so does one that had no link: the others may have had none either.

    A seed is withheld for good before a certificate is made, and where the machine was put back to
    a snapshot after it joined: it may have certified since. What the board shows may be hidden or
    left out by the aggregator, and a declined post may have been kept by it, so the board has no
    say in this. A machine that was put back says nothing more in that ceremony.

    Raises NoCeremony under terms that take over a key: members that made another would have signed
    something else.
    """

    def __init__(
        self,
        terms: Terms,
        index: int,
        secrets: CeremonySecrets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if terms.takes_over_key:
            raise NoCeremony
        self._terms, self._index, self._secrets, self._clock = terms, index, secrets, clock
        self._awaited: tuple[StepId | None, float] = (None, 0.0)  # what others owe, and since when
        self._asked_at = clock()
        self._ceremony: Ceremony | None = None
        self._join: Body | None = None
        self._join_is_ahead = False  # own one on the board, not received yet
        self._restored_at = 0  # the entry up to which this storage may have forgotten what it said
        self._may_speak = True
        self.epoch: Epoch | None = None

    @property
    def done(self) -> bool:
        """Whether the key share is stored."""
        return self.epoch is not None

    @property
    def progress(self) -> CeremonyProgress | None:
        """Where the ceremony stands, None before it is known which one is due."""
        return self._ceremony.progress if self._ceremony else None

    def waiting(self, board: Board) -> Waiting:
        """Who has not done the ceremony's step."""
        progress = self.progress
        if progress is None:
            return Waiting("link", (AGGREGATOR,))
        kind: Kind = "join" if progress.step == "join" else "ceremony"
        seconds = self._terms.step_seconds
        facts = {"session": self.session, "step": progress.step, "step_seconds": seconds}
        return Waiting(kind, progress.waiting_for, facts)

    def restored(self, position: int) -> None:
        """What was joined by then may be certified as well, and is not gone on with."""
        self._restored_at = position

    def begin(self, board: Board) -> None:
        """Choose the session: the aborted one that this member owes its seed, or the one after."""
        joined = {
            p.post.session for p in board.entries[: self._restored_at] if self._is_own_join(p)
        }
        for session in filter(self._secrets.holds, sorted(joined)):
            self._secrets.withhold(session)
        self.session = self.next_session(board)
        seed = self._secrets.seed(self.session)
        self._may_speak = self.session not in joined
        self._ceremony = Ceremony(self._terms, self._index, self.session, seed)
        self._ceremony.withholds_seed = self._secrets.withholds(self.session)
        first = self._ceremony.due()
        self._join = first.body if first else None
        self._join_is_ahead = any(map(self._is_own_join, board.session(self.session)))

    def next_session(self, board: Board) -> str:
        """The ceremony that is due: the first that nobody has aborted, or that is owed a seed."""
        number = 1
        while self._is_over(board, f"ceremony/{number}"):
            number += 1
        return f"ceremony/{number}"

    def needs(self, posted: Posted) -> bool:
        """What is said in the step that is under way."""
        return self._ceremony is not None and self._ceremony.needs(posted)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Raises CeremonyFailed, once an abort and what this member owes to it are on the board.

        Raises NoSeed if this member joined with another seed: to go on with this one would look
        as if the others had sent what does not open.
        """
        ceremony = self._ceremony
        assert ceremony is not None
        if self._is_own_join(posted):
            self._join_is_ahead = False
            if posted.post.body != self._join:
                raise NoSeed(self.session, "lost")
        ceremony.receive(posted, payloads)
        if self._is_own_overdue(posted):  # if the board's times did not bear it out, once more
            self._awaited = ceremony.awaits, self._clock()
        # A join that crossed with the abort stands behind it, and makes this member owe its seed.
        settled = not ceremony.owes_seed and not self._join_is_ahead
        if ceremony.aborted and ceremony.failure and settled:
            raise ceremony.failure
        if ceremony.outcome and not self.done:
            self._secrets.keep(self.session, ceremony.outcome)
            self.epoch = ceremony.outcome.epoch

    def due(self) -> Draft | None:
        """The ceremony's next post; if it is a certificate, the seed is withheld from now on.

        Raises NoSeed if the machine was put back after it joined.
        """
        ceremony = self._ceremony
        if ceremony is None:
            return None
        draft = ceremony.due() or self._overdue(ceremony)
        if draft is None:
            return None
        if not self._may_speak:
            raise NoSeed(self.session, "set back")
        if isinstance(draft.body, Certificate):
            self._secrets.withhold(self.session)
            ceremony.withholds_seed = True
        return draft

    def _overdue(self, ceremony: Ceremony) -> Draft | None:
        """What is due when others let a step's time pass."""
        step, now = ceremony.awaits, self._clock()
        had_no_link = now - self._asked_at > _LONGEST_PAUSE_SECONDS
        self._asked_at = now
        if step != self._awaited[0] or had_no_link:
            self._awaited = step, now
        if step is None or now - self._awaited[1] < self._terms.step_seconds:
            return None
        return Draft(self.session, Overdue(*step))

    def _is_own_overdue(self, posted: Posted) -> bool:
        return posted.post.sender == self._index and isinstance(posted.post.body, Overdue)

    def _is_own_join(self, posted: Posted) -> bool:
        return posted.post.sender == self._index and isinstance(posted.post.body, Join)

    def _is_over(self, board: Board, session: str) -> bool:
        entries = board.session(session)
        if not is_aborted((p.post for p in entries), self._terms.n_members):
            return False
        if self._index not in silent(entries):
            return True
        return not self._secrets.holds(session) or self._secrets.withholds(session)
