"""Refreshes of the key by hospitals' agents around a real service, with real vaults."""

from pathlib import Path

import pytest

from keyshare.key import combine, trial_ciphertext
from keyshare.key.partial_decryption import partial_decryption
from participant.errors import RetiredShare
from participant.handover import HandoverGivenUp, HandoverTask, Wish
from participant.handover.own import OwnPlace
from participant.home.membership import Membership
from protocol.key.epoch import Epoch, HeldKey
from protocol.messages.handover import HandedDealing
from tests.stage.hall import Hall
from tests.stage.handover.rosters import proposal
from tests.stage.toy import toy_epoch
from tests.stage.toy_home import member_at

TOY = toy_epoch(3, 2)


class Refresh(Hall):
    """Hospitals with vaults, each of whose agents takes part in a handover."""

    members: dict[int, Membership]
    tasks: dict[int, HandoverTask]
    failed: dict[int, HandoverGivenUp]
    seconds: float  # of the hospitals' own clocks
    later_ms: int  # by the machines' clocks than by the aggregator's
    _at_step: HandoverTask

    def homes(self, folder: Path) -> "Refresh":
        self.members = {i: member_at(folder / f"h{i}", i, TOY) for i in (1, 2, 3)}
        self.tasks, self.failed, self.seconds, self.later_ms = {}, {}, 0.0, 0
        return self

    def take_part(self, member: int, wishes: bool = True) -> None:
        own = self.members[member]
        wish = Wish(own.terms) if wishes else None
        task = HandoverTask(
            member, OwnPlace(own), wish, lambda: self.seconds, lambda: self.time_ms + self.later_ms
        )
        self.tasks[member] = task
        self.come(member, task)

    def held(self, member: int) -> HeldKey:
        return self.members[member].held_key()

    def talk_on(self) -> None:
        """Until nobody has anything to say, and beyond the end of those whose task fails."""
        while True:
            try:
                self.talk()
            except HandoverGivenUp as error:
                (ended,) = {i for i in self.agents if self.tasks[i] is self._at_step}
                self.failed[ended] = error
                self.silent.add(ended)
            else:
                return

    def _step(self, i: int) -> bool:
        self._at_step = self.tasks[i]
        return super()._step(i)

    @property
    def newest(self) -> Epoch:
        assert self.service.epoch is not None
        return self.service.epoch


@pytest.fixture
def hall(tmp_path: Path) -> Refresh:
    found = Refresh(tmp_path / "aggregator", federation=TOY.federation)
    return found.homes(tmp_path)


def decrypts(*held: HeldKey) -> bool:
    """Whether these shares give a test value under the first one's key."""
    key = held[0].epoch.joint_key()
    plaintext, ciphertext = trial_ciphertext(key.n, b"any")
    shares = [h.secret.secret_share() for h in held]
    parts = {s.index: partial_decryption(ciphertext, s, key) for s in shares}
    return combine(parts, key) == plaintext


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


def test_a_damaged_share_is_no_hindrance_and_its_member_gets_a_new_one(hall: Refresh) -> None:
    (path,) = hall.members[3].vault.folder.glob("key-share-1.sealed")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    assert decrypts(hall.held(3), hall.held(1))


def test_who_asks_for_what_the_others_have_just_done_asks_for_no_other_one(hall: Refresh) -> None:
    for i in (1, 2, 3):
        hall.take_part(i)
    hall.talk()
    hall.take_part(2)
    hall.talk()
    assert hall.tasks[2].done
    assert len(hall.service.board.key.handovers.all) == 1


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
