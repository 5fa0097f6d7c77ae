"""Reading an aborted ceremony as evidence: all its entries, and what was sealed to anybody."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from participant.agent import Task
from participant.errors import NotAborted
from participant.waiting import Waiting
from protocol.board import Board, Posted, is_aborted
from protocol.ceremony import Verdict, judge, silent
from protocol.messages import Abort, Certificate, Disclosure
from protocol.terms import AGGREGATOR, Terms


@dataclass(frozen=True)
class Accusation:
    """An abort, as it stands on the board; ``culprit`` is 0 where it names nobody.

    ``silent``: for whose silence the ceremony was given up, as its author says.
    """

    by: int
    culprit: int
    step: str
    reason: str
    position: int
    silent: tuple[int, ...]


class VerdictTask(Task):
    """Takes in an aborted ceremony, by default the last; it says nothing itself.

    Who owes a seed discloses it by taking part in the ceremony."""

    speaks, reads_all = False, True

    def __init__(self, terms: Terms, session: str = "") -> None:
        self._terms = terms
        self._last = 0  # the position of the session's last entry when the board had been read
        self._entries: list[Posted] = []
        self._payloads: dict[int, Mapping[int, bytes]] = {}  # by position
        self.session = session

    @property
    def done(self) -> bool:
        """Whether all is read, and every seed is there that is to be expected."""
        return self.has_read and not self.silent

    @property
    def has_read(self) -> bool:
        """Whether the evidence is here, as far as the board had it at the beginning."""
        return bool(self._entries) and self._entries[-1].position >= self._last

    @property
    def n_read(self) -> int:
        """How many entries are here with all that was attached to them."""
        return len(self._entries)

    @property
    def silent(self) -> tuple[int, ...]:
        """The members whose seeds are still to come."""
        return silent(self._entries)

    @property
    def disclosed(self) -> tuple[int, ...]:
        """The members whose seeds are on the board."""
        return self._who(Disclosure)

    @property
    def certified(self) -> tuple[int, ...]:
        """The members that certified a key, and so keep their seeds."""
        return self._who(Certificate)

    @property
    def accusations(self) -> tuple[Accusation, ...]:
        """What was said in the aborts, in their order."""
        return tuple(
            Accusation(p.post.sender, body.culprit, body.step, body.reason, p.position, body.silent)
            for p in self._entries
            if isinstance(body := p.post.body, Abort)
        )

    def waiting(self, board: Board) -> Waiting:
        """The evidence, then the seeds that are owed."""
        if not self.has_read:
            return Waiting("board", (AGGREGATOR,), {"session": self.session})
        return Waiting("seeds", self.silent, {"session": self.session})

    def begin(self, board: Board) -> None:
        """Choose the session; raises NotAborted if there is no such ceremony."""
        if not self.session:
            # One after the other: an abort far ahead, which anybody can post, is nobody's ceremony.
            numbers = itertools.takewhile(
                lambda k: self._is_aborted(board, f"ceremony/{k}"), itertools.count(1)
            )
            self.session = f"ceremony/{last}" if (last := max(numbers, default=0)) else ""
        if not self._is_aborted(board, self.session):
            raise NotAborted(self.session)
        self._last = board.session(self.session)[-1].position

    def _is_aborted(self, board: Board, session: str) -> bool:
        return is_aborted((p.post for p in board.session(session)), self._terms.n_members)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Keep an entry with all its payloads, by recipient."""
        self._entries.append(posted)
        self._payloads[posted.position] = payloads

    def verdict(self) -> Verdict:
        """Replay everyone whose seed is known: as much computing as all of them did together."""
        entries = list(self._entries)
        return judge(self._terms, self.session, entries, lambda p: self._payloads[p.position])

    def _who(self, said: type[Disclosure] | type[Certificate]) -> tuple[int, ...]:
        return tuple(
            sorted({p.post.sender for p in self._entries if isinstance(p.post.body, said)})
        )
