"""Studies: which plans there can be, and what members' words make of them."""

from typing import Any

import msgspec
import pytest

from protocol.board.study import Studies, Study, StudyState, check_plan
from protocol.errors import BadPlan
from protocol.messages.plan import Approval, Ending, Plan, Withdrawal
from protocol.terms.terms import Floors
from tests.stage.studies import statistic_plan, statistic_study, training_plan, training_study
from tests.stage.toy import replace_terms, toy_federation

TERMS = toy_federation(5, 3).terms  # 4 locks, 3 contributors
ALL = (1, 2, 3, 4, 5)


def problem(plan: Plan) -> str:
    """The field that is wrong."""
    with pytest.raises(BadPlan) as raised:
        check_plan(plan, TERMS)
    assert raised.value.reason
    return raised.value.field


# ── plans ──


def test_plans_as_they_should_be_pass():
    for plan in (
        training_plan(TERMS),
        training_plan(TERMS, members=(1, 3, 5), suite="auto", app=b"a" * 32),
        training_plan(TERMS, weights="equal", max_examples=1),
        training_plan(TERMS, start_study="other", start_round=3),
        training_plan(TERMS, least_contributors=5),
        statistic_plan(TERMS, labels=("men", "women")),
        statistic_plan(TERMS, 100_000, decimals=100),
    ):
        check_plan(plan, TERMS)


FROM_BEFORE = {"start_study": "other", "start_round": 1}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"members": (1, 2)}, "members"),
        ({"members": ()}, "members"),
        ({"members": (3, 2, 1)}, "members"),
        ({"members": (1, 2, 2, 3)}, "members"),
        ({"members": (0, 1, 2, 3)}, "members"),
        ({"members": (1, 2, 3, 6)}, "members"),
        ({"least_contributors": 2}, "least_contributors"),
        ({"least_contributors": 6}, "least_contributors"),
        ({"members": (1, 2, 3), "least_contributors": 4}, "least_contributors"),
    ],
)
def test_no_study_is_below_the_federations_floor_or_beyond_its_members(changes, field):
    assert problem(training_plan(TERMS, **changes)) == field
    assert problem(statistic_plan(TERMS, **changes)) == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"clip": 0.0}, "clip"),
        ({"clip": 2e9}, "clip"),
        ({"bits": 7}, "bits"),
        ({"bits": 41}, "bits"),
        ({"max_examples": 1 << 47}, "max_examples"),
        ({"weights": "equal", "max_examples": 2}, "max_examples"),
        ({"start_study": "other"}, "start"),
        ({"start_round": 1}, "start"),
        ({"start_federation": b"f" * 32}, "start_federation"),
        (FROM_BEFORE | {"start_federation": b"f" * 31}, "start_federation"),
        ({"app": b"short"}, "app"),
    ],
)
def test_what_no_training_can_have_is_named(changes, field):
    assert problem(training_plan(TERMS, **changes)) == field


@pytest.mark.parametrize("labels", [("men",), ("men", "men"), ("men", "women", "all")])
def test_labels_are_one_for_each_number_and_all_different(labels):
    assert problem(statistic_plan(TERMS, labels=labels)) == "labels"


def test_a_floor_holds_for_a_plan_that_nobody_checked():
    low = training_study(TERMS, least_contributors=1)
    assert low.least_contributors == 3
    high = training_study(replace_terms(TERMS, floors=Floors(5, 3, 1)), least_contributors=4)
    assert high.least_contributors == 5


def test_more_than_half_of_a_studys_members_agree_on_a_model():
    assert training_study(TERMS).least_agreeing == 3
    wide = toy_federation(9, 5).terms
    assert training_study(wide).least_agreeing == 5
    assert training_study(wide, members=(1, 2, 3, 4, 5)).least_agreeing == 4


def test_every_field_of_a_plan_its_name_and_the_federation_change_its_digest():
    study = training_study(TERMS)
    other = [
        Study(TERMS, "other", study.plan),
        Study(replace_terms(TERMS, name="Other"), study.name, study.plan),
        statistic_study(TERMS, name=study.name),
    ]
    plans: list[dict[str, Any]] = [{"purpose": "Another."}, {"members": (1, 2, 3)}]
    plans += [{"least_contributors": 4}, {"seconds": 11}]
    works: list[dict[str, Any]] = [{"rounds": 6}, {"clip": 9.0}, {"bits": 25}]
    works += [{"max_examples": 999}, {"suite": "auto"}, {"weights": "equal"}]
    works += [{"start_study": "x"}, {"start_round": 1}, {"app": b"a" * 32}, {"run": "a/1"}]
    works += [{"start_federation": b"f" * 32}, {"keep_vectors": 11}]
    other += [training_study(TERMS, **changes) for changes in plans + works]
    assert len({study.digest, *(one.digest for one in other)}) == len(other) + 1
    assert {k for c in plans for k in c} | {"work"} == set(Plan.__struct_fields__)
    assert {k for c in works for k in c} == set(study.training.__struct_fields__)


