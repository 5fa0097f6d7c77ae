"""A study of a new federation goes on from a model that hospitals trained in the one before."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.errors import DiskError, NoStart
from participant.home.folders import federation_folder, folder_name
from participant.model.file import model_name
from participant.study.contributed import note_contributed
from participant.study.tasks import ProposalTask
from participant.training.outcome import lacking_start
from participant.training.task import TrainingTask
from participant.waiting import inheritance_waiting
from protocol.board.budget import Surplus
from protocol.errors import BadPlan
from protocol.messages.rounds import Near, Statement
from tests.attacks.studies.test_near import Dummy
from tests.stage.handover.inherited import InheritedKey
from tests.stage.handover.posted import PostedHandover
from tests.stage.handover.tables import table_after
from tests.stage.rounds.round_table import KeyedTable, RoundTable, Steps
from tests.stage.studies import SESSION, STUDY, proposal, training_plan, training_study
from tests.stage.toy import ToyEpoch, toy_epoch

TOY = toy_epoch(5, 3)
OLD = TOY.federation.terms.federation
STAY = [3, 1, 2, 5]  # by their old numbers; hospital 4 has left
NEWCOMER = 5
LAST, FIRST = model_name(STUDY, 1), model_name(STUDY, 0)


def trained() -> RoundTable:
    """A study that was trained for a round, in the old federation."""
    table = KeyedTable(TOY)
    for i in TOY.federation.members:
        table.train(i, Steps())
    table.play(SESSION)
    table.settle()  # all state their models
    return table


def after_a_round() -> tuple[RoundTable, ToyEpoch]:
    """The same, and the federation that then took the key over."""
    table = trained()
    handed = PostedHandover(table, TOY.secrets, [*STAY, "G1"], 3).run()
    return table, InheritedKey(handed).say_all().toy


def going_on(**changes: Any) -> RoundTable:
    """The new federation, where a study of the same name goes on; changes: to its plan."""
    old, toy = after_a_round()
    start: dict[str, Any] = {"start_study": STUDY, "start_round": 1, "start_federation": OLD}
    start |= changes
    found = KeyedTable(toy, training_study(toy.federation.terms, **start))
    for i, number in enumerate(STAY, start=1):
        found.disks[i].beside = {folder_name(OLD): old.disks[number]}
        note_contributed(old.board, number, old.disks[number], found.disks[i])
    return found


def stated(table: RoundTable) -> set[bytes]:
    said = (p.post.body for p in table.board.session(f"study/{STUDY}/0"))
    return {body.result for body in said if isinstance(body, Statement)}


def test_a_study_goes_on_from_the_last_model_of_the_federation_before() -> None:
    table = going_on()
    given = table.disks[1].beside[folder_name(OLD)].read(LAST)
    assert given is not None
    table.disks[NEWCOMER].write(FIRST, given)  # a person has put it there
    for i in table.toy.federation.members:
        table.train(i, Steps())
    table.settle()
    known = table.board.key.inheritance.sums
    assert known is not None
    assert stated(table) == {known.model_after(OLD, STUDY, 1)}
    table.play(SESSION)
    for task in table.tasks.values():
        assert isinstance(task, TrainingTask)
        np.testing.assert_allclose(task.parameters[0], 0.2, atol=1e-3)


def test_without_a_start_a_study_begins_anew() -> None:
    table = going_on(start_study="", start_round=0, start_federation=b"")
    task = table.train(1, Steps())
    np.testing.assert_array_equal(task.parameters[0], 0)


def test_who_has_no_such_model_is_told_where_to_put_it() -> None:
    table = going_on()
    with pytest.raises(NoStart, match="does not have that model") as caught:
        table.train(NEWCOMER, Steps())
    assert caught.value.start == "cardio/1 of a federation before"
    assert caught.value.place == FIRST


def other_model() -> bytes:
    """What another study has made, in a file of the same layout."""
    apart = RoundTable(TOY)
    for i in TOY.federation.members:
        apart.train(i, Steps(0.3))
    apart.play(SESSION)
    found = apart.disks[1].read(LAST)
    assert found is not None
    return found


def test_a_file_with_another_model_is_no_start() -> None:
    table = going_on()
    table.disks[NEWCOMER].write(FIRST, other_model())
    with pytest.raises(NoStart, match="another model"):
        table.train(NEWCOMER, Steps())
    assert not stated(table)


def test_an_old_folder_with_another_model_is_no_start() -> None:
    table = going_on()
    table.disks[1].beside[folder_name(OLD)].write(LAST, other_model())
    with pytest.raises(NoStart, match="another model"):
        table.train(1, Steps())


def test_the_own_old_model_does_where_a_wrong_file_was_given() -> None:
    table = going_on()
    table.disks[1].write(FIRST, other_model())
    np.testing.assert_allclose(table.train(1, Steps()).parameters[0], 0.1, atol=1e-3)


def test_a_model_of_another_app_is_no_start() -> None:
    class Wider(Steps):
        def initial_parameters(self, config: Any) -> Any:
            return [np.zeros((1, 3)), np.zeros(1, dtype=np.float32)]

    with pytest.raises(NoStart, match="no model of this app"):
        going_on().train(1, Wider())


@pytest.mark.parametrize(
    "changes",
    [{"start_study": "other"}, {"start_round": 2}, {"start_federation": b"o" * 32}],
    ids=["study", "round", "federation"],
)
def test_no_plan_starts_from_what_was_not_taken_over(changes: dict[str, Any]) -> None:
    table = going_on(start_study="", start_round=0, start_federation=b"")
    terms = table.terms
    start: dict[str, Any] = {"start_study": STUDY, "start_round": 1, "start_federation": OLD}
    start |= changes
    task = ProposalTask(terms, 1, "next", training_plan(terms, **start))
    task.begin(table.board)
    with pytest.raises(BadPlan, match="was taken over") as caught:
        task.due()
    assert caught.value.field == "start"
    posted = table.say(1, proposal(training_study(terms, "next", **start)))
    assert posted.post.body == Surplus(
        "no model that it could start from was taken over with the key"
    )
    assert "next" not in table.board.studies


def test_a_plan_that_is_proposed_before_the_key_counts_waits_for_it() -> None:
    key = InheritedKey(PostedHandover(trained(), TOY.secrets, [*STAY, "G1"], 3).run())
    terms = key.federation.terms
    start: dict[str, Any] = {"start_study": STUDY, "start_round": 1, "start_federation": OLD}
    task = ProposalTask(terms, 1, "next", training_plan(terms, **start))
    task.begin(key.table.board)
    assert task.due() is None
    assert inheritance_waiting(key.table.board) is not None  # as its people are told
    key.say_all()
    assert task.due() is not None


def test_no_plan_starts_from_a_federation_before_where_no_key_was_taken_over() -> None:
    table, terms = KeyedTable(TOY), TOY.federation.terms
    start: dict[str, Any] = {"start_study": STUDY, "start_round": 1, "start_federation": OLD}
    posted = table.say(1, proposal(training_study(terms, "next", **start)))
    assert isinstance(posted.post.body, Surplus)


def test_it_is_known_before_the_training_whether_the_model_lies_here(tmp_path: Path) -> None:
    start: dict[str, Any] = {"start_study": STUDY, "start_round": 1, "start_federation": OLD}
    study = training_study(TOY.federation.terms, "next", **start)
    here, before = tmp_path / "here", federation_folder(tmp_path, OLD)
    lack = lacking_start(study, here)
    assert lack is not None
    assert lack.place == model_name("next", 0)
    for path in (here / model_name("next", 0), before / LAST):
        path.parent.mkdir(parents=True)
        path.touch()
        assert lacking_start(study, here) is None
        path.unlink()
    assert lacking_start(training_study(TOY.federation.terms), here) is None


def test_an_old_folder_that_does_not_open_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    start: dict[str, Any] = {"start_study": STUDY, "start_round": 1, "start_federation": OLD}
    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(DiskError):
        lacking_start(training_study(TOY.federation.terms, "next", **start), tmp_path)


# ── what is near to its old rounds ──


def named(table: RoundTable) -> set[Near]:
    """What its first round's contributions name, of those that stayed."""
    contributions = table.view(table.session(1)).contributions
    return {posted.post.body.near for i, posted in contributions.items() if i != NEWCOMER}


