"""All checks of a record, in their order; none hides those after it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from keyshare.errors import KeyshareError
from protocol.board import Head
from protocol.encoding import digest
from protocol.errors import ProtocolError
from protocol.record import RecordFiles, Verified
from protocol.record.audit import (
    board_checks,
    ceremony_checks,
    chain_checks,
    contribution_checks,
    decryption_checks,
    handover_bar_checks,
    handover_checks,
    key_checks,
    release_checks,
    study_checks,
    terms_checks,
)
from protocol.record.audit.evidence import Before, Evidence
from protocol.record.audit.observed import Spread
from protocol.record.audit.results import RECORD, Check, Result, Status

CHECKS: tuple[Check, ...] = (
    *terms_checks.CHECKS,
    *board_checks.CHECKS,
    *ceremony_checks.CHECKS,
    *key_checks.CHECKS,
    *handover_checks.CHECKS,
    *handover_bar_checks.CHECKS,
    *contribution_checks.CHECKS,
    *decryption_checks.CHECKS,
    *release_checks.CHECKS,
    *study_checks.CHECKS,
    *chain_checks.CHECKS,
)
RULES = digest("quorate/checks", *(f"{one.number} {one.covers}".encode() for one in CHECKS))


@dataclass(frozen=True)
class Audit:
    """What an audit found; federation, name and head are None where they could not be read.

    before: of the record of the federation that this one succeeds, None where it was not given.
    known: how many entries were verified before, and looked at again only where something was said
    since. verified: for a later audit, if it was asked for; None where a check failed.
    """

    federation: bytes | None
    name: str | None
    head: Head | None
    results: tuple[Result, ...]
    before: "Audit | None" = None
    known: int = 0
    verified: Verified | None = None

    @property
    def failed(self) -> tuple[str, ...]:
        """The numbers of the checks that failed; one that was not run for want of another has
        that one failed.
        """
        return tuple(result.number for result in self.results if result.status is Status.FAILED)

    @property
    def holds(self) -> bool:
        """Whether no check failed; the last of them is that the records before hold."""
        return not self.failed


def audit(
    files: RecordFiles,
    nonce: bytes,
    expected: bytes | None = None,
    since: Head | None = None,
    tell: Callable[[Result], None] = lambda result: None,
    older: Sequence[RecordFiles] = (),
    spread: Spread | None = None,
    verified: Verified | None = None,
    notes: bool = False,
) -> Audit:
    """Run all checks; see Evidence for what ``nonce``, ``expected``, ``since``, ``spread`` are.

    ``tell`` gets each result when it is there. ``head`` of what is returned is given if the whole
    chain was verified, for a later ``since``. older: the record of the federation that this one
    succeeds, of the one before that, and so on; they are audited first, and nothing is told of it.
    verified: what an earlier audit gave; its head is ``since``, unless another is given. Where it
    is of no use, or anything is found that fails with it, all is looked at. notes: whether a later
    audit is to go on from this one.
    """
    if since is None and verified is not None:
        since = verified.head
    given = files, expected, since, nonce, spread
    if verified is not None and verified.rules == RULES and verified.is_in_order:
        told, evidence = list[Result](), Evidence(*given, verified)
        with contextlib.suppress(ProtocolError):  # the record is not as it was, or the note is not
            found = examine(evidence, told.append, older, notes)
            if found.holds or not evidence.known:
                for result in told:
                    tell(result)
                return found
    return examine(Evidence(*given), tell, older, notes)


def examine(
    evidence: Evidence,
    tell: Callable[[Result], None] = lambda result: None,
    older: Sequence[RecordFiles] = (),
    notes: bool = False,
) -> Audit:
    """As ``audit``, of evidence that is read on afterwards."""
    before = None
    if older:
        given = older[0], evidence.predecessor, None, evidence.nonce, evidence.spread
        earlier = Evidence(*given)
        before = examine(earlier, older=older[1:])
        evidence.before = Before(earlier, before.failed)
    results = list[Result]()
    for result in run(evidence):
        results.append(result)
        tell(result)
    terms = evidence.terms if terms_checks.TERMS.holds(evidence) else None
    is_chain = all(ground.holds(evidence) for ground in board_checks.BOARD)
    head = evidence.replay.board.head if is_chain and not evidence.replay.error else None
    federation, name = (terms.federation, terms.name) if terms else (None, None)
    found = Audit(federation, name, head, tuple(results), before, evidence.known if head else 0)
    if not notes or not found.holds or head is None:
        return found
    return replace(found, verified=evidence.verified_by(RULES))


def run(evidence: Evidence) -> Iterator[Result]:
    """The results, each when it is there."""
    for check in CHECKS:
        yield _run(check, evidence)


def _run(check: Check, evidence: Evidence) -> Result:
    result = Result(check.number, check.title, check.covers)
    missing = next((g.number for g in check.grounds if not g.holds(evidence)), None)
    if missing is not None:
        result.not_run = f"it depends on {missing}"
    else:
        try:
            check.run(evidence, result)
        except (ProtocolError, KeyshareError) as error:
            result.fail(0, RECORD, f"it could not be finished: {error}")
    return result
