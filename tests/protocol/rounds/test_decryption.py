"""The end of a round: what is decrypted, exactly, by whom, and once."""

from decimal import Decimal

import numpy as np
import pytest

from keyshare.rounds.statistic import encode
from participant.home.key_ring import KeyRing
from protocol.board.suite import suite_of
from protocol.key.epoch import HeldKey
from protocol.messages.rounds import Contribution, SetLock
from protocol.rounds.decryption import RoundMember
from protocol.rounds.history import OpenedSets
from protocol.rounds.statistic import decode_sums
from protocol.rounds.view import RoundView, read_training
from tests.stage.rounds.rings import held_in, refreshed
from tests.stage.rounds.toy_round import (
    EPOCH,
    KEY,
    TERMS,
    TRAINING,
    Ledger,
    Round,
    closed,
    contributed,
    examples_of,
    known,
    opening_of_training,
    slots_of,
    statistic,
    training,
    update_of,
)
from tests.stage.rounds.whole_update import average
from tests.stage.studies import SESSION

# ── what is decrypted ──


@pytest.mark.parametrize("contributors", [(1, 2, 4), (2, 3, 4, 5), (1, 2, 3, 4, 5)])
def test_the_decrypted_average_is_that_of_the_plain_integers(contributors):
    found = closed(contributors)
    found.settle()
    slots = suite_of("paillier", TRAINING).slots(opening_of_training())
    q = slots.quantisation
    plain = sum(slots_of(i, slots) for i in contributors)
    expected = average(plain, len(contributors), slots)  # type: ignore[arg-type]
    for member in found.members.values():
        assert member.plaintexts is not None
        opening = member.view.terms_of_opening
        assert opening is not None
        reader = slots.reader(len(contributors))
        update = read_training(member.plaintexts, opening, TRAINING, reader)
        assert update.tobytes() == expected.tobytes()
    weights = np.array([examples_of(i) for i in contributors], dtype=float)
    updates = np.array([update_of(i) for i in contributors])
    exact = (weights[:, None] * updates).sum(0) / weights.sum()
    most = 12 * len(contributors) / q.steps(int(weights.sum()))
    assert np.abs(expected - exact).max() < most * q.clip
    assert not found.refusals


def test_a_statistic_is_the_exact_sum():
    numbers = {1: ["3", "0.5", "-7"], 3: ["5", "0.001", "7"], 4: ["0", "2.25", "1e6"]}
    found = statistic(3, decimals=3)
    found.open()
    for i, row in numbers.items():
        found.contribute(i, known([encode(Decimal(x), 3, 5, KEY.n) for x in row], i))
    found.close()
    found.settle()
    for member in found.members.values():
        assert member.plaintexts is not None
        sums = decode_sums(member.plaintexts, 3, KEY.n)
        assert sums == [Decimal("8.000"), Decimal("2.751"), Decimal("1000000.000")]
        assert [str(x) for x in sums] == ["8.000", "2.751", "1000000.000"]


@pytest.mark.parametrize("who", [(1, 2, 3, 4), (2, 3, 4, 5), (1, 3, 4, 5)])
def test_members_who_say_nothing_are_not_needed_and_learn_the_sum_as_well(who):
    found = closed()
    found.settle(who)
    assert all(member.plaintexts for member in found.members.values())
    assert len({tuple(m.plaintexts or ()) for m in found.members.values()}) == 1


def test_a_member_restarted_at_any_entry_learns_the_same():
    found = closed()
    found.settle()
    for stop in range(len(found.board.entries)):
        again = found.member(2)
        for posted in found.board.entries[:stop]:
            again.receive(posted, found.payloads(posted, 2))
        draft = again.due(Ledger())
        said = {type(p.post.body) for p in found.board.entries[:stop] if p.post.sender == 2}
        assert draft is None or type(draft.body) not in said - {Contribution}
        for posted in found.board.entries[stop:]:
            again.receive(posted, found.payloads(posted, 2))
        assert again.plaintexts == found.members[2].plaintexts


def test_a_key_that_comes_after_the_last_part_opens_them():
    """A hospital that is started anew reads the parts before it has its new key share."""
    found = closed()
    found.settle()
    other = HeldKey(refreshed().epoch, refreshed().secrets[2])
    vault = [other]
    ring = KeyRing(lambda known: tuple(vault)).read()
    history = OpenedSets.of(found.board)
    late = RoundMember(RoundView(found.session), found.state, ring, history)
    for posted in found.board.entries:
        late.receive(posted, found.payloads(posted, 2))
    late.due(Ledger())
    assert late.plaintexts is None
    vault[:] = [held_in(found.toy, 2), other]
    ring.renew()
    late.due(Ledger())
    assert late.plaintexts == found.members[2].plaintexts is not None


