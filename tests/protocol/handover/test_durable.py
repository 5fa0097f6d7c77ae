"""Crashes at every durable step, what lies on a shelf when a word is said, and shelves that lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gmpy2 import mpz

from keyshare.digest import number_bytes
from keyshare.handover import Drawn, HandoverPlan, KeyState
from keyshare.key import SecretShare
from protocol.encoding import decode, encode
from protocol.handover import OLD_SHARE, HandoverMember, Succession, machine
from protocol.handover.shelf import ArrivalSecret, KeptDealing
from protocol.messages.handover import (
    Arrival,
    BareWord,
    Content,
    DealingCommitment,
    HandedDealing,
    ShownPart,
)
from tests.protocol.handover.lies import DEALER, GUEST, deals, is_void, plus
from tests.protocol.handover.table import (
    HandoverTable,
    changed,
    decrypts,
    refresh,
    table,
    three_of_five,
)
from tests.stage.toy import toy_epoch

ARRIVAL, DEALING, SHARE = (f"handover/1/{what}" for what in ("arrival", "dealing", "share"))

each_way = pytest.mark.parametrize("happens", [False, True], ids=["before", "after"])


def steps_of(run: Callable[[], HandoverTable]) -> dict[int, int]:
    """How many durable steps each member takes."""
    return {i: shelf.steps for i, shelf in run().shelves.items()}


@each_way
def test_a_crash_at_any_durable_step_changes_nothing(happens: bool) -> None:
    counts = steps_of(lambda: table(refresh()).run())
    # Keys, dealing and share are written; keys, dealing and the old share are erased.
    assert sorted(counts.values()) == [4, 6, 6]
    for member, count in counts.items():
        for step in range(count):
            at = table(refresh())
            at.shelves[member].crash_at, at.shelves[member].happens = step, happens
            at.run()
            assert at.view.attempt.is_settled
            assert at.named == []
            for shelf in at.shelves.values():
                assert shelf.kept.keys() == {SHARE}
                assert len(set(shelf.written)) == len(shelf.written)
            shares = [secret.secret_share() for secret in at.new_secrets().values()]
            assert at.view.epoch is not None
            assert decrypts(at.view.epoch.joint_key(), shares[1:])


def test_each_share_is_checked_once_and_once_more_to_deal_it(monkeypatch) -> None:
    checked, honest = list[int](), KeyState.point

    def point(state: KeyState, share: SecretShare) -> mpz:
        checked.append(share.index)
        return honest(state, share)

    monkeypatch.setattr(KeyState, "point", point)
    at = table(refresh()).run()
    assert at.view.attempt.is_settled
    assert sorted(checked) == [1, 1, 1, 2, 2, 2, 3, 3]  # the first two deal
    for member in at.members.values():
        assert list(member._checked) == [SHARE]  # nothing is left of the old one


def test_sealing_keys_are_made_again_once_to_see_that_it_arrived_with_them(monkeypatch) -> None:
    made, honest = list[bytes](), ArrivalSecret.arrival

    def arrival(keys: ArrivalSecret, about: Succession) -> Arrival:
        made.append(keys.root)
        return honest(keys, about)

    monkeypatch.setattr(ArrivalSecret, "arrival", arrival)
    at = table(refresh()).run()
    assert at.view.attempt.is_settled
    assert len(made) == 6  # to say it, and to compare it
    assert len(set(made)) == 3
    assert all(member._arrived_with is None for member in at.members.values())


def test_a_share_that_was_checked_is_checked_again_where_it_is_another_one() -> None:
    at = table(refresh())
    member, shelf = at.members[1], at.shelves[1]
    assert member._old_secret() is not None
    shelf.kept[OLD_SHARE] = encode(toy_epoch(3, 2).secrets[2])
    assert member._old_secret() is None
    shelf.kept[OLD_SHARE] = encode(toy_epoch(3, 2).secrets[1])
    assert member._old_secret() is not None
    del shelf.kept[OLD_SHARE]
    assert member._old_secret() is None
    assert not member._checked


def a_silent_one_at_the_end() -> HandoverTable:
    def keeps_its_part(at: HandoverTable, sender: int, said: Content) -> Content | None:
        return None if isinstance(said, ShownPart) else said

    return table(refresh(), keeps_its_part, 3)


@each_way
def test_a_crash_in_an_attempt_that_dies_leaves_the_old_share_alone(happens: bool) -> None:
    for member, count in steps_of(lambda: a_silent_one_at_the_end().run()).items():
        for step in range(count):
            at = a_silent_one_at_the_end()
            at.shelves[member].crash_at, at.shelves[member].happens = step, happens
            at.run()
            assert at.view.attempt.is_thawed
            for i in (1, 2):
                assert at.shelves[i].kept == {OLD_SHARE: encode(toy_epoch(3, 2).secrets[i])}


class Restarting(HandoverTable):
    """Each word is asked for again, of a member that has just come back."""

    def due(self, sender: int) -> Content | None:
        said = super().due(sender)
        again = self.member(sender)
        again.waits = self.members[sender].waits
        assert again.due() == said
        return said


@pytest.mark.parametrize("about", [refresh, three_of_five])
def test_who_comes_back_says_the_same(about: Callable[[], Succession]) -> None:
    assert table(about(), kind=Restarting).run().view.attempt.is_settled


def test_who_comes_back_accuses_alike() -> None:
    at = deals(lambda at, h: changed(h, sealed=tuple(map(bytes, map(len, h.sealed)))), Restarting)
    is_void(at, (DEALER, "UNSEALED"))
    assert len(at.accusations) == 1


class Watching(HandoverTable):
    """What a member has to have durable, and erased, when it says something."""

    def say(self, sender: int, content: Content) -> None:
        kept = self.shelves[sender].kept
        if isinstance(content, Arrival):
            assert ARRIVAL in kept
        if isinstance(content, DealingCommitment | HandedDealing):
            assert DEALING in kept
        if isinstance(content, ShownPart):
            assert SHARE in kept
            assert ARRIVAL not in kept
        super().say(sender, content)
        attempt = self.view.attempt
        for i in self.about.rosters.old:
            assert attempt.is_settled or OLD_SHARE in self.shelves[i].kept
        for i in attempt.shown:
            assert attempt.is_thawed or SHARE in self.shelves[i].kept
        for i in attempt.committed - attempt.dealt:
            assert attempt.is_thawed or DEALING in self.shelves[i].kept


@pytest.mark.parametrize("about", [refresh, three_of_five])
def test_a_word_is_said_once_what_it_rests_on_is_durable(about: Callable[[], Succession]) -> None:
    assert table(about(), kind=Watching).run().view.attempt.is_settled


def test_no_seed_of_a_dealing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds, numbers, real = list[bytes](), list[mpz](), machine.draw

    def draw(plan: HandoverPlan, dealer: int, seed: bytes) -> Drawn:
        drawn = real(plan, dealer, seed)
        seeds.append(seed)
        numbers.extend((drawn.mask, *drawn.coefficients))
        return drawn

    monkeypatch.setattr(machine, "draw", draw)
    at = table(refresh()).run(lambda view: view.attempt.is_committed)
    assert len(set(seeds)) == 2
    kept = b"".join(data for shelf in at.shelves.values() for data in shelf.kept.values())
    known = "".join(repr(vars(member)) for member in at.members.values())
    for secret in (*seeds, *map(number_bytes, numbers)):
        assert secret not in kept
        assert repr(secret) not in known
    assert not any(str(int(number)) in known for number in numbers)


# ── shelves that do not fit the board ──


def is_given_up(at: HandoverTable, member: int) -> None:
    """It says what ends the attempt, names nobody, and keeps what it had."""
    said = [content for i, content in at.entries if i == member]
    assert at.members[member].is_unfit
    assert at.view.attempt.is_thawed
    assert at.named == []
    if member in at.about.rosters.old:
        assert BareWord("void") in said


def test_a_lost_dealing_is_not_drawn_again() -> None:
    at = table(refresh())
    at.run(lambda view: 1 in view.attempt.committed)
    del at.shelves[1].kept[DEALING]
    is_given_up(at.run(), 1)
    assert at.shelves[1].written.count(DEALING) == 1


@pytest.mark.parametrize("committed", [False, True])
def test_a_dealing_for_another_board_is_not_drawn_again(committed: bool) -> None:
    """The aggregator has shown this member other dealers, or another newcomer, before a crash."""
    at = table(refresh())
    at.run(lambda view: (1 in view.attempt.committed) if committed else bool(view.attempt.dealers))
    at.members[1].due()
    kept = decode(at.shelves[1].kept[DEALING], KeptDealing, "", 1 << 20)
    other = changed(kept, plan=bytes(32))
    if committed:
        other = changed(kept, handed=changed(kept.handed, nonce=bytes(32)))
    at.shelves[1].kept[DEALING] = encode(other)
    is_given_up(at.run(), 1)
    assert at.shelves[1].written.count(DEALING) == 1


@pytest.mark.parametrize("what", ["root", "subject", "gone", "damaged"])
def test_with_other_keys_than_it_arrived_with_it_accuses_nobody(what: str) -> None:
    """It would be named for a made-up key, though it has only lost one."""
    at = table(three_of_five())
    at.run(lambda view: bool(view.attempt.dealers))
    kept = at.shelves[GUEST].kept
    keys = decode(kept[ARRIVAL], ArrivalSecret, "", 1 << 20)
    data = {
        "root": encode(changed(keys, root=bytes(32))),
        "subject": encode(changed(keys, subject=bytes(32))),
        "damaged": kept[ARRIVAL][1:],
    }
    del kept[ARRIVAL]
    if what in data:
        kept[ARRIVAL] = data[what]
    is_given_up(at.run(), GUEST)
    assert at.accusations == []


def test_keys_of_another_handover_are_not_arrived_with() -> None:
    at = table(refresh())
    keys = ArrivalSecret(refresh("handover/2").subject, bytes(32))
    at.shelves[1].kept[ARRIVAL] = encode(keys)
    is_given_up(at.run(), 1)
    assert 1 not in at.view.attempt.arrived


def test_a_share_that_is_not_read_back_as_it_was_written_is_not_shown() -> None:
    at = table(refresh())
    at.shelves[2].spoils = SHARE
    is_given_up(at.run(), 2)
    assert 2 not in at.view.attempt.shown


def test_a_share_for_another_board_is_left_as_it_is() -> None:
    at = table(refresh())
    at.run(lambda view: view.attempt.is_dealt)
    other = encode(table(refresh()).run().new_secrets()[2])
    at.shelves[2].kept[SHARE] = other
    at.run(lambda view: len(view.attempt.voids) > 1)
    assert at.shelves[2].kept[SHARE] == other
    assert SHARE not in at.shelves[2].written
    is_given_up(at.run(), 2)


def test_a_dealer_whose_share_is_lost_after_its_freeze_gives_up() -> None:
    at = table(refresh())
    at.run(lambda view: bool(view.attempt.dealers))
    del at.shelves[1].kept[OLD_SHARE]
    at.run()
    assert at.members[1].is_unfit
    assert at.view.attempt.is_thawed


def test_what_is_another_sessions_is_left_alone() -> None:
    at = table(refresh())
    at.shelves[1].kept["handover/0/share"] = b"of another"
    at.run()
    assert at.view.attempt.is_settled
    assert at.shelves[1].kept["handover/0/share"] == b"of another"


def test_after_a_misdeed_it_says_only_what_ends_the_attempt() -> None:
    at = deals(lambda at, handed: plus(handed, 1))
    entry = at.view.misdeeds[0].entry
    words = {said.word for _, said in at.entries[entry:] if isinstance(said, BareWord)}
    assert len([said for _, said in at.entries[entry:] if not isinstance(said, BareWord)]) == 0
    assert words == {"void", "thaw"}
    is_void(at, (DEALER, "DIFFERENCE"))


def test_a_member_that_waits_no_longer_says_void_once() -> None:
    member = HandoverMember(refresh(), 1, table(refresh()).shelves[1])
    member.waits = False
    assert member.due() == BareWord("void")
    member.receive(1, BareWord("void"))
    assert member.due() != BareWord("void")
