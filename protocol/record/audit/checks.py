"""All checks of a record, in their order; none hides those after it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from keyshare.errors import KeyshareError
from protocol.board import Head
from protocol.errors import ProtocolError
from protocol.record import RecordFiles
from protocol.record.audit import (
    address_checks,
    board_checks,
    ceremony_checks,
    contribution_checks,
    decryption_checks,
    handover_bar_checks,
    handover_checks,
    key_checks,
    release_checks,
    study_checks,
    terms_checks,
)
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import RECORD, Check, Result, Status

CHECKS: tuple[Check, ...] = (
    *terms_checks.CHECKS,
    *board_checks.CHECKS,
    *address_checks.CHECKS,
    *ceremony_checks.CHECKS,
    *key_checks.CHECKS,
    *handover_checks.CHECKS,
    *handover_bar_checks.CHECKS,
    *contribution_checks.CHECKS,
    *decryption_checks.CHECKS,
    *release_checks.CHECKS,
    *study_checks.CHECKS,
)


@dataclass(frozen=True)
class Audit:
    """What an audit found; federation and head are None where they could not be read."""

    federation: bytes | None
    head: Head | None
    results: tuple[Result, ...]

    @property
    def holds(self) -> bool:
        """Whether no check failed; one that was not run for want of another has that one failed."""
        return not any(result.status is Status.FAILED for result in self.results)


def audit(
    files: RecordFiles,
    nonce: bytes,
    expected: bytes | None = None,
    since: Head | None = None,
    tell: Callable[[Result], None] = lambda result: None,
) -> Audit:
    """Run all checks; see Evidence for what ``nonce``, ``expected`` and ``since`` are.

    ``tell`` gets each result when it is there. ``head`` of what is returned is given if the whole
    chain was verified, for a later ``since``.
    """
    evidence = Evidence(files, expected, since, nonce)
    results = list[Result]()
    for result in run(evidence):
        results.append(result)
        tell(result)
    federation = evidence.terms.federation if terms_checks.TERMS.holds(evidence) else None
    is_chain = all(ground.holds(evidence) for ground in board_checks.BOARD)
    head = evidence.replay.board.head if is_chain and not evidence.replay.error else None
    return Audit(federation, head, tuple(results))


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
