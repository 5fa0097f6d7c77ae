"""``export``: the record of a federation in a folder, countersigned; ``report``: a page on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from participant.agent.agent import Agent
from participant.agent.snapshot import Snapshot
from participant.cli.commands.options import Given, Json, Timeout, spread
from participant.cli.commands.telling import telling
from participant.cli.commands.working import new_session, say_aside
from participant.cli.sentences.sentence import CHECK_FAILED
from participant.cli.views.terminal import say, say_json
from participant.cli.views.transfer import Transfer, transfer_view
from participant.disk.files import check_replaceable, replace
from participant.disk.lock import look
from participant.home.membership import Membership
from participant.record.folder import RecordFolder
from participant.record.output import RecordOutput
from participant.record.task import RecordTask
from participant.report.gathering import gather
from participant.report.metrics import read_journal
from participant.report.page import render
from protocol.record.writing import prepare
from protocol.words.counted import counted, number_of
from protocol.words.foreign import pasted

_LINE_SECONDS = 5.0

Record = Annotated[Path, typer.Option(help="Folder of the record, made or extended.")]


def add_to(app: typer.Typer) -> None:
    """Put the command under the program's name."""
    app.command()(spread(export))
    app.command()(report)


def export(given: Given, out: Record, timeout: Timeout = None, as_json: Json = False) -> None:
    """Write all that an auditor needs into a folder, and countersign it. No secret is in it."""
    member = given.member()
    with look(member.folder, "export") as is_writable:
        if not is_writable:
            say_aside(f"{member.folder} is only read, so the head of the board is not noted there")
        storage = member.storage if is_writable else Snapshot(member.storage)
        files = RecordOutput(out)
        prepare(files, member.terms, given.terms(signed=True).signatures)
        task = RecordTask(member.terms, member.index, member.identity.signing_key, files)
        session = new_session(member, task, timeout, storage=storage)
        with transfer_view(say_aside) as view:
            told = _reading(task)

            def moved() -> None:
                told(session.agent)
                view.show(_fetching(task))

            session.notices = telling(session, given.context, as_json, moved)
            session.run()
        session.agent.remember_head()
    if as_json:
        say_json(_facts(member, task, out))
    else:
        _show(member, task, out)


def report(
    record: Annotated[Path, typer.Argument(help="The folder of the record.", metavar="RECORD")],
    out: Annotated[Path, typer.Option(help="The page, an HTML file. Replaced.")],
    journal: Annotated[
        Path | None,
        typer.Option(help="A hospital's models/rounds.jsonl, for its own figures."),
    ] = None,
) -> None:
    """Verify a record, and show on one page what it tells. Exit code 5 if a check failed."""
    check_replaceable(out)
    files = RecordFolder(record)
    figures = read_journal(journal) if journal else None
    say_aside("checking the record, which may take as long as the ceremony did …")
    found = gather(files, figures)
    replace(out, render(found).encode())
    out.chmod(0o644)
    if found.failed or found.contents is None:
        say(f"This record FAILED {', '.join(found.failed)}. The page says what: {out}")
        raise typer.Exit(CHECK_FAILED)
    say(f"All checks that were run hold. Report of {found.contents.terms.name}: {out}")


def _reading(task: RecordTask) -> Callable[[Agent], None]:
    """Says now and then how much of a long board has been read."""
    told = time.monotonic()

    def tell(agent: Agent) -> None:
        nonlocal told
        if not agent.begun and time.monotonic() - told >= _LINE_SECONDS:
            told = time.monotonic()
            entries = counted(task.n_read, "entry", "entries")
            are = number_of(task.n_read, "is", "are")
            say_aside(f"reading the board: {entries} {are} read and verified")

    return tell


def _fetching(task: RecordTask) -> Transfer | None:
    now = task.fetching
    return Transfer("fetching payloads", now.done, now.total) if now.done < now.total else None


def _facts(member: Membership, task: RecordTask, out: Path) -> dict[str, Any]:
    assert task.head is not None
    heads = {member.terms.name_of(said.member): said.position for said in task.heads}
    return {
        "event": "exported",
        "record": str(out),
        "entries": task.head.position,
        "head": task.head.hash.hex(),
        "bytes_fetched": task.fetching.total,
        "countersigned": heads,
    }


def _show(member: Membership, task: RecordTask, out: Path) -> None:
    head = task.head
    assert head is not None
    say(f"Record of {member.terms.name}: {out}")
    say(f"  entries        {head.position}, up to {head.hash.hex()[:16]}")
    for said in task.heads:
        upto = "" if said.position == head.position else f", up to entry {said.position}"
        say(f"  countersigned  {member.terms.name_of(said.member)}{upto}")
    if len(task.heads) < member.terms.n_members:
        say("Next: the others run the same command on this folder, or send their heads/.")
    say(f"To check it, anywhere: quorate-participant verify {pasted(out)}")
