"""An aggregator that adds Δ·x to the sum of the encrypted vectors.

The errors stay as they were, and every hospital would open the same shifted weights and agree on
them. Contributors' checksums add up to that of the true sum alone.
"""

import numpy as np
import pytest

from keyshare.hybrid.checksum import MODULUS, Checksum, sum_checksums
from keyshare.hybrid.key_packing import pack_key
from keyshare.hybrid.one_time_key import read_words
from keyshare.rounds.quantisation import Averager
from participant.rounds import contribution, sum_check
from participant.rounds.sum_check import SumCheck
from participant.rounds.task import DecryptionTask
from protocol.board.draft import Draft
from protocol.board.suite import suite_of
from protocol.messages.rounds import Partial, SetLock
from protocol.rounds.vector_checks import SumVerdict, checksum_key
from tests.stage.rounds.round_table import SESSION, HybridTable
from tests.stage.rounds.toy_round import TERMS, opening_of_training
from tests.stage.studies import STUDY, training_study

EVERYBODY = range(1, 6)
AVERAGE = 0.03  # of 0.01 … 0.05
PLACE = (1, 7)  # a word in the second of three chunks
SLOTS = suite_of("hybrid", training_study(TERMS, suite="hybrid")).slots(opening_of_training())
WEIGHT = 2 * 4_096 + 2 * 7 - SLOTS.head  # which the word carries first
# Eight standard deviations: in one of 10^10 vectors rounding changes a weight by more.
ROUNDED = 8 * Averager(5 * 10, 5, SLOTS.quantisation).rounding_error

pytestmark = pytest.mark.usefixtures("short_chunks")


@pytest.fixture
def table() -> HybridTable:
    found = HybridTable()
    found.contributed()
    return found


def shifted(found: HybridTable) -> dict[tuple[int, int], int]:
    """Words are sent without 4 bits: 4·Δ in them is a weight larger by 2^6 steps, 26 deviations."""
    return {PLACE: 4 * found.lattice.delta}


def assert_caught(found: HybridTable, members: range | list[int] = EVERYBODY) -> None:
    for i in members:
        assert not found.weights(i).any(), "the model stays"
        (void,) = found.said(i, "void")
        assert void["by"] == "aggregator"
        assert void["reason"] == "the aggregator's sum is not that of the contributions"
    statements = found.view(SESSION).statements
    assert len({statements[i] for i in members}) == 1


def assert_right(found: HybridTable, members: range | list[int] = EVERYBODY) -> None:
    for i in members:
        np.testing.assert_allclose(found.weights(i), AVERAGE, atol=ROUNDED)
        assert not found.said(i, "void")


def test_an_honest_sum_is_the_next_model_and_no_vector_is_read_but_the_own(
    table: HybridTable,
) -> None:
    table.close()
    table.settle()
    assert_right(table)
    own = {name: i for i in EVERYBODY for name in table.names(i)}
    assert all(own.get(name, i) == i for i, name in table.read)
    assert {name for _, name in table.read} >= own.keys()


def test_a_shift_is_caught_by_everybody_and_the_aggregator_named(table: HybridTable) -> None:
    table.close(shift=shifted(table))
    table.settle()
    assert_caught(table)
    assert not any(table.said(i, "false-checksum") for i in EVERYBODY)


