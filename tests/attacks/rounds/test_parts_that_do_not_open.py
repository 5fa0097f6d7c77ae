"""A hospital gives a part that nobody can open, so that others who could help think it is done."""

from decimal import Decimal

import msgspec

from participant.rounds.task import DecryptionTask
from participant.service.due_studies import _helps
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from protocol.board.draft import Draft
from protocol.messages.rounds import Complaint, Partial
from protocol.rounds.view import RoundView
from tests.stage.rounds.round_table import RoundTable
from tests.stage.studies import statistic_study
from tests.stage.toy import number_secret, toy_epoch

INSIDE, LIAR, OUTSIDE = (1, 2, 3, 4), 4, 5  # the last is a holder that reads no sum
SESSION = "study/age/1"


def decrypting(table: RoundTable, member: int) -> DecryptionTask:
    place = table.terms, table.study, 1, table.ring(member), table.disks[member]
    task = DecryptionTask(*place, lambda question: True)
    table.seat(member, task)
    return task


def settle(table: RoundTable) -> None:
    """All speak until nobody has anything to say; the liar commits to another key."""
    while drafts := [(i, d) for i in table.tasks if (d := table.due(i))]:
        for sender, draft in drafts:
            table.publish(sender, spoilt(draft) if sender == LIAR else draft)


def spoilt(draft: Draft) -> Draft:
    """A part under a commitment to another key, all else as it was."""
    if not isinstance(draft.body, Partial):
        return draft
    body = msgspec.structs.replace(draft.body, commitment=bytes(32))
    return Draft(draft.session, body, draft.blobs, draft.stored)


def closed() -> RoundTable:
    """A sum of four hospitals, which four of five open; one who is not in it may help."""
    toy = toy_epoch(5, 4)
    table = RoundTable(toy, statistic_study(toy.federation.terms, 1, "age", members=INSIDE))
    table.open(SESSION)
    for i in INSIDE:
        numbers = Numbers("n", (Decimal(10 * i),))
        task = StatisticTask(
            table.terms, table.study, table.ring(i), numbers, table.disks[i], number_secret(i)
        )
        table.seat(i, task)
    table.settle()
    table.tasks.clear()
    table.close(SESSION)
    return table


def test_who_could_help_helps_where_a_part_is_none() -> None:
    table = closed()
    tasks = {i: decrypting(table, i) for i in INSIDE}
    settle(table)
    view = RoundView.of(SESSION, table.board.session(SESSION))
    assert set(view.partials) == set(INSIDE)
    assert {p.post.body.member for p in view.complaints.values()} == {LIAR}
    assert all(isinstance(p.post.body, Complaint) for p in view.complaints.values())
    assert tasks[1].sums is None
    assert _helps(view, table.board.studies["age"], table.board, OUTSIDE)
    outside = decrypting(table, OUTSIDE)
    assert not outside.done
    settle(table)
    assert outside.done
    assert [tasks[i].sums for i in INSIDE[:3]] == [[Decimal(100)]] * 3


def test_who_could_help_is_done_where_enough_parts_are_there() -> None:
    table = closed()
    for i in INSIDE:
        decrypting(table, i)
    table.settle()
    view = RoundView.of(SESSION, table.board.session(SESSION))
    assert not _helps(view, table.board.studies["age"], table.board, OUTSIDE)
    assert decrypting(table, OUTSIDE).done