# ── words ──


def state(*approving: int, study: Study | None = None) -> StudyState:
    """A study, proposed at 1 and approved from 2 on."""
    found = StudyState(study or training_study(TERMS), 1, 1, 0)
    for member in approving:
        say(found, member, contribute=True, opens=True)
    return found


def say(found: StudyState, member: int, **approval: bool) -> int:
    """A word that approves, or takes back where nothing is said; its position."""
    position = 2 + sum(map(len, found.words.values())) + len(found.endings)
    digest = found.study.digest
    said: Any = Withdrawal(digest)
    if approval:
        said = Approval(digest, approval["contribute"], approval["opens"])
    found.take(position, position, member, said)
    return position


def end(found: StudyState, member: int) -> int:
    position = 2 + sum(map(len, found.words.values())) + len(found.endings)
    found.take(position, position, member, Ending(found.study.digest))
    return position


def test_a_study_is_open_once_enough_contribute_and_enough_open():
    assert not state(1, 2, 3).is_open(), "three open, four are needed"
    assert state(1, 2, 3, 4).is_open()
    found = state(1, 2)
    for member in (3, 4):
        say(found, member, contribute=False, opens=True)
    assert not found.is_open(), "two contribute"
    say(found, 5, contribute=True, opens=False)
    assert found.is_open()
    assert found.contributors() == (1, 2, 5)
    assert found.openers() == (1, 2, 3, 4)


def test_training_waits_for_as_many_as_must_agree_on_a_model():
    terms = toy_federation(9, 5).terms
    few = (1, 2, 3, 4)
    training, counting = training_study(terms), statistic_study(terms)
    assert training.least_contributors == counting.least_contributors == 4 < training.least_agreeing
    for study, is_open in ((training, False), (counting, True)):
        found = state(*few, study=study)
        for member in (5, 6, 7, 8, 9):
            say(found, member, contribute=False, opens=True)
        assert found.is_open() == is_open


def test_what_is_no_member_of_the_study_opens_and_does_not_contribute():
    found = state(1, 2, 3, 4, study=training_study(TERMS, members=(1, 2, 3)))
    assert found.contributors() == (1, 2, 3)
    assert found.openers() == (1, 2, 3, 4)
    assert found.is_open()


def test_a_members_last_word_before_a_position_counts():
    found = state(1, 2, 3, 4)
    withdrawn = say(found, 2)
    again = say(found, 2, contribute=True, opens=False)
    assert found.contributes(2, before=withdrawn)
    assert not found.contributes(2, before=withdrawn + 1)
    assert not found.opens(2, before=again)
    assert found.contributes(2, before=again + 1)
    assert not found.opens(2)
    assert found.is_open(before=withdrawn)
    assert not found.is_open()
    assert found.has_approved(2)
    assert not found.has_approved(5)
    assert not found.contributes(1, before=2), "it had not spoken yet"


def test_the_votes_of_as_many_as_lock_end_a_study_for_good():
    found = state(*ALL)
    votes = [end(found, member) for member in (2, 3, 4)]
    assert not found.is_ended()
    end(found, 2)
    assert not found.is_ended(), "one vote each"
    last = end(found, 5)
    assert found.is_ended()
    assert not found.is_ended(before=last)
    assert found.is_ended(before=last + 1)
    assert not found.is_open()
    assert found.is_open(before=votes[0])
    assert found.ended_at == last


def test_who_votes_to_end_a_study_counts_neither_as_contributor_nor_as_opener():
    found = state(1, 2, 3, 4)
    vote = end(found, 4)
    assert found.is_open(before=vote)
    assert not found.is_open(), "three are left to open"
    found = state(*ALL)
    end(found, 4)
    assert found.is_open()
    end(found, 5)
    assert not found.is_open()


def test_a_vote_of_who_has_approved_nothing_counts_too():
    found = state(1)
    for member in (2, 3, 4, 5):
        end(found, member)
    assert found.is_ended()


def test_rounds_and_sessions_of_a_study_have_its_name():
    study = training_study(TERMS, rounds=7)
    assert (study.session, study.round(0), study.round(7)) == (
        "study/cardio", "study/cardio/0", "study/cardio/7",
    )  # fmt: skip
    assert (study.rounds, study.kind) == (7, "training")
    counting = statistic_study(TERMS)
    assert (counting.rounds, counting.kind) == (1, "statistic")
    assert msgspec.structs.replace(study.plan) == study.plan


def test_studies_may_be_looked_through_while_another_is_proposed():
    terms = toy_federation().terms
    studies = Studies(terms)
    plan = statistic_plan(terms, 2)
    studies.take("one", 1, 0, 1, plan)
    seen = []
    for name in studies:
        seen.append(name)
        studies.take("two", 2, 0, 1, plan)
    assert seen == ["one"]
    assert list(studies) == ["one", "two"]
