"""Whose word counts in a study and in its rounds: the rest is on the board, and unsaid."""

from typing import Any

import pytest

from protocol.board.budget import APPROVALS_A_DAY, PLANS_A_DAY, Surplus
from protocol.board.payload_sizes import labels_bytes
from protocol.board.post import Posted
from protocol.board.study import Study
from protocol.board.study_budget import LABELS_BYTES_A_DAY
from protocol.messages.attachment import attach
from protocol.messages.bodies import Body
from protocol.messages.fields import MAX_LABELS_BYTES
from protocol.messages.plan import Approval, Ending, Withdrawal
from protocol.messages.rounds import (
    Closing,
    Complaint,
    Contribution,
    ModelEntries,
    Near,
    Opening,
    Partial,
    Refusal,
    SetLock,
    Statement,
)
from tests.stage.studies import statistic_plan, statistic_study, training_plan, training_study
from tests.stage.toy import Table, toy_federation

TOY = toy_federation(5, 3)
TERMS = TOY.terms
STUDY = training_study(TERMS)
ROUND = STUDY.round(1)
DAY_MS = 24 * 3_600_000


class Place(Table):
    """A table at which it is asked whether a post counts."""

    def __init__(self, study: Study | None = STUDY, approving: tuple[int, ...] = (1, 2, 3, 4)):
        super().__init__(TOY)
        self.study = study or STUDY
        if study is not None:
            self.found(study, approving)

    def post(self, session: str, sender: int, body: Body) -> Posted:
        return self.put(self.sign(session, sender, body))

    def why(self, session: str, sender: int, body: Body) -> str:
        """Why a post does not count; empty if it does."""
        said = self.post(session, sender, body).post.body
        return said.reason if isinstance(said, Surplus) else ""

    def approve(self, member: int, contribute: bool = True, opens: bool = True) -> str:
        said = Approval(self.study.digest, contribute, opens)
        return self.why(self.study.session, member, said)

    def withdraw(self, member: int) -> str:
        return self.why(self.study.session, member, Withdrawal(self.study.digest))

    def end(self, *members: int) -> None:
        for member in members:
            assert not self.why(self.study.session, member, Ending(self.study.digest))

    def open(self, number: int = 1) -> Posted:
        opening = Opening(self.study.digest, bytes(32), bytes(32), 5)
        return self.post(self.study.round(number), 0, opening)

    def close(self) -> None:
        self.post(self.study.round(1), 0, Closing((), attach(b"sum")))


def contribution(opened: Posted, **changes: Any) -> Contribution:
    return Contribution(opened.digest, attach(b"ciphertexts"), **changes)


LOCK, REFUSAL = SetLock(bytes(32)), Refusal("rule", 0, "reason")
COMPLAINT = Complaint(bytes(32), 2, b"")
PART = Partial(bytes(32), bytes(32), tuple(attach(b"key", to) for to in range(6)))
MODEL = Statement(b"m" * 32, 5)
ENTRIES = ModelEntries(bytes(32), 0, ())


# ── plans ──


def test_the_first_plan_under_a_name_counts_and_no_other_ever():
    place = Place(None)
    other = training_plan(TERMS, rounds=6)
    assert not place.why(STUDY.session, 2, STUDY.plan)
    assert "taken" in place.why(STUDY.session, 1, other)
    assert "said this before" in place.why(STUDY.session, 2, other)
    place.end(1, 2, 3, 4)
    assert "taken" in place.why(STUDY.session, 3, STUDY.plan), "not even when it has ended"
    assert place.board.studies[STUDY.name].study.digest == STUDY.digest
    assert place.board.studies[STUDY.name].proposer == 2


def test_a_plan_that_no_study_can_have_takes_no_name():
    place = Place(None)
    low = training_plan(TERMS, members=(1, 2), least_contributors=2)
    assert "members" in place.why(STUDY.session, 1, low)
    assert not place.board.studies
    assert not place.why(STUDY.session, 2, STUDY.plan)


def test_a_study_starts_from_the_model_of_one_that_is_there():
    place = Place()
    for k, (start, number, fits) in enumerate(
        [("nowhere", 1, False), ("cardio", 6, False), ("cardio", 5, True), ("age", 1, False)]
    ):
        if k == 3:
            place.found(statistic_study(TERMS))
        plan = training_plan(TERMS, start_study=start, start_round=number)
        assert bool(place.why(f"study/next{k}", 1, plan)) != fits


