"""What a check is, and what it says: so many things looked at, failures, findings, notes.

A *failure* is what must not be in the record of a federation whose members are honest in their
majority, or what cannot be checked as it should. A *finding* is misbehaviour that the protocol
dealt with, or a limit of what the record shows: it is told, and the record stands.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from protocol.record.audit.evidence import Evidence

RECORD = "the record"  # the party where it is about nobody's post but the files themselves
NOBODY = "nobody in particular"
MAX_REMARKS = 100  # of each kind that a check keeps; what is beyond is counted


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    FINDING = "finding"
    FAILED = "FAILED"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Remark:
    """One failure or finding.

    entry: its position on the board, 0 if it is about none. party: the name of the member whose
    post or signature it is about, "the aggregator", or RECORD.
    """

    entry: int
    party: str
    reason: str


@dataclass
class Result:
    """What one check says, as it notes it down; ``count`` is how many things it looked at."""

    number: str
    title: str
    covers: str
    count: int = 0
    failures: list[Remark] = field(default_factory=list)
    findings: list[Remark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_run: str = ""  # why, if it could not be run

    @property
    def status(self) -> Status:
        """The worst of what was found."""
        if self.failures:
            return Status.FAILED
        if self.not_run:
            return Status.NOT_RUN
        return Status.FINDING if self.findings else Status.OK

    def fail(self, entry: int, party: str, reason: str) -> None:
        """Something is wrong with the record."""
        self._add(self.failures, Remark(entry, party, reason))

    def find(self, entry: int, party: str, reason: str) -> None:
        """Something that was dealt with, or that a reader has to know."""
        self._add(self.findings, Remark(entry, party, reason))

    def _add(self, remarks: list[Remark], remark: Remark) -> None:
        if len(remarks) < MAX_REMARKS:
            remarks.append(remark)
        elif len(remarks) == MAX_REMARKS:
            remarks.append(Remark(0, RECORD, "and more of this kind, which are not listed"))


@dataclass(frozen=True)
class Ground:
    """What a check stands on: something that the check of that number has found to be there."""

    number: str
    holds: Callable[[Evidence], bool]


@dataclass(frozen=True)
class Check:
    """A numbered check; it is not run where one of its grounds does not hold."""

    number: str
    title: str
    covers: str
    run: Callable[[Evidence, Result], None]
    grounds: tuple[Ground, ...] = ()


def check(
    number: str, title: str, covers: str, grounds: tuple[Ground, ...] = ()
) -> Callable[[Callable[[Evidence, Result], None]], Check]:
    """Make a check of the function that runs it."""
    return lambda run: Check(number, title, covers, run, grounds)
