"""What the tests of the ceremony have in common: a small federation, and payloads unsealed."""

from collections.abc import Callable
from functools import cache

from keyshare.ceremony.biprimality import accepts
from protocol.board.classes import CandidateLayout
from protocol.board.draft import Draft
from protocol.ceremony.machine import KINDS
from protocol.ceremony.run import Batch, CeremonyRun
from protocol.encoding import encode
from protocol.messages.ceremony import Step
from protocol.sealing import SealContext
from tests.stage.toy import CEREMONY, CeremonyTable, toy_epoch, toy_federation

STEPS = ["join", *KINDS, "certificate"]
N, QUORUM = 4, 2
PUBLIC = list(KINDS)
PRIVATE = [name for name, kind in KINDS.items() if kind.private]
# A dealer of the winner, which speaks in every step, and a member that it seals to.
LIAR = max(toy_epoch(N, QUORUM).table.machines[1]._run.the_winner.exponents)
VICTIM = LIAR % N + 1


def federation():
    return toy_federation(N, QUORUM)


def name_of(body: object) -> str:
    return body.step if isinstance(body, Step) else type(body).__name__.lower()


def opened(table: CeremonyTable, recipient: int, sender: int, label: str, sealed: bytes) -> bytes:
    terms = table.federation.terms
    run = CeremonyRun(terms, recipient, CEREMONY, table.seeds[recipient])
    context = SealContext(terms.federation, CEREMONY, label, sender, recipient)
    return run.sealing.unseal(sealed, context)


def label_of(body: Step) -> str:
    return f"{body.step}/{body.batch}/{body.candidate}"


def plaintexts_of(draft: Draft, table: CeremonyTable, sender: int) -> dict[int, bytes]:
    """A draft's payloads with the seals taken off."""
    body, blobs = draft.body, iter(draft.blobs)
    if not isinstance(body, Step):
        return {0: encode(body)}
    found = dict[int, bytes]()
    for attachment in body.attachments:
        data = next(blobs) if attachment.is_blob else attachment.data
        if attachment.to:
            data = opened(table, attachment.to, sender, label_of(body), data)
        found[attachment.to] = data
    return found


def said_once(position: int) -> CeremonyTable:
    """A ceremony stopped after so many entries."""
    table = CeremonyTable(federation())
    while len(table.board.entries) < position:
        for sender, draft in table.due():
            if len(table.board.entries) < position:
                table.publish(sender, draft)
    return table


def accepted(batch: Batch, layout: CandidateLayout) -> list[int]:
    """The candidates of a batch that passed the screen."""
    return [
        k
        for k, values in batch.witnesses.items()
        if accepts(values, layout.dealers(layout.class_of(k))[0], batch.moduli[k])
    ]


def ceremony_where(condition: Callable[[CeremonyRun], bool]) -> CeremonyTable:
    """The first ceremony, of a hundred with different seeds, that ended in a certain way."""
    for number in range(100):
        table = CeremonyTable(federation(), f"ceremony {number}").run()
        if condition(table.machines[1]._run):
            return table
    raise AssertionError("no such ceremony")


@cache
def with_one_batch() -> CeremonyTable:
    """A ceremony whose first batch has the winner, and a survivor that was screened in vain."""

    def is_it(run: CeremonyRun) -> bool:
        passed = accepted(run.batch, run.layout)
        return run.batch.number == 0 and any(k not in passed for k in run.batch.survivors)

    return ceremony_where(is_it)


@cache
def with_two_batches() -> CeremonyTable:
    """A ceremony that rejected its whole first batch."""
    return ceremony_where(lambda run: run.batch.number == 1)


@cache
def with_two_passing() -> CeremonyTable:
    """A ceremony in which two candidates of the winner's batch passed the screen."""
    return ceremony_where(lambda run: len(accepted(run.batch, run.layout)) > 1)
