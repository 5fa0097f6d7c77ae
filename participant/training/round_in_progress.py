"""One round of training as a hospital goes through it, from its first entry to the next model."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from keyshare.errors import CorruptSum, FalseSum
from keyshare.rounds import SlotReader
from participant.disk import Storage
from participant.model import SLICE
from participant.rounds import (
    HeldBack,
    Omissions,
    OwnChecksum,
    Patience,
    Reading,
    SummedVector,
    round_waiting,
)
from participant.training import last_contribution, precision
from participant.training.outcome import Outcome, Standing, stay
from participant.training.stance import Report
from participant.waiting import Waiting
from protocol.board import Draft, Posted, suite_of
from protocol.rounds import Judged, Ledger, OpenedSets, RoundMember, RoundView, read_training
from protocol.terms import AGGREGATOR

# As the program at a socket is told why the model has stayed as it was.
_OUTGROWN = "some hospital's update did not fit its bounds, and the next round has room for it"
_COARSE = "its changes are smaller than what rounding leaves of them"


class RoundInProgress:
    """Made with the round's first entry, and let go of when the next one is over.

    member: this hospital's part in its end. hold: whether it is held back, and for whom.
    abstains: whether this hospital adds nothing to it.
    """

    def __init__(
        self,
        number: int,
        member: RoundMember,
        storage: Storage,
        history: OpenedSets,
        report: Report,
        clock: Callable[[], float],
    ) -> None:
        self.number, self.member, self.abstains = number, member, False
        self.hold = HeldBack(member, history, clock)
        self._storage, self._report = storage, report
        self._patience = Patience(member)
        self._omissions = Omissions(member)
        self._told: set[int] = set()  # the entries of complaints that are reported
        self._closed_at = time.monotonic()
        self._own: OwnChecksum | None = None
        self._sum: SummedVector | None = None  # whose vector is being read
        self._outcome: Outcome | None = None  # in the making
        self._lost_in = ""  # the session of the refresh for which nothing was opened
        self.nothing = ""  # why the model has stayed as it was

    def _tell(self, event: str, facts: dict[str, Any]) -> None:
        """Report what happens in this round."""
        self._report(self.number, event, facts)

    def receive(self, posted: Posted, payloads: Mapping[int, bytes]) -> None:
        """Take an entry, and report what it shows of others."""
        self.member.receive(posted, payloads)
        self._tell_left_out()
        for found in self.member.complaints():
            if found.entry not in self._told:
                self._told.add(found.entry)
                self._tell_of_part(found)

    def closed(self) -> None:
        """Report the closing, and a sum that shows, with others, what too few members added."""
        self._closed_at = time.monotonic()
        self._tell("closed", {"contributors": self.member.view.contributors})
        terms, found = self.member.terms, self.member.difference
        if found and terms.floors.differencing == "warn":
            names = [terms.name_of(m) for m in found.members]
            self._tell("differencing", {"rounds": list(found.rounds), "members": names})

    def _tell_left_out(self, is_over: bool = False) -> None:
        for facts in self._omissions.news(is_over):
            self._tell("left-out", facts)

    def _tell_of_part(self, found: Judged) -> None:
        """Report who sent a wrong part, or complains of one without cause.

        What another member alone says is reported by nobody: it proves nothing.
        """
        if found.verdict == "unproven" and found.by != self.member.index:
            return
        event = "false-complaint" if found.verdict == "false" else "wrong-partial"
        name = self.member.terms.name_of
        facts = {"members": [name(found.about)], "by": name(found.by), "entry": found.entry}
        self._tell(event, {**facts, "verdict": found.verdict})

    @property
    def is_owing(self) -> bool:
        """Whether this hospital has its part, or a complaint, to say."""
        return self.member.owes_partial or self.member.owes_complaint

    @property
    def patience(self) -> Patience | None:
        """What holds back this hospital's partial decryption, if it does."""
        return self._patience if self.member.owes_partial and self._patience.waits else None

    def due(self, ledger: Ledger) -> Draft | None:
        """What this hospital has to say once it has contributed, or abstains."""
        member = self.member
        if member.view.opening and not member.view.closing and self.hold.look():
            self._tell("held-back", self.hold.facts)
        if self.patience:
            return None
        draft = member.due(ledger)
        if member.owes_checksum and self._own is None:
            self._own = OwnChecksum(member)
        return draft

    def waiting(self, view: RoundView) -> Waiting:
        """What it waits for: a vector, else others; view: the round as the board has it by now."""
        if self.wanted_blobs():
            whose = {"whose": self.reading.whose} if self.reading else {}
            return Waiting("vector", (AGGREGATOR,), whose)
        if held := self.hold.waiting(view):
            return held
        if patience := self.patience:
            seconds = round(patience.seconds)
            facts = {"session": view.session, "needed": 0, "until_seconds": seconds}
            return Waiting("checksums", patience.missing, facts)
        abstaining = (self.member.index,) if self.abstains else ()
        return round_waiting(view, self.member.state, abstaining)

    # ── the sum ──

    def wanted_blobs(self) -> Sequence[tuple[bytes, int]]:
        """The next chunks of the vector that is being read: the own one, the sum, another's."""
        if self._sum:
            return self._sum.wanted()
        return self._own.wanted() if self._own else ()

    @property
    def reading(self) -> Reading | None:
        """How much of a vector is read, while the sum is being opened or checked."""
        summed = self._sum  # asked for beside a step that may let go of it
        return summed.reading if summed else None

    @property
    def has_sum(self) -> bool:
        """Whether the sum is decrypted, and nothing done with it yet."""
        return self.member.plaintexts is not None and self._outcome is None

    def open_sum(self, before: Standing) -> bool:
        """Make the next model of the sum; whether it is stored, and all of the sum read."""
        member, view = self.member, self.member.view
        opening, closing = view.terms_of_opening, view.closed
        assert member.plaintexts is not None and opening is not None and closing is not None
        self._outcome = outcome = Outcome(self._storage, member.study.name, before, self.number)
        try:
            if closing.vector:
                self._sum = SummedVector(member.plaintexts, view, member.epoch, member.study)
                return False  # the chunks of the vector come one by one
            slots = suite_of(opening.suite, member.study).slots(opening)
            reader = slots.reader(len(closing.contributors))
            update = read_training(member.plaintexts, opening, member.study, reader)
        except CorruptSum as error:
            return self._void(error)
        for start in range(0, len(update), SLICE):
            outcome.add(update[start : start + SLICE])
        return self._finish(reader)

    def receive_blob(self, data: bytes) -> bool:
        """Take the next chunk: one of the sum is opened and applied; as ``open_sum``."""
        if self._sum is None or self._outcome is None:
            assert self._own is not None
            self._own.take(data)
            return False
        try:
            self._outcome.add(self._sum.take(data))
        except CorruptSum as error:
            return self._void(error)
        return self._sum.done and self._finish(self._sum.reader)

    def _void(self, error: CorruptSum) -> Literal[True]:
        """Everyone has the same sum, and with it the same verdict: the model stays as it is."""
        assert self._outcome is not None
        by = "aggregator" if isinstance(error, FalseSum) else "contributor"
        facts = {"reason": str(error), "by": by, "contributors": self.member.view.contributors}
        self._tell("void", facts)
        self.nothing = f"its sum is none of honest contributions: {error}"
        self._outcome.abandon(error)
        return self._let_go()

    def _finish(self, reader: SlotReader) -> Literal[True]:
        outcome, is_counted = self._outcome, self.member.index in self.member.view.contributors
        assert outcome is not None
        study = self.member.study.name
        own = last_contribution.marks_of(self._storage, study, self.number) if is_counted else None
        for event, facts in precision.of_sum(reader, own, outcome):
            self._tell(event, facts)
        if reader.is_outgrown or reader.is_coarse:
            self.nothing = _OUTGROWN if reader.is_outgrown else _COARSE
            outcome.forgo(reader.counts, own)
        else:
            outcome.finish(reader.counts, own)
        return self._let_go()

    def _let_go(self) -> Literal[True]:
        """Keep nothing of the sum, and report whose checksums it has shown to be false."""
        if self._sum and self._sum.liars:
            names = [self.member.terms.name_of(m) for m in self._sum.liars]
            self._tell("false-checksum", {"members": names})
        self._sum = self._outcome = self._own = None
        return True

    def lose(self, before: Standing, handover: str) -> None:
        """Keep the model of before as the one after this round, which a refresh of the key ended.

        handover: its session.
        """
        stay(self._storage, self.member.study.name, self.number, before)
        self._lost_in, self.nothing = handover, "the key was refreshed while it was open"

    def tell_end(self) -> None:
        """Report the end, once the hospital stands at the next model."""
        if self._lost_in:
            self._tell("lost-round", {"handover": self._lost_in})
            return
        self._tell_left_out(is_over=True)
        waited = time.monotonic() - self._closed_at
        self._tell("decrypted", {"decrypt": waited, "contributors": self.member.view.contributors})