def test_plans_are_so_many_a_day():
    place = Place(None)
    counted = sum(not place.why(f"study/a{k}", 3, statistic_plan(TERMS)) for k in range(150))
    assert counted == PLANS_A_DAY
    assert not place.why("study/mine", 1, statistic_plan(TERMS)), "another member's go on"
    place.now_ms += DAY_MS
    assert not place.why("study/b", 3, statistic_plan(TERMS))


def test_labels_are_bounded_for_a_plan_and_by_the_day():
    place = Place(None)
    fits, many = (tuple(f"{k:030d}" for k in range(n)) for n in (2_000, 2_200))
    assert labels_bytes(many) > MAX_LABELS_BYTES
    assert "bytes" in place.why("study/a", 1, statistic_plan(TERMS, 2_200, labels=many))
    largest = statistic_plan(TERMS, 2_000, labels=fits)
    counted = sum(not place.why(f"study/a{k}", 1, largest) for k in range(20))
    assert counted == LABELS_BYTES_A_DAY // labels_bytes(fits)
    assert not place.why("study/plain", 1, statistic_plan(TERMS)), "without labels it goes on"
    place.now_ms += DAY_MS
    assert not place.why("study/b", 1, largest)


# ── words ──


@pytest.mark.parametrize(
    "word", [lambda d: Approval(d, True, True), Withdrawal, Ending], ids=["approve", "take", "end"]
)
def test_a_word_about_another_plan_does_not_count(word):
    """Not of another study, nor of one of the same name that a hospital was shown elsewhere."""
    place = Place()
    other = training_study(TERMS, clip=9.0)
    assert "another plan" in place.why(STUDY.session, 1, word(other.digest))
    assert "nobody has proposed" in place.why("study/none", 1, word(other.digest))
    assert place.board.studies[STUDY.name].contributors() == (1, 2, 3, 4)


def test_a_word_that_changes_nothing_does_not_count():
    place = Place()
    assert "before" in place.approve(1)
    assert "no approval" in place.withdraw(5)
    assert "approves nothing" in place.approve(5, contribute=False, opens=False)
    assert not place.withdraw(1)
    assert "no approval" in place.withdraw(1)
    assert not place.approve(1, opens=False)
    place.end(1)
    assert "before" in place.why(STUDY.session, 1, Ending(STUDY.digest))
    few = Place(training_study(TERMS, members=(1, 2, 3)), approving=())
    assert "approves nothing" in few.approve(5, opens=False)
    assert not few.approve(5)


def test_approvals_are_so_many_a_day_and_whoever_has_given_one_can_take_it_back():
    """Of all studies together: there may be any number of these."""
    place, other = Place(approving=()), training_study(TERMS, "other")
    place.found(other, approving=())
    counted = 0
    for k in range(APPROVALS_A_DAY):
        place.study = (STUDY, other)[k % 2]
        counted += not place.approve(3, opens=k % 4 < 2)
    assert counted == APPROVALS_A_DAY
    assert "last day" in place.approve(3)
    assert not place.withdraw(3)
    assert "last day" in place.approve(3)
    assert not place.approve(2), "another member's go on"
    place.now_ms += DAY_MS
    assert not place.approve(3)


def test_after_the_end_no_word_counts():
    place = Place()
    place.end(1, 2, 3, 5)
    assert "has ended" in place.approve(5)
    assert "has ended" in place.withdraw(1)
    assert "has ended" in place.why(STUDY.session, 4, Ending(STUDY.digest))


# ── rounds ──


@pytest.mark.parametrize("body", [MODEL, ENTRIES, LOCK, REFUSAL, COMPLAINT])
def test_in_a_study_that_nobody_has_proposed_nothing_counts(body):
    place = Place(None)
    place.open()
    assert "nobody has proposed" in place.why(ROUND, 1, body)


def test_a_round_is_not_due_before_the_one_before_was_opened():
    place = Place()
    assert "not due" in place.why(STUDY.round(2), 1, REFUSAL)
    place.open()
    assert not place.why(STUDY.round(2), 1, REFUSAL)
    assert "not due" in place.why(STUDY.round(3), 1, REFUSAL)
    other = training_study(TERMS, "other")
    place.found(other)
    assert "not due" in place.why(other.round(2), 1, REFUSAL), "each study counts its own"


def test_no_study_has_more_rounds_than_its_plan():
    place = Place()
    for number in range(1, 7):
        place.open(number)
    assert not place.why(STUDY.round(5), 1, MODEL)
    assert "5 rounds" in place.why(STUDY.round(6), 1, MODEL)
    counting = Place(statistic_study(TERMS))
    counting.open(2)
    assert "1 rounds" in counting.why(counting.study.round(2), 1, REFUSAL)
    assert "no model" in counting.why(counting.study.round(0), 1, MODEL)


