"""``verify``: all checks of a record, by anyone who has it."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from participant.cli.sentences import CHECK_FAILED
from participant.cli.views import say, say_json
from participant.cli.work import Json, Predecessors
from participant.record import RecordFolder, load_verified, save_verified
from participant.words import read_fingerprint
from participant.words.fingerprint import fingerprint
from protocol.board import Head
from protocol.programs.crew import Crew, cores
from protocol.record.audit import CHECKS, Audit, Remark, Result, Status, audit

_SINCE = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")
_NONCE_BYTES = 32
_WIDTH = max(len(check.title) for check in CHECKS)


def verify(
    record: Annotated[Path, typer.Argument(help="The folder of the record.", metavar="RECORD")],
    words: Annotated[
        str,
        typer.Option(
            "--fingerprint",
            metavar="WORDS",
            help="The federation's fingerprint from another source: twelve words, or hex.",
        ),
    ] = "",
    since: Annotated[
        str,
        typer.Option(
            metavar="POSITION:HASH",
            help="The head that an earlier verify printed: shows that nothing was taken away.",
        ),
    ] = "",
    noted: Annotated[
        Path | None,
        typer.Option(
            "--noted",
            metavar="FILE",
            help="Your own file of what was verified before. It is not all verified again, and "
            "what is new is noted there.",
        ),
    ] = None,
    predecessors: Predecessors = None,
    as_json: Json = False,
) -> None:
    """Check a federation's record; needs no data folder, passphrase or network.

    Exit code 0: all checks hold; 1: there is no record to read; 5: a check failed.
    """
    expected = _expected(words) if words else None
    head, files, nonce = _head(since), RecordFolder(record), secrets.token_bytes(_NONCE_BYTES)
    older = [RecordFolder(folder) for folder in predecessors or []]
    tell = _tell_nothing if as_json else _tell
    verified = load_verified(noted, files) if noted else None
    with Crew(cores()) as crew:
        found = audit(files, nonce, expected, head, tell, older, crew, verified, noted is not None)
    if noted and found.verified:
        save_verified(noted, found.verified)
    if as_json:
        say_json(facts(found, compared=expected is not None))
    else:
        for text in _details(found, compared=expected is not None):
            say(text)
    if not found.holds:
        raise typer.Exit(CHECK_FAILED)


def _tell(result: Result) -> None:
    say(_row(result))


def _tell_nothing(result: Result) -> None:
    """All is said at the end."""


def _expected(words: str) -> bytes:
    try:
        return read_fingerprint(words)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fingerprint") from None


def _head(since: str) -> Head | None:
    if not since:
        return None
    found = _SINCE.fullmatch(since)
    if not found:
        reason = f"{since!r} is not POSITION:HASH, as verify prints it"
        raise typer.BadParameter(reason, param_hint="--since")
    return Head(int(found[1]), bytes.fromhex(found[2]))


def _row(result: Result) -> str:
    why = f": {result.not_run}" if result.status is Status.NOT_RUN else ""
    return f"{result.number:<4} {result.title:<{_WIDTH}} {result.count:>7}  {result.status}{why}"


def _details(found: Audit, compared: bool) -> Iterator[str]:
    """What was found, also in the records before, then what to compare and to keep."""
    for result in found.results:
        yield from _remarks(result)
    yield from _before(found.before)
    yield ""
    if found.federation is None:
        yield "The terms do not read, so this record has no fingerprint."
    elif not compared:
        yield "NOT COMPARED: this may be the record of any federation. Its fingerprint is"
        yield f"  {fingerprint(found.federation)}"
        yield "  Compare it with the members' (terms show), or give it: --fingerprint"
    if found.known:
        yield f"Up to entry {found.known} it was verified before, as the file of --noted says."
        yield "  Rounds in which nothing was said since were not looked at again."
    if found.head is not None:
        yield f"Head: {_spelled(found.head)} (keep it: a later verify takes it as --since)"
    failed = [r.number for r in found.results if r.status is Status.FAILED]
    if failed:
        yield f"FAILED: {', '.join(failed)}"
        yield "  Do not rely on this record. Get one from another member, and show both to all."
    else:
        yield "All checks that were run hold."


def _before(found: Audit | None) -> Iterator[str]:
    """What was found in the record of the predecessor, and in those before it."""
    if found is None:
        return
    yield ""
    yield f"The record of the predecessor, {found.name or 'whose terms do not read'}:"
    for result in found.results:
        yield _row(result)
    for result in found.results:
        yield from _remarks(result)
    yield from _before(found.before)


def _remarks(result: Result) -> Iterator[str]:
    if not (result.failures or result.findings or result.notes):
        return
    yield ""
    yield f"{result.number} {result.title}"
    for kind, remarks in (("FAILED", result.failures), ("finding", result.findings)):
        for remark in remarks:
            at = f"entry {remark.entry}, " if remark.entry else ""
            yield f"  {kind}: {at}{remark.party}: {remark.reason}"
    for note in result.notes:
        yield f"  {note}"


def facts(found: Audit, compared: bool) -> dict[str, Any]:
    """The JSON object; docs/how-it-works/record.md describes it."""
    return {
        "event": "verified",
        "holds": found.holds,
        "federation": found.federation.hex() if found.federation else None,
        "fingerprint": fingerprint(found.federation) if found.federation else None,
        "fingerprint_compared": compared,
        "head": _spelled(found.head) if found.head else None,
        "verified_before": found.known,
        "checks": [
            {
                "number": result.number,
                "title": result.title,
                "covers": result.covers,
                "status": result.status,
                "count": result.count,
                "failures": [_remark(remark) for remark in result.failures],
                "findings": [_remark(remark) for remark in result.findings],
                "notes": list(result.notes),
                "not_run": result.not_run or None,
            }
            for result in found.results
        ],
        "before": facts(found.before, compared) if found.before else None,
    }


def _remark(remark: Remark) -> dict[str, Any]:
    return {"entry": remark.entry or None, "party": remark.party, "reason": remark.reason}


def _spelled(head: Head) -> str:
    return f"{head.position}:{head.hash.hex()}"
