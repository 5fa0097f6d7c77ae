"""Helping to decrypt one round: who may, who reads, and what is still to be said then."""

from decimal import Decimal

import pytest

from participant.errors import NotApproved, StudyEnded, UnknownStudy
from participant.rounds.task import DecryptionTask, Question
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from protocol.board.draft import Draft
from protocol.messages.plan import Ending, Withdrawal
from protocol.messages.rounds import Complaint, Refusal
from tests.simulator.disk import Disk
from tests.stage.rounds.rings import ring_in
from tests.stage.rounds.round_table import RoundTable
from tests.stage.rounds.toy_round import SQUARE, TERMS, TOY, contributed
from tests.stage.rounds.wrong_part import Liar
from tests.stage.studies import STATISTIC, STUDY, approval, statistic_study
from tests.stage.toy import number_secret


@pytest.mark.parametrize("reader", [2, 3])
def test_it_is_done_when_whoever_sent_a_wrong_part_is_named(reader: int) -> None:
    found = contributed()
    found.close()
    found.settle(tamper=Liar(found, 1, lambda numbers: [2 * c % SQUARE for c in numbers]))
    keys = ring_in(TOY, reader)
    task = DecryptionTask(TERMS, STUDY, None, keys, Disk(), lambda request: False)
    task.begin(found.board)
    (said,) = (p for p in found.board.entries if isinstance(p.post.body, Complaint))
    for posted in found.board.entries:
        if posted is not said and task.wants(posted.post.session):
            task.receive(posted, found.payloads(posted, reader))
    draft = task.due()  # it agrees to what it has locked before
    assert draft
    assert draft.body == said.post.body
    assert task.member.plaintexts == found.members[reader].plaintexts is not None
    assert not task.member.owes_partial
    assert not task.done
    task.receive(said, {})
    assert task.done
    assert task.due() is None


# ── who may help, and who reads ──


def decrypting(
    table: RoundTable, index: int, asked: list[Question] | None = None
) -> DecryptionTask:
    """A member is asked to help with the last round of the statistic, and agrees."""
    held, disk = table.ring(index), table.disks[index]
    known = [] if asked is None else asked
    agree = lambda question: not known.append(question)  # noqa: E731
    task = DecryptionTask(TERMS, STATISTIC, None, held, disk, agree)
    table.seat(index, task)
    return task


def closed_statistic(*readers: int) -> RoundTable:
    """A statistic of these members, which all holders open, with all contributions."""
    table = RoundTable(study=statistic_study(TERMS, 1, members=readers))
    for i in readers:
        numbers = Numbers("n", (Decimal(10 * i),))
        table.seat(
            i,
            StatisticTask(
                TERMS, STATISTIC, table.ring(i), numbers, table.disks[i], number_secret(i)
            ),
        )
    table.open("study/age/1")
    table.settle()
    table.close("study/age/1")
    table.tasks.clear()
    return table


def test_a_holder_that_is_no_reader_helps_and_ends_without_the_sums() -> None:
    table = closed_statistic(1, 2, 3)
    tasks = {i: decrypting(table, i) for i in (1, 2, 3, 4)}
    table.settle()
    assert all(task.done for task in tasks.values())
    assert [tasks[i].sums for i in (1, 2, 3)] == [[Decimal(60)]] * 3
    assert tasks[4].sums is None
    view = table.view("study/age/1")
    assert 4 in view.locks
    assert 4 in view.partials
    assert 4 not in view.statements
    assert tasks[4].member.plaintexts is None
    later = decrypting(table, 5)
    assert later.done  # enough have helped


def test_without_an_approval_to_open_a_holder_that_is_no_reader_has_nothing_to_do_here() -> None:
    table = closed_statistic(1, 2, 3)
    asked: list[Question] = []
    table.publish(4, Draft("study/age", Withdrawal(table.study_of("study/age").digest)))
    task = decrypting(table, 4, asked)
    with pytest.raises(NotApproved) as caught:
        task.due()
    assert (caught.value.what, caught.value.withdrawn) == ("open", True)
    assert not asked


def test_a_reader_without_an_approval_to_open_reads_what_the_others_open() -> None:
    table = closed_statistic(1, 2, 3)
    table.publish(1, approval(table.study_of("study/age"), opens=False))
    asked: list[Question] = []
    reader = decrypting(table, 1, asked)
    for i in (2, 3, 4, 5):
        decrypting(table, i)
    table.settle()
    assert reader.sums == [Decimal(60)]
    assert not asked
    assert 1 not in table.view("study/age/1").locks


