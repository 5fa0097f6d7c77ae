"""``key``: the care of a key share: look at it, back it up, put it back, another passphrase."""

import hmac
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from participant.cli.views import say, say_json, show_key_standing, standing_facts
from participant.cli.work import (
    FEDERATION,
    PATIENCE_SECONDS,
    FederationFile,
    Given,
    Home,
    Json,
    PassphraseFile,
    Timeout,
    Worker,
    at_home,
    context_of,
    run,
    say_aside,
    seconds,
    spread,
    telling,
    terms_in,
    worker_of,
)
from participant.disk import check_new, hold, write_new
from participant.errors import BadPassphrase, NotAMember
from participant.home import (
    CARD_NAME,
    CHANGED,
    IDENTITY_NAME,
    OF_BACKUP,
    change,
    check_before_asking,
    federation_folder,
    now_ms,
    obtain,
    read_card,
    require_identity,
)
from participant.hospital import Checked, Hospital
from participant.key import (
    Backup,
    NoQuorum,
    QuorumFails,
    Restoring,
    key_standing,
    open_backup,
    purpose_of_backup,
    read_board,
    read_record,
    write_backup,
)
from participant.network import Notices
from participant.words.fingerprint import fingerprint
from protocol.board import Head
from protocol.key import Epoch
from protocol.terms import Terms
from protocol.words import pasted
from protocol.words.counted import counted

key_app = typer.Typer(help="The care of this hospital's key share.")

BackupPassphraseFile = Annotated[
    Path | None, typer.Option(help="File with the backup's own passphrase, else asked.")
]


