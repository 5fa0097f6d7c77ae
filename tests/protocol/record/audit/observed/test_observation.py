"""An observer, to whom nothing is sealed, comes to the certificate that the members sign."""

from collections.abc import Callable

import pytest

from protocol.ceremony.machine import Ceremony
from protocol.ceremony.run import OBSERVER
from protocol.messages.ceremony import Certificate
from tests.stage.ceremony.small_ceremony import with_two_batches, with_two_passing
from tests.stage.toy import CEREMONY, CeremonyTable, toy_epoch

TABLES: dict[str, Callable[[], CeremonyTable]] = {
    "one after the other": lambda: toy_epoch(5, 3).table,
    "two batches": with_two_batches,
    "two candidates that pass the screen": with_two_passing,
}


@pytest.mark.parametrize("name", TABLES)
def test_an_observer_follows_a_ceremony_to_its_certificate(name: str) -> None:
    table = TABLES[name]()
    machine = Ceremony(table.federation.terms, OBSERVER, CEREMONY, b"s" * 32)
    for posted in table.board.entries:
        if not isinstance(posted.post.body, Certificate):
            machine.receive(posted, table.payloads(posted, OBSERVER))
    assert machine.failure is None
    signed = {p.post.body for p in table.board.entries if isinstance(p.post.body, Certificate)}
    assert signed == {machine.unsealed()}


def test_an_observer_says_nothing() -> None:
    table = toy_epoch(5, 3).table
    machine = Ceremony(table.federation.terms, OBSERVER, CEREMONY, b"s" * 32)
    for posted in table.board.entries[:-5]:
        machine.receive(posted, table.payloads(posted, OBSERVER))
        assert machine.due() is None
