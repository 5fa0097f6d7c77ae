"""Wrong partial decryptions in training: reported, complained of, and no hindrance."""

from typing import Any

from participant.training.task import TrainingTask
from protocol.board.draft import Draft
from protocol.board.post import Posted
from protocol.messages.rounds import Complaint
from tests.participant.training.test_task import report_to
from tests.stage.rounds.other_parts import Doubling
from tests.stage.rounds.round_table import Events, RoundTable, Steps
from tests.stage.studies import training_study
from tests.stage.toy import toy_epoch


def doubling(table: RoundTable) -> Doubling:
    return Doubling(table.terms, table.study, table.ring(1), Steps(), table.disks[1], b"")


def test_a_wrong_partial_is_reported_and_complained_of() -> None:
    table = RoundTable()
    liar = doubling(table)
    tasks = [table.train(i, Steps()) for i in (2, 3, 4, 5)]
    table.seat(1, liar)
    reports = Events()
    report_to(tasks[0], reports)
    table.play("study/cardio/1")
    assert all(task.finished == 1 for task in tasks)
    said = [(n, facts) for n, event, facts in reports if event == "wrong-partial"]
    (first, *_) = [p for p in table.board.entries if isinstance(p.post.body, Complaint)]
    by = table.terms.name_of(first.post.sender)
    facts = {"members": ["H1"], "by": by, "entry": first.position, "verdict": "proven"}
    assert said[0] == (1, facts)
    assert not any(task._known.is_bound for task in tasks)


def test_a_task_is_not_done_while_it_owes_a_complaint() -> None:
    table = RoundTable(study=training_study(toy_epoch().federation.terms, rounds=1))
    for i in (2, 3, 4, 5):
        table.train(i, Steps())
    table.seat(1, doubling(table))
    publish, owing = table.publish, list[Any]()

    def watched(sender: int, draft: Draft) -> Posted:
        if isinstance(draft.body, Complaint) and not owing:
            task = table.tasks[sender]
            assert isinstance(task, TrainingTask)
            assert (task.finished, task._known._stance.is_stated) == (1, True)
            owing.append((task, task.done))
        return publish(sender, draft)

    table.publish = watched
    table.play("study/cardio/1")
    ((task, was_done),) = owing
    assert not was_done
    assert task.done


def test_a_complaint_without_cause_is_reported_as_one_and_a_mere_claim_not_at_all() -> None:
    table = RoundTable()
    reports = table.reported(1, Steps())
    for i in (2, 3, 4, 5):
        table.train(i, Steps())
    table.play("study/cardio/1")
    chosen = table.view("study/cardio/1").chosen(table.terms.federation)
    assert chosen
    del reports[:]
    table.publish(5, Draft("study/cardio/1", Complaint(chosen, 2, b"")))
    table.publish(4, Draft("study/cardio/1", Complaint(chosen, 2, bytes(32))))
    entry = table.board.head.position
    facts = {"members": ["H2"], "by": "H4", "entry": entry, "verdict": "false"}
    assert reports == [(1, "false-complaint", facts)]