@key_app.command("check")
@spread
def check(
    given: Given,
    together: Annotated[
        bool,
        typer.Option("--together", help="Decrypt a test value with the members who do so now."),
    ] = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Check that the key share is whole; --together, that a quorum's key shares decrypt."""
    hospital = worker_of(given, needs_key=True)
    epoch, name = _share_checked(hospital)
    words = fingerprint(epoch.digest)
    if not as_json:
        say(f"Key share of {name} in {hospital.terms.name}")
        say(f"  epoch        {epoch.number}")
        say(f"  fingerprint  {words}")
        say("  the key share is whole")
    elif not together:
        facts = {"event": "checked", "epoch": epoch.number, "fingerprint": words, "whole": True}
        say_json(facts)
    if together:
        say_aside("Waiting for the others, who type:")
        say_aside(f"quorate-participant key check --together {given.context.pasted}")
        notices = telling(hospital, given.context, as_json)
        found = _checked(hospital, timeout, notices)
        _show_check(hospital.terms, epoch, found, as_json)
        if len(found.good) < (quorum := hospital.terms.quorum):
            wrong, missing = list(found.wrong), list(found.missing)
            raise NoQuorum(found.session, quorum, list(found.good), wrong, missing)
        if not found.decrypts:
            raise QuorumFails(found.session, list(found.good))


def _share_checked(hospital: Worker) -> tuple[Epoch, str]:
    """The key whose share is whole here, and this hospital's name."""
    if isinstance(hospital, Hospital):
        return hospital.check_share(), hospital.member.identity.name
    epoch, _ = run(partial(hospital.check_key, False), hospital)
    return epoch, hospital.name


def _checked(hospital: Worker, timeout: float | None, notices: Notices) -> Checked:
    if isinstance(hospital, Hospital):
        return run(partial(hospital.check_key, timeout=timeout, notices=notices), hospital)
    course = partial(hospital.check_key, True, timeout=timeout, notices=notices)
    _, found = run(course, hospital)
    assert found is not None
    return found


def _show_check(terms: Terms, epoch: Epoch, found: Checked, as_json: bool) -> None:
    good = [terms.name_of(m) for m in found.good]
    wrong = {terms.name_of(m): reason for m, reason in found.wrong.items()}
    if as_json:
        facts: dict[str, Any] = {
            "event": "checked together",
            "session": found.session,
            "epoch": epoch.number,
            "fingerprint": fingerprint(epoch.digest),
            "good": good,
            "wrong": wrong,
            "missing": [terms.name_of(m) for m in found.missing],
            "quorum": terms.quorum,
            "decrypts": found.decrypts,
        }
        say_json(facts)
        return
    say(f"{found.session}:")
    say(f"  good key shares  {', '.join(good) or 'none'}")
    for name, reason in wrong.items():
        say(f"  {name} sent a wrong part: {reason}")
    if found.decrypts:
        present = f"{len(good) + len(wrong)} of {terms.n_members} present"
        say(f"  {present}: the quorum decrypts the test value")


@key_app.command("status")
def status(
    ctx: typer.Context, file: FederationFile = FEDERATION, home: Home = None, as_json: Json = False
) -> None:
    """Since when this hospital has its key share, and which backups to keep or to destroy."""
    terms, folder = terms_in(ctx, file, signed=True).terms, at_home(ctx, home)
    check_before_asking(terms, folder, needs_key=False)
    _check_home(folder, terms)
    found = key_standing(federation_folder(folder, terms.federation))
    if as_json:
        say_json(standing_facts(found))
        return
    say(f"Key share of {read_card(folder / CARD_NAME).name} in {terms.name}")
    context = context_of(ctx)
    command = f"quorate-participant key backup --out FILE {context.pasted}"
    show_key_standing(found, now_ms(), command)


@key_app.command("backup")
@spread
def backup(
    given: Given,
    out: Annotated[Path, typer.Option(help="The new file, in a safe place.")],
    backup_passphrase_file: BackupPassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Back up identity and key share into one file, sealed with a passphrase of its own."""
    check_new(out)
    member = given.member(needs_key=True)
    text = given.terms(signed=True).text
    passphrase = obtain(backup_passphrase_file, new=True, which=OF_BACKUP)
    if hmac.compare_digest(passphrase.encoded(), member.passphrase.encoded()):
        raise BadPassphrase("that of the data folder", str(member.folder.parent))
    epoch = write_backup(member, text, out, passphrase)
    if as_json:
        say_json({"event": "backed up", "file": str(out), "epoch": epoch.number})
        return
    say(f"Backup of {member.identity.name} in {member.terms.name}: {out}")
    say(f"  key share of epoch  {epoch.number}")
    say("Keep it off this machine, and its passphrase elsewhere than the file. Put back by:")
    say(f"quorate-participant key restore {pasted(out)} {given.context.pasted}")


@key_app.command("restore")
@spread
def restore(
    given: Given,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What key backup made.")],
    record: Annotated[
        Path | None, typer.Option(help="Check against this record instead of the aggregator.")
    ] = None,
    backup_passphrase_file: BackupPassphraseFile = None,
    timeout: Annotated[float, seconds("How long to try to connect.")] = PATIENCE_SECONDS,
    as_json: Json = False,
) -> None:
    """Put identity and key share back, checked against what all members certified.

    The terms are written from the backup if there is no such file.
    """
    file = given.context.file = given.file
    there = given.terms(signed=True) if file.exists() else None
    terms, card = (there.terms, there.card) if there else (None, None)
    folder = given.folder()
    purpose = purpose_of_backup(source, terms)
    opened = open_backup(source, purpose, obtain(backup_passphrase_file, False, which=OF_BACKUP))
    given.context.terms = opened.terms
    is_new = not (folder / IDENTITY_NAME).exists()
    restoring = Restoring(opened, folder, given.passphrase(new=is_new), card)
    with hold(federation_folder(folder, opened.terms.federation), "key restore"):
        is_needed = restoring.is_needed()
        if is_needed:
            seen = _check_against_board(restoring, record, timeout)
            restoring.write(seen)
    if terms is None:
        write_new(file, opened.terms_text.encode())
        file.chmod(0o644)  # the terms are no secret
    _say_restored(opened, is_needed, given.context.here, as_json)


def _say_restored(opened: Backup, is_needed: bool, here: str, as_json: bool) -> None:
    epoch = opened.epoch
    if as_json:
        event = "restored" if is_needed else "nothing to do"
        facts = {"event": event, "epoch": epoch.number, "fingerprint": fingerprint(epoch.digest)}
        say_json(facts)
        return
    if not is_needed:
        say(f"This key share of epoch {epoch.number} is here already: nothing to do.")
        return
    say(f"Restored: {opened.identity.name} in {opened.terms.name}, epoch {epoch.number}")
    say(f"  fingerprint  {fingerprint(epoch.digest)}  (the same at every member)")
    say("Rounds that are open by now are decrypted without this hospital. Next:")
    say(f"quorate-participant key check {here}")


def _check_against_board(restoring: Restoring, record: Path | None, seconds: float) -> Head | None:
    """Raises if the backup is not the one that is due; the head that the aggregator showed."""
    if record is not None:
        known = restoring.known_head()
        restoring.check(read_record(record, restoring.backup.terms, known))
        return None
    board = run(partial(read_board, restoring, seconds))
    restoring.check(board)
    return board.head


@key_app.command("passphrase")
def passphrase(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="Terms, to make sure that this is its home.", metavar="FEDERATION"),
    ] = None,
    home: Home = None,
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the new one, else asked twice.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change the passphrase of this home: its identity and all its federations' secrets."""
    folder = at_home(ctx, home)
    if file is not None:
        _check_home(folder, terms_in(ctx, file, signed=False).terms)
    require_identity(folder)
    old = obtain(passphrase_file, new=False)
    new = obtain(new_passphrase_file, new=True, which=CHANGED)
    count = change(folder, old, new)
    if as_json:
        event = "changed" if count else "changed already"
        say_json({"event": event, "files": count})
    elif count:
        say(f"The passphrase of {folder} is changed: {counted(count, 'sealed file')}.")
        say("Backups made before keep the passphrase that they were made with.")
    else:
        say(f"The passphrase of {folder} is the new one already.")


def _check_home(folder: Path, terms: Terms) -> None:
    """Raises NotAMember unless this home's identity has a place in the terms."""
    card = read_card(folder / CARD_NAME)
    if terms.index_of(card.key) is None:
        raise NotAMember(card.name, folder)
