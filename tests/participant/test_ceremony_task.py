"""Which ceremony a member takes part in."""

from __future__ import annotations

from participant.ceremony_task import CeremonyTask
from protocol.draft import Draft
from protocol.encoding import encode
from protocol.messages import Abort
from tests.toy import CEREMONY, CeremonyTable, seed_of, toy_federation

ABORT = Draft(CEREMONY, Abort(0, "units", "no more"))


class Seeds:
    """A vault in memory."""

    def __init__(self, label: str, index: int) -> None:
        self._label, self._index = label, index
        self.kept: dict[int, bytes] = {}

    def seed(self, session: str) -> bytes:
        return seed_of(self._label, session.partition("/")[0], self._index)

    def keep(self, session: str, epoch: int, secret: bytes) -> None:
        self.kept[epoch] = secret


def seated(table: CeremonyTable, index: int) -> tuple[CeremonyTask, Seeds]:
    """A member's task that has read the board."""
    seeds = Seeds("toy", index)
    task = CeremonyTask(table.federation.terms, index, seeds)
    task.begin(table.board)
    for posted in table.board.entries:
        if task.wants(posted.post.session):
            task.receive(posted, table.payloads(posted, index))
    return task, seeds


def test_an_aborted_ceremony_is_followed_by_the_next() -> None:
    table = CeremonyTable(toy_federation(3, 2))
    table.say(2, ABORT)
    task, _ = seated(table, 1)
    assert task.session == "ceremony/2"


def test_an_abort_after_all_have_certified_costs_nobody_the_key_share() -> None:
    table = CeremonyTable(toy_federation(3, 2)).run()
    outcome = table.machines[1].outcome
    assert outcome is not None
    table.say(2, ABORT)
    task, seeds = seated(table, 1)
    assert task.session == CEREMONY
    assert task.done
    assert seeds.kept == {1: encode(outcome[1])}
