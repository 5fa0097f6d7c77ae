"""What a hospital does in a round of a study: nothing that it, or too few, have approved."""

import msgspec
import pytest

from protocol.errors import Refused
from protocol.messages.attachment import attach
from protocol.messages.rounds import Complaint, Partial, SetLock
from protocol.rounds.ciphertexts import proof_context
from tests.stage.rounds import contribution
from tests.stage.rounds.contribution import near_to
from tests.stage.rounds.toy_round import (
    EPOCH,
    TERMS,
    Round,
    closed,
    contributed,
    numbers,
    payload_of,
    statistic,
    training,
)
from tests.stage.studies import training_plan


def rule_of(found: Round) -> tuple[str, int]:
    """Why the closed set is refused: rule and member."""
    with pytest.raises(Refused) as raised:
        found.members[1].check_set()
    assert raised.value.round_name == found.view.name
    found.settle()
    assert not found.view.locks
    assert not found.view.partials
    return raised.value.rule, raised.value.member


# ── what too few have approved ──


@pytest.mark.parametrize("later", [(), (4, 5)])
def test_a_round_that_was_opened_before_enough_had_approved_is_refused(later):
    """Three approve, and their three contributions are enough, but four must be ready to open."""
    found = Round(approving=(1, 2, 3))
    found.open()
    for i in (1, 2, 3):
        found.contribute(i, training(i))
    found.approve(*later)
    found.close()
    assert rule_of(found) == ("approved", 0)
    assert set(found.view.refusals) == {1, 2, 3, *later}


def test_a_round_that_was_opened_after_the_end_is_refused():
    found = Round()
    found.end(1, 2, 3, 4)
    found.open()
    found.close([], training(1))
    assert rule_of(found) == ("approved", 0)


def test_a_round_beyond_those_of_the_plan_is_refused():
    found = Round("study/cardio/6")
    found.open()
    found.close([], training(1))
    assert rule_of(found) == ("known-round", 0)
    assert not found.view.refusals, "they would not count"


def test_a_sum_of_fewer_than_the_plan_asks_for_is_refused():
    found = Round(plan=training_plan(TERMS, least_contributors=4))
    found.open()
    for i in (1, 2, 4):
        found.contribute(i, training(i))
    found.close()
    assert rule_of(found) == ("min-contributors", 0)


# ── withdrawals ──


def test_a_set_with_a_member_that_had_withdrawn_is_refused():
    found = contributed((1, 2, 3, 4))
    found.withdraw(4)
    found.close()
    assert rule_of(found) == ("withdrawn", 4)


def test_a_set_without_the_member_that_had_withdrawn_is_opened():
    found = contributed((1, 2, 3, 4))
    found.withdraw(4)
    assert found.members[1].fitting == {1, 2, 3}
    found.close([1, 2, 3])
    found.settle()
    assert set(found.view.locks) == {1, 2, 3, 5}
    assert found.members[1].plaintexts
    assert found.members[4].plaintexts, "a reader learns the sum of a study that it has left"


def test_who_withdraws_after_the_closing_stays_in_the_sum_and_does_not_lock():
    found = closed((1, 2, 4))
    found.withdraw(4)
    assert found.members[1].fitting == {1, 2, 4}
    found.settle()
    assert set(found.view.locks) == {1, 2, 3, 5}
    assert found.members[1].plaintexts


def test_who_has_locked_releases_though_it_withdraws():
    found = closed()
    for i in found.members:
        draft = found.due(i)
        assert draft
        found.publish(i, draft.body)
    found.withdraw(1, 2, 3, 4, 5)
    found.settle()
    assert set(found.view.partials) == {1, 2, 3, 4, 5}
    assert found.members[1].plaintexts


# ── ends ──


def test_a_set_that_was_closed_after_the_end_is_refused():
    found = contributed()
    found.end(1, 2, 3, 4)
    found.close()
    assert rule_of(found) == ("ended", 0)


def test_a_set_that_nobody_had_locked_at_the_end_stays_closed():
    found = closed()
    found.end(1, 2, 3, 4)
    found.settle()
    assert not found.view.locks
    assert not found.view.refusals
    assert all(member.plaintexts is None for member in found.members.values())