def test_what_is_asked_names_study_and_round_and_what_is_in_it() -> None:
    asked: list[Question] = []
    decrypting(closed_statistic(1, 2, 3), 4, asked).due()
    assert asked == [Question("age/1", "statistic", ("H1", "H2", "H3"), 1)]


def test_a_sum_that_too_few_had_locked_at_the_end_of_the_study_is_never_opened() -> None:
    table = closed_statistic(1, 2, 3)
    first = decrypting(table, 1)
    draft = first.due()
    assert draft is not None
    table.publish(1, draft)
    crossing = decrypting(table, 2).due()
    assert crossing is not None
    post = table.board.open(table.sign(crossing.session, 2, crossing.body))
    for i in (2, 3, 4, 5):
        ending = Ending(table.study_of("study/age").digest)
        table.publish(i, Draft("study/age", ending))
    assert table.tasks[2].explains(post)
    for i in (1, 2, 4):
        with pytest.raises(StudyEnded):
            decrypting(table, i).due()


def test_a_locked_sum_that_too_few_still_help_with_ends_with_its_study() -> None:
    table = closed_statistic(1, 2, 3)
    tasks = {i: decrypting(table, i) for i in (1, 2, 3, 4)}
    for i in tasks:
        draft = tasks[i].due()
        assert draft is not None
        table.publish(i, draft)
    draft = tasks[1].due()
    assert draft is not None
    table.publish(1, draft)
    table.tasks = {1: tasks[1]}
    for i in (2, 3, 4):
        refusal = Refusal("differencing", 0, "with another sum it shows too few")
        table.publish(i, Draft("study/age/1", refusal))
    assert tasks[1].due() is None
    waiting = tasks[1].waiting(table.board)
    assert (waiting.kind, waiting.members) == ("parts", (5,))
    assert (waiting.facts["refused"], waiting.facts["needed"]) == ((2, 3, 4), 2)
    for i in (2, 3, 4, 5):
        table.publish(i, Draft("study/age", Ending(table.study_of("study/age").digest)))
    with pytest.raises(StudyEnded):
        tasks[1].due()


def test_a_study_that_is_not_there_is_named() -> None:
    table = RoundTable()
    task = decrypting(table, 1)
    assert task.waiting(table.board).kind == "board"
    with pytest.raises(UnknownStudy):
        task.due()


# ── who takes their time ──


class Slow:
    """A person who answers once the test says what."""

    def __init__(self) -> None:
        self.answer: bool | None = None
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> bool | None:
        self.asked.append(question)
        return self.answer


def slow(table: RoundTable, index: int) -> tuple[DecryptionTask, Slow]:
    person = Slow()
    held, disk = table.ring(index), table.disks[index]
    task = DecryptionTask(TERMS, STATISTIC, None, held, disk, person)
    table.seat(index, task)
    return task, person


def test_nothing_is_said_before_there_is_an_answer() -> None:
    table = closed_statistic(1, 2, 3)
    task, person = slow(table, 1)
    for _ in range(3):
        assert task.due() is None
    for i in (2, 3, 4, 5):
        decrypting(table, i)
    table.settle()
    assert task.member.plaintexts is not None  # the others have opened it meanwhile
    assert not task.done
    assert task.due() is None
    assert 1 not in table.view("study/age/1").locks
    assert 1 not in table.view("study/age/1").statements
    person.answer = True
    table.settle()
    assert task.done
    assert task.sums == [Decimal(60)]
    assert len(set(person.asked)) == 1  # one question, asked again and again


def test_a_late_no_says_nothing() -> None:
    table = closed_statistic(1, 2, 3)
    task, person = slow(table, 1)
    assert task.due() is None
    person.answer = False
    assert task.due() is None
    asked = len(person.asked)
    table.settle()
    assert len(person.asked) == asked
    assert 1 not in table.view("study/age/1").locks


def test_who_withdraws_at_the_question_reads_what_the_others_open() -> None:
    table = closed_statistic(1, 2, 3)
    task, person = slow(table, 1)
    assert task.due() is None
    table.publish(1, Draft("study/age", Withdrawal(table.study_of("study/age").digest)))
    for i in (2, 3, 4, 5):
        decrypting(table, i)
    table.settle()
    assert task.done
    assert task.sums == [Decimal(60)]
    assert 1 not in table.view("study/age/1").locks
    assert person.answer is None
