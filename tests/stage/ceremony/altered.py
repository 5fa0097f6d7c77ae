"""Ceremonies in which one member says something else: on its way out, or already in its machine."""

from collections.abc import Callable

import msgspec

from protocol.board.draft import Draft, Envelope
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort, Step
from tests.stage.ceremony.liar import Lies, Lying, PublicLie
from tests.stage.ceremony.small_ceremony import (
    LIAR,
    VICTIM,
    federation,
    label_of,
    name_of,
    plaintexts_of,
)
from tests.stage.files import flipped, with_payload
from tests.stage.toy import CEREMONY, CeremonyTable, Federation, Tamper

Change = Callable[[bytes], bytes]


def altered(
    step: str,
    change: Callable[[CeremonyTable, Draft], Draft],
    culprit: int = LIAR,
    toy: Federation | None = None,
) -> CeremonyTable:
    """A ceremony in which a member's first draft of a step is changed."""
    table, done = CeremonyTable(toy or federation()), list[str]()

    def tamper(sender: int, draft: Draft) -> Draft:
        if sender != culprit or done or name_of(draft.body) != step:
            return draft
        done.append(step)
        return change(table, draft)

    table.run(tamper)
    assert done
    return table


def instead(member: int, step: str, said: Body) -> Tamper:
    """What a member says in the place of its word in a step."""

    def tamper(sender: int, draft: Draft) -> Draft:
        is_its_word = sender == member and name_of(draft.body) == step
        return Draft(CEREMONY, said) if is_its_word else draft

    return tamper


def resealed(
    table: CeremonyTable, draft: Draft, change: Change, sender: int = LIAR, to: int = VICTIM
) -> Draft:
    """The draft with what is sealed to a member changed inside its seal."""
    body = draft.body
    assert isinstance(body, Step)
    payload = plaintexts_of(draft, table, sender)[to]
    keys = {i: m._run.sealing.public for i, m in table.machines.items()}
    envelope = Envelope(table.federation.terms.federation, CEREMONY, sender, keys)
    (attachment,), blobs = envelope.seal_all({to: change(payload)}, label_of(body))
    sealed = blobs[0] if blobs else attachment.data
    return with_payload(draft, to, lambda _: sealed)


def without(draft: Draft, to: int) -> Draft:
    """The draft without the payload for one recipient."""
    assert isinstance(draft.body, Step)
    kept = tuple(a for a in draft.body.attachments if a.to != to)
    return Draft(draft.session, msgspec.structs.replace(draft.body, attachments=kept), draft.blobs)


def turned(place: int) -> Change:
    """Turns over the last bit of a byte."""
    return lambda data: flipped(data, place)


def seat_liar(table: CeremonyTable, liar: int, step: str, change: PublicLie) -> None:
    """Let a member say something else to all in a step, commitment and opening alike."""
    terms, lies = table.federation.terms, Lies({step: change})
    table.machines[liar] = Lying(terms, liar, CEREMONY, table.seeds[liar], lies)


def table_with_liar(
    step: str, change: PublicLie, liar: int = LIAR, toy: Federation | None = None
) -> CeremonyTable:
    """A ceremony with a member that says, and commits to, something else in a step."""
    table = CeremonyTable(toy or federation())
    seat_liar(table, liar, step, change)
    return table.run()


def assert_everybody_names(table: CeremonyTable, culprit: int, step: str) -> None:
    """All stopped for the same reason, nobody has a key, and all abort posts say so."""
    assert table.failures == dict.fromkeys(table.machines, (culprit, step))
    assert all(machine.aborted for machine in table.machines.values())
    assert not any(machine.outcome for machine in table.machines.values())
    aborts = [p.post.body for p in table.board.entries if isinstance(p.post.body, Abort)]
    assert {(abort.culprit, abort.step) for abort in aborts} == {(culprit, step)}


def assert_named(table: CeremonyTable, culprit: int) -> None:
    """No key; the verdict names the culprit and nobody else, and everybody opened its seed."""
    assert not any(machine.outcome for machine in table.machines.values())
    verdict = table.verdict
    assert set(verdict.culprits) == {culprit}, verdict
    assert verdict.silent == ()