def test_a_set_that_enough_had_locked_at_the_end_is_opened():
    found = closed()
    found.settle((1, 2, 3))
    draft = found.due(4)
    assert draft
    found.publish(4, draft.body)
    found.end(1, 2, 3, 4)
    found.settle()
    assert set(found.view.locks) == set(found.view.partials) == {1, 2, 3, 4}
    assert found.members[5].plaintexts


# ── a hospital's own approval ──


@pytest.mark.parametrize("opens", [None, False])
def test_a_hospital_locks_no_set_of_a_study_that_it_has_not_approved(opens):
    """Consent is not enough, be it the command's or a policy's."""
    found = Round(approving=(1, 2, 3, 4))
    if opens is not None:
        found.approve(5, opens=opens)
    found.open()
    for i in (1, 2, 4):
        found.contribute(i, training(i))
    found.close()
    assert found.members[5].consent
    assert found.due(5) is None
    assert not found.members[5].owes_checksum
    found.settle()
    assert set(found.view.locks) == {1, 2, 3, 4}
    assert not found.ledgers[5].chosen
    assert found.members[5].plaintexts


# ── readers ──


def few_read() -> Round:
    """A closed statistic of three members; the other two approve to open it."""
    found = statistic(members=(1, 2, 3))
    found.open()
    for i in (1, 2, 3):
        found.contribute(i, numbers(i, i, 10 * i))
    found.close()
    return found


def test_a_holder_that_reads_nothing_locks_and_releases_and_learns_nothing():
    found = few_read()
    found.settle()
    assert set(found.view.locks) == set(found.view.partials) == {1, 2, 3, 4, 5}
    for posted in found.view.partials.values():
        assert {a.to for a in posted.attachments} == {0, 1, 2, 3}
    learnt = {i: member.plaintexts for i, member in found.members.items()}
    assert [learnt[i] for i in (1, 2, 3)] == [[6, 60]] * 3
    assert learnt[4] is learnt[5] is None
    assert not any(isinstance(p.post.body, Complaint) for p in found.board.entries)


def test_a_holder_that_reads_nothing_finds_no_part_wrong():
    found = few_read()
    found.settle((1, 4, 5))
    found.publish(2, SetLock(found.chosen))
    keys = tuple(attach(b"no key", to) for to in (1, 2, 3))
    found.publish(2, Partial(found.chosen, bytes(32), (attach(b"no parts"), *keys)))
    found.settle()
    assert [m.wrong_partials for m in found.members.values()] == [[2], [2], [2], [], []]
    assert {by for by, about in found.view.complaints if about == 2} == {1, 3}
    assert found.members[1].plaintexts == [6, 60]


# ── what a contribution is near to ──


def test_what_a_contribution_is_near_to_is_bound_to_its_proof():
    """The aggregator, or who copies a contribution, cannot say it for its sender."""
    found = contributed((1, 2))
    made = found.make(4)
    body = msgspec.structs.replace(made.body, near=near_to("study/other/1"))
    found.publish(4, body, made.blobs)
    found.close()
    assert rule_of(found) == ("proof-of-plaintext", 4)


def test_a_contribution_may_say_what_it_is_near_to():
    found, near = statistic(), near_to("study/other/1", 3)
    found.open()
    for i in (1, 2):
        found.contribute(i, numbers(i, i, i))
    opening = found.opened.digest
    opened = contribution.encrypt([4, 4], EPOCH, "near")
    proved = contribution.prove(opened, 4, found.session, opening, EPOCH, near=near)
    payload = payload_of(proved, EPOCH)
    body = contribution.written(proved, opening, EPOCH).body
    found.publish(4, msgspec.structs.replace(body, near=near), (payload,))
    found.close()
    found.settle()
    assert found.members[1].plaintexts == [7, 7]


def test_vector_and_near_are_never_taken_for_each_other():
    name = b"study/" + b"a" * 24 + b"/1"
    assert len(name) == 32
    place = EPOCH.digest, "study/cardio/2", 1, bytes(32)
    contexts = {
        proof_context(*place),
        proof_context(*place, (name,)),
        proof_context(*place, (), near_to(name.decode())),
        proof_context(*place, (name,), near_to(name.decode())),
        proof_context(*place, (name, name)),
        proof_context(*place, (), near_to(7)),
        proof_context(*place, (), near_to(8)),
    }
    assert len(contexts) == 7