def contributed(table: RoundTable) -> RoundTable:
    """All but the newcomer contribute to the first round."""
    for i in (1, 2, 3, 4):
        table.train(i, Steps())
    table.settle()
    table.open(table.session(1))
    table.settle()
    return table


def test_a_study_that_goes_on_is_not_compared_with_what_it_goes_on_from() -> None:
    """As its own rounds are not compared with each other, though most weights change by little."""
    assert named(contributed(going_on())) == {Near()}


def further(old: RoundTable, study: str) -> RoundTable:
    """The key goes on once more, and a study goes on from another one's first round."""
    new = table_after(old, [1, 2, 3, 4, "G2"])
    start: dict[str, Any] = {"start_study": study, "start_federation": old.terms.federation}
    plan = training_study(new.terms, "further", start_round=1, **start)
    return contributed(RoundTable(study=plan, at=new))


def test_a_line_goes_on_over_several_federations() -> None:
    middle = going_on()
    for i in (1, 2, 3, 4):
        middle.train(i, Steps())
    middle.play(SESSION)
    middle.settle()
    assert named(further(middle, STUDY)) == {Near()}


def test_a_line_goes_on_on_one_board_too_and_from_there() -> None:
    """There it is compared with what it goes on from, and not with what that goes on from."""
    middle = going_on()
    for i in (1, 2, 3, 4):
        middle.train(i, Steps())
    middle.play(SESSION)
    middle.settle()
    middle.tasks.clear()
    plan = training_study(middle.terms, "next", start_study=STUDY, start_round=1)
    table = contributed(RoundTable(study=plan, at=middle))
    assert named(table) == {Near((SESSION,))}
    table.play(table.session(1))
    table.settle()
    assert named(further(table, "next")) == {Near()}


def test_it_is_compared_with_other_studies_of_the_federation_before() -> None:
    old = trained()
    old.tasks.clear()
    other = RoundTable(study=training_study(old.terms, "tumours"), at=old)
    for i in (1, 2, 3, 4, 5):
        other.train(i, Dummy())
    other.play(other.session(1))
    other.settle()
    table = further(other, "tumours")
    (near,) = named(table)
    assert near == Near((), (0,))
