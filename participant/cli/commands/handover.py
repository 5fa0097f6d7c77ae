"""``key refresh`` and ``handover``: new shares of the same key, for the same members or others."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from participant.cli.commands.terms import succeeded
from participant.cli.views import agrees, say, say_json, show_terms
from participant.cli.work import (
    FEDERATION,
    Given,
    Json,
    Predecessors,
    Timeout,
    Yes,
    hospital_of,
    run,
    say_aside,
    spread,
    telling,
    terms_in,
    worker_of,
)
from participant.disk import hold
from participant.errors import NotAgreed, NotAMember
from participant.handover import RECEIPT_NAME, NoRecord, NothingToHandOver, Wish, begin_from_record
from participant.home import (
    CARD_NAME,
    Membership,
    TermsFile,
    enter_handover,
    federation_folder,
    read_card,
)
from participant.hospital import Hospital
from participant.record import RecordFolder
from participant.words.fingerprint import fingerprint
from protocol.key import Epoch
from protocol.terms import Terms
from protocol.words import pasted


def add_to(key_app: typer.Typer) -> None:
    """Add ``key refresh`` to the commands of ``key``."""
    key_app.command("refresh")(spread(refresh))


def refresh(given: Given, timeout: Timeout = None, as_json: Json = False) -> None:
    """Take new shares of the same key, all members together; the old ones are erased."""
    hospital = worker_of(given)
    say_aside("Waiting for the others, who type:")
    say_aside(f"quorate-participant key refresh {given.context.pasted}")
    notices = telling(hospital, given.context, as_json)
    epoch = run(partial(hospital.hand_over, timeout=timeout, notices=notices), hospital)
    if as_json:
        _say_done("refreshed", epoch)
        return
    say(f"New key shares of {hospital.terms.name}: epoch {epoch.number}. The key is the same.")
    _say_new_share(epoch)
    say(f"quorate-participant key backup {given.context.here} --out FILE")


@dataclass(frozen=True)
class GivenHandover(Given):
    """The terms that are succeeded, and as whom one takes part."""

    file: Annotated[
        Path, typer.Option("--old", help="The terms that the new ones succeed.", metavar="FILE")
    ] = FEDERATION
    new: Annotated[
        Path, typer.Argument(help="The new terms, signed by all new members.", metavar="NEW")
    ] = Path("federation-2.toml")

    def new_terms(self) -> TermsFile:
        """Signed by all, and succeeding the others; raises what is wrong with them."""
        found = terms_in(self.ctx, self.new, signed=True)
        if not found.terms.takes_over_key:
            raise NothingToHandOver(self.new, found.terms.predecessor is not None)
        succeeded(found, self.file)
        return found

    def member(self, needs_key: bool = False) -> Membership:
        """The place on the old members' board, also of one that is new."""
        old, home = self.terms(signed=True), self.folder()
        return enter_handover(old, self.new_terms(), home, self.passphrase())


def handover(
    given: GivenHandover,
    record: Annotated[
        Path | None,
        typer.Option(help="New members: the record of the old federation.", metavar="FOLDER"),
    ] = None,
    predecessors: Predecessors = None,
    yes: Yes = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Hand the key over to new terms, old and new members together.

    Those who leave erase their key shares at the end.
    """
    new, old, home = given.new_terms(), given.terms(signed=True).terms, given.folder()
    own = read_card(home / CARD_NAME)
    is_new, leaves = (terms.index_of(own.key) is None for terms in (old, new.terms))
    if is_new and leaves:
        raise NotAMember(own.name, home)
    if is_new and record is None:
        raise NoRecord(own.name, old.name)
    records = [record, *(predecessors or [])] if record and is_new else []
    files = [RecordFolder(folder) for folder in records]
    show_terms(new, old)
    say()
    if not (yes or agrees(f"Hand the key of {old.name} over to these terms, as {own.name}?")):
        raise NotAgreed(f"the handover to the terms in {given.new}")
    hospital = _newcomer(given, files) if files else worker_of(given)
    context = given.context
    context.file, context.old = given.new, given.file
    if is_new and own.name in (member.name for member in old.members):
        say_aside("This identity is new. Where the old one of this hospital still has its data")
        say_aside("folder, type the same there, too: its key share is erased in the end.")
    say_aside("Waiting for the others, who type:")
    say_aside(f"quorate-participant handover {context.pasted} --old {pasted(given.file)}")
    wish = Wish(new.terms, tuple(new.signatures[m.name] for m in new.terms.members))
    notices = telling(hospital, context, as_json)
    epoch = run(partial(hospital.hand_over, wish, timeout=timeout, notices=notices), hospital)
    if as_json:
        _say_done("left" if leaves else "handed over", epoch)
    else:
        folder = federation_folder(home, old.federation)
        receipt = folder / RECEIPT_NAME if leaves else None
        _say_end(new.terms, epoch, is_new, receipt, context.here)


def _newcomer(given: GivenHandover, records: Sequence[RecordFolder]) -> Hospital:
    """A guest that has verified what it takes over; records: the newest first, at least one."""
    member, newest = given.member(), records[0]
    with hold(member.folder, "handover"):
        begin_from_record(member, newest, newest.folder, records[1:])
    return hospital_of(member)


def _say_end(new: Terms, epoch: Epoch, is_new: bool, receipt: Path | None, here: str) -> None:
    say(f"The key of {new.name} is handed over: epoch {epoch.number}. It is the same key.")
    if receipt is not None:
        say(f"  fingerprint  {fingerprint(epoch.digest)}")
        say("This hospital has left. Its key share is erased here. Destroy all backups of it.")
        say(f"  receipt      {receipt}")
        return
    _say_new_share(epoch, is_new)
    say(f"quorate-participant key backup {here} --out FILE")


def _say_new_share(epoch: Epoch, is_new: bool = False) -> None:
    say(f"  fingerprint  {fingerprint(epoch.digest)}  (the same at every member)")
    if is_new:
        say("This hospital has a key share now. Make a backup of it:")
        return
    say("The old key share is erased here. Destroy all backups of it, then make one of the new:")


def _say_done(event: str, epoch: Epoch) -> None:
    words = fingerprint(epoch.digest)
    say_json({"event": event, "epoch": epoch.number, "fingerprint": words})