def test_without_the_check_everybody_takes_the_shifted_model(
    table: HybridTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack itself: if this fails, the tests above may pass for another reason."""

    def believe(check: SumCheck) -> None:
        check.verdict = SumVerdict(is_sum=True, liars=())

    monkeypatch.setattr(sum_check.SumCheck, "compare", believe)
    table.close(shift=shifted(table))
    table.settle()
    for i in EVERYBODY:
        off = np.abs(table.weights(i) - AVERAGE) > ROUNDED
        assert np.flatnonzero(off).tolist() == [WEIGHT]
        assert not table.said(i, "void")
    assert len(set(table.view(SESSION).statements.values())) == 1


@pytest.mark.parametrize("shift", [1, 1 << 40, (1 << 56) - (1 << 49)])
def test_whatever_is_added_and_however_large_the_aggregator_is_named(
    table: HybridTable, shift: int
) -> None:
    """Also where the errors alone would void the round, and tell nobody who did it."""
    table.close(shift={(2, 0): shift})
    table.settle()
    assert_caught(table)


def test_garbage_of_a_contributor_is_not_laid_to_the_aggregators_charge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = HybridTable()
    found.open(SESSION, suite="hybrid")
    for i in EVERYBODY:
        with monkeypatch.context() as patched:
            if i == 3:  # it proves that it knows a key, but another one than its vector's
                patched.setattr(contribution, "pack_key", lambda s, *rest: pack_key(0 * s, *rest))
            draft = found.due(i)
        assert draft is not None
        found.publish(i, draft)
    found.close()
    found.settle()
    for i in EVERYBODY:
        (void,) = found.said(i, "void")
        assert void["by"] == "contributor"
        assert not found.weights(i).any()


# ── contributors who are away ──


def test_a_vector_without_a_checksum_is_read_by_everybody_else(table: HybridTable) -> None:
    del table.tasks[4]
    table.close()
    table.settle()
    present = [1, 2, 3, 5]
    assert_right(table, present)
    for i in present:
        assert [name for j, name in table.read if j == i if name in table.names(4)] == list(
            table.names(4)
        )
    table.join(4)  # and whoever comes later finds the same
    table.settle()
    assert_right(table)


def test_a_shift_is_caught_though_a_contributor_is_away(table: HybridTable) -> None:
    del table.tasks[4]
    table.close(shift=shifted(table))
    table.settle()
    assert_caught(table, [1, 2, 3, 5])
    table.join(4)
    table.settle()
    assert_caught(table)


def test_an_aggregator_that_leaves_out_the_vector_of_who_is_away_is_named(
    table: HybridTable,
) -> None:
    """All checksums that were posted add up: what is missing has to be looked at first."""
    del table.tasks[4]
    table.close(without=(4,))
    table.settle()
    assert_caught(table, [1, 2, 3, 5])


def test_a_lock_whose_checksum_is_empty_or_none_is_a_lock(table: HybridTable) -> None:
    del table.tasks[4], table.tasks[5]  # the other three are one lock short
    table.close()
    table.settle()
    assert not table.view(SESSION).partials
    table.publish(4, Draft(SESSION, SetLock(table.chosen, MODULUS.to_bytes(16, "big"))))
    table.publish(5, Draft(SESSION, SetLock(table.chosen, b"short")))
    table.settle()
    assert_right(table, [1, 2, 3])
    assert not any(table.said(i, "false-checksum") for i in (1, 2, 3))


def test_who_withholds_a_vector_is_waited_for_and_nothing_is_taken(table: HybridTable) -> None:
    del table.tasks[4]
    table.close()
    table.withheld = {table.names(4)[1]}
    table.settle()
    assert {table.task(i).finished for i in (1, 2, 3, 5)} == {0}
    waiting = table.tasks[1].waiting(table.board)
    assert waiting.members == (0,)
    assert (waiting.kind, waiting.facts["whose"]) == ("vector", 4)
    table.withheld.clear()
    table.settle()
    assert_right(table, [1, 2, 3, 5])


def test_a_hospital_that_restarts_before_its_lock_reads_its_vector_back(table: HybridTable) -> None:
    table.join(2)
    table.close()
    table.settle()
    assert_right(table)
    lock = table.view(SESSION).lock_posts[2].post.body
    assert lock == SetLock(table.chosen, table.checksum(2).to_bytes(16, "big"))
    again = table.join(2)
    assert again.finished == 1


def test_a_hospital_that_only_helps_to_decrypt_says_the_checksum_of_what_it_contributed(
    table: HybridTable,
) -> None:
    secret, disk = table.ring(2), table.disks[2]
    helper = DecryptionTask(table.terms, STUDY, 1, secret, disk, lambda question: True)
    table.seat(2, helper)
    table.close()
    table.withheld = {table.names(2)[0]}
    table.stream(2)
    assert helper.due() is None
    waiting = helper.waiting(table.board)
    assert waiting == ("vector", (0,), {})
    table.withheld.clear()
    table.settle()
    assert helper.done
    lock = table.view(SESSION).lock_posts[2].post.body
    assert lock == SetLock(table.chosen, table.checksum(2).to_bytes(16, "big"))
    assert_right(table, [1, 3, 4, 5])


# ── contributors who lie ──


def test_who_posts_a_false_checksum_is_named_and_the_round_goes_on(table: HybridTable) -> None:
    del table.tasks[3]
    table.close()
    table.lock(3, 12345)
    table.settle()
    present = [1, 2, 4, 5]
    assert_right(table, present)
    for i in present:
        assert table.said(i, "false-checksum") == [{"members": ["H3"]}]


def test_a_liar_does_not_hide_the_aggregator(table: HybridTable) -> None:
    del table.tasks[3]
    table.close(shift=shifted(table))
    table.lock(3, 12345)
    table.settle()
    assert_caught(table, [1, 2, 4, 5])
    for i in (1, 2, 4, 5):
        assert table.said(i, "false-checksum") == [{"members": ["H3"]}]


def covering(found: HybridTable, member: int) -> int:
    """What a member has to say for a shifted sum to look right."""
    closing = found.view(SESSION).closed
    assert closing is not None
    summed = Checksum(checksum_key(found.chosen))
    for k, name in enumerate(closing.vector):
        summed.add(k, read_words(found.blobs[name], found.lattice.sum_bytes))
    others = sum_checksums(found.checksum(i) for i in EVERYBODY if i != member)
    return (summed.value - others) % MODULUS


def test_a_contributor_that_covers_the_shift_shifts_the_sum_as_it_could_by_its_own_vector(
    table: HybridTable,
) -> None:
    """The limit of the check, and that it divides nobody: who comes late finds the same."""
    del table.tasks[3], table.tasks[5]
    table.close(shift=shifted(table))
    table.lock(3, covering(table, 3))
    table.settle()
    table.join(5)
    table.settle()
    shifts = {table.weights(i)[WEIGHT] - AVERAGE for i in (1, 2, 4, 5)}
    assert len(shifts) == 1
    assert abs(shifts.pop()) > ROUNDED


def test_a_checksum_after_a_quorum_has_decrypted_does_not_count_for_anybody(
    table: HybridTable,
) -> None:
    """Or else it would decide for those who compare late, and not for those who have."""
    del table.tasks[3], table.tasks[5]
    table.close(shift=shifted(table))
    while len(table.view(SESSION).partials) < table.terms.quorum:
        for i in (1, 2, 4):
            if draft := table.due(i):
                table.publish(i, draft)
        if len(table.view(SESSION).locks) == 3:
            table.publish(5, Draft(SESSION, SetLock(table.chosen)))
    table.lock(3, covering(table, 3))
    table.settle()
    table.join(5)
    table.join(3)
    table.settle()
    assert_caught(table)


def test_a_lock_that_is_too_late_is_made_without_reading(table: HybridTable) -> None:
    del table.tasks[5]
    table.close()
    table.settle()
    del table.blobs[table.names(5)[0]]  # nobody reads it again
    late = table.join(5)
    view = table.view(SESSION)
    assert len(view.partials) >= table.terms.quorum
    draft = late.due()
    assert draft is not None
    assert draft.body == SetLock(table.chosen)


def test_partial_decryptions_of_the_round_come_after_the_locks(table: HybridTable) -> None:
    """So that checksums are there before anybody knows the sum of the keys."""
    table.close()
    table.settle()
    view = table.view(SESSION)
    first = min(p.position for p in view.partials.values() if isinstance(p.post.body, Partial))
    assert sum(p.position < first for p in view.lock_posts.values()) >= table.terms.lock_threshold
