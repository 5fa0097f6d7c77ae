"""Hospitals that check their key shares together, with the real aggregator between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.server.service import Aggregator
from aggregator.status.text import render
from keyshare.key.threshold_key import SecretShare
from participant.key.check import JOIN_SECONDS, KeyCheckTask
from protocol.key.epoch import HeldKey, epoch_secret
from protocol.messages.check import CheckPart, CheckRequest
from tests.stage.hall import Hall
from tests.stage.rounds.rings import ring_of
from tests.stage.toy import toy_epoch

TOY = toy_epoch(5, 3)
TERMS = TOY.federation.terms


class CheckHall(Hall):
    """Hospitals that check their shares, at a clock that the test sets."""

    def check(self, *members: int, liar: int = 0) -> None:
        """Members type ``key check --together``; the liar's share is off by one."""
        for i in members:
            secret = TOY.secrets[i]
            if i == liar:
                share = SecretShare(i, secret.secret_share().value + 1)
                secret = epoch_secret(TOY.epoch, share, secret.sealing_seed)
            self.come(i, KeyCheckTask(TERMS, ring_of(HeldKey(TOY.epoch, secret)), self.time_ms))

    def task(self, member: int) -> KeyCheckTask:
        task = self.agents[member].task
        assert isinstance(task, KeyCheckTask)
        return task

    def said(self, kind: type) -> list[tuple[str, int]]:
        entries = self.service.board.entries
        return [(p.post.session, p.post.sender) for p in entries if isinstance(p.post.body, kind)]


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[CheckHall]:
    made = CheckHall(tmp_path, TOY.federation, 1_000_000_000, with_key=False)
    yield made
    made.service.close()


def test_three_of_five_decrypt_the_test_value(hall: CheckHall) -> None:
    hall.check(1, 3, 5)
    hall.talk()
    for member in (1, 3, 5):
        task = hall.task(member)
        assert task.done
        assert task.check
        assert sorted(task.check.good) == [1, 3, 5]
        assert task.check.decrypts
        assert task.missing == (2, 4)
        assert hall.agents[member].done
    assert {session for session, _ in hall.said(CheckPart)} == {"check/1"}


def test_a_wrong_share_is_named_at_all_others(hall: CheckHall) -> None:
    hall.check(1, 2, 3, 4, liar=2)
    hall.talk()
    for member in (1, 3, 4):
        check = hall.task(member).check
        assert check
        assert list(check.wrong) == [2]
        assert sorted(check.good) == [1, 3, 4]
        assert check.decrypts


def test_two_good_shares_and_a_wrong_one_wait_for_a_third(hall: CheckHall) -> None:
    hall.check(1, 2, 3, liar=2)
    hall.talk()
    task = hall.task(1)
    assert not task.done
    assert not task.check.decrypts
    said = task.waiting(hall.agents[1].board)
    assert said.members == (4, 5)
    assert (said.kind, said.facts["session"]) == ("check", "check/1")
    hall.check(5)
    hall.talk()
    assert task.done
    assert task.check.decrypts


def test_with_everybodys_part_there_is_nothing_to_wait_for(hall: CheckHall) -> None:
    hall.check(1, 2, 3)
    hall.talk()
    hall.task(1).waits_for_all = True
    assert not hall.task(1).done
    hall.check(4, 5)
    hall.talk()
    assert hall.task(1).done
    assert hall.task(1).missing == ()


def test_alone_nothing_is_decrypted_and_nobody_is_done(hall: CheckHall) -> None:
    hall.check(4)
    hall.talk()
    assert not hall.task(4).done
    assert hall.task(4).missing == (1, 2, 3, 5)


def test_who_comes_within_minutes_joins_and_who_comes_later_asks_anew(hall: CheckHall) -> None:
    hall.check(1)
    hall.talk()
    hall.time_ms += 1000 * JOIN_SECONDS
    hall.check(2)
    hall.talk()
    hall.time_ms += 1
    hall.check(3)
    hall.talk()
    assert hall.said(CheckRequest) == [("check/1", 1), ("check/2", 3)]
    assert hall.said(CheckPart) == [("check/1", 1), ("check/1", 2), ("check/2", 3)]


def test_a_latecomer_says_its_part_though_a_quorum_is_there(hall: CheckHall) -> None:
    hall.check(1, 2, 3)
    hall.talk()
    hall.check(4)
    agent = hall.agents[4]
    agent.receive(hall.service.entries_after(0))
    agent.step()  # it has read the others' parts, and its own is not on the board
    assert not hall.task(4).done
    hall.talk()
    assert hall.task(4).done
    assert ("check/1", 4) in hall.said(CheckPart)


def test_a_check_under_another_key_is_not_joined(hall: CheckHall) -> None:
    body = CheckRequest(bytes(32), bytes(32))
    hall.say(5, "check/1", body)
    hall.check(1)
    hall.talk()
    assert hall.said(CheckRequest) == [("check/1", 5), ("check/2", 1)]


def test_a_complete_check_is_not_joined(hall: CheckHall) -> None:
    hall.check(1, 2, 3, 4, 5)
    hall.talk()
    hall.check(2)
    hall.talk()
    assert hall.said(CheckRequest)[-1] == ("check/2", 2)


def test_over_a_second_link_the_check_stays_the_same(hall: CheckHall) -> None:
    hall.check(1, 2, 3)
    hall.talk()
    task = hall.task(1)
    task.waits_for_all = True
    hall.check(4, 5)
    hall.agents.pop(1)
    hall.talk()  # complete before the first one is there again
    hall.come(1, task)
    hall.talk()
    assert task.done
    assert task.check
    assert task.check.session == "check/1"
    assert sorted(task.check.good) == [1, 2, 3, 4, 5]
    assert len(hall.said(CheckRequest)) == 1


def test_started_again_a_hospital_goes_on_with_the_same_check(hall: CheckHall) -> None:
    hall.check(1)
    hall.talk()
    hall.check(1)
    hall.talk()
    assert len(hall.said(CheckRequest)) == len(hall.said(CheckPart)) == 1


def test_a_crash_between_request_and_part_leaves_one_of_each(hall: CheckHall) -> None:
    hall.check(1)
    agent = hall.agents[1]
    agent.receive(hall.service.entries_after(0))
    agent.step()  # the request is in the outbox, and was never sent
    hall.check(1)
    hall.talk()
    hall.check(2, 3)
    hall.talk()
    assert hall.said(CheckRequest) == [("check/1", 1)]
    assert hall.task(1).done


def test_the_service_counts_a_check_as_no_round_and_starts_again_with_it(hall: CheckHall) -> None:
    hall.check(1, 2, 3)
    hall.talk()
    hall.service.tick()
    report = hall.service.status({})
    assert report["rounds"] == []
    assert "service not running" in render(report, None)[0]
    position = hall.service.board.head.position
    hall.service.close()
    again = Aggregator(TERMS, TOY.federation.keys[0], hall.service._folder, lambda: hall.time_ms)
    hall.service = again
    assert again.board.head.position == position