@pytest.mark.parametrize("body", [MODEL, ENTRIES])
def test_who_does_not_contribute_states_no_model(body):
    place = Place()
    assert not place.why(STUDY.round(0), 1, body)
    assert "does not contribute" in place.why(STUDY.round(0), 5, body)
    place.approve(5, contribute=False)
    assert "does not contribute" in place.why(STUDY.round(0), 5, body)
    place.withdraw(2)
    assert "does not contribute" in place.why(STUDY.round(0), 2, body)


def test_who_has_not_approved_to_contribute_does_not():
    place = Place()
    place.approve(5, contribute=False)
    opened = place.open()
    assert "does not contribute" in place.why(ROUND, 5, contribution(opened))
    assert not place.why(ROUND, 1, contribution(opened))


def test_who_is_no_member_of_the_study_does_not_contribute_whatever_it_approves():
    study = training_study(TERMS, members=(1, 2, 3))
    place = Place(study, approving=(1, 2, 3))
    assert not place.approve(4)
    opened = place.open()
    assert "does not contribute" in place.why(study.round(1), 4, contribution(opened))


def test_who_has_withdrawn_contributes_no_more():
    place = Place()
    opened = place.open()
    place.withdraw(1)
    assert "does not contribute" in place.why(ROUND, 1, contribution(opened))


def test_who_approves_late_joins_at_the_next_opening():
    place = Place()
    opened = place.open()
    assert not place.approve(5)
    assert "after the round was opened" in place.why(ROUND, 5, contribution(opened))
    assert not place.why(STUDY.round(2), 5, contribution(place.open(2)))


def test_a_round_takes_no_contribution_before_it_is_open_nor_after_the_end_of_its_study():
    place = Place()
    assert "not open" in place.why(ROUND, 1, Contribution(bytes(32), attach(b"x")))
    opened = place.open()
    place.end(1, 2, 3, 5)
    assert "has ended" in place.why(ROUND, 4, contribution(opened))


@pytest.mark.parametrize(
    ("near", "counts"),
    [
        ((), True),
        (("study/a/1", "study/b/1"), True),
        (("study/b/1", "study/a/1"), False),
        (("study/a/1", "study/a/1"), False),
        (("study/a/0",), False),
        (("study/a",), False),
        (("check/1",), False),
    ],
)
def test_what_a_contribution_is_near_to_are_rounds_in_order(near, counts):
    place = Place()
    opened = place.open()
    assert bool(place.why(ROUND, 1, contribution(opened, near=Near(near)))) != counts


@pytest.mark.parametrize(
    ("before", "counts"), [((0,), True), ((0, 7), True), ((7, 0), False), ((7, 7), False)]
)
def test_what_a_contribution_is_near_to_from_before_is_in_order(before, counts):
    place = Place()
    opened = place.open()
    assert bool(place.why(ROUND, 1, contribution(opened, near=Near((), before)))) != counts


def test_who_has_not_approved_to_open_locks_nothing():
    place = Place()
    place.approve(5, opens=False)
    place.open()
    place.close()
    assert "not approved to open" in place.why(ROUND, 5, LOCK)
    assert not place.why(ROUND, 1, LOCK)
    place.withdraw(2)
    assert "not approved to open" in place.why(ROUND, 2, LOCK)


def test_nothing_is_locked_after_the_end_and_what_was_locked_is_released():
    place = Place()
    place.open()
    place.close()
    assert not place.why(ROUND, 1, LOCK)
    place.end(1, 2, 3, 5)
    assert "has ended" in place.why(ROUND, 4, LOCK)
    assert not place.why(ROUND, 1, PART)
    assert not place.why(ROUND, 1, COMPLAINT)


@pytest.mark.parametrize("body", [PART, COMPLAINT])
def test_who_has_locked_nothing_releases_and_complains_of_nothing(body):
    place = Place()
    place.open()
    place.close()
    assert "locked no set" in place.why(ROUND, 1, body)
    assert not place.why(ROUND, 1, LOCK)
    assert not place.why(ROUND, 1, body)


def test_who_has_locked_releases_though_it_has_withdrawn():
    place = Place()
    place.open()
    place.close()
    assert not place.why(ROUND, 1, LOCK)
    assert not place.withdraw(1)
    assert not place.why(ROUND, 1, PART)
    assert not place.why(ROUND, 1, COMPLAINT)


def test_who_has_ever_approved_may_refuse():
    place = Place()
    place.open()
    place.withdraw(1)
    assert not place.why(ROUND, 1, REFUSAL)
    assert "never approved" in place.why(ROUND, 5, REFUSAL)
