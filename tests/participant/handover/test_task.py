"""Refreshes of the key by hospitals' agents around a real service, with real vaults."""

import dataclasses
from pathlib import Path

import pytest

from participant.errors import RetiredShare
from participant.handover import Wish
from participant.home.membership import Membership
from protocol.messages.handover import HandedDealing
from tests.stage.handover.refreshes import TOY, Refresh, decrypts
from tests.stage.handover.rosters import proposal


@pytest.fixture
def hall(tmp_path: Path) -> Refresh:
    found = Refresh(tmp_path / "aggregator", federation=TOY.federation)
    return found.homes(tmp_path)


def test_all_have_new_shares_of_the_same_key_and_no_old_ones(hall: Refresh) -> None:
    old = {i: hall.held(i) for i in (1, 2, 3)}
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    assert all(task.done for task in hall.tasks.values())
    assert hall.newest.number == 2
    assert hall.newest.n == TOY.epoch.n
    for i in (1, 2, 3):
        vault = hall.members[i].vault
        assert vault.epochs() == [2]
        with pytest.raises(RetiredShare):
            vault.read_key_share(1, hall.members[i].passphrase)
        assert hall.held(i).epoch == hall.newest
        assert hall.held(i).secret.share != old[i].secret.share
        assert hall.members[i].keys.current.epoch == hall.newest
        assert hall.members[i].keys.of(TOY.epoch.digest) is None
    for pair in ((1, 2), (1, 3), (2, 3)):
        assert decrypts(*(hall.held(i) for i in pair))


def test_an_agent_helps_and_agrees_to_nothing_by_itself(hall: Refresh) -> None:
    hall.take_part(1)
    for i in (2, 3):
        hall.take_part(i, wishes=False)
    hall.talk()
    handover = hall.service.board.key.handovers.last
    assert handover is not None
    assert handover.view.attempt.consents == {1}
    assert handover.view.attempt.arrived == {1, 2, 3}
    hall.tasks[2].agree(Wish(TOY.federation.terms))
    hall.talk()
    assert hall.newest.number == 2
    assert handover.view.attempt.consents == {1, 2}


def damage(member: Membership, epoch: int, place: int) -> None:
    path = member.vault.key_share_path(epoch)
    data = bytearray(path.read_bytes())
    data[place] ^= 5
    path.write_bytes(data)


DAMAGES = {"kind": 0, "version": 20, "length": 21, "federation": 45, "content": -1}  # at a byte


@pytest.mark.parametrize("place", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_share_is_no_hindrance_and_its_member_gets_a_new_one(
    hall: Refresh, place: int
) -> None:
    damage(hall.members[3], 1, place)
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    assert decrypts(hall.held(3), hall.held(1))


@pytest.mark.parametrize("place", DAMAGES.values(), ids=DAMAGES.keys())
def test_who_starts_anew_needs_no_old_share_beside_its_new_one(hall: Refresh, place: int) -> None:
    hall.falls_silent_at[2] = "acknowledge"
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    assert hall.members[1].vault.epochs() == [1, 2]
    damage(hall.members[1], 1, place)
    started = dataclasses.replace(hall.members[1])  # with no key in its memory
    assert started.settled_keys().current.epoch.number == 2


def test_who_asks_for_what_the_others_have_just_done_asks_for_no_other_one(hall: Refresh) -> None:
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    hall.take_part(2)
    hall.talk()
    assert hall.tasks[2].done
    assert len(hall.service.board.key.handovers.all) == 1


@pytest.mark.parametrize("is_lost", [True, False])
def test_who_has_lost_its_new_share_asks_for_another_one_at_once(
    hall: Refresh, is_lost: bool
) -> None:
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    if is_lost:
        hall.members[2].vault.key_share_path(2).unlink()
    else:
        damage(hall.members[2], 2, -1)
    for i in (2, 1, 3):
        hall.take_part(i, wishes=i != 3)
        hall.talk()
    assert [hall.held(i).epoch.number for i in (1, 2, 3)] == [3, 3, 3]


def test_later_a_member_asks_for_another_one(hall: Refresh) -> None:
    hall.later_ms = 3_600_000
    for number in (2, 3):
        for i in (1, 2, 3):
            hall.take_part(i)
        hall.talk()
        assert hall.newest.number == number
        assert [hall.members[i].vault.epochs() for i in (1, 2, 3)] == [[number]] * 3


def test_a_silent_dealer_ends_the_attempt_and_nothing_is_changed(hall: Refresh) -> None:
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.silence([2], HandedDealing)
    hall.talk()
    attempt = hall.service.board.key.handovers.all[0].view.attempt
    assert attempt.is_committed
    assert 2 in attempt.dealers
    hall.seconds += TOY.federation.terms.step_seconds + 1
    hall.talk_on()
    assert hall.newest == TOY.epoch
    assert sorted(hall.failed) == [1, 3]
    for error in hall.failed.values():
        assert (error.step, error.silent, error.culprits) == ("deal", ["H2"], [])
    for i in (1, 3):
        vault = hall.members[i].vault
        assert vault.epochs() == [1]
        assert not vault.has_seed("handover/1")
    assert decrypts(hall.held(1), hall.held(3))


def test_people_who_wish_for_something_else_are_for_giving_up_what_nobody_agreed_to(
    hall: Refresh,
) -> None:
    hall.say(3, "handover/1", proposal(TOY.federation, TOY.epoch, [1, 2, 3, "G1"], 2))
    for i in (1, 2):
        hall.take_part(i)
    hall.talk_on()
    hall.take_part(3)
    hall.talk_on()
    first, second = hall.service.board.key.handovers.all
    assert first.view.attempt.is_thawed
    assert first.view.attempt.voids >= {1, 2}
    assert second.is_refresh


def test_who_wishes_for_something_else_is_told_who_has_not_given_up_what_is_proposed(
    hall: Refresh,
) -> None:
    hall.say(3, "handover/1", proposal(TOY.federation, TOY.epoch, [1, 2, 3, "G1"], 2))
    hall.take_part(1)
    hall.talk()
    waiting = hall.tasks[1].waiting(hall.service.board)
    assert waiting.members == (2, 3)
    assert waiting.facts["names"] == ["H2", "H3"]
    assert (waiting.facts["step"], waiting.facts["needed"]) == ("void", 1)
    assert waiting.facts["is_refresh"]
