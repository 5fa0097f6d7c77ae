"""``export``: the record of a federation in a folder, countersigned; ``report``: a page on it."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from participant.cli.sentences import CHECK_FAILED
from participant.cli.views import Transfer, say, say_json, transfer_view
from participant.cli.work import (
    Given,
    Json,
    Predecessors,
    Timeout,
    Worker,
    run,
    say_aside,
    telling,
    worker_of,
)
from participant.disk import check_replaceable, replace
from participant.hospital import Exported
from participant.record import RecordFolder
from participant.report import gather, read_journal, render
from protocol.terms import Terms
from protocol.words import number_of, pasted
from protocol.words.counted import counted

_LINE_SECONDS = 5.0

Record = Annotated[Path, typer.Option(help="Folder of the record, made or extended.")]


def export(given: Given, out: Record, timeout: Timeout = None, as_json: Json = False) -> None:
    """Write all that an auditor needs into a folder, and countersign it. No secret is in it."""
    hospital = worker_of(given)
    with transfer_view(say_aside) as view:
        told = _reading(hospital)

        def moved() -> None:
            told()
            view.show(_fetching(hospital))

        notices = telling(hospital, given.context, as_json, moved)
        found = run(partial(hospital.export, out, timeout=timeout, notices=notices), hospital)
    if not found.is_noted:
        folder = hospital.folder
        say_aside(f"{folder} is only read, so the head of the board is not noted there")
    if as_json:
        say_json(_facts(found, out))
    else:
        _show(hospital.terms, found, out)


def report(
    record: Annotated[Path, typer.Argument(help="The folder of the record.", metavar="RECORD")],
    out: Annotated[Path, typer.Option(help="The page, an HTML file. Replaced.")],
    journal: Annotated[
        Path | None,
        typer.Option(help="A hospital's studies/NAME/rounds.jsonl, for its own figures."),
    ] = None,
    predecessors: Predecessors = None,
) -> None:
    """Verify a record, and show on one page what it tells. Exit code 5 if a check failed."""
    check_replaceable(out)
    files = RecordFolder(record)
    figures = read_journal(journal) if journal else None
    say_aside("checking the record, which may take as long as the ceremony did …")
    found = gather(files, figures, [RecordFolder(folder) for folder in predecessors or []])
    replace(out, render(found).encode())
    out.chmod(0o644)
    if found.failed or found.contents is None:
        say(f"This record FAILED {', '.join(found.failed)}. The page says what: {out}")
        raise typer.Exit(CHECK_FAILED)
    say(f"All checks that were run hold. Report of {found.contents.terms.name}: {out}")


def _reading(hospital: Worker) -> Callable[[], None]:
    """Says now and then how much of a long board has been read."""
    told = time.monotonic()

    def tell() -> None:
        nonlocal told
        now = hospital.reading
        if now and not now.is_all and time.monotonic() - told >= _LINE_SECONDS:
            told = time.monotonic()
            entries = counted(now.entries, "entry", "entries")
            are = number_of(now.entries, "is", "are")
            say_aside(f"reading the board: {entries} {are} read and verified")

    return tell


def _fetching(hospital: Worker) -> Transfer | None:
    if (now := hospital.reading) is None:
        return None
    return Transfer("fetching payloads", now.done, now.total) if now.done < now.total else None


def _facts(found: Exported, out: Path) -> dict[str, Any]:
    return {
        "event": "exported",
        "record": str(out),
        "entries": found.entries,
        "head": found.head,
        "bytes_fetched": found.bytes_fetched,
        "countersigned": found.countersigned,
    }


def _show(terms: Terms, found: Exported, out: Path) -> None:
    say(f"Record of {terms.name}: {out}")
    say(f"  entries        {found.entries}, up to {found.head[:16]}")
    for name, position in found.countersigned.items():
        upto = "" if position == found.entries else f", up to entry {position}"
        say(f"  countersigned  {name}{upto}")
    if len(found.countersigned) < terms.n_members:
        say("Next: the others run the same command on this folder, or send their heads/.")
    say(f"To check it, anywhere: quorate-participant verify {pasted(out)}")