# ── locks and consent ──


def test_below_the_lock_threshold_nothing_is_released():
    found = closed()
    found.settle((1, 2, 3))
    view = found.members[1].view
    assert len(view.locks) == 3 == TERMS.lock_threshold - 1
    assert not view.partials
    assert [i for i, ledger in found.ledgers.items() if ledger.chosen] == [1, 2, 3]
    found.settle((1, 2, 3, 4))
    assert len(view.partials) >= EPOCH.quorum
    assert found.members[5].plaintexts


def test_locks_of_another_set_do_not_count():
    found = closed()
    found.publish(4, SetLock(b"another set".ljust(32)))
    found.publish(5, SetLock(b"another set".ljust(32)))
    found.settle((1, 2, 3))
    assert len(found.members[1].view.locks) == 5
    assert not found.members[1].view.partials


def test_a_second_lock_of_a_member_does_not_count():
    found = closed()
    found.publish(4, SetLock(b"another set".ljust(32)))
    found.settle((1, 2, 3))
    chosen = found.chosen
    found.publish(4, SetLock(chosen))
    found.settle((1, 2, 3))
    assert not found.members[1].view.partials


def test_without_consent_nothing_is_said_and_yet_the_sum_is_learnt():
    found = contributed()
    found.members[5].consent = False
    found.close()
    found.settle()
    view = found.members[1].view
    assert 5 not in view.locks
    assert 5 not in view.partials
    assert found.members[5].plaintexts == found.members[1].plaintexts is not None


def test_nothing_is_due_before_the_closing():
    found = contributed()
    assert all(found.due(i) is None for i in found.members)


def test_a_quorum_less_one_of_partials_gives_nothing():
    found = closed()
    locks = [(i, draft) for i in found.members if (draft := found.due(i))]
    for i, draft in locks:
        found.publish(i, draft.body)
    for i in (1, 2):
        draft = found.due(i)
        assert draft
        found.publish(i, draft.body, draft.blobs)
    assert all(member.plaintexts is None for member in found.members.values())
    draft = found.due(3)
    assert draft
    found.publish(3, draft.body, draft.blobs)
    assert all(member.plaintexts for member in found.members.values())


# ── one set in a round ──


def test_a_second_set_after_a_lock_is_refused():
    """Another board, other contributors, the same hospital: its ledger remembers."""
    found = closed()
    found.settle()
    second = closed((1, 2, 3))
    second.ledgers = found.ledgers
    second.settle()
    assert second.refusals == {("one-set", 0)}
    locked = set(found.members[1].view.locks)
    assert len(locked) >= TERMS.lock_threshold
    assert set(second.members[1].view.refusals) == locked
    assert not locked & set(second.members[1].view.locks)
    assert all(member.plaintexts is None for member in second.members.values())


def test_the_same_set_again_is_not_refused():
    found = closed()
    ledgers = {i: Ledger() for i in found.members}
    chosen = found.chosen
    for ledger in ledgers.values():
        ledger.chosen[found.session] = chosen
    found.ledgers = ledgers
    found.settle()
    assert not found.refusals
    assert found.members[1].plaintexts


def test_a_set_is_recorded_before_its_partial_is_made():
    found = closed()
    found.settle((1, 2, 3))
    found.settle((4,))

    class Broken:
        def choose(self, session: str, chosen: bytes) -> bool:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        found.members[1].due(Broken())
    assert 1 not in found.members[1].view.partials


def test_what_is_chosen_depends_on_federation_round_contributors_and_sum():
    def chosen(session: str, contributors: tuple[int, ...], label: str, federation: bytes) -> bytes:
        found = Round(session=session)
        found.open()
        for i in contributors:
            found.contribute(i, training(i, label))
        found.close()
        name = found.members[1].view.chosen(federation)
        assert name is not None
        return name

    mine = TERMS.federation
    names = [
        chosen(SESSION, (1, 2, 4), "round", mine),
        chosen("study/cardio/2", (1, 2, 4), "round", mine),
        chosen(SESSION, (1, 2, 3), "round", mine),
        chosen(SESSION, (1, 2, 4), "other", mine),
        chosen(SESSION, (1, 2, 4), "round", bytes(32)),
    ]
    assert len(set(names)) == len(names)
    assert chosen(SESSION, (1, 2, 4), "round", mine) == names[0]
